//! What settling may and may not believe: corrections of somebody who is gone, cubes that refuse, records that are not those of
//! the ledger.

use std::time::Duration;

use domain::journal::{self, BatchState};
use ingest::{
    pipeline::{Intake, NoFault, Of, Step},
    verify::Verifier,
};
use uuid::Uuid;

use crate::{
    fault::StopAt,
    world::{FOREIGN, LONG, Record, World, impatient, lines, numbers, patient, post_lines, record},
};

const CUBES: [&str; 4] = ["usage_hour", "usage_day", "usage_month", "usage_year"];

/// Takes `ids` in and drops the payloads.
async fn taken_long_ago(world: &World, ids: std::ops::Range<u32>) -> Vec<Record> {
    let records: Vec<Record> = ids.map(|n| record(n, LONG)).collect();
    let intake = world.intake();
    let reply = post_lines(&intake, &world.alpha, &lines(&records)).await;
    assert_eq!(reply.expect("taken").accepted, records.len() as u64);
    let cx = world.db.system().await.expect("system");
    let counted = journal::pending(&cx, BatchState::Counted, None, 9).await;
    let batches: Vec<_> = counted
        .expect("batches")
        .iter()
        .map(|pending| pending.batch)
        .collect();
    journal::forget(&cx, &batches).await.expect("forgotten");
    cx.commit().await.expect("committed");
    records
}

/// Leaves a batch journaled and nowhere else.
async fn stopped_before_the_cubes(world: &World, records: &[Record]) {
    let stopped = world.intake_with(impatient(), StopAt::first(Step::Committed));
    let reply = post_lines(&stopped, &world.alpha, &lines(records)).await;
    assert!(reply.is_err());
}

