//! Rollups of sessions: what is counted, whatever the order, the repetition and the process in which they come.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    Clock as _, Code, journal, session,
    tenant::{self, SetSettings},
};
use futures::future::join_all;
use ingest::pipeline::{Intake, NoFault, Step};

use crate::{
    fault::StopAt,
    world::{
        Dice, FOREIGN, LONG, Sent, World, codes, impatient, logged, numbers, plain, post_rollups,
        post_text, sent, session_ledger, stream,
    },
};

async fn deliver(world: &World, intake: &Intake, rollups: &[Sent]) -> [u64; 4] {
    let posted = post_rollups(world, intake, &world.alpha, rollups).await;
    numbers(&posted.expect("taken"))
}

#[tokio::test]
async fn the_examples_come_to_their_numbers_in_any_order() {
    let world = World::new().await;
    let intake = world.intake();
    let day = "2026-03-19".to_owned();
    let mut roaming = [sent("roaming", 0, 100), sent("roaming", 5, 250)];
    roaming[0].network = "262-01";
    let mut ended = [
        sent("ended", 0, 10),
        sent("ended", 10, 30),
        sent("ended", 5, 20),
    ];
    ended[1].ends = true;
    let examples: Vec<Sent> = [
        &[
            sent("totals", 0, 100),
            sent("totals", 5, 250),
            sent("totals", 10, 400),
        ][..],
        &[
            sent("night", -5, 100),
            sent("night", 0, 250),
            sent("night", 5, 400),
        ],
        &[sent("reset", 0, 400), sent("reset", 5, 50)],
        &roaming,
        &ended,
    ]
    .concat();
    // In order one by one, then in reverse one by one under other names, then all at once.
    let renamed = |suffix: &str, all: &[Sent]| -> Vec<Sent> {
        let renamed = all.iter().cloned();
        renamed
            .map(|sent| Sent {
                session: format!("{}{suffix}", sent.session),
                ..sent
            })
            .collect()
    };
    for sent in &examples {
        assert_eq!(
            deliver(&world, &intake, std::slice::from_ref(sent)).await,
            [1, 1, 0, 0]
        );
    }
    for sent in renamed("-2", &examples).iter().rev() {
        assert_eq!(
            deliver(&world, &intake, std::slice::from_ref(sent)).await,
            [1, 1, 0, 0]
        );
    }
    let count = examples.len() as u64;
    let together = renamed("-3", &examples);
    assert_eq!(
        deliver(&world, &intake, &together).await,
        [count, count, 0, 0]
    );
    let net = logged(&world, &world.alpha).await;
    for suffix in ["", "-2", "-3"] {
        let sums = |session: &str, network: &str, day: &str| {
            net[&(format!("{session}{suffix}"), network.into(), day.into())]
        };
        assert_eq!(sums("totals", "262-02", &day), [400, 0, 1, 0, 3]);
        assert_eq!(sums("night", "262-02", "2026-03-18"), [100, 0, 1, 0, 1]);
        assert_eq!(sums("night", "262-02", &day), [300, 0, 0, 0, 2]);
        assert_eq!(sums("reset", "262-02", &day), [450, 0, 1, 1, 2]);
        assert_eq!(sums("roaming", "262-01", &day), [100, 0, 1, 0, 1]);
        assert_eq!(sums("roaming", "262-02", &day), [150, 0, 0, 0, 1]);
        assert_eq!(sums("ended", "262-02", &day), [30, 0, 1, 0, 3]);
    }
    let live = world
        .ask(
            "SELECT DISTINCT argMax(request_type, version), argMax(counter_in, version) FROM session_live \
             WHERE session_id LIKE 'ended%' GROUP BY session FORMAT TSV",
        )
        .await;
    assert_eq!(live, "TERMINATE\t30\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_share_sessions_come_to_the_same_and_a_replay_changes_nothing() {
    let world = Arc::new(World::new().await);
    let mut dice = Dice(7);
    let truth = stream(&mut dice, 300);
    let mut unique = truth.clone();
    unique.sort_by_key(Sent::json);
    unique.dedup();
    let intakes = [world.intake(), world.intake()];
    let mut sent = 0;
    for round in 0..3 {
        let shuffled = dice.shuffled(&truth);
        // Each piece goes to a process, and every third to both.
        let pieces: Vec<Vec<Sent>> = shuffled.chunks(17 + round).map(<[Sent]>::to_vec).collect();
        let mut posts = Vec::new();
        for (n, piece) in pieces.into_iter().enumerate() {
            let one = [n % 2];
            let to: &[usize] = if n % 3 == 0 { &[0, 1] } else { &one };
            for process in to {
                sent += piece.len() as u64;
                let (world, intake, piece) =
                    (world.clone(), intakes[*process].clone(), piece.clone());
                posts.push(tokio::spawn(async move {
                    deliver(&world, &intake, &piece).await
                }));
            }
        }
        let numbers = join_all(posts).await;
        let accepted: u64 = numbers.into_iter().map(|it| it.expect("posted")[1]).sum();
        let expected = if round == 0 { unique.len() as u64 } else { 0 };
        assert_eq!(accepted, expected, "round {round}");
        assert_eq!(
            logged(&world, &world.alpha).await,
            plain(&truth),
            "round {round}"
        );
    }
    let unique = unique.len() as u64;
    assert_eq!(
        session_ledger(&world, &world.alpha).await,
        [sent, unique, sent - unique, 0]
    );
}

#[tokio::test]
async fn a_stop_before_the_commit_leaves_nothing_and_the_retry_counts() {
    let world = World::new().await;
    let mut dice = Dice(11);
    let truth = stream(&mut dice, 60);
    let (first, rest) = truth.split_at(20);
    let intake = world.intake();
    deliver(&world, &intake, first).await;
    for step in [Step::Decoded, Step::Resolved, Step::Claimed, Step::Recorded] {
        let stopped = world.intake_with(impatient(), StopAt::first(step));
        let posted = post_rollups(&world, &stopped, &world.alpha, rest).await;
        assert!(posted.is_err(), "{step:?}");
        assert_eq!(logged(&world, &world.alpha).await, plain(first), "{step:?}");
    }
    deliver(&world, &intake, &dice.shuffled(&truth)).await;
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
}

#[tokio::test]
async fn nothing_is_called_a_duplicate_before_it_is_counted() {
    let world = World::new().await;
    let rollups = [sent("s", 0, 100), sent("s", 5, 250)];
    let stopped = world.intake_with(impatient(), StopAt::first(Step::Committed));
    let posted = post_rollups(&world, &stopped, &world.alpha, &rollups).await;
    assert_eq!(posted.map_err(|error| error.code()), Err(Code::Unavailable));
    let intake = world.intake_with(impatient(), NoFault);
    let again = post_rollups(&world, &intake, &world.alpha, &rollups).await;
    assert_eq!(again.map_err(|error| error.code()), Err(Code::Unavailable));
    // What comes next counts its difference to what is not in the log yet.
    let intake = world.intake();
    assert_eq!(
        deliver(&world, &intake, &[sent("s", 10, 400)]).await,
        [1, 1, 0, 0]
    );
    let net = logged(&world, &world.alpha).await;
    let key = ("s".into(), "262-02".into(), "2026-03-19".into());
    assert_eq!(net, [(key, [150, 0, 0, 0, 1])].into());
}

#[tokio::test]
async fn bad_rollups_are_refused_with_their_codes_and_take_no_other_along() {
    let world = World::new().await;
    let intake = world.intake();
    let good = sent("s", 0, 100).json();
    let bad = [
        (good.replace("100", "-1"), "INVALID_VOLUME"),
        (good.replace("100", "1.5"), "INVALID_VOLUME"),
        (
            good.replace("100", "18446744073709551616"),
            "INVALID_VOLUME",
        ),
        (good.replace("10.0.0.1", "10.0.0.256"), "INVALID_ADDRESS"),
        (good.replace("\"s\"", "\"\""), "MISSING_IDENTITY"),
        (good.replace("2026-03-19", "2199-03-19"), "IN_FUTURE"),
        (good.replace("2026-03-19", "2201-03-19"), "INVALID_TIME"),
        (good.replace("2026-03-19", "2026-03-12"), "TOO_OLD"),
        (good.replace("UPDATE", "START"), "INVALID_REQUEST_TYPE"),
        (good.replace('{', "{\"rating_group\":1,"), "MALFORMED"),
        (good.replace(",\"cell_id\":\"17\"", ""), "MALFORMED"),
        (good.replace(LONG, FOREIGN), "UNKNOWN_ICCID"),
        (good.replace("262-02", "2"), "INVALID_NETWORK"),
        ("hello".into(), "MALFORMED"),
    ];
    let ipv6 = sent("v6", 0, 100).json().replace("10.0.0.1", "2001:db8::1");
    let mut text: String = bad.iter().map(|(json, _)| format!("{json}\n")).collect();
    text.push_str(&format!("{good}\n{ipv6}\n"));
    let account = post_text(&world, &intake, &world.alpha, &text)
        .await
        .expect("taken");
    let count = bad.len() as u64;
    assert_eq!(numbers(&account), [count + 2, 2, 0, count]);
    let expected: Vec<&str> = bad.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes(&account), expected);
    assert_eq!(
        session_ledger(&world, &world.alpha).await,
        [count + 2, 2, 0, count]
    );
    for rejected in &account.rejections {
        for hidden in ["cell", "mcc_mnc", "rating"] {
            let shown = rejected.message.replace("the cell is not", "");
            assert!(!shown.contains(hidden), "{}", rejected.message);
        }
    }
    // What is kept of them is shown to nobody.
    let shown = world
        .postgres
        .texts("SELECT count(*)::text FROM intake_rejection WHERE kind = 'SESSION' AND raw <> ''");
    assert_eq!(shown, [count.to_string()]);
    let cx = world.db.read(&world.alpha).await.expect("a snapshot");
    let page = domain::paging::PageRequest::relay(Some(100), None, None, None).expect("a page");
    let all = domain::filter::Filter::default();
    let list = <journal::Rejection as domain::list::List>::page(
        &cx,
        &all,
        domain::list::Order::default(),
        &page,
    );
    for (_, rejection) in list.await.expect("rejections").rows {
        assert_eq!(rejection.raw, "");
    }
}

