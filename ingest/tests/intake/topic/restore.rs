//! What the usage store lost of a month comes back from the topic and the journal, and what nobody has is said.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Period, journal::Kind};
use ingest::{
    pipeline::{Intake, NoFault, Of, Settled},
    restore::{self, Restored},
    verify::Verifier,
};
use rdkafka::{Offset, TopicPartitionList, admin::AdminOptions};
use tokio::time::timeout;
use uuid::Uuid;

use super::Topics;
use crate::world::{Event as _, Record, SHORT, Totals, World, array, post_json, record};

/// Every table of usage records.
pub(super) const TABLES: [&str; 6] = [
    "cdr",
    "usage_hour",
    "usage_day",
    "usage_month",
    "usage_year",
    "usage_small",
];

fn march() -> Period {
    let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a moment");
    let (from, to) = (at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z"));
    Period::new(from, to).expect("a month")
}

/// The world's records as they are stored.
pub(super) async fn stored(world: &World) -> String {
    let sql = "SELECT tenant, customer, sim, device, network, rat, service, source, record_id, identity, start, end, bytes_up, \
               bytes_down, units, sign, batch, received_at FROM cdr ORDER BY identity FORMAT TSV";
    world.ask(sql).await
}

pub(super) async fn lose(world: &World, tables: &[&str]) {
    for table in tables {
        world.ask(&format!("TRUNCATE TABLE {table}")).await;
    }
}

pub(super) async fn restored(world: &World, topics: &Topics, intake: &Intake) -> Restored {
    let topics = Some(&topics.settings);
    let restored = restore::month(intake, &world.store, &world.db, topics, march()).await;
    restored.expect("restored")
}

pub(super) async fn differences(world: &World) -> u64 {
    let verifier = Verifier::new(world.store.clone(), world.db.clone());
    let report = verifier.look(Uuid::new_v4()).await.expect("a look");
    report.count()
}

/// Reads records from the topic, and lets the journal forget them.
async fn read(world: &World, topics: &Topics, records: &[Record]) -> Intake {
    topics.send_all(records).await;
    let (intake, consumer) = topics.reads(world, NoFault);
    topics.until_read(world, records.len() as u64).await;
    consumer.stop().await;
    forgotten(world, &intake).await;
    intake
}

pub(super) async fn forgotten(world: &World, intake: &Intake) {
    world.settled(intake).await;
    world.clock.pass(TimeDelta::minutes(10));
    intake.look_for(Of::Old).await.expect("looked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_was_lost_comes_back_from_its_topic_as_it_was() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..60).map(|n| record(n, SHORT)).collect();
    let mut sent = records.clone();
    // One comes again, and one with other bytes.
    sent.push(record(7, SHORT));
    sent.push(Record {
        up: "101".into(),
        ..record(8, SHORT)
    });
    let intake = read(&world, &topics, &sent).await;
    let (before, totals) = (stored(&world).await, world.proved(&world.alpha).await);
    assert_eq!(totals.records, 60);
    // All tables, the records alone, and the cubes of one grain with them.
    for lost in [
        &TABLES[..],
        &TABLES[..1],
        &TABLES[..2],
        &["cdr", "usage_year"],
    ] {
        lose(&world, lost).await;
        assert!(differences(&world).await > 0, "{lost:?}");
        let restored = restored(&world, &topics, &intake).await;
        assert_eq!(
            (restored.from_topics, restored.left.len()),
            (60, 0),
            "{lost:?}"
        );
        assert_eq!(stored(&world).await, before, "{lost:?}");
        assert_eq!(world.proved(&world.alpha).await, totals, "{lost:?}");
        assert_eq!(differences(&world).await, 0, "{lost:?}");
        forgotten(&world, &intake).await;
    }
    let again = restored(&world, &topics, &intake).await;
    assert_eq!((again.from_topics, again.settled.inserted), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_on_the_way_is_not_waited_for() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..9).map(|n| record(n, SHORT)).collect();
    let intake = read(&world, &topics, &records).await;
    lose(&world, &TABLES).await;
    // A server that is at it, for longer than anybody would wait.
    world.postgres.run(
        "INSERT INTO intake_batch (batch_id, state, encoding, rows, payload, first_at, last_at, apply_by, created_at)
         VALUES (gen_random_uuid(), 'JOURNALED', 1, 1, '', now(), now(), '2100-01-01', now())",
    );
    let restored = timeout(super::PATIENCE, restored(&world, &topics, &intake)).await;
    let restored = restored.expect("in time");
    assert_eq!((restored.from_topics, restored.settled.inserted), (9, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_is_listed_and_the_rest_comes_back() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..30).map(|n| record(n, SHORT)).collect();
    let intake = read(&world, &topics, &records).await;
    let direct: Vec<Record> = (30..35).map(|n| record(n, SHORT)).collect();
    let posted = post_json(&intake, &world.alpha, &array(&direct)).await;
    assert_eq!(posted.expect("posted").accepted, 5);
    forgotten(&world, &intake).await;
    // Where the cubes may be all that is left, nothing is touched.
    lose(&world, &["cdr"]).await;
    let hours = "SELECT sum(records) FROM usage_hour FORMAT TSV";
    let spared = restored(&world, &topics, &intake).await;
    assert_eq!((spared.from_topics, spared.settled.inserted), (0, 0));
    assert_eq!(spared.left.iter().map(|left| left.records).sum::<u64>(), 35);
    assert_eq!(world.ask(hours).await.trim(), "35");
    lose(&world, &TABLES).await;
    let restored = restored(&world, &topics, &intake).await;
    assert_eq!((restored.from_topics, restored.settled.inserted), (30, 30));
    let [left] = &restored.left[..] else {
        panic!("one batch: {:?}", restored.left);
    };
    assert_eq!((left.records, left.kind), (5, Kind::Cdr));
    assert_eq!(left.why, "no topic has them");
    let Totals { records, .. } = world.counted(&world.alpha).await;
    assert_eq!(records, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_topic_has_beside_what_is_missing_makes_up_for_nothing() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..60).map(|n| record(n, SHORT)).collect();
    // In their order, so that it is known which go: 20 in each partition.
    for (n, record) in records.iter().enumerate() {
        let partition = i32::try_from(n % 3).expect("small");
        let json = record.json();
        let iccid = Some(record.iccid());
        topics.send(partition, iccid, Some(&json)).await;
    }
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 60).await;
    consumer.stop().await;
    forgotten(&world, &intake).await;
    // The records lose the first ten of each partition, its topic the first eight of them.
    let kept = "toUInt32(record_id) >= 30";
    world
        .ask("CREATE TABLE kept ENGINE = Memory AS SELECT * REPLACE(now() + 60 AS apply_by) FROM cdr")
        .await;
    let mut list = TopicPartitionList::new();
    for partition in 0..3 {
        list.add_partition_offset(&topics.topic, partition, Offset::Offset(8))
            .expect("a partition");
    }
    let admin = topics.admin();
    let gone = admin.delete_records(&list, &AdminOptions::new()).await;
    gone.expect("gone");
    let missing = |restored: &Restored| restored.left.iter().map(|it| it.records).sum::<u64>();
    let hours = "SELECT sum(records) FROM usage_hour FORMAT TSV";
    // Where the cubes have them, nothing is touched.
    let sql = format!("ALTER TABLE cdr DELETE WHERE NOT {kept} SETTINGS mutations_sync = 2");
    world.ask(&sql).await;
    let spared = restored(&world, &topics, &intake).await;
    let Settled {
        inserted,
        quarantined,
        ..
    } = spared.settled;
    assert_eq!((missing(&spared), inserted, quarantined), (30, 0, 0));
    assert_eq!(world.ask(hours).await.trim(), "60");
    // Where they lost as much, what is there comes back, and the rest is said.
    lose(&world, &TABLES).await;
    let sql = format!("INSERT INTO cdr SELECT * FROM kept WHERE {kept}");
    world.ask(&sql).await;
    for from_journal in [false, true] {
        let restored = restored(&world, &topics, &intake).await;
        let Settled {
            inserted,
            quarantined,
            ..
        } = restored.settled;
        let expected = if from_journal { 0 } else { 6 };
        assert_eq!(
            (restored.from_topics, inserted, quarantined),
            (expected, expected, 0)
        );
        assert_eq!(missing(&restored), 24);
        let there = "SELECT count() FROM cdr WHERE toUInt32(record_id) >= 24 FORMAT TSV";
        assert_eq!(world.ask(there).await.trim(), "36");
        assert_eq!(world.ask(hours).await.trim(), "36");
        assert_eq!(world.counted(&world.alpha).await.records, 36);
    }
    // What is left is short in the ledger's eyes and else in nobody's.
    forgotten(&world, &intake).await;
    let again = restored(&world, &topics, &intake).await;
    assert_eq!((missing(&again), again.settled.quarantined), (24, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_still_has_needs_no_topic() {
    let world = World::new().await;
    let intake = world.intake();
    let records: Vec<Record> = (0..10).map(|n| record(n, SHORT)).collect();
    let posted = post_json(&intake, &world.alpha, &array(&records)).await;
    assert_eq!(posted.expect("posted").accepted, 10);
    let (before, totals) = (stored(&world).await, world.proved(&world.alpha).await);
    lose(&world, &TABLES).await;
    let restored = restore::month(&intake, &world.store, &world.db, None, march()).await;
    let restored = restored.expect("restored");
    assert_eq!((restored.from_journal, restored.left.len()), (10, 0));
    assert_eq!(stored(&world).await, before);
    assert_eq!(world.proved(&world.alpha).await, totals);
}
