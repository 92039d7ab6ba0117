//! What settling may and may not believe: corrections of somebody who is gone, cubes that refuse, records that are not those of
//! the ledger.

use std::time::Duration;

use chrono::TimeDelta;
use domain::{
    Code,
    journal::{self, BatchState},
};
use ingest::{
    pipeline::{Intake, NoFault, Of, Step},
    verify::{Repaired, Verifier},
};
use uuid::Uuid;

use crate::{
    fault::StopAt,
    world::{
        CUBE_TABLES, FOREIGN, LONG, Record, World, impatient, lines, numbers, patient, post_lines,
        record,
    },
};

/// Takes `ids` in and drops the payloads.
pub(crate) async fn taken_long_ago(world: &World, ids: std::ops::Range<u32>) {
    let records: Vec<Record> = ids.map(|n| record(n, LONG)).collect();
    let intake = world.intake();
    let reply = post_lines(&intake, &world.alpha, &lines(&records)).await;
    assert_eq!(reply.expect("taken").accepted, records.len() as u64);
    forget_payloads(world).await;
}

/// Drops the payloads of what is counted.
pub(crate) async fn forget_payloads(world: &World) {
    let counted = world.pending(BatchState::Counted).await;
    let batches: Vec<_> = counted.iter().map(|pending| pending.batch).collect();
    let cx = world.db.system().await.expect("system");
    journal::forget(&cx, &batches).await.expect("forgotten");
    cx.commit().await.expect("committed");
}

/// Leaves a batch journaled and nowhere else.
async fn stopped_before_the_cubes(world: &World, records: &[Record]) {
    let stopped = world.intake_with(impatient(), StopAt::first(Step::Committed));
    let reply = post_lines(&stopped, &world.alpha, &lines(records)).await;
    assert!(reply.is_err());
}

