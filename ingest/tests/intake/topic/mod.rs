//! Topics of a real broker: what is read is counted once, whatever stops, moves or is wrong.

mod away;
mod counting;
mod held;
mod large;
mod lost;
mod poison;
mod producer;
mod replay;
mod restore;
mod restore_sessions;
mod session;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use domain::topic::{self, Reading, Sums};
use ingest::{
    pipeline::{Fault, Intake},
    topic::{Consumer, Seen, Settings, manage},
};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
    producer::{FutureProducer, FutureRecord, Producer as _},
};
use testkit::Kafka;

use crate::world::{Event, World, patient};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Topics of one test, which are made of three partitions, and the one of them that it is about.
pub(crate) struct Topics {
    pub(crate) settings: Settings,
    pub(crate) topic: String,
    producer: FutureProducer,
}

impl Topics {
    pub(crate) async fn new() -> Self {
        let topics = Self::missing(&testkit::kafka());
        topics.make(3).await;
        topics
    }

    /// The same, about session rollups.
    pub(crate) async fn of_rollups() -> Self {
        let mut topics = Self::missing(&testkit::kafka());
        topics.topic = topics.settings.sessions.clone();
        topics.make(3).await;
        topics
    }

    /// The same topics, about usage records.
    pub(crate) fn of_records(&self) -> Self {
        Self {
            topic: self.settings.cdrs.clone(),
            settings: self.settings.clone(),
            producer: self.producer.clone(),
        }
    }

    /// Topics that are not there yet.
    pub(crate) fn missing(kafka: &Kafka) -> Self {
        let settings = Settings {
            cdrs: kafka.name("cdr.records"),
            sessions: kafka.name("session.rollups"),
            session_timeout: Duration::from_secs(6),
            linger: Duration::from_millis(100),
            ..Settings::new(kafka.brokers(), kafka.name("simcube"))
        };
        let producer = ClientConfig::new()
            .set("bootstrap.servers", kafka.brokers())
            .set("message.max.bytes", "8000000")
            .set("reconnect.backoff.max.ms", "500")
            .create();
        Self {
            topic: settings.cdrs.clone(),
            settings,
            producer: producer.expect("a producer"),
        }
    }

    /// Makes the topics. The one that the test is about takes larger messages than one that we make.
    pub(crate) async fn make(&self, partitions: i32) {
        let new = NewTopic::new(&self.topic, partitions, TopicReplication::Fixed(1));
        let new = new.set("max.message.bytes", "8000000");
        let made = self
            .admin()
            .create_topics([&new], &AdminOptions::new())
            .await;
        made.expect("an answer")
            .into_iter()
            .for_each(|made| drop(made.expect("made")));
        let made = manage::create(&self.settings, partitions, 1).await;
        assert_eq!(made.expect("made").len(), 4);
    }

