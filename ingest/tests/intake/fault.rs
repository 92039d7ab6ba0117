//! Stops at every moment, and engines that go away.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use analytics::{Store, System};
use chrono::TimeDelta;
use domain::{
    Clock as _, Code, Error, Result, SystemCx,
    journal::{self, Claim, Expected, Older, Tally},
};
use ingest::{
    pipeline::{Fault, Intake, NoFault, Of, Recovered, Settings, Step},
    read::BodyLimits,
};

use crate::world::{
    FOREIGN, LONG, Record, SHORT, Totals, World, impatient, lines, numbers, patient, post_lines,
    record,
};

/// Stops the n-th batch that reaches a step, once.
pub(crate) struct StopAt {
    step: Step,
    left: AtomicU32,
}

impl StopAt {
    /// Stops the first batch.
    pub(crate) fn first(step: Step) -> Self {
        Self {
            step,
            left: AtomicU32::new(1),
        }
    }
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
    let limits = BodyLimits {
        batch_records,
        ..BodyLimits::default()
    };
    Settings {
        limits,
        ..patient()
    }
}

/// Nobody waits long for an answer that does not come.
fn cut_impatient(batch_records: usize) -> Settings {
    Settings {
        answer: impatient().answer,
        ..cut(batch_records)
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
        // The third batch, or part of the body, stops; the process is gone.
        let fault = StopAt {
            step,
            left: AtomicU32::new(3),
        };
        let stopped = world.intake_with(cut_impatient(10), fault);
        let reply = post_lines(&stopped, &caller, &lines(&sent)).await;
        drop(stopped);
        // The next process.
        let intake = world.intake_with(cut(7), NoFault);
        let (_running, recovered) = intake.recover().await.expect("recovered");
        if step != Step::Marked {
            assert!(reply.is_err(), "{step:?}");
        }
        if step == Step::Committed {
            assert!(recovered.settled.inserted >= 10, "{step:?} {recovered:?}");
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
        world.settled(&intake).await;
        assert_eq!(world.proved(&caller).await, expected, "{step:?}");
    }
}

#[tokio::test]
async fn records_are_not_taken_while_the_cubes_are_away() {
    let world = World::new().await;
    let nowhere = Store::remote("http://127.0.0.1:9").expect("a URL");
    let cut_off = Intake::new(nowhere, world.db.clone(), impatient(), NoFault);
    let sent = lines(&records(20));
    let refused = post_lines(&cut_off, &world.alpha, &sent)
        .await
        .map_err(|error| error.code());
    assert_eq!(refused, Err(Code::Unavailable));
    let intake = world.intake();
    let reply = post_lines(&intake, &world.alpha, &sent)
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [20, 20, 0, 0]);
    assert_eq!(world.proved(&world.alpha).await.records, 20);
}

#[tokio::test]
async fn a_batch_of_another_process_is_settled_after_its_deadline_and_not_before() {
    let world = World::new().await;
    let fault = StopAt::first(Step::Committed);
    let settings = Settings {
        takeover: TimeDelta::seconds(3),
        ..impatient()
    };
    let stopped = world.intake_with(settings, fault);
    let sent = lines(&records(3));
    assert!(post_lines(&stopped, &world.alpha, &sent).await.is_err());
    let other = world.intake();
    let early = other.settle().await.expect("asked");
    assert_eq!((early.counted, early.waiting), (0, 1));
    assert_eq!(world.counted(&world.alpha).await.records, 0);
    assert_eq!(world.settled(&other).await.inserted, 3);
    assert_eq!(world.proved(&world.alpha).await.records, 3);
}

#[tokio::test]
async fn a_duplicate_is_answered_when_the_record_that_it_repeats_is_counted() {
    let world = World::new().await;
    let fault = StopAt::first(Step::Committed);
    let stopped = world.intake_with(impatient(), fault);
    let sent = lines(&records(3));
    assert!(post_lines(&stopped, &world.alpha, &sent).await.is_err());
    let hasty = world.intake_with(impatient(), NoFault);
    let early = post_lines(&hasty, &world.alpha, &sent).await;
    let other = world.intake();
    assert_eq!(early.map_err(|error| error.code()), Err(Code::Unavailable));
    world.settled(&other).await;
    let reply = post_lines(&other, &world.alpha, &sent)
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [3, 0, 3, 0]);
    assert_eq!(world.proved(&world.alpha).await.records, 3);
}

