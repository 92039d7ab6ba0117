//! Little that unpacks to much: nothing of it stops what lies beside it, and memory stays bounded.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use domain::{Result, topic::Reading};
use ingest::{
    pipeline::{Fault, NoFault, Step},
    topic::{Settings, dead::DeadLetters, manage, replay},
};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};

use super::{PATIENCE, Topics};
use crate::world::{Record, SHORT, World, record};

/// Sends payloads to a partition in one batch.
async fn send_packed(topics: &Topics, partition: i32, codec: &str, payloads: &[String]) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &topics.settings.brokers)
        .set("compression.type", codec)
        .set("message.max.bytes", "400000000")
        .set("batch.size", "400000000")
        .set("linger.ms", "1000")
        .create()
        .expect("a producer");
    let sent = payloads.iter().map(|payload| {
        let message = FutureRecord::to(&topics.topic)
            .partition(partition)
            .key(SHORT)
            .payload(payload);
        producer.send(message, PATIENCE)
    });
    for sent in futures::future::join_all(sent).await {
        sent.map_err(|(error, _)| error).expect("sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_unpacked_stops_its_partition_until_an_operator_skips() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..12).map(|n| record(n, SHORT)).collect();
    topics.send_all(&records[..6]).await;
    // Some kilobytes, and more than the client takes when they are unpacked.
    send_packed(&topics, 1, "zstd", &[" ".repeat(110_000_000)]).await;
    topics.send_all(&records[6..]).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.until_said(&consumer, Some("UNREADABLE")).await;
    let sums = topics.until_read(&world, 10).await;
    assert_eq!((sums.read, sums.accepted), (10, 10));
    let lanes = consumer.seen().lanes();
    let stopped = lanes
        .iter()
        .filter_map(|lane| Some((lane.partition.number, lane.stopped?.to_string())));
    assert_eq!(stopped.collect::<Vec<_>>(), [(1, "UNREADABLE".to_owned())]);
    let findings = manage::check(&topics.settings, &world.db).await;
    let findings = findings.expect("an answer");
    let wrong: Vec<_> = findings.iter().filter(|it| it.wrong).collect();
    assert_eq!(wrong.len(), 1, "{findings:?}");
    assert!(wrong[0].found.contains("at offset 2: UNREADABLE"));
    // Another process does not read it either, and the rest of the topic goes on.
    consumer.stop().await;
    let consumer = topics.start(&world, &intake);
    topics.until_said(&consumer, Some("UNREADABLE")).await;
    let to = manage::To::Offset(3);
    let skipped = manage::skip(&topics.settings, &world.db, &topics.topic, 1, to).await;
    assert_eq!(skipped.expect("skipped"), (2, 3));
    topics.until_read(&world, 12).await;
    topics.until_said(&consumer, None).await;
    consumer.stop().await;
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_too_large_is_sent_without_its_payload_and_holds_up_no_other() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    send_packed(&topics, 0, "gzip", &[" ".repeat(20_000_000)]).await;
    for _ in 0..3 {
        topics.send(0, Some(SHORT), Some("{bad")).await;
    }
    let (_intake, consumer) = topics.reads(&world, NoFault);
    assert_eq!(topics.until_read(&world, 4).await.quarantined, 4);
    consumer.stop().await;
    let dead = DeadLetters::new(&topics.settings, world.db.clone()).expect("a producer");
    assert_eq!(dead.send().await.expect("sent"), 4);
    let letters = topics.dead_letters().await;
    let mut letters: Vec<_> = letters
        .into_iter()
        .map(|(reason, _, offset, _, payload)| (offset, reason, payload))
        .collect();
    letters.sort_unstable();
    let said = |offset: &str, reason: &str, payload: &str| {
        (
            offset.to_owned(),
            reason.to_owned(),
            payload.as_bytes().to_vec(),
        )
    };
    assert_eq!(
        letters,
        [
            said("0", "TOO_LONG", ""),
            said("1", "MALFORMED", "{bad"),
            said("2", "MALFORMED", "{bad"),
            said("3", "MALFORMED", "{bad"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_a_topic_that_is_missing_hold_up_no_others() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let gone = Settings::dead_of(&topics.settings.sessions);
    let gone = topics
        .admin()
        .delete_topics(&[&gone], &rdkafka::admin::AdminOptions::new())
        .await;
    gone.expect("an answer").pop().expect("one").expect("gone");
    let rollups = Topics {
        topic: topics.settings.sessions.clone(),
        ..topics.of_records()
    };
    // A page of them is full.
    let nonsense = "x".repeat(200_000);
    for _ in 0..25 {
        rollups.send(0, None, Some(&nonsense)).await;
    }
    let (_intake, consumer) = topics.reads(&world, NoFault);
    assert_eq!(rollups.until_read(&world, 25).await.quarantined, 25);
    topics.send(0, None, Some("nonsense")).await;
    assert_eq!(topics.until_read(&world, 1).await.quarantined, 1);
    consumer.stop().await;
    let dead = DeadLetters::new(&topics.settings, world.db.clone()).expect("a producer");
    assert!(dead.send().await.is_err());
    assert_eq!(topics.dead_letters().await.len(), 1);
}

/// Counts passages.
#[derive(Clone, Default)]
struct Passages(Arc<AtomicUsize>);

impl Passages {
    fn so_far(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Fault for Passages {
    fn reached(&self, step: Step) -> Result<()> {
        if step == Step::Decoded {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passages_end_where_they_have_enough_bytes() {
    let (world, mut topics) = tokio::join!(World::new(), Topics::new());
    let (most, messages) = (64 << 10, 1_000);
    topics.settings.bytes = most;
    let padded = |n: u64| {
        let json = record(n, SHORT).json();
        format!("{json}{}", " ".repeat(1_024 - json.len()))
    };
    let payloads: Vec<String> = (0..messages).map(padded).collect();
    send_packed(&topics, 0, "gzip", &payloads).await;
    // Each has less than one message beyond the limit.
    let fewest = payloads.len() * 1_024 / (most + 2_048);
    let passages = Passages::default();
    let (intake, consumer) = topics.reads(&world, passages.clone());
    assert_eq!(topics.until_read(&world, messages).await.accepted, messages);
    consumer.stop().await;
    assert!(passages.so_far() >= fewest, "{}", passages.so_far());
    let before = passages.so_far();
    let topic = &topics.settings.cdrs;
    let replayed = replay::topic(&intake, &world.db, &topics.settings, topic, 0).await;
    assert_eq!(replayed.expect("read").read, messages);
    assert!(passages.so_far() - before >= fewest);
    let sums = topics.total(&world, Reading::Replay).await;
    assert_eq!(sums.read, messages);
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, messages);
}