async fn cubes(world: &World) -> Vec<String> {
    let mut sums = Vec::new();
    for cube in CUBE_TABLES {
        let sql = format!("SELECT sum(records), sum(bytes_up) FROM {cube} FORMAT TSV");
        sums.push(world.ask(&sql).await.trim().to_owned());
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_was_left_behind_is_outlasted() {
    let world = World::new().await;
    taken_long_ago(&world, 0..50).await;
    for cube in &CUBE_TABLES[1..] {
        world.ask(&format!("TRUNCATE TABLE {cube}")).await;
    }
    world
        .ask("ALTER TABLE usage_day ADD CONSTRAINT slow CHECK sleep(3) = 0")
        .await;
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    let intake = world.intake_with(impatient(), NoFault);
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
    // Nothing is applied beside it either.
    let more: Vec<Record> = (50..60).map(|n| record(n, LONG)).collect();
    let late = post_lines(&intake, &world.alpha, &lines(&more)).await;
    assert_eq!(late.map_err(|error| error.code()), Err(Code::Unavailable));
    // The batch is settled, after the statement.
    let first = intake.settle().await.expect("settled");
    assert_eq!(world.ask(running).await.trim(), "0");
    assert_eq!(first.counted + world.settled(&intake).await.counted, 1);
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
    // And a start is not affected by it.
    let next = world.intake();
    let _running = next.recover().await.expect("recovered");

    world.ask("ALTER TABLE usage_day DROP CONSTRAINT odd").await;
    assert_eq!(next.release().await.expect("released"), 1);
    world.settled(&next).await;
    assert_eq!(world.proved(&world.alpha).await.records, 20);
}

#[tokio::test]
async fn until_what_was_left_behind_can_begin_no_more_nothing_is_applied_or_corrected() {
    let world = World::new().await;
    let begin_by = world.engine_now().await + TimeDelta::seconds(2);
    let left = journal::begin_correction(&world.db, begin_by).await;
    left.expect("a note");
    let intake = world.intake_with(impatient(), NoFault);
    let sent: Vec<Record> = (0..3).map(|n| record(n, LONG)).collect();
    let late = post_lines(&intake, &world.alpha, &lines(&sent)).await;
    assert_eq!(late.map_err(|error| error.code()), Err(Code::Unavailable));
    assert_eq!(world.counted(&world.alpha).await.records, 0);
    // It does not wait for the batch: the note has to go.
    intake.settle().await.expect("settled");
    assert!(world.engine_now().await > begin_by);
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 3);
}

#[tokio::test]
async fn a_statement_that_began_in_time_and_still_runs_is_waited_for() {
    let world = World::new().await;
    taken_long_ago(&world, 0..5).await;
    let long_ago = world.engine_now().await - TimeDelta::seconds(10);
    let left = journal::begin_correction(&world.db, long_ago).await;
    left.expect("a note");
    let running = "SELECT count() FROM system.processes \
                   WHERE current_database = currentDatabase() AND query LIKE 'INSERT INTO usage_day%'";
    let settling = async {
        while world.ask(running).await.trim() == "0" {
            tokio::task::yield_now().await;
        }
        world.intake().settle().await.expect("settled");
        assert_eq!(world.ask(running).await.trim(), "0");
    };
    // Three seconds for nothing.
    let slow = world.ask("INSERT INTO usage_day SELECT * FROM usage_day WHERE sleep(3) = 1");
    tokio::join!(slow, settling);
    assert_eq!(world.proved(&world.alpha).await.records, 5);
}

/// What may have become of a record whose payload was deleted.
pub(crate) const HARMS: [&str; 3] = [
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
    // The first one drops the copies, the second one tries the batch again.
    assert_eq!(repair(&world, &intake).await.refused, [""; 0]);
    let repaired = repair(&world, &intake).await;
    assert_eq!(repaired.refused, [""; 0]);
    assert_eq!(repaired.report.differences, [""; 0]);
    assert_eq!(repaired.report.quarantined.records, 0);
    assert_eq!(world.proved(&world.alpha).await.records, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_record_is_corrected_while_its_payload_is_kept() {
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
async fn what_is_inserted_again_is_out_of_reach_of_what_took_the_copies_out() {
    let world = World::new().await;
    let intake = world.intake();
    post_lines(&intake, &world.alpha, &lines(&[record(3, LONG)]))
        .await
        .expect("taken");
    let sql = "SELECT toUInt32(max(apply_by)) FROM cdr";
    let latest = async || -> u32 { world.ask(sql).await.trim().parse().expect("a time") };
    // A copy with a later deadline than any that settling would choose.
    world.ask(HARMS[2]).await;
    let copies = latest().await;
    assert_eq!(intake.look_for(Of::All).await.expect("looked"), 1);
    assert_eq!(world.settled(&intake).await.surplus, 1);
    assert!(latest().await > copies);
    assert_eq!(world.proved(&world.alpha).await.records, 1);
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

/// Ten records of one batch, five of a day and five of the next one, a minute apart, whose payload was deleted.
async fn a_minute_apart(world: &World, intake: &Intake) {
    let sent: Vec<Record> = (0..10)
        .map(|n| {
            let day = 14 + n / 5;
            Record {
                start: format!("2026-03-{day}T10:0{n}:00Z"),
                end: format!("2026-03-{day}T10:10:00Z"),
                ..record(n, LONG)
            }
        })
        .collect();
    let reply = post_lines(intake, &world.alpha, &lines(&sent)).await;
    assert_eq!(reply.expect("taken").accepted, 10);
    forget_payloads(world).await;
}

async fn repair(world: &World, intake: &Intake) -> Repaired {
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    let repaired = verifier.repair(Uuid::new_v4(), intake).await;
    repaired.expect("repaired")
}

/// What was put back for a repair goes like any other payload, and nothing is opened again.
async fn what_was_put_back_goes(world: &World, intake: &Intake) {
    world.clock.pass(TimeDelta::minutes(6));
    assert_eq!(intake.look_for(Of::Old).await.expect("looked"), 1);
    assert_eq!(world.pending(BatchState::Journaled).await, []);
    assert_eq!(world.pending(BatchState::Counted).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_part_of_a_batch_are_dropped_once_and_for_all() {
    let world = World::new().await;
    let intake = world.intake();
    a_minute_apart(&world, &intake).await;
    world.ask(HARMS[2]).await;
    let repaired = repair(&world, &intake).await;
    assert_eq!(repaired.report.differences, [""; 0]);
    assert_eq!(repaired.done.len(), 1, "{:?}", repaired.done);
    what_was_put_back_goes(&world, &intake).await;
    assert_eq!(repair(&world, &intake).await.done, [""; 0]);
    assert_eq!(world.proved(&world.alpha).await.records, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_are_not_alike_are_left_and_said_and_hold_up_no_others() {
    let world = World::new().await;
    let intake = world.intake();
    a_minute_apart(&world, &intake).await;
    for copy in [
        "now() + 60 AS apply_by) FROM cdr WHERE record_id = '3'",
        "now() + 60 AS apply_by, bytes_up + 1 AS bytes_up) FROM cdr WHERE record_id = '7'",
    ] {
        let sql = format!("INSERT INTO cdr SELECT * REPLACE ({copy}");
        world.ask(&sql).await;
    }
    let repaired = repair(&world, &intake).await;
    let [done] = &repaired.done[..] else {
        panic!("{:?}", repaired.done)
    };
    assert!(done.starts_with("dropped copies of 1 records"), "{done}");
    let [unlike, ..] = &repaired.refused[..] else {
        panic!("{:?}", repaired.refused)
    };
    assert!(unlike.starts_with("1 records of"), "{unlike}");
    assert!(unlike.contains("not alike"), "{unlike}");
    assert!(repaired.report.count() > 0);
    let there =
        "SELECT record_id, count() FROM cdr GROUP BY record_id HAVING count() > 1 FORMAT TSV";
    assert_eq!(world.ask(there).await, "7\t2\n");
    what_was_put_back_goes(&world, &intake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_in_two_batches_is_left_to_both() {
    let world = World::new().await;
    taken_long_ago(&world, 0..10).await;
    taken_long_ago(&world, 10..12).await;
    world
        .ask(
            "INSERT INTO cdr SELECT * REPLACE (now() + 60 AS apply_by, \
             (SELECT any(batch) FROM cdr WHERE record_id = '11') AS batch) FROM cdr WHERE record_id = '3'",
        )
        .await;
    let intake = world.intake();
    let repaired = repair(&world, &intake).await;
    assert_eq!(repaired.done, [""; 0]);
    assert!(repaired.report.count() > 0);
    let there = "SELECT count() FROM cdr WHERE record_id = '3'";
    assert_eq!(world.ask(there).await.trim(), "2");
    assert_eq!(world.pending(BatchState::Counted).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_back_of_a_batch_is_not_cut() {
    let world = World::new().await;
    let intake = world.intake();
    a_minute_apart(&world, &intake).await;
    for copied in [HARMS[2], &HARMS[2].replace("'3'", "'4'")] {
        world.ask(copied).await;
    }
    world
        .ask("ALTER TABLE cdr ADD CONSTRAINT poison CHECK record_id != '3'")
        .await;
    let repaired = repair(&world, &intake).await;
    assert_eq!(repaired.report.quarantined.parts, 1);
    world.ask("ALTER TABLE cdr DROP CONSTRAINT poison").await;
    assert_eq!(intake.release().await.expect("released"), 1);
    world.settled(&intake).await;
    let repaired = repair(&world, &intake).await;
    assert_eq!(repaired.report.differences, [""; 0]);
    assert_eq!(world.proved(&world.alpha).await.records, 10);
}
