//! Offsets and topics that are not there any more stop their partition and nothing else, until an operator decides.

use std::ops::Range;

use domain::{
    Code,
    topic::{self, Stop},
};
use ingest::{
    pipeline::NoFault,
    topic::{Consumer, manage},
};
use rdkafka::{Offset, TopicPartitionList, admin::AdminOptions};

use super::Topics;
use crate::world::{Event, Record, SHORT, Sent, World, logged, record, sent, session_ledger};

/// What a topic has, of either kind.
trait Numbered: Event + Sized {
    fn numbered(n: usize) -> Self;

    fn all(ids: Range<usize>) -> Vec<Self> {
        ids.map(Self::numbered).collect()
    }
}

impl Numbered for Record {
    fn numbered(n: usize) -> Self {
        record(n, SHORT)
    }
}

impl Numbered for Sent {
    fn numbered(n: usize) -> Self {
        sent("s", i64::try_from(n).expect("small"), n as u64)
    }
}

async fn send_one<E: Numbered>(topics: &Topics, partition: i32, n: usize) {
    let event = E::numbered(n);
    topics
        .send(partition, Some(event.iccid()), Some(&event.json()))
        .await;
}

/// What ledger and usage store agree on.
async fn counted(world: &World) -> u64 {
    let records = world.proved(&world.alpha).await.records;
    let rollups = logged(world, &world.alpha).await;
    let rollups: i128 = rollups.values().map(|sums| sums[4]).sum();
    let [_, accepted, ..] = session_ledger(world, &world.alpha).await;
    assert_eq!(i128::from(accepted), rollups, "ledger and log differ");
    records + accepted
}

fn stopped(consumer: &Consumer) -> Vec<(i32, Stop)> {
    let lanes = consumer.seen().lanes();
    let stopped = lanes
        .iter()
        .filter_map(|lane| Some((lane.partition.number, lane.stopped?)));
    stopped.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_offset_stops_its_partition_until_an_operator_skips() {
    let (records, rollups) = tokio::join!(Topics::new(), Topics::of_rollups());
    lost_and_skipped::<Record>(records).await;
    lost_and_skipped::<Sent>(rollups).await;
}

async fn lost_and_skipped<E: Numbered>(topics: Topics) {
    let world = World::new().await;
    topics.send_all(&E::all(0..30)).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 30).await;
    consumer.stop().await;
    // Ten more in each, of which partition 1 loses five.
    topics.send_all(&E::all(30..60)).await;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topics.topic, 1, Offset::Offset(15))
        .expect("a partition");
    let admin = topics.admin();
    let gone = admin.delete_records(&list, &AdminOptions::new()).await;
    gone.expect("gone");
    let consumer = topics.start(&world, &intake);
    topics.until_said(&consumer, Some("OFFSET_LOST")).await;
    let sums = topics.until_read(&world, 50).await;
    assert_eq!(sums.accepted, 50);
    assert_eq!(stopped(&consumer), [(1, Stop::OffsetLost)]);
    let findings = manage::check(&topics.settings, &world.db).await;
    let findings = findings.expect("an answer");
    let wrong: Vec<_> = findings.iter().filter(|it| it.wrong).collect();
    assert_eq!(wrong.len(), 1, "{findings:?}");
    assert!(wrong[0].found.contains("OFFSET_LOST"), "{wrong:?}");
    // Another process does not read on either.
    consumer.stop().await;
    let consumer = topics.start(&world, &intake);
    topics.until_said(&consumer, Some("OFFSET_LOST")).await;
    let skip = |to| manage::skip(&topics.settings, &world.db, &topics.topic, 1, to);
    let refused = skip(manage::To::Offset(14))
        .await
        .expect_err("is not there");
    assert_eq!(refused.code(), Code::InvalidInput);
    let skipped = skip(manage::To::Earliest).await.expect("skipped");
    assert_eq!(skipped, (10, 15));
    let sums = topics.until_read(&world, 55).await;
    topics.until_said(&consumer, None).await;
    consumer.stop().await;
    assert_eq!((sums.read, sums.accepted), (55, 55));
    world.settled(&intake).await;
    assert_eq!(counted(&world).await, 55);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_is_lost_while_it_is_read_stops_its_partition() {
    let (records, rollups) = tokio::join!(Topics::new(), Topics::of_rollups());
    lost_while_read::<Record>(records).await;
    lost_while_read::<Sent>(rollups).await;
}

