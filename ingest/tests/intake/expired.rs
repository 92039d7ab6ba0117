//! Records that are kept for a time of their tenant's own: what is taken in, and that what expired is not taken for lost.

use chrono::TimeDelta;
use domain::{
    Clock as _,
    journal::BatchState,
    tenant::{self, Retention, SetSettings},
};
use ingest::{
    pipeline::{Intake, NoFault, Of, Settled, Step},
    verify::{Report, Verifier},
};
use uuid::Uuid;

use crate::{
    fault::StopAt,
    world::{
        CUBE_TABLES, Caller, FOREIGN, LONG, Record, World, impatient, lines, post_lines, record,
    },
};

/// A tenant keeps its records for so many days from now on.
async fn keep(world: &World, slug: &str, days: Option<u16>) {
    let cx = world.db.system().await.expect("system");
    let set = SetSettings {
        record_days: Some(days),
        ..SetSettings::default()
    };
    tenant::set(&cx, slug, set).await.expect("set");
    cx.commit().await.expect("committed");
}

/// Records that began so many days ago.
fn days_ago(world: &World, days: i64, iccid: &str, count: u32) -> Vec<Record> {
    let start = world.clock.now() - TimeDelta::days(days);
    let end = start + TimeDelta::minutes(1);
    let text = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    (0..count)
        .map(|n| Record {
            start: text(start),
            end: text(end),
            ..record(format!("{days}-{n}"), iccid)
        })
        .collect()
}

/// As if the engine's own clock were that of the test: records go that began so many days ago.
async fn expire(world: &World, days: i64) {
    let before = world.clock.now() - TimeDelta::days(days);
    let sql = format!(
        "ALTER TABLE cdr DELETE WHERE start < toDateTime({}, 'UTC') SETTINGS mutations_sync = 2",
        before.timestamp()
    );
    world.ask(&sql).await;
}

/// What the cubes have of a tenant.
async fn cubes(world: &World, caller: &Caller) -> Vec<String> {
    let mut sums = Vec::new();
    for cube in CUBE_TABLES {
        let tenant = caller.tenant().uuid();
        let sql = format!(
            "SELECT sum(records), sum(bytes_up) FROM {cube} WHERE tenant = '{tenant}' FORMAT TSV"
        );
        sums.push(world.ask(&sql).await.trim().to_owned());
    }
    sums
}

async fn look(world: &World) -> Report {
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    verifier.look(Uuid::new_v4()).await.expect("looked")
}