    pub(crate) fn admin(&self) -> AdminClient<DefaultClientContext> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.settings.brokers);
        config.create().expect("a client")
    }

    pub(crate) fn consumer(&self, group: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.settings.brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer")
    }

    /// Sends a message and returns its offset.
    pub(crate) async fn send(
        &self,
        partition: i32,
        key: Option<&str>,
        payload: Option<&str>,
    ) -> i64 {
        let mut record = FutureRecord::to(&self.topic).partition(partition);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(payload) = payload {
            record = record.payload(payload);
        }
        let sent = self.producer.send(record, PATIENCE).await;
        sent.map_err(|(error, _)| error).expect("sent").offset
    }

    /// Sends records, one partition after the other.
    pub(crate) async fn send_all<E: Event>(&self, records: &[E]) {
        let sent = records
            .iter()
            .zip((0..3).cycle())
            .map(|(record, partition)| {
                let json = record.json();
                async move {
                    self.send(partition, Some(record.iccid()), Some(&json))
                        .await;
                }
            });
        futures::future::join_all(sent).await;
    }

    pub(crate) fn start(&self, world: &World, intake: &Intake) -> Consumer {
        let (intake, db) = (intake.clone(), world.db.clone());
        let consumer = Consumer::start(intake, db, self.settings.clone(), Seen::default());
        consumer.expect("started")
    }

    /// A process that reads until it is stopped.
    pub(crate) fn reads(&self, world: &World, fault: impl Fault) -> (Intake, Consumer) {
        let intake = world.intake_with(patient(), fault);
        let consumer = self.start(world, &intake);
        (intake, consumer)
    }

    /// What became of all messages, by partition.
    pub(crate) async fn sums(&self, world: &World, reading: Reading) -> BTreeMap<i32, Sums> {
        let cx = world.db.system().await.expect("system");
        let sums = topic::sums(&cx).await.expect("sums").into_iter();
        sums.filter(|(it, of, _)| *of == reading && *it.topic == *self.topic)
            .map(|(partition, _, sums)| (partition.number, sums))
            .collect()
    }

    /// The same of all partitions together.
    pub(crate) async fn total(&self, world: &World, reading: Reading) -> Sums {
        let sums = self.sums(world, reading).await.into_values();
        sums.fold(Sums::default(), |all, one| Sums {
            read: all.read + one.read,
            tombstones: all.tombstones + one.tombstones,
            quarantined: all.quarantined + one.quarantined,
            decoded: all.decoded + one.decoded,
            accepted: all.accepted + one.accepted,
            duplicate: all.duplicate + one.duplicate,
            rejected: all.rejected + one.rejected,
        })
    }

    /// Waits until so many messages were read.
    pub(crate) async fn until_read(&self, world: &World, messages: u64) -> Sums {
        let begun = Instant::now();
        loop {
            let total = self.total(world, Reading::Consume).await;
            if total.read >= messages {
                return total;
            }
            assert!(begun.elapsed() < PATIENCE, "{total:?} of {messages}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a consumer says that something is wrong that contains `text`, or with none that nothing is.
    pub(crate) async fn until_said(&self, consumer: &Consumer, text: Option<&str>) {
        let begun = Instant::now();
        loop {
            let problem = consumer.seen().problem();
            let is_said = match (&problem, text) {
                (Some(problem), Some(text)) => problem.contains(text),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            if is_said {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{problem:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// All dead letters: reason, partition, offset, key, payload.
    pub(crate) async fn dead_letters(
        &self,
    ) -> Vec<(String, String, String, Option<Vec<u8>>, Vec<u8>)> {
        let topic = Settings::dead_of(&self.topic);
        let consumer = self.consumer("nobody");
        let read = move || {
            let mut list = TopicPartitionList::new();
            let mut left = 0;
            for partition in 0..3 {
                let (low, high) = consumer
                    .fetch_watermarks(&topic, partition, PATIENCE)
                    .expect("offsets");
                left += high - low;
                list.add_partition_offset(&topic, partition, Offset::Beginning)
                    .expect("a partition");
            }
            consumer.assign(&list).expect("assigned");
            let mut letters = Vec::new();
            while left > 0 {
                let message = consumer
                    .poll(PATIENCE)
                    .expect("in time")
                    .expect("a message");
                let headers = message.headers().expect("headers");
                let header = |name: &str| {
                    let found = headers.iter().find(|header| header.key == name);
                    let value = found.and_then(|header| header.value).expect("a value");
                    String::from_utf8(value.to_vec()).expect("text")
                };
                assert!(topic.starts_with(&header("topic")));
                letters.push((
                    header("reason"),
                    header("partition"),
                    header("offset"),
                    message.key().map(<[u8]>::to_vec),
                    message.payload().unwrap_or_default().to_vec(),
                ));
                left -= 1;
            }
            letters
        };
        tokio::task::spawn_blocking(read).await.expect("letters")
    }

    /// Sends records in one transaction, which is committed or aborted.
    pub(crate) async fn transact<E: Event>(&self, records: &[E], commit: bool) {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.settings.brokers)
            .set("transactional.id", format!("{}.sender", self.topic))
            .create()
            .expect("a producer");
        let of = producer.clone();
        let begun = tokio::task::spawn_blocking(move || {
            of.init_transactions(PATIENCE).expect("ready");
            of.begin_transaction().expect("begun");
        });
        begun.await.expect("begun");
        for record in records {
            let json = record.json();
            let message = FutureRecord::to(&self.topic)
                .partition(0)
                .key(record.iccid())
                .payload(&json);
            let sent = producer.send(message, PATIENCE).await;
            sent.map_err(|(error, _)| error).expect("sent");
        }
        let ended = tokio::task::spawn_blocking(move || {
            if commit {
                producer.commit_transaction(PATIENCE)
            } else {
                producer.abort_transaction(PATIENCE)
            }
        });
        ended.await.expect("ended").expect("ended");
    }
}
