//! Batches of rollups that broke after they were counted, and what is live of them: settled, repaired, or left and reported.

use ingest::verify::{Repaired, Verifier};
use uuid::Uuid;

use crate::{
    evidence::forget_payloads,
    world::{Dice, Sent, World, logged, plain, post_rollups, stream},
};

/// Rollups of Alpha in several batches, most of them late, of a process that is gone.
async fn counted(world: &World) -> Vec<Sent> {
    let mut dice = Dice(41);
    let truth = stream(&mut dice, 120);
    let intake = world.intake();
    let (running, _) = intake.recover().await.expect("recovered");
    for piece in dice.shuffled(&truth).chunks(30) {
        let posted = post_rollups(world, &intake, &world.alpha, piece).await;
        posted.expect("taken");
    }
    world.settled(&intake).await;
    // It is killed.
    drop(running);
    truth
}

fn verifier(world: &World) -> Verifier {
    Verifier::new(world.store.clone(), world.db.clone())
}

async fn repair(world: &World) -> Repaired {
    let repaired = verifier(world)
        .repair(Uuid::new_v4(), &world.intake())
        .await;
    repaired.expect("repaired")
}

async fn differences(world: &World) -> Vec<String> {
    let report = verifier(world).look(Uuid::new_v4()).await;
    report.expect("looked").differences
}

/// Deletes rows of a table.
async fn lose(world: &World, table: &str, which: &str) {
    let sql = format!("ALTER TABLE {table} DELETE WHERE {which} SETTINGS mutations_sync = 2");
    world.ask(&sql).await;
}

/// What is live, and what was seen last.
async fn live(world: &World) -> String {
    world
        .ask(
            "SELECT tenant, sim, session, session_id, customer, network, ip, counter_in, counter_out, request_type, event_at, batch \
             FROM session_live FINAL ORDER BY ALL FORMAT TSV",
        )
        .await
        + &world
            .ask("SELECT tenant, sim, customer, event_at, network, rat, batch FROM sim_last_seen FINAL ORDER BY ALL FORMAT TSV")
            .await
}

/// The parts of one day: of each batch rollups and corrections.
const DAY: &str = "toDate(event_at) = '2026-03-19'";

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_vanished_are_inserted_again_while_their_payload_is_kept() {
    let world = World::new().await;
    let truth = counted(&world).await;
    let before = live(&world).await;
    assert_eq!(differences(&world).await, [""; 0]);
    // As after a power loss: log and cubes have lost other rows.
    lose(&world, "session_log", DAY).await;
    lose(&world, "session_live", "counter_in % 200 = 0").await;
    lose(&world, "session_day", "cityHash64(sim, network) % 2 = 0").await;
    world.ask("TRUNCATE TABLE sim_last_seen").await;
    let intake = world.intake();
    let (_running, recovered) = intake.recover().await.expect("recovered");
    assert!(recovered.settled.inserted > 0, "{recovered:?}");
    world.settled(&intake).await;
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
    assert_eq!(live(&world).await, before);
    assert_eq!(differences(&world).await, [""; 0]);
    let posted = post_rollups(&world, &intake, &world.alpha, &truth).await;
    assert_eq!(posted.expect("taken").duplicate, truth.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_brings_vanished_rows_back_and_changes_nothing_when_it_is_done_again() {
    let world = World::new().await;
    let truth = counted(&world).await;
    let before = live(&world).await;
    lose(&world, "session_log", DAY).await;
    lose(&world, "session_live", "counter_out % 200 = 0").await;
    assert_ne!(differences(&world).await, [""; 0]);
    let repaired = repair(&world).await;
    assert!(repaired.done[0].starts_with("settled"), "{repaired:?}");
    assert_eq!(repaired.refused, [""; 0]);
    assert_eq!(repaired.report.differences, [""; 0]);
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
    assert_eq!(live(&world).await, before);
    let again = repair(&world).await;
    assert_eq!((again.done, again.refused), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_rollups_are_dropped_after_their_payload_is_gone() {
    let world = World::new().await;
    let truth = counted(&world).await;
    forget_payloads(&world).await;
    world
        .ask(&format!(
            "INSERT INTO session_log SELECT * REPLACE (now() + 60 AS apply_by) FROM session_log WHERE {DAY}"
        ))
        .await;
    assert_ne!(differences(&world).await, [""; 0]);
    let repaired = repair(&world).await;
    assert!(
        repaired.done.iter().any(|it| it.contains("dropped copies")),
        "{repaired:?}"
    );
    assert_eq!(repaired.report.differences, [""; 0]);
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_is_named_where_it_is_not_what_the_log_says_and_put_right() {
    let world = World::new().await;
    let truth = counted(&world).await;
    forget_payloads(&world).await;
    let before = live(&world).await;
    let breaks = [
        ("session_live", "TRUNCATE TABLE session_live"),
        ("sim_last_seen", "TRUNCATE TABLE sim_last_seen"),
        // Newer than anything in the log, of a session and of one that nobody knows.
        (
            "session_live",
            "INSERT INTO session_live SELECT * REPLACE (version + 1 AS version, 7 AS counter_in) FROM session_live FINAL LIMIT 1",
        ),
        (
            "session_live",
            "INSERT INTO session_live SELECT * REPLACE (generateUUIDv4() AS session) FROM session_live FINAL LIMIT 1",
        ),
        (
            "sim_last_seen",
            "INSERT INTO sim_last_seen SELECT * REPLACE ('901-99' AS network, version + 1 AS version) FROM sim_last_seen FINAL LIMIT 1",
        ),
        // The same place in the session, and another address.
        (
            "session_live",
            "INSERT INTO session_live SELECT * REPLACE ('10.9.9.9' AS ip) FROM session_live FINAL LIMIT 1",
        ),
    ];
    for (table, sql) in breaks {
        world.ask(sql).await;
        let seen = differences(&world).await;
        assert!(
            !seen.is_empty() && seen.iter().all(|it| it.contains(table)),
            "{sql}: {seen:?}"
        );
        let repaired = repair(&world).await;
        assert_eq!(repaired.refused, [""; 0], "{sql}");
        assert_eq!(repaired.report.differences, [""; 0], "{sql}");
        assert!(repaired.done[0].contains("what is live"), "{repaired:?}");
        assert_eq!(live(&world).await, before, "{sql}");
    }
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lacks_rollups_makes_nothing_forget_them() {
    let world = World::new().await;
    counted(&world).await;
    forget_payloads(&world).await;
    let before = live(&world).await;
    let newest = "(SELECT argMax(identity, event_at) FROM session_log WHERE arrived = 1)";
    lose(&world, "session_log", &format!("identity = {newest}")).await;
    let repaired = repair(&world).await;
    let refused = |text: &str| repaired.refused.iter().any(|it| it.contains(text));
    assert!(refused("whose payload was deleted"), "{repaired:?}");
    assert!(refused("what is live and was seen last"), "{repaired:?}");
    assert_eq!(live(&world).await, before);
}
