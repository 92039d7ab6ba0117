//! What a look sees, and that it holds nobody up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use analytics::cube::Level;
use chrono::TimeDelta;
use domain::{Code, id::BatchId, journal};
use ingest::verify::Verdict;
use uuid::Uuid;

use crate::world::{Delivered, World, month};

/// Sees exactly one sentence with these words.
fn only(differences: &[String], words: &[&str]) {
    let [sentence] = differences else {
        panic!("{differences:?}")
    };
    for word in words {
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_installation_has_no_differences() {
    let (world, _) = World::sound().await;
    let report = world.look().await;
    assert_eq!(report.differences, [""; 0]);
    assert!(report.stood_still < Duration::from_secs(1), "{report:?}");
    let [line] = &report.lines[..] else {
        panic!("{:?}", report.lines)
    };
    assert_eq!((&*line.tenant, &*line.source), ("alpha", "test"));
    assert_eq!(line.verdict, Verdict::Equal);
    assert!(line.counts.iter().all(|count| count.records == 3_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_another_customer_or_device_is_seen_though_the_sums_agree() {
    let (world, _) = World::sound().await;
    let of_sims = "toUInt64(toUInt128(sim) % 65536) <= 40";
    let other = Uuid::from_u128(0xc);
    world.swap(
        Level::Month,
        &format!("toUUID('{other}') AS customer"),
        of_sims,
    );
    let report = world.look().await;
    let named = |word: &str| report.differences.iter().any(|text| text.contains(word));
    assert!(
        named(&format!("cus_{}", other.simple())),
        "{:?}",
        report.differences
    );
    assert!(named("usage_day says") && named("usage_month says"));
    assert!(
        report
            .lines
            .iter()
            .all(|line| line.verdict == Verdict::Differ)
    );
    let world = World::sound().await.0;
    let device = Uuid::from_u128(0xdd);
    world.swap(
        Level::Year,
        &format!("toUUID('{device}') AS device"),
        of_sims,
    );
    let report = world.look().await;
    let shown = format!("dev_{}", device.simple());
    assert!(report.differences.iter().any(|text| text.contains(&shown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_the_place_of_a_record_is_seen_though_the_sums_agree() {
    let (world, batches) = World::sound().await;
    // Two records of one hour that are alike but for their identity: one becomes a copy of the other.
    let [first, second] = [0, 1].map(|n| {
        world.cubes.run(&format!(
            "SELECT identity FROM cdr WHERE batch = '{}' ORDER BY start LIMIT 1 OFFSET {n}",
            batches[0].batch.uuid()
        ))
    });
    let (first, second) = (first.trim(), second.trim());
    world.cubes.run(
        "CREATE TABLE beside AS cdr ENGINE = MergeTree PARTITION BY toYYYYMM(start) \
         ORDER BY (tenant, customer, sim, start, identity)",
    );
    world.cubes.run(&format!(
        "INSERT INTO beside SELECT * REPLACE (toUUID('{first}') AS identity, now() + 60 AS apply_by) \
         FROM (SELECT * FROM cdr WHERE identity = '{second}')"
    ));
    world.lose(&format!("identity = '{second}'"));
    world
        .cubes
        .run("ALTER TABLE cdr ATTACH PARTITION ALL FROM beside");
    let report = world.look().await;
    assert_eq!(report.count(), 2, "{:?}", report.differences);
    let batch = batches[0].batch.to_string();
    let [batches, copies] = &report.differences[..] else {
        panic!("{:?}", report.differences)
    };
    assert!(
        batches.contains(&batch) && batches.contains("other identities"),
        "{batches}"
    );
    assert!(copies.contains("2 records of the identity"), "{copies}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_or_quarantined_is_no_difference() {
    let (world, batches) = World::sound().await;
    let more = Delivered::new(month(1) + TimeDelta::days(3), 70);
    let refused = Delivered::new(month(2) + TimeDelta::days(9), 30);
    world.book(&more, "JOURNALED").await;
    world.book(&refused, "QUARANTINED").await;
    let report = world.look().await;
    assert_eq!(report.differences, [""; 0]);
    assert_eq!(
        (report.on_the_way.parts, report.on_the_way.records),
        (1, 70)
    );
    assert_eq!(
        (report.quarantined.parts, report.quarantined.records),
        (1, 30)
    );
    assert!(
        report
            .lines
            .iter()
            .all(|line| line.verdict == Verdict::Waiting)
    );

    // A loss of the same hours does not hide behind it.
    let lost = batches[0].batch;
    world.lose(&format!(
        "batch = '{}' AND start < toDateTime({}, 'UTC')",
        lost.uuid(),
        (batches[0].from + TimeDelta::hours(1)).timestamp()
    ));
    let report = world.look().await;
    let named = |text: &&String| {
        text.contains(&lost.to_string()) && text.contains("is counted, and cdr has")
    };
    assert_eq!(report.differences.iter().filter(named).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_quarantined_or_unknown_batch_are_a_difference() {
    let (world, _) = World::sound().await;
    let refused = Delivered::new(month(2) + TimeDelta::days(9), 30);
    world.insert(&refused);
    world.book(&refused, "QUARANTINED").await;
    let report = world.look().await;
    only(
        &report.differences,
        &[
            "alpha",
            &refused.batch.to_string(),
            "quarantined",
            "30 records",
        ],
    );
    let stranger = Delivered::new(month(2) + TimeDelta::days(12), 5);
    world.insert(&stranger);
    let report = world.look().await;
    let shown = stranger.batch.to_string();
    let known = format!("does not know {shown}");
    assert!(report.differences.iter().any(|text| text.contains(&known)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_books_must_agree() {
    let (world, _) = World::sound().await;
    world
        .postgres
        .run("UPDATE intake_batch_tenant SET bytes_up = bytes_up + 1 WHERE part = (SELECT min(part) FROM intake_batch_tenant)");
    let report = world.look().await;
    assert!(
        report
            .differences
            .iter()
            .any(|text| text.contains("the accounting accepted")),
        "{:?}",
        report.differences
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_verifies_at_a_time() {
    let (world, _) = World::sound().await;
    let held = journal::ledger::try_verify(&world.db)
        .await
        .expect("a lock");
    let held = held.expect("nobody verifies");
    let refused = world.verifier().look(Uuid::new_v4()).await;
    assert_eq!(
        refused.err().map(|error| error.code()),
        Some(Code::Conflict)
    );
    held.commit().await.expect("let go");
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_waits_only_a_moment_for_the_lock_and_intake_goes_on() {
    let (world, _) = World::sound().await;
    let cx = world.db.system().await.expect("a transaction");
    journal::hold_apply(&cx, Duration::from_mins(1))
        .await
        .expect("held");
    let began = Instant::now();
    let asks = world.db.system().await.expect("a transaction");
    let tried = journal::try_freeze_apply(&asks).await;
    assert!(!tried.expect("no failure"));
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(asks);
    // A look goes on trying, and holds nobody up meanwhile.
    let verifier = world.verifier();
    let look = tokio::spawn(async move { verifier.look(Uuid::new_v4()).await });
    for _ in 0..5 {
        let other = world.db.system().await.expect("a transaction");
        let began = Instant::now();
        journal::hold_apply(&other, Duration::from_mins(1))
            .await
            .expect("held");
        assert!(began.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!look.is_finished());
    drop(cx);
    let report = look.await.expect("no panic").expect("looked");
    assert_eq!(report.differences, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_counted_meanwhile_are_held_up_for_less_than_a_second() {
    let (world, _) = World::sound().await;
    let world = Arc::new(world);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|_| tokio::spawn(count_until(world.clone(), stop.clone())))
        .collect();
    for _ in 0..5 {
        let report = world.look().await;
        assert_eq!(report.differences, [""; 0]);
        assert!(
            report.stood_still < Duration::from_secs(1),
            "{:?}",
            report.stood_still
        );
    }
    stop.store(true, Ordering::Relaxed);
    let mut batches = 0;
    for writer in writers {
        let (counted, longest) = writer.await.expect("no panic");
        assert!(longest < Duration::from_secs(1), "{longest:?}");
        batches += counted;
    }
    assert!(batches >= 5, "batches were counted meanwhile: {batches}");
    world.agrees().await;
}

/// Counts batches as intake does, under the shared lock; says how many, and the longest wait for the lock.
async fn count_until(world: Arc<World>, stop: Arc<AtomicBool>) -> (u32, Duration) {
    let (mut counted, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let mut batch = Delivered::new(month(1), 40);
        batch.batch = BatchId::new(Uuid::new_v4());
        let cx = world.db.system().await.expect("a transaction");
        let began = Instant::now();
        journal::hold_apply(&cx, Duration::from_mins(1))
            .await
            .expect("held");
        longest = longest.max(began.elapsed());
        world.insert(&batch);
        world.book(&batch, "COUNTED").await;
        cx.commit().await.expect("committed");
        counted += 1;
    }
    (counted, longest)
}
