//! Clients of the broker: how they are set up, and what they say.

use std::{sync::Mutex, sync::PoisonError, time::Duration};

use domain::{Error, topic::Partition};
use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::Settings;

/// Most bytes of a message with its key and headers that is sent. One that was packed when it was read may be larger.
pub(super) const LARGEST: usize = 16 << 20;

/// Most bytes of an answer of the broker, and most that the messages of a batch come to when zstd unpacks them. Gzip, snappy and lz4
/// have no such limit in the client.
const UNPACKED: usize = 100_000_000;

/// What every client has.
pub(super) fn config(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", "simcube")
        .set("socket.keepalive.enable", "true")
        // A broker that comes back is found within seconds.
        .set("reconnect.backoff.max.ms", "1000");
    config
}

/// What a consumer has: no offset is stored by the client, and none is made up where the ledger's is not there.
pub(super) fn reading(settings: &Settings) -> ClientConfig {
    let mut config = config(settings);
    config
        .set("group.id", &settings.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "100")
        .set("queued.max.messages.kbytes", "32768")
        .set("receive.message.max.bytes", UNPACKED.to_string())
        // A topic that is made later is found within seconds.
        .set("topic.metadata.refresh.interval.ms", "5000");
    config
}

/// What a member of the group has.
pub(super) fn sharing(settings: &Settings) -> ClientConfig {
    let session = settings.session_timeout.as_millis();
    let mut config = reading(settings);
    config
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session.to_string())
        .set("heartbeat.interval.ms", (session / 6).max(100).to_string());
    config
}

/// The broker's trouble in the program's terms.
pub(super) fn unavailable(error: KafkaError) -> Error {
    Error::unavailable("Kafka does not answer", error)
}

/// How long a question to the broker may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A change of the assignment that is to be dealt with.
#[derive(Debug)]
pub(super) enum Change {
    Assigned(Vec<(String, i32)>),
    Revoked(Vec<(String, i32)>),
}

/// What a consumer's callbacks leave behind.
#[derive(Default)]
pub(super) struct Context {
    changes: Mutex<Vec<Change>>,
}

impl Context {
    /// What changed since the last time, in order.
    pub(super) fn changes(&self) -> Vec<Change> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *changes)
    }
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    /// The group waits for an answer, so it gets one at once, whatever the ledger does: nothing new is read until it said where that
    /// begins, and what is revoked goes. What of it is under way may still be journaled: whoever reads it next is stale then, and
    /// begins again.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        why: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let named = partitions.elements();
        let named = named
            .iter()
            .map(|it| (it.topic().to_owned(), it.partition()));
        let named = named.collect();
        let change = if why == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                tracing::warn!(%error, "the group was not told that partitions are ours now");
            }
            Change::Assigned(named)
        } else {
            if let Err(error) = give_back(consumer, partitions) {
                tracing::warn!(%error, "partitions that are not ours any more could not be given back");
            }
            Change::Revoked(named)
        };
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.push(change);
    }
}

/// Reads a partition from an offset on, whatever became of it before: with a new assignment of it, because one that met an error cannot
/// be moved. Resting outlives an assignment in the client, and one that is ended while the partition begins can keep it from beginning:
/// so it ends first.
pub(super) fn read_from(
    consumer: &BaseConsumer<Context>,
    partition: &Partition,
    offset: i64,
) -> KafkaResult<()> {
    let mut list = list_of(partition);
    consumer.resume(&list)?;
    give_back(consumer, &list)?;
    list.set_all_offsets(Offset::Offset(offset))?;
    consumer.incremental_assign(&list)
}

/// A list with one partition.
pub(super) fn list_of(partition: &Partition) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(&partition.topic, partition.number);
    list
}

/// Gives partitions back. One that was not taken yet does not keep the others.
fn give_back(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    let ours = consumer.assignment()?;
    let mut list = TopicPartitionList::new();
    for it in partitions.elements() {
        if ours.find_partition(it.topic(), it.partition()).is_some() {
            list.add_partition(it.topic(), it.partition());
        }
    }
    consumer.incremental_unassign(&list)
}

#[cfg(test)]
mod tests {
    use rdkafka::config::FromClientConfigAndContext as _;

    use super::*;

    #[test]
    fn what_was_not_taken_keeps_nothing_from_being_given_back() {
        let settings = Settings::new("127.0.0.1:1", "group");
        let consumer =
            BaseConsumer::from_config_and_context(&reading(&settings), Context::default());
        let consumer = consumer.expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("topic", 0, Offset::Offset(7))
            .expect("a partition");
        consumer.incremental_assign(&list).expect("taken");
        list.add_partition("topic", 1);
        give_back(&consumer, &list).expect("given back");
        assert_eq!(consumer.assignment().expect("known").count(), 0);
        give_back(&consumer, &list).expect("nothing is there");
    }
}