#[tokio::test]
async fn after_a_stop_in_order_there_is_nothing_to_look_for() {
    let world = World::new().await;
    let intake = world.intake_with(cut(10), NoFault);
    let (running, first) = intake.recover().await.expect("recovered");
    assert!(first.clean && !first.apart);
    post_lines(&intake, &world.alpha, &lines(&records(30)))
        .await
        .expect("taken");
    intake.stop(running).await.expect("stopped");
    let (killed, second) = world.intake().recover().await.expect("recovered");
    assert_eq!((second.clean, second.looked_at), (true, 0));
    // Killed, and not stopped.
    drop(killed);
    let (_running, third) = world.intake().recover().await.expect("recovered");
    assert_eq!((third.clean, third.looked_at), (false, 3));
    assert_eq!(world.proved(&world.alpha).await.records, 30);
}

#[tokio::test]
async fn usage_that_comes_after_a_stop_in_order_is_looked_for_at_the_next_start() {
    let world = World::new().await;
    // Its session was ended, and with it its lock; it goes on.
    let cut_off = world.intake_with(cut(10), NoFault);
    let (lost, _) = cut_off.recover().await.expect("recovered");
    drop(lost);
    let other = world.intake_with(cut(10), NoFault);
    let (running, _) = other.recover().await.expect("recovered");
    other.stop(running).await.expect("stopped");
    post_lines(&cut_off, &world.alpha, &lines(&records(30)))
        .await
        .expect("taken");
    drop(cut_off);
    world.ask("TRUNCATE TABLE usage_day").await;
    let (_running, found) = world.intake().recover().await.expect("recovered");
    assert!(!found.clean && !found.apart, "{found:?}");
    assert_eq!(found.looked_at, 3);
}

#[tokio::test]
async fn a_stop_beside_a_batch_that_is_being_journaled_is_not_clean() {
    let world = World::new().await;
    let intake = world.intake();
    let (running, _) = intake.recover().await.expect("recovered");
    post_lines(&intake, &world.alpha, &lines(&records(1)))
        .await
        .expect("taken");
    let underway = Holds::Identity.write(&world).await;
    intake.stop(running).await.expect("stopped");
    underway.commit().await.expect("committed");
    let (_running, found) = world.intake().recover().await.expect("recovered");
    assert!(!found.clean && !found.apart, "{found:?}");
}

/// Stops in order, and returns what the next start finds after `meanwhile`.
async fn found_after(meanwhile: impl AsyncFnOnce(&World)) -> [Recovered; 2] {
    let world = World::new().await;
    let intake = world.intake();
    let (running, _) = intake.recover().await.expect("recovered");
    intake.stop(running).await.expect("stopped");
    meanwhile(&world).await;
    let (running, next) = intake.recover().await.expect("recovered");
    if !next.clean {
        intake.prove().await.expect("proved");
    }
    intake.stop(running).await.expect("stopped");
    let (_running, last) = intake.recover().await.expect("recovered");
    [next, last]
}

#[tokio::test]
async fn a_server_that_ends_while_it_leaves_a_mark_puts_nothing_apart() {
    for left in [false, true] {
        let [next, last] = found_after(async |world: &World| {
            let system = System::new(world.clock.now());
            let theirs = world.store.mark(&system).await.expect("a mark");
            let cx = world.db.system().await.expect("system");
            let ours = journal::mark(&cx).await.expect("a mark");
            let mark = ours.next(theirs, 7);
            let announced = journal::announce_mark(&cx, theirs, mark).await;
            announced.expect("announced");
            cx.commit().await.expect("committed");
            if left {
                world.store.set_mark(&system, mark).await.expect("left");
            }
        })
        .await;
        assert_eq!((next.apart, next.clean), (false, false), "{left}");
        assert_eq!((last.apart, last.clean), (false, true), "{left}");
    }
}

