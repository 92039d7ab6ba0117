//! Clients of the broker: how they are set up, and what they say.

use std::{sync::Mutex, sync::PoisonError, time::Duration};

use domain::Error;
use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaRespErr,
};

use super::Settings;

/// Most bytes of a message with its key and headers that is sent: more than any that is read.
pub(super) const LARGEST: usize = 16 << 20;

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
    /// New partitions wait until the ledger said where they begin; what is revoked goes at once. What of it is under way may
    /// still be journaled: whoever reads it next is stale then, and begins again.
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
        let change = if why == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Change::Assigned(named.collect())
        } else {
            if let Err(error) = consumer.incremental_unassign(partitions) {
                tracing::warn!(%error, "partitions that are not ours any more could not be given back");
            }
            Change::Revoked(named.collect())
        };
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.push(change);
    }
}