async fn looked_for_and_settled(world: &World, intake: &Intake) -> Settled {
    intake.look_for(Of::All).await.expect("looked for");
    world.settled(intake).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_soon_go_is_too_old_and_what_is_taken_goes_by_the_tenants_retention() {
    let world = World::new().await;
    keep(&world, "alpha", Some(60)).await;
    let intake = world.intake();
    let reached = async |caller: &Caller, days: i64, iccid| {
        let reply = post_lines(&intake, caller, &lines(&days_ago(&world, days, iccid, 1))).await;
        let reply = reply.expect("an account");
        let codes = reply.rejections.iter().map(|it| it.code.to_string());
        (reply.accepted, codes.collect::<Vec<_>>())
    };
    assert_eq!(reached(&world.alpha, 44, LONG).await, (1, vec![]));
    let refused = (0, vec!["TOO_OLD".to_owned()]);
    assert_eq!(reached(&world.alpha, 46, LONG).await, refused);
    assert_eq!(reached(&world.beta, 46, FOREIGN).await, (1, vec![]));
    // February 2026 and its end.
    let days = "SELECT DISTINCT toString(start, 'UTC') < '2026-02-04', toString(expires) FROM cdr ORDER BY 2 FORMAT TSV";
    assert_eq!(world.ask(days).await.trim(), "0\t2026-04-30\n1\t2027-04-05");
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_records_that_expired_are_not_taken_for_lost() {
    let world = World::new().await;
    keep(&world, "alpha", Some(60)).await;
    let intake = world.intake();
    for (caller, iccid) in [(&world.alpha, LONG), (&world.beta, FOREIGN)] {
        for days in [1, 41] {
            let records = days_ago(&world, days, iccid, 5);
            let reply = post_lines(&intake, caller, &lines(&records)).await;
            assert_eq!(reply.expect("an account").accepted, 5);
        }
    }
    let before = [
        cubes(&world, &world.alpha).await,
        cubes(&world, &world.beta).await,
    ];
    world.clock.pass(TimeDelta::days(20));
    expire(&world, 60).await;
    // Beta keeps its records for longer: there they are lost, and come back from the journal.
    let settled = looked_for_and_settled(&world, &intake).await;
    assert_eq!(
        (settled.inserted, settled.quarantined),
        (5, 0),
        "{settled:?}"
    );
    let after = [
        cubes(&world, &world.alpha).await,
        cubes(&world, &world.beta).await,
    ];
    assert_eq!(after, before);
    intake.look_for(Of::All).await.expect("looked for");
    assert!(world.pending(BatchState::Counted).await.is_empty());
    let report = look(&world).await;
    assert_eq!(report.differences, [""; 0]);
    assert_eq!(report.expired, 1);
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    let repaired = verifier.repair(Uuid::new_v4(), &intake).await;
    let repaired = repaired.expect("repaired");
    assert_eq!((repaired.done, repaired.refused), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_uncertain_batch_whose_records_may_have_expired_the_cubes_tell_whether_it_was_counted()
 {
    for (step, inserted) in [(Step::Applied, 0), (Step::Committed, 5)] {
        let world = World::new().await;
        keep(&world, "alpha", Some(60)).await;
        let records = days_ago(&world, 41, LONG, 5);
        let stopped = world.intake_with(impatient(), StopAt::first(step));
        let reply = post_lines(&stopped, &world.alpha, &lines(&records)).await;
        assert!(reply.is_err());
        world.clock.pass(TimeDelta::days(20));
        expire(&world, 60).await;
        let settled = world
            .settled(&world.intake_with(impatient(), NoFault))
            .await;
        assert_eq!(
            (settled.counted, settled.inserted),
            (1, inserted),
            "{step:?}"
        );
        let sums = cubes(&world, &world.alpha).await;
        // The small ones are in one table.
        let expected = ["5\t500", "5\t500", "5\t500", "5\t500", "20\t2000"];
        assert_eq!(sums, expected, "{step:?}");
        expire(&world, 60).await;
        assert_eq!(look(&world).await.differences, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_cubes_do_not_tell_it_either_nothing_is_counted_twice() {
    let world = World::new().await;
    keep(&world, "alpha", Some(60)).await;
    let intake = world.intake();
    let mut records = days_ago(&world, 41, LONG, 8);
    let others = records.split_off(5);
    let first = post_lines(&intake, &world.alpha, &lines(&others)).await;
    assert_eq!(first.expect("an account").accepted, 3);
    let stopped = world.intake_with(impatient(), StopAt::first(Step::Applied));
    let reply = post_lines(&stopped, &world.alpha, &lines(&records)).await;
    assert!(reply.is_err());
    // Half of the hour is gone.
    world
        .ask("ALTER TABLE usage_hour UPDATE records = 1 WHERE true SETTINGS mutations_sync = 2")
        .await;
    let before = cubes(&world, &world.alpha).await;
    world.clock.pass(TimeDelta::days(20));
    expire(&world, 60).await;
    let settled = world.settled(&intake).await;
    assert_eq!(
        (settled.quarantined, settled.inserted),
        (1, 0),
        "{settled:?}"
    );
    assert_eq!(cubes(&world, &world.alpha).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_retention_is_told_to_the_usage_store_and_once_more_when_nobody_knows_the_one_before()
 {
    let world = World::new().await;
    let intake = world.intake();
    let records = days_ago(&world, 1, LONG, 3);
    let reply = post_lines(&intake, &world.alpha, &lines(&records)).await;
    assert_eq!(reply.expect("an account").accepted, 3);
    let told = async || {
        for _ in 0..600 {
            if intake.keep_records().await.expect("told") == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the usage store is not done");
    };
    let days = "SELECT DISTINCT toString(expires) FROM cdr FORMAT TSV";
    let unapplied = async || {
        let cx = world.db.system().await.expect("system");
        tenant::unapplied(&cx).await.expect("changes").len()
    };
    assert_eq!(world.ask(days).await.trim(), "2027-05-06");
    keep(&world, "alpha", Some(1_000)).await;
    assert_eq!(unapplied().await, 1);
    told().await;
    assert_eq!(world.ask(days).await.trim(), "2028-12-26");
    assert_eq!(unapplied().await, 0);
    // What somebody inserts who read the one before.
    world.ask("ALTER TABLE cdr UPDATE expires = toDate('2027-05-06') WHERE true SETTINGS mutations_sync = 2").await;
    world.clock.pass(TimeDelta::minutes(10));
    assert_eq!(unapplied().await, 1);
    told().await;
    assert_eq!(world.ask(days).await.trim(), "2028-12-26");
    assert_eq!(unapplied().await, 0);
    // Nothing goes at once.
    keep(&world, "alpha", Some(60)).await;
    told().await;
    assert_eq!(world.ask(days).await.trim(), "2026-05-31");
    world.clock.pass(TimeDelta::days(100));
    keep(&world, "alpha", Some(61)).await;
    told().await;
    let soon = (world.clock.now() + Retention::GRACE)
        .date_naive()
        .to_string();
    assert_eq!(world.ask(days).await.trim(), soon);
}
