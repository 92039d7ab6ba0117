//! Dead letters: what is quarantined goes to a topic of its own, with all of its bytes, at least once.
//!
//! The quarantine is the outbox: a row is marked when the broker has taken its letter. A process that ends between the two sends
//! it again. A letter that is not taken is left for the next time, and holds up no other. One that the broker takes for too large goes
//! without key and payload; it names its row, where they are.

use domain::{
    Db, Error, Result,
    topic::{self, Held},
};
use rdkafka::{
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _},
    types::RDKafkaErrorCode,
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
    /// `UNAVAILABLE` when Postgres does not answer, or the broker does not take some of them: what it has taken is marked.
    pub async fn send(&self) -> Result<u64> {
        let producer = self.producer.clone();
        let cluster = super::manage::blocking(move || {
            let cluster = producer.client().fetch_cluster_id(PATIENCE);
            cluster.ok_or_else(|| {
                Error::unavailable("Kafka does not answer", "the cluster has no identity")
            })
        })
        .await?;
        let (mut sent, mut failed, mut after) = (0, None, None);
        loop {
            let cx = self.db.system().await?;
            let letters = topic::unsent(&cx, &cluster, after, TOGETHER).await?;
            drop(cx);
            let Some(last) = letters.last() else {
                return failed.map_or(Ok(sent), Err);
            };
            after = Some(last.id);
            let (taken, not_taken) = self.send_these(&letters).await?;
            sent += taken;
            failed = not_taken.or(failed);
        }
    }

    /// Sends letters, and says how many were taken, and why others were not.
    async fn send_these(&self, letters: &[Held]) -> Result<(u64, Option<Error>)> {
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
        Ok((taken.len() as u64, failed))
    }

    async fn send_one(&self, letter: &Held) -> Result<()> {
        let dead = Settings::dead_of(&letter.partition.topic);
        let message = &letter.quarantined.message;
        let mut whole: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&dead)
            .payload(&message.payload[..])
            .headers(headers(letter));
        if let Some(key) = &message.key {
            whole = whole.key(&key[..]);
        }
        let mut sent = self.producer.send(whole, PATIENCE).await;
        if sent.as_ref().is_err_and(|(error, _)| is_too_large(error)) {
            let (row, bytes) = (letter.id.to_string(), message.payload.len().to_string());
            let named = headers(letter);
            let named = named.insert(header("row", &row));
            let named = named.insert(header("bytes", &bytes));
            let bare: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&dead).headers(named);
            sent = self.producer.send(bare, PATIENCE).await;
        }
        sent.map(drop).map_err(|(error, _)| unavailable(error))
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

/// Why a message is sent as a letter, and where it lay.
fn headers(letter: &Held) -> OwnedHeaders {
    let (partition, quarantined) = (&letter.partition, &letter.quarantined);
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
    headers
        .into_iter()
        .fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(header(key, value))
        })
}

fn header<'a>(key: &'a str, value: &'a str) -> Header<'a, &'a str> {
    let value = Some(value);
    Header { key, value }
}