#[tokio::test]
async fn late_rollups_are_taken_as_far_as_the_log_is_whole() {
    let world = World::new().await;
    let intake = world.intake();
    let now = world.clock.now();
    let at = |days: i64, name: &str| Sent {
        at: now - TimeDelta::days(days),
        ..sent(name, 0, 100)
    };
    assert_eq!(deliver(&world, &intake, &[at(7, "a")]).await, [1, 1, 0, 0]);
    let cx = world.db.system().await.expect("system");
    let set = SetSettings {
        session_days: Some(Some(14)),
        ..SetSettings::default()
    };
    tenant::set(&cx, "alpha", set).await.expect("set");
    cx.commit().await.expect("committed");
    assert_eq!(deliver(&world, &intake, &[at(8, "b")]).await, [1, 0, 0, 1]);
    world.clock.pass(TimeDelta::days(8));
    let kept = Sent {
        at: now + TimeDelta::hours(15),
        ..sent("c", 0, 100)
    };
    assert_eq!(deliver(&world, &intake, &[kept]).await, [1, 1, 0, 0]);
    assert_eq!(deliver(&world, &intake, &[at(1, "d")]).await, [1, 0, 0, 1]);
}

#[tokio::test]
async fn usage_records_and_rollups_have_accounts_of_their_own() {
    let world = World::new().await;
    let intake = world.intake();
    let record = crate::world::Record {
        source: session::SOURCE.into(),
        ..crate::world::record(1, LONG)
    };
    let cdrs = crate::world::lines(&[record]);
    crate::world::post_lines(&intake, &world.alpha, &cdrs)
        .await
        .expect("taken");
    deliver(&world, &intake, &[sent("s", 0, 100)]).await;
    assert_eq!(world.proved(&world.alpha).await.records, 1);
    assert_eq!(world.ledger(&world.alpha).await, [1, 1, 0, 0]);
    assert_eq!(session_ledger(&world, &world.alpha).await, [1, 1, 0, 0]);
}
