//! Messages are read again, and no position moves: what was counted is a duplicate, what is older than intake takes is refused.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use domain::{
    Db, Error, Result,
    journal::Kind,
    topic::{self, Held, Partition, Way},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, StreamConsumer},
    error::KafkaError,
};
use uuid::Uuid;

use super::{
    Settings,
    client::{PATIENCE, reading, unavailable},
    manage::{blocking, cluster, partitions},
    probe::is_unreadable,
};
use crate::pipeline::{Account, Fetched, Intake};

/// Messages of a quarantine that are read together.
const PAGE: u32 = 1_000;

/// What became of messages that were read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Messages read.
    pub read: u64,
    /// Records of them that a tenant received: accepted, duplicate and rejected.
    pub received: u64,
    /// Counted now.
    pub accepted: u64,
    /// Counted before.
    pub duplicate: u64,
    /// Refused.
    pub rejected: u64,
}

impl Replayed {
    fn add(&mut self, read: u64, account: &Account) {
        self.read += read;
        self.received += account.received;
        self.accepted += account.accepted;
        self.duplicate += account.duplicate;
        self.rejected += account.rejected;
    }
}

/// Reads a topic again, from an offset of each partition to where the ledger is: what comes after is for the consumers.
///
/// # Errors
/// `NOT_FOUND` when there is no such topic, `INVALID_INPUT` when a message cannot be read, `UNAVAILABLE` when the broker or an engine does
/// not answer; what was read before counts.
pub async fn topic(
    intake: &Intake,
    db: &Db,
    settings: &Settings,
    topic: &str,
    from: i64,
) -> Result<Replayed> {
    let mut again = Again {
        intake,
        kind: settings.kind_of(topic),
        replayed: Replayed::default(),
    };
    read(db, settings, topic, from, &mut again).await?;
    Ok(again.replayed)
}

/// What messages that are read again are given to.
pub(crate) trait Sink {
    /// Takes some of a partition, in their order.
    async fn take(&mut self, partition: &Partition, messages: Vec<Fetched>) -> Result<()>;
}

/// Delivers messages again.
struct Again<'a> {
    intake: &'a Intake,
    kind: Kind,
    replayed: Replayed,
}

impl Sink for Again<'_> {
    async fn take(&mut self, partition: &Partition, messages: Vec<Fetched>) -> Result<()> {
        let read = messages.len() as u64;
        let passing = self
            .intake
            .pass(partition, self.kind, Way::Replay, messages);
        let passing = passing.await?;
        self.replayed.add(read, &passing.outcome().await?);
        Ok(())
    }
}

/// Reads a topic from an offset of each partition to where the ledger is.
pub(crate) async fn read(
    db: &Db,
    settings: &Settings,
    topic: &str,
    from: i64,
    sink: &mut impl Sink,
) -> Result<()> {
    let spans = spans(db, settings, topic, from).await?;
    let consumer: StreamConsumer = reading(settings)
        .set("enable.partition.eof", "true")
        .create()
        .map_err(unavailable)?;
    let mut list = TopicPartitionList::new();
    for (partition, [from, _]) in &spans {
        list.add_partition_offset(topic, partition.number, Offset::Offset(*from))
            .map_err(unavailable)?;
    }
    consumer.assign(&list).map_err(unavailable)?;
    let mut reader = Reader {
        sink,
        settings,
        open: spans.iter().map(|(it, _)| it.number).collect(),
        spans: spans
            .into_iter()
            .map(|(it, [_, to])| (it.number, (it, to)))
            .collect(),
        waiting: BTreeMap::new(),
    };
    while !reader.open.is_empty() {
        match consumer.recv().await {
            Ok(message) => {
                let fetched = Fetched {
                    offset: message.offset(),
                    key: message.key().map(Bytes::copy_from_slice),
                    payload: message.payload().map(Bytes::copy_from_slice),
                };
                reader.take(message.partition(), fetched).await?;
            }
            Err(KafkaError::PartitionEOF(number)) => reader.end(number).await?,
            Err(error) if is_unreadable(&error) => {
                return Err(Error::invalid(format!(
                    "a message of {topic} cannot be read: it is damaged or too large when it is unpacked; begin behind it (--from)"
                )));
            }
            Err(error) => return Err(unavailable(error)),
        }
    }
    Ok(())
}

