//! A batch that is cut.

use std::collections::HashMap;

use domain::{
    Code,
    id::BatchId,
    journal::{self, BatchState, Claim, Expected, Older, Part, Piece, Verdict, ledger},
};
use uuid::Uuid;

use crate::house::{House, batch, new_batch, now, part, sums_of};

/// Claims identities for the parts that shall have them.
async fn claim(house: &House, owned: &[(u128, i64)]) {
    journal::open_month(&house.db, now()).await.expect("opened");
    let cx = house.system().await;
    let month = journal::hold_month(&cx).await.expect("held");
    let month = month.expect("a month");
    let claims: Vec<Claim> = owned
        .iter()
        .map(|(identity, sequence)| Claim {
            identity: Uuid::from_u128(*identity),
            content: 1,
            part: month.part(*sequence),
            event_at: now(),
        })
        .collect();
    let verdicts = journal::claim(&cx, month, &claims, &Older::new(0), Expected::AllNew).await;
    let accepted = vec![Verdict::Accepted; owned.len()];
    assert_eq!(verdicts.expect("verdicts"), accepted);
    cx.commit().await.expect("committed");
}

/// A piece with the only part `own`, into which its identities move.
fn piece<'a>(id: BatchId, own: &'a [Part], identities: &[u128]) -> Piece<'a> {
    let moved = |identity: &u128| (Uuid::from_u128(*identity), own[0].number);
    Piece {
        batch: new_batch(id, own),
        identities: identities.iter().map(moved).collect(),
        received_at: now(),
    }
}

#[tokio::test]
async fn the_pieces_of_a_batch_take_its_identities_over() {
    let house = House::new().await;
    claim(&house, &[(1, 1), (2, 1), (3, 1), (9, 5)]).await;
    house
        .journal(batch(1), &[part(house.alpha, 1, &[1, 2, 3])])
        .await;
    let (same, other) = (
        [part(house.alpha, 2, &[1, 2])],
        [part(house.alpha, 3, &[3])],
    );
    let pieces = [
        piece(batch(1), &same, &[1, 2]),
        piece(batch(2), &other, &[3]),
    ];
    let cx = house.system().await;
    let replaced = journal::replace(&cx, batch(1), &pieces).await;
    replaced.expect("replaced");
    cx.commit().await.expect("committed");
    assert_eq!(house.in_state(BatchState::Journaled).await, [1, 2]);
    let cx = house.system().await;
    let sums = ledger::sums_of(&cx, &[batch(1), batch(2)]).await;
    let expected = HashMap::from([(batch(1), sums_of(2, 3)), (batch(2), sums_of(1, 3))]);
    assert_eq!(sums.expect("sums"), expected);
    // Each identity stands for its new part, and nobody takes the part that is gone for counted.
    let month = journal::hold_month(&cx).await.expect("held");
    let month = month.expect("a month");
    let gone = journal::uncounted_parts(&cx, &[month.part(1)]).await;
    assert_eq!(gone.expect("parts"), [(month.part(1), None)]);
    let asked = [1, 3, 9, 77].map(Uuid::from_u128);
    let moved = journal::parts_of(&cx, month, &asked).await;
    let parts = [(1, 2), (3, 3), (9, 5)];
    let parts = parts.map(|(identity, n)| (Uuid::from_u128(identity), month.part(n)));
    assert_eq!(moved.expect("parts"), HashMap::from(parts));
    let again: Vec<Claim> = [1, 2, 3, 9]
        .map(|identity| Claim {
            identity: Uuid::from_u128(identity),
            content: 1,
            part: month.part(20 + i64::try_from(identity).expect("small")),
            event_at: now(),
        })
        .to_vec();
    let verdicts = journal::claim(&cx, month, &again, &Older::new(0), Expected::SomeKnown).await;
    let of = [2, 2, 3, 5].map(|n| Verdict::Duplicate { of: month.part(n) });
    assert_eq!(verdicts.expect("verdicts"), of);
}

#[tokio::test]
async fn an_identity_of_another_batch_is_in_no_piece() {
    let house = House::new().await;
    claim(&house, &[(1, 1), (9, 5)]).await;
    house.journal(batch(1), &[part(house.alpha, 1, &[1])]).await;
    for foreign in [9, 10] {
        let own = [part(house.alpha, 2, &[foreign])];
        let pieces = [piece(batch(2), &own, &[foreign])];
        let cx = house.system().await;
        let replaced = journal::replace(&cx, batch(1), &pieces).await;
        assert_eq!(replaced.expect_err("not its own").code(), Code::Internal);
        drop(cx);
        assert_eq!(house.in_state(BatchState::Journaled).await, [1]);
    }
}
