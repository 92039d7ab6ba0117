//! Stops at every moment, and engines that go away.

use std::sync::atomic::{AtomicU32, Ordering};

use analytics::Store;
use chrono::TimeDelta;
use domain::{Code, Error, Result, journal};
use ingest::{
    pipeline::{Fault, Intake, NoFault, Settings, Step},
    read::Limits,
};

use crate::world::{LONG, Record, SHORT, Totals, World, lines, numbers, post_lines, record};

/// Stops the n-th batch that reaches a step, once.
struct StopAt {
    step: Step,
    left: AtomicU32,
}

impl Fault for StopAt {
    fn reached(&self, step: Step) -> Result<()> {
        if step == self.step && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Err(Error::internal("stopped on purpose"));
        }
        Ok(())
    }
}

fn cut(batch_records: usize) -> Settings {
    let limits = Limits {
        batch_records,
        ..Limits::default()
    };
    Settings {
        limits,
        ..Settings::default()
    }
}

fn records(count: usize) -> Vec<Record> {
    (0..count)
        .map(|n| record(n, [LONG, SHORT][n % 2]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_step_loses_nothing_and_doubles_nothing() {
    let world = World::new().await;
    for (round, step) in Step::ALL.into_iter().enumerate() {
        let iccid = format!("{}", 8_988_303_000_000_200_000_u64 + round as u64);
        let caller = world
            .tenant(step.as_str(), &format!("iccid,state\n{iccid},ACTIVE\n"))
            .await;
        let sent: Vec<Record> = (0..100).map(|n| record(n, &iccid)).collect();
        // The third of ten batches stops; the process is gone.
        let fault = StopAt {
            step,
            left: AtomicU32::new(3),
        };
        let stopped = world.intake_with(cut(10), fault);
        let reply = post_lines(&stopped, &caller, &lines(&sent)).await;
        assert!(reply.is_err(), "{step:?}");
        drop(stopped);
        // The next process.
        let intake = world.intake_with(cut(7), NoFault);
        let recovered = intake.recover().await.expect("recovered");
        if matches!(step, Step::Committed | Step::Applied) {
            assert!(recovered.completed >= 1, "{step:?}");
        }
        let reply = post_lines(&intake, &caller, &lines(&sent))
            .await
            .expect("taken");
        assert_eq!((reply.received, reply.rejected), (100, 0));
        let expected = Totals {
            records: 100,
            up: 10_000,
            down: 100_000,
            units: 0,
        };
        // Batches of the stopped process may still be under way, as they may be in another process.
        intake.complete().await.expect("completed");
        assert_eq!(world.proved(&caller).await, expected, "{step:?}");
        // The next round repeats only its own batches.
        world
            .clock
            .pass(Settings::default().keep + TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn records_are_safe_while_the_cubes_are_away() {
    let world = World::new().await;
    let nowhere = Store::remote("http://127.0.0.1:9").expect("a URL");
    let cut_off = Intake::new(nowhere, world.db.clone(), Settings::default(), NoFault);
    let sent = lines(&records(20));
    let refused = post_lines(&cut_off, &world.alpha, &sent)
        .await
        .map_err(|error| error.code());
    assert_eq!(refused, Err(Code::Unavailable));
    assert_eq!(world.counted(&world.alpha).await.records, 0);
    let intake = world.intake();
    let reply = post_lines(&intake, &world.alpha, &sent)
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [20, 0, 20, 0]);
    // Another process's batch is left alone until it looks abandoned.
    assert_eq!(intake.complete().await.expect("asked"), 0);
    world.clock.pass(TimeDelta::seconds(31));
    assert_eq!(intake.complete().await.expect("completed"), 1);
    assert_eq!(world.proved(&world.alpha).await.records, 20);
}

#[tokio::test]
async fn a_batch_that_failed_here_is_applied_without_waiting() {
    let world = World::new().await;
    let fault = StopAt {
        step: Step::Committed,
        left: AtomicU32::new(1),
    };
    let intake = world.intake_with(Settings::default(), fault);
    assert!(
        post_lines(&intake, &world.alpha, &lines(&records(3)))
            .await
            .is_err()
    );
    assert_eq!(intake.complete().await.expect("completed"), 1);
    assert_eq!(world.proved(&world.alpha).await.records, 3);
    assert_eq!(intake.complete().await.expect("completed"), 0);
}

#[tokio::test]
async fn recovering_repeats_what_was_applied_lately_and_changes_nothing() {
    let world = World::new().await;
    let intake = world.intake_with(cut(10), NoFault);
    post_lines(&intake, &world.alpha, &lines(&records(30)))
        .await
        .expect("taken");
    let before = world.proved(&world.alpha).await;
    let recovered = world.intake().recover().await.expect("recovered");
    assert_eq!((recovered.completed, recovered.repeated), (0, 3));
    assert_eq!(world.proved(&world.alpha).await, before);
}

#[tokio::test]
async fn what_a_crash_left_out_of_a_cube_is_healed() {
    let world = World::new().await;
    let fault = StopAt {
        step: Step::Applied,
        left: AtomicU32::new(1),
    };
    let intake = world.intake_with(Settings::default(), fault);
    // As after a kill between the records and one of their cubes.
    world.ask("DETACH TABLE usage_day_view").await;
    let sent = lines(&records(9));
    assert!(post_lines(&intake, &world.alpha, &sent).await.is_err());
    world.ask("ATTACH TABLE usage_day_view").await;
    let missing = world.ask("SELECT count() FROM usage_day").await;
    assert_eq!(missing.trim(), "0");
    let recovered = world.intake().recover().await.expect("recovered");
    assert_eq!(recovered.completed, 1);
    assert_eq!(world.proved(&world.alpha).await.records, 9);
}

#[tokio::test]
async fn deliveries_beyond_the_memory_of_the_cubes_are_duplicates_still() {
    let world = World::new().await;
    for table in [
        "cdr",
        "usage_hour",
        "usage_day",
        "usage_month",
        "usage_year",
    ] {
        let sql =
            format!("ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 5");
        world.ask(&sql).await;
    }
    let intake = world.intake_with(cut(4), NoFault);
    let sent = records(80);
    let first = post_lines(&intake, &world.alpha, &lines(&sent))
        .await
        .expect("taken");
    assert_eq!(numbers(&first), [80, 80, 0, 0]);
    let again = world.intake_with(cut(9), NoFault);
    let reply = post_lines(&again, &world.alpha, &lines(&sent))
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [80, 0, 80, 0]);
    world
        .clock
        .pass(Settings::default().keep + TimeDelta::seconds(1));
    assert_eq!(again.recover().await.expect("recovered").repeated, 0);
    assert_eq!(world.proved(&world.alpha).await.records, 80);
}

#[tokio::test]
async fn the_cubes_stand_still_while_they_are_repaired() {
    let world = World::new().await;
    let intake = world.intake();
    let cx = world.db.system().await.expect("a transaction");
    journal::freeze_apply(&cx).await.expect("frozen");
    let (alpha, sent) = (world.alpha.clone(), lines(&records(5)));
    let sender = tokio::spawn(async move { post_lines(&intake, &alpha, &sent).await });
    // Journaled, and then waiting.
    while world.ledger(&world.alpha).await[1] == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.counted(&world.alpha).await.records, 0);
    cx.commit().await.expect("committed");
    assert!(sender.await.expect("finished").is_ok());
    assert_eq!(world.proved(&world.alpha).await.records, 5);
}

#[tokio::test]
async fn payloads_are_dropped_when_nothing_can_need_them() {
    let world = World::new().await;
    let intake = world.intake();
    post_lines(&intake, &world.alpha, &lines(&records(3)))
        .await
        .expect("taken");
    assert_eq!(intake.sweep().await.expect("swept"), 0);
    world.clock.pass(TimeDelta::minutes(6));
    assert_eq!(intake.sweep().await.expect("swept"), 1);
    assert_eq!(intake.recover().await.expect("recovered").repeated, 0);
    let reply = post_lines(&intake, &world.alpha, &lines(&records(3)))
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [3, 0, 3, 0]);
}
