//! Dead letters: what is quarantined goes to a topic of its own, with all of its bytes, at least once.
//!
//! The quarantine is the outbox: a row is marked when the broker has taken its letter. A process that ends between the two sends
//! it again.

use domain::{
    Db, Error, Result,
    topic::{self, Held},
};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _},
};
use uuid::Uuid;

use super::{
    Settings,
    client::{LARGEST, PATIENCE, config, unavailable},
};

/// Letters that are sent together.
const TOGETHER: u32 = 500;

/// Sends dead letters of one cluster. Cloning is cheap.
#[derive(Clone)]
pub struct DeadLetters {
    producer: FutureProducer,
    db: Db,
}

impl DeadLetters {
    /// # Errors
    /// `INVALID_INPUT` when the settings are none for a client.
    pub fn new(settings: &Settings, db: Db) -> Result<Self> {
        let mut config = config(settings);
        config
            .set("acks", "all")
            .set("message.max.bytes", LARGEST.to_string())
            .set("message.timeout.ms", PATIENCE.as_millis().to_string());
        let producer = config.create();
        let producer =
            producer.map_err(|error| Error::invalid(format!("the settings of Kafka: {error}")))?;
        Ok(Self { producer, db })
    }

    /// Sends what was not sent yet, and says how many letters.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer, or the broker does not take one of them: what it has taken is marked.
    pub async fn send(&self) -> Result<u64> {
        let producer = self.producer.clone();
        let cluster = super::manage::blocking(move || {
            let cluster = producer.client().fetch_cluster_id(PATIENCE);
            cluster.ok_or_else(|| {
                Error::unavailable("Kafka does not answer", "the cluster has no identity")
            })
        })
        .await?;
        let mut sent = 0;
        loop {
            let cx = self.db.system().await?;
            let letters = topic::unsent(&cx, &cluster, TOGETHER).await?;
            drop(cx);
            if letters.is_empty() {
                return Ok(sent);
            }
            sent += self.send_these(&letters).await?;
        }
    }

    async fn send_these(&self, letters: &[Held]) -> Result<u64> {
        let outcomes = futures::future::join_all(letters.iter().map(|it| self.send_one(it))).await;
        let mut taken: Vec<Uuid> = Vec::with_capacity(letters.len());
        let mut failed = None;
        for (letter, outcome) in letters.iter().zip(outcomes) {
            match outcome {
                Ok(()) => taken.push(letter.id),
                Err(error) => failed = Some(error),
            }
        }
        let cx = self.db.system().await?;
        topic::sent(&cx, &taken).await?;
        cx.commit().await?;
        match failed {
            Some(error) => Err(error),
            None => Ok(taken.len() as u64),
        }
    }

    async fn send_one(&self, letter: &Held) -> Result<()> {
        let (partition, quarantined) = (&letter.partition, &letter.quarantined);
        let dead = Settings::dead_of(&partition.topic);
        let (number, offset) = (
            partition.number.to_string(),
            quarantined.message.offset.to_string(),
        );
        let headers = [
            ("reason", quarantined.reason.as_ref()),
            ("message", &quarantined.text),
            ("topic", &partition.topic),
            ("partition", &number),
            ("offset", &offset),
        ];
        let headers = headers
            .into_iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| {
                let value = Some(value);
                all.insert(Header { key, value })
            });
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&dead)
            .payload(&quarantined.message.payload[..])
            .headers(headers);
        if let Some(key) = &quarantined.message.key {
            record = record.key(&key[..]);
        }
        let sent = self.producer.send(record, PATIENCE).await;
        sent.map(drop).map_err(|(error, _)| unavailable(error))
    }
}
