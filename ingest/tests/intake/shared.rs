//! Batches that several deliveries share: what is wrong with one of them is not held against the others.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use domain::{
    Code, Error, Result, Role,
    id::TenantId,
    journal::{self, BatchState},
};
use ingest::{
    pipeline::{Fault, NoFault, Step},
    verify::Verifier,
};
use uuid::Uuid;

use crate::{
    evidence::{HARMS, taken_long_ago},
    world::{
        FOREIGN, LONG, Record, World, impatient, lines, numbers, patient, post_lines, record, scope,
    },
};

/// Counts what reaches a step, and stops all of it at another one.
#[derive(Clone)]
struct Seen {
    at: Step,
    times: Arc<AtomicU32>,
    stops: Option<Step>,
}

impl Seen {
    fn at(at: Step, stops: Option<Step>) -> Self {
        Self {
            at,
            times: Arc::default(),
            stops,
        }
    }

    fn times(&self) -> u32 {
        self.times.load(Ordering::SeqCst)
    }
}

impl Fault for Seen {
    fn reached(&self, step: Step) -> Result<()> {
        if step == self.at {
            self.times.fetch_add(1, Ordering::SeqCst);
        }
        if Some(step) == self.stops {
            return Err(Error::internal("stopped on purpose"));
        }
        Ok(())
    }
}

// Here and below: what is sent from one thread at one moment is in line before a batch is made of it.

#[tokio::test]
async fn a_delivery_that_repeats_its_own_batch_is_answered_when_that_is_counted() {
    let world = World::new().await;
    let batches = Seen::at(Step::Recorded, Some(Step::Committed));
    let stopped = world.intake_with(impatient(), batches.clone());
    let sent = lines(&[record("x", LONG)]);
    let (first, second) = tokio::join!(
        post_lines(&stopped, &world.alpha, &sent),
        post_lines(&stopped, &world.alpha, &sent),
    );
    assert_eq!(batches.times(), 1, "they share a batch");
    for reply in [first, second] {
        assert_eq!(reply.map_err(|error| error.code()), Err(Code::Unavailable));
    }
    world.settled(&stopped).await;
    assert_eq!(world.proved(&world.alpha).await.records, 1);
}

#[tokio::test]
async fn a_delivery_that_cannot_be_journaled_takes_no_other_along() {
    let world = World::new().await;
    world
        .postgres
        .run("ALTER TABLE intake_accounting ADD CONSTRAINT poison CHECK (source <> 'poison')");
    let batches = Seen::at(Step::Claimed, None);
    let intake = world.intake_with(patient(), batches.clone());
    let poisoned = Record {
        source: "poison".into(),
        ..record(2, LONG)
    };
    let [before, poisoned, after, theirs] = [
        record(1, LONG),
        poisoned,
        record(3, LONG),
        record(4, FOREIGN),
    ]
    .map(|record| lines(&[record]));
    let (before, poisoned, after, theirs) = tokio::join!(
        post_lines(&intake, &world.alpha, &before),
        post_lines(&intake, &world.alpha, &poisoned),
        post_lines(&intake, &world.alpha, &after),
        post_lines(&intake, &world.beta, &theirs),
    );
    assert_eq!(batches.times(), 5, "all in one batch, then each in its own");
    let refused = poisoned.map_err(|error| error.code());
    assert_eq!(refused, Err(Code::Internal));
    for reply in [before, after, theirs] {
        assert_eq!(numbers(&reply.expect("taken")), [1, 1, 0, 0]);
    }
    assert_eq!(world.proved(&world.alpha).await.records, 2);
    assert_eq!(world.proved(&world.beta).await.records, 1);
}

#[tokio::test]
async fn only_the_tenant_that_is_gone_hears_that_it_is() {
    let world = World::new().await;
    let batches = Seen::at(Step::Recorded, None);
    let intake = world.intake_with(patient(), batches.clone());
    let gone = scope(TenantId::new(Uuid::now_v7()), Role::TenantAdmin);
    let gone = world.enter(gone).await.expect("entered");
    let [mine, theirs] = [record(1, LONG), record(2, FOREIGN)].map(|record| lines(&[record]));
    let (mine, nobodys, theirs) = tokio::join!(
        post_lines(&intake, &world.alpha, &mine),
        post_lines(&intake, &gone, &mine),
        post_lines(&intake, &world.beta, &theirs),
    );
    let refused = nobodys.map_err(|error| error.code());
    assert_eq!(refused, Err(Code::NotFound));
    for reply in [mine, theirs] {
        assert_eq!(numbers(&reply.expect("taken")), [1, 1, 0, 0]);
    }
    assert_eq!(batches.times(), 2);
    assert_eq!(world.proved(&world.alpha).await.records, 1);
    assert_eq!(world.proved(&world.beta).await.records, 1);
}

/// A batch of both tenants that was stopped at a step, while records of Alpha's hour are not the ledger's.
async fn both_withheld(world: &World, step: Step) -> [String; 2] {
    taken_long_ago(world, 0..10).await;
    world.ask(HARMS[0]).await;
    let mine: Vec<Record> = (10..15).map(|n| record(n, LONG)).collect();
    let theirs = [record("b1", FOREIGN), record("b2", FOREIGN)];
    let batches = Seen::at(Step::Recorded, Some(step));
    let stopped = world.intake_with(impatient(), batches.clone());
    let [mine, theirs] = [&mine[..], &theirs].map(lines);
    let (first, second) = tokio::join!(
        post_lines(&stopped, &world.alpha, &mine),
        post_lines(&stopped, &world.beta, &theirs),
    );
    assert!(first.is_err() && second.is_err());
    assert_eq!(batches.times(), 1, "they share a batch");
    [mine, theirs]
}