async fn cubes(world: &World) -> Vec<String> {
    let mut sums = Vec::new();
    for cube in CUBES {
        let sql = format!("SELECT sum(records), sum(bytes_up) FROM {cube} FORMAT TSV");
        sums.push(world.ask(&sql).await.trim().to_owned());
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_was_left_behind_is_outlasted() {
    let world = World::new().await;
    taken_long_ago(&world, 0..50).await;
    for cube in &CUBES[1..] {
        world.ask(&format!("TRUNCATE TABLE {cube}")).await;
    }
    world
        .ask("ALTER TABLE usage_day ADD CONSTRAINT slow CHECK sleep(3) = 0")
        .await;
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    let intake = world.intake();
    let (gone, journal) = (verifier.clone(), world.intake());
    let repair = tokio::spawn(async move { gone.repair(Uuid::new_v4(), &journal).await });
    let running = "SELECT count() FROM system.processes \
                   WHERE current_database = currentDatabase() AND query LIKE 'INSERT INTO usage_day%'";
    let begun = async {
        while world.ask(running).await.trim() == "0" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), begun)
        .await
        .expect("a correction runs");
    // Its locks go with it, and its statement goes on.
    repair.abort();
    assert!(repair.await.is_err());
    assert_eq!(world.ask(running).await.trim(), "1");
    world
        .ask("ALTER TABLE usage_day DROP CONSTRAINT slow")
        .await;
    // Nothing is applied beside it either: the batch is settled.
    let more: Vec<Record> = (50..60).map(|n| record(n, LONG)).collect();
    let late = post_lines(&intake, &world.alpha, &lines(&more)).await;
    let settled = world.settled(&intake).await;
    assert_eq!(late.is_ok(), settled.counted == 0, "{settled:?}");
    let repaired = verifier.repair(Uuid::new_v4(), &intake).await;
    let repaired = repaired.expect("repaired");
    assert_eq!(repaired.report.differences, [""; 0]);
    assert_eq!(world.proved(&world.alpha).await.records, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_a_cube_refuses_is_quarantined_and_leaves_nothing_behind() {
    let world = World::new().await;
    world
        .ask("ALTER TABLE usage_day ADD CONSTRAINT odd CHECK bytes_up < 1000000")
        .await;
    let intake = world.intake_with(impatient(), NoFault);
    let mut mine: Vec<Record> = (0..20).map(|n| record(n, LONG)).collect();
    mine[7].up = "5000000".into();
    let theirs = [record("b1", FOREIGN)];
    let (my_lines, their_lines) = (lines(&mine), lines(&theirs));
    let (first, other) = tokio::join!(
        post_lines(&intake, &world.alpha, &my_lines),
        post_lines(&intake, &world.beta, &their_lines),
    );
    assert!(first.is_err());
    drop(other);
    assert_eq!(world.settled(&intake).await.quarantined, 1);
    assert_eq!(world.counted(&world.alpha).await.records, 19);
    assert_eq!(world.counted(&world.beta).await.records, 1);
    // And a start is none the worse for it.
    let next = world.intake();
    let _running = next.recover().await.expect("recovered");

    world.ask("ALTER TABLE usage_day DROP CONSTRAINT odd").await;
    assert_eq!(next.release().await.expect("released"), 1);
    world.settled(&next).await;
    assert_eq!(world.proved(&world.alpha).await.records, 20);
}

/// What may have become of a record whose payload is gone.
const HARMS: [&str; 3] = [
    "ALTER TABLE cdr DELETE WHERE record_id = '3' SETTINGS mutations_sync = 1",
    "ALTER TABLE cdr UPDATE bytes_up = 0 WHERE record_id = '3' SETTINGS mutations_sync = 1",
    "INSERT INTO cdr SELECT * REPLACE (now() + 60 AS apply_by) FROM cdr WHERE record_id = '3'",
];

#[tokio::test(flavor = "multi_thread")]
async fn cubes_are_not_settled_from_records_that_are_not_the_ledgers() {
    for harm in HARMS {
        let world = World::new().await;
        taken_long_ago(&world, 0..10).await;
        world.ask(harm).await;
        let before = cubes(&world).await;
        let late: Vec<Record> = (10..15).map(|n| record(n, LONG)).collect();
        stopped_before_the_cubes(&world, &late).await;
        let intake = world.intake();
        let settled = world.settled(&intake).await;
        assert_eq!((settled.quarantined, settled.corrected), (1, 0), "{harm}");
        assert_eq!(cubes(&world).await, before, "{harm}");
        let again = post_lines(&intake, &world.alpha, &lines(&late)).await;
        let again = again.expect("taken");
        assert_eq!((numbers(&again), again.pending), ([5, 0, 5, 0], 5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_copies_stand_in_the_way_of_is_counted_when_they_are_dropped() {
    let world = World::new().await;
    taken_long_ago(&world, 0..10).await;
    world.ask(HARMS[2]).await;
    let late: Vec<Record> = (10..15).map(|n| record(n, LONG)).collect();
    stopped_before_the_cubes(&world, &late).await;
    let intake = world.intake();
    world.settled(&intake).await;
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    for _ in 0..2 {
        let repaired = verifier.repair(Uuid::new_v4(), &intake).await;
        let repaired = repaired.expect("repaired");
        assert_eq!(repaired.refused, [""; 0]);
        if repaired.report.quarantined.records == 0 {
            assert_eq!(repaired.report.differences, [""; 0]);
        }
    }
    assert_eq!(world.proved(&world.alpha).await.records, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_is_put_right_while_its_payload_is_kept() {
    let world = World::new().await;
    let intake = world.intake_with(patient(), NoFault);
    let sent: Vec<Record> = (0..10).map(|n| record(n, LONG)).collect();
    post_lines(&intake, &world.alpha, &lines(&sent))
        .await
        .expect("taken");
    let expected = world.proved(&world.alpha).await;
    world.ask(HARMS[1]).await;
    assert_eq!(intake.look_for(Of::All).await.expect("looked"), 1);
    assert_eq!(world.settled(&intake).await.surplus, 1);
    assert_eq!(world.proved(&world.alpha).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_settlers_do_not_act_on_one_batch() {
    let world = World::new().await;
    let sent: Vec<Record> = (0..10).map(|n| record(n, LONG)).collect();
    stopped_before_the_cubes(&world, &sent).await;
    let settlers: [Intake; 3] = std::array::from_fn(|_| world.intake());
    let [a, b, c] = &settlers;
    let (a, b, c) = tokio::join!(world.settled(a), world.settled(b), world.settled(c));
    assert_eq!(a.inserted + b.inserted + c.inserted, 10);
    assert_eq!(world.proved(&world.alpha).await.records, 10);
}
