//! Messages to topics of Kafka, repeated until the broker has them.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{FutureProducer, FutureRecord},
};

use crate::{
    block::{Delivery, Inlet},
    send::Error,
};

/// How long a broker may stay away.
const PATIENCE: Duration = Duration::from_mins(5);
/// Before a producer that is full is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// A broker, and the topics that have our own records and rollups of sessions. Cloning is cheap and shares the connection.
#[derive(Clone)]
pub struct Topics {
    producer: FutureProducer,
    cdrs: String,
    sessions: String,
}

/// One topic.
pub(crate) struct Topic<'a> {
    producer: &'a FutureProducer,
    name: &'a str,
}

impl Topics {
    /// The topics of brokers, `HOST:PORT` with commas between them. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Topic`] when no client can be made of this.
    pub fn new(brokers: &str, cdrs: &str, sessions: &str) -> Result<Self, Error> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "simcube-simulator")
            // Retries neither repeat messages nor change their order in a partition.
            .set("enable.idempotence", "true")
            // A key goes where the clients of Java send it.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "20")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string())
            .set("reconnect.backoff.max.ms", "1000");
        Ok(Self {
            producer: config.create().map_err(|error| refused(&error))?,
            cdrs: cdrs.to_owned(),
            sessions: sessions.to_owned(),
        })
    }

    /// Where deliveries of an inlet go; none when it has no topic.
    pub(crate) fn of(&self, inlet: Inlet) -> Option<Topic<'_>> {
        let name = match inlet {
            Inlet::Gateway => &self.cdrs,
            Inlet::Sessions => &self.sessions,
            Inlet::Streamer => return None,
        };
        Some(Topic {
            producer: &self.producer,
            name,
        })
    }
}

impl Topic<'_> {
    /// Sends all of them, keyed by their cards, and waits until the broker has them.
    pub(crate) async fn send(&self, deliveries: &[Delivery]) -> Result<(), Error> {
        let mut open = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let mut record = FutureRecord::to(self.name)
                .key(&delivery.iccid)
                .payload(&delivery.json);
            open.push(loop {
                match self.producer.send_result(record) {
                    Ok(sent) => break sent,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                        record = back;
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err((error, _)) => return Err(refused(&error)),
                }
            });
        }
        for sent in open {
            let outcome = sent
                .await
                .map_err(|error| Error::Topic(error.to_string()))?;
            outcome.map_err(|(error, _)| refused(&error))?;
        }
        Ok(())
    }
}

fn refused(error: &KafkaError) -> Error {
    Error::Topic(error.to_string())
}