#[tokio::test]
async fn a_mark_from_before_the_clock_was_put_back_counts_no_longer() {
    let found = found_after(async |world: &World| {
        let sql = "INSERT INTO intake_mark SELECT mark, at + INTERVAL 1 HOUR FROM intake_mark";
        world.ask(sql).await;
    })
    .await;
    for found in found {
        assert_eq!((found.apart, found.clean), (false, true));
    }
}

#[tokio::test]
async fn a_usage_store_that_was_put_back_is_noticed_and_repaired_from_the_journal() {
    let world = World::new().await;
    let intake = world.intake_with(cut(10), NoFault);
    let (running, _) = intake.recover().await.expect("recovered");
    let sent = lines(&records(30));
    post_lines(&intake, &world.alpha, &sent)
        .await
        .expect("taken");
    intake.stop(running).await.expect("stopped");
    // The state of another moment: neither rows nor the mark of the stop.
    for table in ["cdr", "usage_day", "usage_year", "intake_mark"] {
        world.ask(&format!("TRUNCATE TABLE {table}")).await;
    }
    let (_running, recovered) = world.intake().recover().await.expect("recovered");
    assert!(recovered.apart && !recovered.clean);
    assert_eq!(recovered.settled.inserted, 30);
    assert_eq!(world.proved(&world.alpha).await.records, 30);
    let reply = post_lines(&world.intake(), &world.alpha, &sent)
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [30, 0, 30, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cubes_stand_still_while_they_are_settled() {
    let world = World::new().await;
    let intake = world.intake();
    let cx = world.db.system().await.expect("a transaction");
    assert!(journal::try_freeze_apply(&cx).await.expect("frozen"));
    let (alpha, sent) = (world.alpha.clone(), lines(&records(5)));
    let settings = Settings {
        takeover: TimeDelta::seconds(20),
        ..Settings::default()
    };
    let intake_of_sender = world.intake_with(settings, NoFault);
    let sender = tokio::spawn(async move { post_lines(&intake_of_sender, &alpha, &sent).await });
    world.until_somebody_waits();
    assert_eq!(world.ledger(&world.alpha).await[1], 5, "it is journaled");
    assert_eq!(world.counted(&world.alpha).await.records, 0);
    cx.commit().await.expect("committed");
    assert!(sender.await.expect("finished").is_ok());
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 5);
}

#[tokio::test]
async fn payloads_are_dropped_when_their_rows_were_seen() {
    let world = World::new().await;
    let intake = world.intake_with(cut(2), NoFault);
    post_lines(&intake, &world.alpha, &lines(&records(4)))
        .await
        .expect("taken");
    let look = async |of| intake.look_for(of).await.expect("looked");
    assert_eq!(look(Of::Old).await, 0);
    assert_eq!(look(Of::All).await, 2);
    assert_eq!(look(Of::All).await, 2, "what was looked at is kept");
    world.clock.pass(TimeDelta::minutes(6));
    // One of the two batches lost a row to a disk that forgets.
    let lost = "ALTER TABLE cdr DELETE WHERE record_id = '3' SETTINGS mutations_sync = 1";
    world.ask(lost).await;
    assert_eq!(look(Of::Old).await, 2);
    assert_eq!(world.settled(&intake).await.inserted, 1);
    assert_eq!(world.proved(&world.alpha).await.records, 4);
    assert_eq!(look(Of::Old).await, 1);
    assert_eq!(look(Of::Old).await, 0);
}

/// What another process wrote before it was stopped: one identity of Alpha, or accounts of Alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Identity,
    Accounts,
}

