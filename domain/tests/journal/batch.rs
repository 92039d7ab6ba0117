//! Every step of a batch's way to the cubes.

use std::collections::HashMap;

use domain::{
    SystemCx,
    journal::{self, BatchState, Month, ledger},
};

use crate::house::{House, after, batch, now, part, sums_of};

#[tokio::test]
async fn journaled_batches_come_by_turns_of_their_tenants() {
    let house = House::new().await;
    let mut tenants = [house.alpha, house.beta];
    tenants.sort_unstable();
    let [alpha, beta] = tenants;
    for n in 1..=3 {
        let sequence = i64::try_from(n).expect("small");
        house
            .journal(batch(n), &[part(alpha, sequence, &[n])])
            .await;
    }
    // One that both share is the first one's, and comes after what that one journaled before.
    let both = [part(alpha, 4, &[4]), part(beta, 5, &[5])];
    house.journal(batch(4), &both).await;
    house.journal(batch(5), &[part(beta, 6, &[6])]).await;
    let cx = house.system().await;
    let by_turns = async |limit| {
        let pending = journal::journaled_by_turns(&cx, limit).await;
        let pending = pending.expect("a list");
        let ids = pending.iter().map(|pending| pending.batch.uuid().as_u128());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(by_turns(2).await, [1, 5]);
    assert_eq!(by_turns(9).await, [1, 5, 2, 3, 4]);
    let counted = journal::mark_counted(&cx, &[batch(1)], after(1)).await;
    counted.expect("marked");
    assert_eq!(by_turns(2).await, [2, 5], "what is counted has no turn");
}

#[tokio::test]
async fn a_batch_is_pending_until_it_is_counted_and_kept_until_it_is_forgotten() {
    let house = House::new().await;
    for n in [3, 1, 2] {
        let (sequence, identities) = (i64::try_from(n).expect("small"), [n, 10 + n]);
        let parts = [
            part(house.alpha, sequence, &identities),
            part(house.beta, 10 + sequence, &identities),
        ];
        house.journal(batch(n), &parts).await;
    }
    // In the order of journaling, whatever their ids are.
    assert_eq!(house.in_state(BatchState::Journaled).await, [3, 1, 2]);
    let cx = house.system().await;
    let first = journal::pending(&cx, BatchState::Journaled, None, 1).await;
    let first = first.expect("a list");
    assert_eq!(
        (first.len(), first[0].batch, first[0].rows),
        (1, batch(3), 4)
    );
    assert_eq!((first[0].apply_by, first[0].attempts), (after(4), 0));

    let sums = ledger::sums_of(&cx, &[batch(1), batch(3), batch(9)]).await;
    let expected = HashMap::from([(batch(1), sums_of(4, 24)), (batch(3), sums_of(4, 32))]);
    assert_eq!(sums.expect("sums"), expected);
    let months = journal::months_of(&cx, batch(1)).await.expect("months");
    let month = Month::of(now());
    assert_eq!(
        months,
        HashMap::from([(house.alpha, month), (house.beta, month)])
    );

    journal::mark_counted(&cx, &[batch(3), batch(1)], after(1))
        .await
        .expect("marked");
    cx.commit().await.expect("committed");
    assert_eq!(house.in_state(BatchState::Journaled).await, [2]);
    assert_eq!(house.in_state(BatchState::Counted).await, [3, 1]);
    let cx = house.system().await;
    let asked: Vec<i64> = [1, 2, 3, 11, 12, 13].map(|n| month.part(n)).to_vec();
    let mut open = journal::uncounted_parts(&cx, &asked).await.expect("parts");
    open.sort_unstable_by_key(|(part, _)| *part);
    let journaled = |n| (month.part(n), Some(BatchState::Journaled));
    assert_eq!(open, [journaled(2), journaled(12)]);

    // What is not counted cannot be forgotten.
    let forgotten = journal::forget(&cx, &[batch(3), batch(2)]).await;
    assert_eq!(forgotten.expect("forgotten"), 1);
    for (n, kept) in [(1, true), (2, true), (3, false)] {
        let payload = journal::payload(&cx, batch(n)).await.expect("an answer");
        let expected = kept.then(|| (7, b"rows".to_vec()));
        let found = payload.map(|payload| (payload.encoding, payload.bytes));
        assert_eq!(found, expected, "{n}");
    }
    let parts = ledger::sums_of(&cx, &[batch(3)]).await.expect("sums");
    assert_eq!(
        parts[&batch(3)],
        sums_of(4, 32),
        "the parts outlive the payload"
    );
    journal::reopen(&cx, &[batch(1)]).await.expect("reopened");
    cx.commit().await.expect("committed");
    assert_eq!(house.in_state(BatchState::Journaled).await, [1, 2]);
}

#[tokio::test]
async fn only_the_attempt_that_is_the_last_one_can_be_ended() {
    let house = House::new().await;
    let parts = [part(house.alpha, 1, &[1])];
    house.journal(batch(1), &parts).await;
    let cx = house.system().await;
    let state = async |cx: &SystemCx| {
        let pending = journal::pending(cx, BatchState::Journaled, None, 1).await;
        let pending = pending.expect("a list").remove(0);
        (pending.apply_by, pending.attempts, pending.reason)
    };
    let end = async |apply_by, reason| {
        let ended = journal::end_attempt(&cx, batch(1), apply_by, after(0), reason).await;
        ended.expect("ended");
    };
    let begin = async |apply_by| {
        let begun = journal::begin_attempt(&cx, batch(1), apply_by).await;
        begun.expect("asked")
    };
    assert!(begin(after(20)).await);
    assert!(!begin(after(19)).await, "somebody else has begun since");
    end(after(4), Some("of an attempt before")).await;
    assert_eq!(state(&cx).await, (after(20), 0, None));
    end(after(20), Some("no disk")).await;
    assert_eq!(state(&cx).await, (after(0), 1, Some("no disk".into())));
    end(after(20), Some("twice")).await;
    assert_eq!(state(&cx).await, (after(0), 1, Some("no disk".into())));
    // An attempt that was broken off is none that was refused.
    end(after(0), None).await;
    assert_eq!(state(&cx).await, (after(0), 1, Some("no disk".into())));
    journal::mark_counted(&cx, &[batch(1)], now())
        .await
        .expect("marked");
    end(after(0), Some("late")).await;
    assert!(!begin(after(30)).await, "it is counted");
    let counted = journal::pending(&cx, BatchState::Counted, None, 1).await;
    let counted = &counted.expect("a list")[0];
    assert_eq!((counted.attempts, counted.reason.as_deref()), (1, None));
}

#[tokio::test]
async fn a_quarantined_batch_keeps_its_reason_until_it_is_released() {
    let house = House::new().await;
    for n in [1, 2] {
        let sequence = i64::try_from(n).expect("small");
        house
            .journal(batch(n), &[part(house.alpha, sequence, &[n])])
            .await;
    }
    let cx = house.system().await;
    let ended = journal::end_attempt(&cx, batch(1), after(4), now(), Some("no")).await;
    ended.expect("ended");
    journal::quarantine(&cx, batch(1), "no such column")
        .await
        .expect("quarantined");
    cx.commit().await.expect("committed");
    assert_eq!(house.in_state(BatchState::Journaled).await, [2]);
    let cx = house.system().await;
    let kept = journal::pending(&cx, BatchState::Quarantined, None, 9).await;
    let kept = kept.expect("a list");
    assert_eq!(
        (kept.len(), kept[0].batch, kept[0].reason.as_deref()),
        (1, batch(1), Some("no such column"))
    );
    let asked = [1, 2].map(|n| Month::of(now()).part(n));
    let mut open = journal::uncounted_parts(&cx, &asked).await.expect("parts");
    open.sort_unstable_by_key(|(part, _)| *part);
    let states: Vec<BatchState> = open.into_iter().filter_map(|(_, state)| state).collect();
    assert_eq!(states, [BatchState::Quarantined, BatchState::Journaled]);

    assert_eq!(journal::release(&cx).await.expect("released"), 1);
    assert_eq!(journal::release(&cx).await.expect("released"), 0);
    let tried = journal::pending(&cx, BatchState::Journaled, None, 9).await;
    let tried = tried.expect("a list");
    assert_eq!((tried.len(), tried[0].batch), (2, batch(1)));
    assert_eq!((tried[0].attempts, &tried[0].reason), (0, &None));
}