async fn lost_while_read<E: Numbered>(topics: Topics) {
    let world = World::new().await;
    topics.send_all(&E::all(0..3)).await;
    let (_intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 3).await;
    topics.until_said(&consumer, None).await;
    // Nothing is read meanwhile, so what is sent is gone before it is asked for.
    let skip = manage::skip(
        &topics.settings,
        &world.db,
        &topics.topic,
        2,
        manage::To::Offset(0),
    );
    skip.await.expect("skipped");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topics.topic, 2, Offset::Offset(1))
        .expect("a partition");
    let admin = topics.admin();
    let gone = admin.delete_records(&list, &AdminOptions::new()).await;
    gone.expect("gone");
    // The next message is stale, and the position that is begun from is gone.
    send_one::<E>(&topics, 2, 9).await;
    topics.until_said(&consumer, Some("OFFSET_LOST")).await;
    assert_eq!(stopped(&consumer), [(2, Stop::OffsetLost)]);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_again_is_not_taken_for_the_same() {
    let (records, rollups) = tokio::join!(Topics::new(), Topics::of_rollups());
    made_again::<Record>(records).await;
    made_again::<Sent>(rollups).await;
}

async fn made_again<E: Numbered>(topics: Topics) {
    let world = World::new().await;
    topics.send_all(&E::all(0..30)).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 30).await;
    consumer.stop().await;
    let gone = topics
        .admin()
        .delete_topics(&[&topics.topic], &AdminOptions::new())
        .await;
    gone.expect("an answer").pop().expect("one").expect("gone");
    let made = async {
        while manage::create(&topics.settings, 2, 1).await.is_err() {}
        while topics
            .admin()
            .inner()
            .fetch_metadata(Some(&topics.topic), super::PATIENCE)
            .expect("metadata")
            .topics()[0]
            .partitions()
            .len()
            != 2
        {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, made)
        .await
        .expect("made");
    // Partition 0 has as many messages as before, which are others; partition 1 has fewer; partition 2, which was stopped, is gone.
    let positions = async || {
        let cx = world.db.system().await.expect("system");
        let positions = topic::positions(&cx).await.expect("positions");
        let mut own = positions.into_iter().map(|it| it.partition);
        (
            cx,
            own.find(|it| *it.topic == *topics.topic && it.number == 2),
        )
    };
    let (cx, third) = positions().await;
    let third = third.expect("a position");
    let done = topic::stop(&cx, &third, 10, Stop::TopicReplaced).await;
    done.expect("stopped");
    cx.commit().await.expect("committed");
    for n in 100..112 {
        send_one::<E>(&topics, 0, n).await;
    }
    send_one::<E>(&topics, 1, 200).await;
    let consumer = topics.start(&world, &intake);
    topics.until_said(&consumer, Some("TOPIC_REPLACED")).await;
    let both = async {
        while stopped(&consumer).len() != 2 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, both)
        .await
        .expect("both");
    let replaced = Stop::TopicReplaced;
    assert_eq!(stopped(&consumer), [(0, replaced), (1, replaced)]);
    let findings = manage::check(&topics.settings, &world.db).await;
    let findings = findings.expect("an answer");
    assert_eq!(
        findings.iter().filter(|it| it.wrong).count(),
        3,
        "{findings:?}"
    );
    assert!(
        findings
            .iter()
            .any(|it| it.found.contains("fewer partitions"))
    );
    for number in [0, 1] {
        let to = manage::To::Earliest;
        let topic = &topics.topic;
        let skip = manage::skip(&topics.settings, &world.db, topic, number, to);
        skip.await.expect("skipped");
    }
    let sums = topics.until_read(&world, 43).await;
    consumer.stop().await;
    assert_eq!((sums.read, sums.accepted), (43, 43));
}