impl Holds {
    async fn write(self, world: &World) -> SystemCx {
        let cx = world.db.system().await.expect("system");
        let tenant = world.alpha.tenant();
        let event_at = "2026-03-15T10:00:00Z".parse().expect("a time");
        let month = journal::hold_month(&cx).await.expect("held");
        let month = month.expect("a month");
        match self {
            Self::Identity => {
                let claims = [Claim {
                    identity: journal::identity(tenant, "pgw-1", "held-0"),
                    content: 1,
                    part: month.part(1 << 30),
                    event_at,
                }];
                let older = Older::new(0);
                let claimed = journal::claim(&cx, month, &claims, &older, Expected::SomeKnown);
                claimed.await.expect("claimed");
            }
            Self::Accounts => {
                let tallies = [Tally {
                    tenant,
                    source: "pgw-1".into(),
                    event_hour: journal::hour_of(event_at),
                    received: 1,
                    accepted: 0,
                    duplicate: 1,
                    rejected: 0,
                    bytes_up: 0,
                    bytes_down: 0,
                    newest_event_at: Some(event_at),
                    topic: None,
                }];
                let now = world.clock.now();
                let recorded = journal::record(&cx, journal::Kind::Cdr, None, &tallies, &[], now);
                recorded.await.expect("recorded");
            }
        }
        cx
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stopped_before_its_commit_keeps_nobody_waiting_but_its_tenant() {
    const MOMENT: Duration = Duration::from_millis(500);
    for holds in [Holds::Identity, Holds::Accounts] {
        let world = World::new().await;
        let intake = world.intake();
        let before = post_lines(&intake, &world.alpha, &lines(&[record("first", LONG)])).await;
        assert_eq!(numbers(&before.expect("taken")), [1, 1, 0, 0]);
        let stopped = holds.write(&world).await;
        let waiting: Vec<_> = (0..8)
            .map(|n| {
                let (intake, alpha) = (intake.clone(), world.alpha.clone());
                let sent = lines(&[record("held-0", LONG), record(format!("own-{n}"), LONG)]);
                tokio::spawn(async move { post_lines(&intake, &alpha, &sent).await })
            })
            .collect();
        let mut held_up = 0;
        for n in 0..20 {
            let begun = Instant::now();
            let reply = post_lines(&intake, &world.beta, &lines(&[record(n, FOREIGN)])).await;
            assert_eq!(numbers(&reply.expect("taken")), [1, 1, 0, 0], "{holds:?}");
            held_up += u32::from(begun.elapsed() > MOMENT);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // By a try now and then, and not by each.
        assert!(held_up < 8, "{holds:?}: {held_up}");
        assert!(!waiting.iter().any(tokio::task::JoinHandle::is_finished));
        drop(stopped);
        let mut accepted = 0;
        for reply in waiting {
            let reply = reply.await.expect("finished").expect("taken");
            assert_eq!((reply.received, reply.rejected), (2, 0), "{holds:?}");
            accepted += reply.accepted;
        }
        assert_eq!(accepted, 9, "{holds:?}");
        assert_eq!(world.proved(&world.alpha).await.records, 10, "{holds:?}");
        assert_eq!(world.proved(&world.beta).await.records, 20, "{holds:?}");
    }
}

#[tokio::test]
async fn a_tenant_whose_records_another_process_keeps_is_answered_503_in_the_end() {
    let world = World::new().await;
    let settings = Settings {
        journal: Duration::from_secs(3),
        ..patient()
    };
    let intake = world.intake_with(settings, NoFault);
    post_lines(&intake, &world.alpha, &lines(&[record("first", LONG)]))
        .await
        .expect("taken");
    let stopped = Holds::Identity.write(&world).await;
    let sent = lines(&[record("held-0", LONG)]);
    let reply = post_lines(&intake, &world.alpha, &sent).await;
    assert_eq!(reply.map_err(|error| error.code()), Err(Code::Unavailable));
    drop(stopped);
    let reply = post_lines(&intake, &world.alpha, &sent).await;
    let reply = reply.expect("taken");
    assert_eq!((reply.received, reply.rejected), (1, 0));
    assert_eq!(world.proved(&world.alpha).await.records, 2);
}