#[tokio::test]
async fn lost_records_of_one_tenant_do_not_withhold_what_another_one_sent_with_it() {
    for step in [Step::Committed, Step::Applied] {
        let world = World::new().await;
        let [mine, theirs] = both_withheld(&world, step).await;
        let intake = world.intake();
        let settled = world.settled(&intake).await;
        assert_eq!((settled.quarantined, settled.counted), (1, 1), "{step:?}");
        assert_eq!(world.proved(&world.beta).await.records, 2, "{step:?}");
        let quarantined = [&world.alpha, &world.beta]
            .map(|tenant| world.batches(tenant, BatchState::Quarantined));
        let [of_alpha, of_beta] = futures::future::join_all(quarantined)
            .await
            .try_into()
            .expect("two");
        assert_eq!((of_alpha, of_beta), (vec![5], vec![]), "{step:?}");
        let verifier = Verifier::new(world.store.clone(), world.db.clone());
        let report = verifier.look(Uuid::new_v4()).await.expect("looked");
        let foreign = |text: &&String| text.contains("beta") || text.contains("does not know");
        let foreign: Vec<_> = report.differences.iter().filter(foreign).collect();
        assert_eq!(foreign, [""; 0], "{step:?}");
        for (tenant, sent, of) in [(&world.alpha, mine, 5), (&world.beta, theirs, 0)] {
            let again = post_lines(&intake, tenant, &sent).await.expect("taken");
            assert_eq!((again.accepted, again.pending), (0, of), "{step:?}");
        }
    }
}

#[tokio::test]
async fn copies_of_two_tenants_in_one_batch_are_dropped_together() {
    let world = World::new().await;
    let batches = Seen::at(Step::Recorded, None);
    let intake = world.intake_with(patient(), batches.clone());
    let mine: Vec<Record> = (0..5).map(|n| record(n, LONG)).collect();
    let theirs: Vec<Record> = (0..5).map(|n| record(n, FOREIGN)).collect();
    let [mine, theirs] = [&mine, &theirs].map(|records| lines(records));
    let (first, second) = tokio::join!(
        post_lines(&intake, &world.alpha, &mine),
        post_lines(&intake, &world.beta, &theirs),
    );
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(batches.times(), 1, "they share a batch");
    let kept = world.pending(BatchState::Counted).await;
    let cx = world.db.system().await.expect("system");
    let forgotten = journal::forget(&cx, &[kept[0].batch]).await;
    assert_eq!(forgotten.expect("forgotten"), 1);
    cx.commit().await.expect("committed");
    world.ask(HARMS[2]).await;
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    let repaired = verifier.repair(Uuid::new_v4(), &intake).await;
    let repaired = repaired.expect("repaired");
    assert_eq!(repaired.report.differences, [""; 0]);
    assert_eq!(repaired.done.len(), 2, "{:?}", repaired.done);
    for tenant in [&world.alpha, &world.beta] {
        assert_eq!(world.proved(tenant).await.records, 5);
    }
}

#[tokio::test]
async fn what_a_newer_program_wrote_waits_and_what_is_damaged_is_quarantined() {
    let world = World::new().await;
    let stopped = world.intake_with(impatient(), Seen::at(Step::Recorded, Some(Step::Committed)));
    for (first, count) in [(0, 1), (1, 2), (3, 3), (6, 4)] {
        let sent: Vec<Record> = (first..first + count).map(|n| record(n, LONG)).collect();
        let reply = post_lines(&stopped, &world.alpha, &lines(&sent)).await;
        assert!(reply.is_err());
    }
    // Damaged as it is stored, and damaged within.
    world.postgres.run(
        "UPDATE intake_batch SET encoding = encoding + 1 WHERE rows = 1; \
         UPDATE intake_batch SET payload = substr(payload, 1, length(payload) / 2) WHERE rows = 2; \
         UPDATE intake_batch SET payload = '\\x28b52ffd0058410000676172626167652d' WHERE rows = 3",
    );
    let intake = world.intake_with(impatient(), NoFault);
    let mut sum = [0; 3];
    while sum[0] == 0 {
        let settled = intake.settle().await.expect("settled");
        sum = [
            sum[0] + settled.counted,
            sum[1] + settled.quarantined,
            settled.waiting,
        ];
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(sum, [1, 2, 1]);
    assert_eq!(world.counted(&world.alpha).await.records, 4);
    let mut quarantined = world.batches(&world.alpha, BatchState::Quarantined).await;
    quarantined.sort_unstable();
    assert_eq!(quarantined, [2, 3]);
    assert_eq!(world.pending(BatchState::Journaled).await.len(), 1);
    // The newer program is here.
    let same = "UPDATE intake_batch SET encoding = encoding - 1 WHERE rows = 1";
    world.postgres.run(same);
    assert_eq!(world.settled(&intake).await.counted, 1);
    assert_eq!(world.counted(&world.alpha).await.records, 5);
}