/// The partitions of a topic that were read, each with the offsets that are to be read again.
async fn spans(
    db: &Db,
    settings: &Settings,
    topic: &str,
    from: i64,
) -> Result<Vec<(Partition, [i64; 2])>> {
    let (looking, named) = (settings.clone(), topic.to_owned());
    let (cluster, ends) = blocking(move || {
        let consumer: BaseConsumer = reading(&looking).create().map_err(unavailable)?;
        let count = i32::try_from(partitions(&consumer, &named)?).map_err(Error::internal)?;
        let ends: Result<Vec<_>> = (0..count)
            .map(|number| {
                let ends = consumer.fetch_watermarks(&named, number, PATIENCE);
                ends.map_err(unavailable)
            })
            .collect();
        Ok((cluster(&consumer)?, ends?))
    })
    .await?;
    if ends.is_empty() {
        return Err(Error::not_found("topic"));
    }
    let cx = db.system().await?;
    let mut spans = Vec::with_capacity(ends.len());
    for (number, (low, high)) in (0..).zip(ends) {
        let partition = Partition {
            cluster: cluster.clone(),
            topic: topic.into(),
            number,
        };
        let known = topic::find(&cx, &partition).await?;
        let to = known.map_or(-1, |position| position.next).min(high);
        if from.max(low) < to {
            spans.push((partition, [from.max(low), to]));
        }
    }
    Ok(spans)
}

/// Messages of a partition that are delivered together.
#[derive(Default)]
struct Waiting {
    messages: Vec<Fetched>,
    bytes: usize,
}

struct Reader<'a, S> {
    sink: &'a mut S,
    settings: &'a Settings,
    /// Partitions that are not at their end.
    open: HashSet<i32>,
    /// Each with the offset before which it ends.
    spans: BTreeMap<i32, (Partition, i64)>,
    waiting: BTreeMap<i32, Waiting>,
}

impl<S: Sink> Reader<'_, S> {
    async fn take(&mut self, number: i32, fetched: Fetched) -> Result<()> {
        let to = self.spans.get(&number).map_or(0, |(_, to)| *to);
        if !self.open.contains(&number) {
            return Ok(());
        }
        let offset = fetched.offset;
        if offset < to {
            let waiting = self.waiting.entry(number).or_default();
            waiting.bytes += fetched.bytes();
            waiting.messages.push(fetched);
            let Settings { records, bytes, .. } = *self.settings;
            if waiting.messages.len() >= records || waiting.bytes >= bytes {
                self.deliver(number).await?;
            }
        }
        if offset + 1 >= to {
            self.end(number).await?;
        }
        Ok(())
    }

    async fn end(&mut self, number: i32) -> Result<()> {
        if self.open.remove(&number) {
            self.deliver(number).await?;
        }
        Ok(())
    }

    async fn deliver(&mut self, number: i32) -> Result<()> {
        let Waiting { messages, .. } = self.waiting.remove(&number).unwrap_or_default();
        let Some((partition, _)) = self.spans.get(&number).filter(|_| !messages.is_empty()) else {
            return Ok(());
        };
        self.sink.take(partition, messages).await
    }
}

/// Reads everything in quarantine again. What is a tenant's now is released, the rest stays.
///
/// # Errors
/// `UNAVAILABLE` when an engine does not answer; what was read before is released.
pub async fn quarantine(intake: &Intake, db: &Db) -> Result<Replayed> {
    let mut replayed = Replayed::default();
    let mut after = None;
    loop {
        let cx = db.system().await?;
        let page = topic::held(&cx, after, PAGE).await?;
        drop(cx);
        let Some(last) = page.last() else {
            return Ok(replayed);
        };
        after = Some(last.id);
        let mut by_partition: BTreeMap<(Partition, Kind), Vec<Held>> = BTreeMap::new();
        for held in page {
            by_partition
                .entry((held.partition.clone(), held.kind))
                .or_default()
                .push(held);
        }
        for ((partition, kind), held) in by_partition {
            let read = held.len() as u64;
            let account = release(intake, &partition, kind, held).await?;
            replayed.add(read, &account);
        }
    }
}

async fn release(
    intake: &Intake,
    partition: &Partition,
    kind: Kind,
    mut held: Vec<Held>,
) -> Result<Account> {
    held.sort_by_key(|it| it.quarantined.message.offset);
    let rows: Vec<(i64, Uuid)> = held
        .iter()
        .map(|it| (it.quarantined.message.offset, it.id))
        .collect();
    let messages = held.into_iter().map(|it| Fetched {
        offset: it.quarantined.message.offset,
        key: it.quarantined.message.key,
        payload: Some(it.quarantined.message.payload),
    });
    let way = Way::Release { rows };
    let passing = intake.pass(partition, kind, way, messages.collect());
    passing.await?.outcome().await
}
