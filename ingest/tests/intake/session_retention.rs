//! A log of sessions that forgets: what is taken in beside it, and what is believed of it.

use analytics::cube::Level;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock as _,
    journal::{self, BatchState},
    tenant::{self, SetSettings},
};
use ingest::{
    pipeline::Intake,
    verify::{Report, Verifier},
};
use uuid::Uuid;

use crate::world::{Sent, World, codes, net_of_log, numbers, plain, post_rollups, sent};

async fn deliver(world: &World, intake: &Intake, rollups: &[Sent]) -> [u64; 4] {
    let posted = post_rollups(world, intake, &world.alpha, rollups).await;
    numbers(&posted.expect("taken"))
}

/// Alpha keeps its log for so many days from now on.
async fn keep(world: &World, days: u16) {
    let cx = world.db.system().await.expect("system");
    let set = SetSettings {
        session_days: Some(Some(days)),
        ..SetSettings::default()
    };
    tenant::set(&cx, "alpha", set).await.expect("set");
    cx.commit().await.expect("committed");
}

/// Drops the payloads of what is counted.
async fn forget_payloads(world: &World) {
    let counted = world.pending(BatchState::Counted).await;
    let batches: Vec<_> = counted.iter().map(|pending| pending.batch).collect();
    let cx = world.db.system().await.expect("system");
    journal::forget(&cx, &batches).await.expect("forgotten");
    cx.commit().await.expect("committed");
}

/// As if the engine's own clock were that of the test: rows go on the day that they were stored with.
async fn expire(world: &World) {
    let today = world.clock.now().format("%Y-%m-%d");
    delete(world, &format!("expires <= '{today}'")).await;
}

async fn delete(world: &World, condition: &str) {
    let sql =
        format!("ALTER TABLE session_log DELETE WHERE {condition} SETTINGS mutations_sync = 2");
    world.ask(&sql).await;
}

async fn look(world: &World) -> Report {
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    verifier.look(Uuid::new_v4()).await.expect("looked")
}

/// What the cube of a level has, by period: bytes, sessions and rollups.
async fn cube(world: &World, level: Level) -> String {
    let sql = format!(
        "SELECT period, sum(bytes_up), sum(sessions), sum(records) FROM session_{level} \
         GROUP BY period ORDER BY period FORMAT TSV"
    );
    world.ask(&sql).await
}

fn at(session: &str, at: DateTime<Utc>, bytes_in: u64) -> Sent {
    Sent {
        at,
        ..sent(session, 0, bytes_in)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_are_not_corrected_from_a_log_that_lost_rows_of_a_batch_of_which_others_expired() {
    let world = World::new().await;
    let intake = world.intake();
    let midnight: DateTime<Utc> = "2026-03-20T00:00:00Z".parse().expect("a time");
    let minutes = TimeDelta::minutes;
    deliver(&world, &intake, &[at("s", midnight - minutes(60), 1_000)]).await;
    deliver(&world, &intake, &[at("s", midnight + minutes(20), 5_000)]).await;
    // What corrects the second one is all that this batch has of its day.
    let mixed = [
        at("old", midnight - TimeDelta::days(3), 9),
        at("s", midnight - minutes(10), 4_000),
    ];
    assert_eq!(deliver(&world, &intake, &mixed).await, [2, 2, 0, 0]);
    forget_payloads(&world).await;
    keep(&world, 1).await;
    delete(&world, "session_id = 'old'").await;
    let whole = look(&world).await;
    assert_eq!((whole.differences, whole.expired), (vec![], 1));

    let before = [
        cube(&world, Level::Hour).await,
        cube(&world, Level::Day).await,
    ];
    delete(&world, "toDate(event_at) = '2026-03-20' AND arrived = 0").await;
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    let repaired = verifier.repair(Uuid::new_v4(), &intake).await;
    let repaired = repaired.expect("repaired");
    let after = [
        cube(&world, Level::Hour).await,
        cube(&world, Level::Day).await,
    ];
    assert_eq!(after, before, "{repaired:?}");
    assert!(repaired.report.count() > 0, "the log is short");
    let refused = repaired.refused.join("\n");
    assert!(refused.contains("session_log of alpha"), "{refused}");

    // Hours that it does not reach are repaired as ever.
    let later = at("other", midnight + minutes(120), 70);
    deliver(&world, &intake, &[later]).await;
    let before = cube(&world, Level::Hour).await;
    let sql = "ALTER TABLE session_hour DELETE WHERE period = '2026-03-20 02:00:00' SETTINGS mutations_sync = 2";
    world.ask(sql).await;
    verifier
        .repair(Uuid::new_v4(), &intake)
        .await
        .expect("repaired");
    assert_eq!(cube(&world, Level::Hour).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_kept_longer_believes_nothing_that_it_was_kept_shorter_for() {
    let world = World::new().await;
    let intake = world.intake();
    let hours = TimeDelta::hours;
    keep(&world, 1).await;
    let set = world.clock.now();
    deliver(&world, &intake, &[at("s", set - hours(5), 1_000)]).await;
    forget_payloads(&world).await;
    keep(&world, 30).await;
    world.clock.pass(hours(24));
    let later = [
        at("s", set + hours(4), 5_000),
        at("t", set + hours(10), 100),
        at("t", set + hours(18), 300),
    ];
    deliver(&world, &intake, &later).await;
    forget_payloads(&world).await;
    world.clock.pass(hours(4 * 24));
    expire(&world).await;
    let kept = "SELECT count() FROM session_log FORMAT TSV";
    assert_eq!(world.ask(kept).await.trim(), "3", "the first has expired");
    assert_eq!(look(&world).await.differences, [""; 0]);

    let before = cube(&world, Level::Hour).await;
    let late = [at("s", set + hours(3), 4_000)];
    let posted = post_rollups(&world, &intake, &world.alpha, &late).await;
    assert_eq!(codes(&posted.expect("an account")), ["TOO_OLD"]);
    assert_eq!(cube(&world, Level::Hour).await, before);
    // What is taken in has its neighbours beside it, as long before it as the log is asked for.
    let late = [at("t", set + hours(15), 250)];
    assert_eq!(deliver(&world, &intake, &late).await, [1, 1, 0, 0]);
    let of_t = |(session, ..): &(String, String, String)| session == "t";
    let mut net = net_of_log(&world, &world.alpha).await;
    net.retain(|key, _| of_t(key));
    assert_eq!(net, plain(&[&later[1..], &late].concat()));
    assert_eq!(look(&world).await.differences, [""; 0]);
}

#[tokio::test]
async fn a_session_whose_log_is_broken_takes_no_other_delivery_along() {
    let world = World::new().await;
    let intake = world.intake();
    for rollup in [
        sent("s", 0, 1_000),
        sent("s", 20, 5_000),
        sent("s", 10, 4_000),
    ] {
        assert_eq!(deliver(&world, &intake, &[rollup]).await, [1, 1, 0, 0]);
    }
    // A correction takes back more than was counted.
    let sql =
        "ALTER TABLE session_log UPDATE bytes_up = 1 WHERE arrived = 1 SETTINGS mutations_sync = 2";
    world.ask(sql).await;
    let others = [sent("s", 15, 4_500), sent("t", 0, 10)];
    assert_eq!(deliver(&world, &intake, &others).await, [2, 2, 0, 0]);
    // What it counts goes by what the rollups say.
    let day = cube(&world, Level::Day).await;
    assert_eq!(day, "2026-03-19 00:00:00\t5010\t2\t5\n");
}
