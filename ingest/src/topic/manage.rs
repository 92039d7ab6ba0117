//! Topics are made, looked at, and skipped in by an operator.

use std::{sync::Arc, time::Duration};

use domain::{
    Db, Error, Result,
    topic::{self, Partition},
};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaErrorCode,
};

use super::{
    Settings,
    client::{LARGEST, PATIENCE, config, reading, unavailable},
};

/// How long a topic keeps its messages: as long as somebody may want to read them again.
pub const RETENTION: Duration = Duration::from_hours(7 * 24);
/// How long dead letters are kept.
pub const DEAD_RETENTION: Duration = Duration::from_hours(30 * 24);

/// A topic that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub topic: String,
    /// Whether it was there before, which is left as it was.
    pub existed: bool,
}

/// What is wrong with a topic or a partition, or that nothing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The topic, or `TOPIC/PARTITION`.
    pub what: String,
    /// What there is.
    pub found: String,
    /// Whether somebody has to do something.
    pub wrong: bool,
}

/// Where an operator puts a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The first message that is there.
    Earliest,
    /// Behind the last message that is there.
    Latest,
    /// This offset.
    Offset(i64),
}

/// The topics that are read, each with that of its dead letters, and how long they keep messages.
fn topics(settings: &Settings) -> impl Iterator<Item = (String, Duration)> {
    settings.topics().into_iter().flat_map(|(topic, _)| {
        [
            (topic.to_owned(), RETENTION),
            (Settings::dead_of(topic), DEAD_RETENTION),
        ]
    })
}

/// Makes those topics that are missing.
///
/// # Errors
/// `UNAVAILABLE` when the broker does not answer, `INVALID_INPUT` when it refuses one.
pub async fn create(settings: &Settings, partitions: i32, replication: i32) -> Result<Vec<Made>> {
    let admin: AdminClient<DefaultClientContext> =
        config(settings).create().map_err(unavailable)?;
    let largest = LARGEST.to_string();
    let wanted: Vec<_> = topics(settings)
        .map(|(name, kept)| (name, kept.as_millis().to_string()))
        .collect();
    let new = wanted.iter().map(|(name, kept)| {
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(replication))
            .set("cleanup.policy", "delete")
            .set("retention.ms", kept);
        if name.ends_with(super::DEAD) {
            new.set("max.message.bytes", &largest)
        } else {
            new
        }
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let made = admin
        .create_topics(&new, &options)
        .await
        .map_err(unavailable)?;
    made.into_iter()
        .map(|made| match made {
            Ok(topic) => Ok(Made {
                topic,
                existed: false,
            }),
            Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(Made {
                topic,
                existed: true,
            }),
            Err((topic, code)) => Err(Error::invalid(format!("{topic} is refused: {code}"))),
        })
        .collect()
}

/// Looks whether all topics are there, and whether they have what the ledger's positions say.
///
/// # Errors
/// `UNAVAILABLE` when the broker or Postgres does not answer.
pub async fn check(settings: &Settings, db: &Db) -> Result<Vec<Finding>> {
    let looking = settings.clone();
    let (cluster, mut findings) = blocking(move || {
        let consumer = look(&looking)?;
        let cluster = cluster(&consumer)?;
        let findings: Result<Vec<_>> = topics(&looking)
            .map(|(topic, _)| {
                let partitions = partitions(&consumer, &topic)?;
                Ok(Finding {
                    found: match partitions {
                        0 => "is missing: simcube topics create".to_owned(),
                        n => format!("{n} partitions"),
                    },
                    what: topic,
                    wrong: partitions == 0,
                })
            })
            .collect();
        Ok((cluster, findings?))
    })
    .await?;
    let cx = db.system().await?;
    let positions = topic::positions(&cx).await?;
    drop(cx);
    let (here, elsewhere): (Vec<_>, Vec<_>) = positions
        .into_iter()
        .partition(|it| it.partition.cluster == cluster);
    let looking = settings.clone();
    let found = blocking(move || {
        let consumer = look(&looking)?;
        let found = here.iter().map(|standing| position(&consumer, standing));
        found.collect::<Result<Vec<_>>>()
    });
    findings.extend(found.await?);
    findings.extend(elsewhere.iter().map(left_behind));
    Ok(findings)
}

/// How a position of another cluster stands: nobody reads it here.
fn left_behind(standing: &topic::Standing) -> Finding {
    let Partition { cluster, .. } = &standing.partition;
    let waits = if standing.held {
        ", and its sources wait for what it had"
    } else {
        ""
    };
    Finding {
        what: standing.partition.to_string(),
        found: format!(
            "is of another cluster, {cluster}{waits}; if that is gone: simcube topics forget --cluster {cluster}"
        ),
        wrong: standing.held,
    }
}

/// How a position stands to what the partition has.
fn position(consumer: &BaseConsumer, standing: &topic::Standing) -> Result<Finding> {
    let topic::Standing {
        partition,
        position,
        ..
    } = standing;
    let finding = |found: String, wrong: bool| Finding {
        what: partition.to_string(),
        found,
        wrong,
    };
    let next = position.next;
    if usize::try_from(partition.number).ok() >= Some(partitions(consumer, &partition.topic)?) {
        let found = format!(
            "was read up to offset {next} and is missing: the topic was made again with fewer partitions; simcube topics forget waits for it no more"
        );
        return Ok(finding(found, true));
    }
    if let Some(why) = position.stopped {
        let place = match next {
            ..0 => "its beginning".to_owned(),
            next => format!("offset {next}"),
        };
        let found = format!("is stopped at {place}: {why}; simcube topics skip lets it go on");
        return Ok(finding(found, true));
    }
    let (low, high) = consumer
        .fetch_watermarks(&partition.topic, partition.number, PATIENCE)
        .map_err(unavailable)?;
    Ok(if next > high {
        let found =
            format!("was read up to offset {next} and ends at {high}: the topic was made again");
        finding(found, true)
    } else if next >= 0 && next < low {
        finding(
            format!("was read up to offset {next} and begins at {low}: messages are lost"),
            true,
        )
    } else {
        finding(
            format!(
                "{} of offsets {low} to {high} to be read",
                high - next.max(low)
            ),
            false,
        )
    })
}

/// Puts the position of a partition, and says from where to where. What lies between is not read.
///
/// # Errors
/// `NOT_FOUND` when the partition was never read, `UNAVAILABLE` when the broker or Postgres does not answer.
pub async fn skip(
    settings: &Settings,
    db: &Db,
    topic: &str,
    number: i32,
    to: To,
) -> Result<(i64, i64)> {
    let (looking, named) = (settings.clone(), topic.to_owned());
    let (cluster, low, high) = blocking(move || {
        let consumer = look(&looking)?;
        let (low, high) = consumer
            .fetch_watermarks(&named, number, PATIENCE)
            .map_err(unavailable)?;
        Ok((cluster(&consumer)?, low, high))
    })
    .await?;
    let next = match to {
        To::Earliest => low,
        To::Latest => high,
        To::Offset(offset) if (low..=high).contains(&offset) => offset,
        To::Offset(_) => {
            return Err(Error::invalid(format!(
                "{topic}/{number} has the offsets {low} to {high}"
            )));
        }
    };
    let partition = Partition {
        cluster,
        topic: topic.into(),
        number,
    };
    let cx = db.system().await?;
    let before = topic::skip(&cx, &partition, next, high).await?;
    cx.commit().await?;
    Ok((before, next))
}

/// Waits no more for what a partition had that is gone: with its cluster, if that is named, or from the cluster that is there.
///
/// # Errors
/// `INVALID_INPUT` when the partition is there, `NOT_FOUND` when it was never read, `UNAVAILABLE` when Postgres does not answer, or the
/// broker and no cluster is named.
pub async fn forget(
    settings: &Settings,
    db: &Db,
    named: Option<&str>,
    topic: &str,
    number: i32,
) -> Result<()> {
    let (looking, of) = (settings.clone(), topic.to_owned());
    let there = blocking(move || {
        let consumer = look(&looking)?;
        Ok((cluster(&consumer)?, partitions(&consumer, &of)?))
    });
    let cluster: Arc<str> = match (named, there.await) {
        (named, Ok((here, partitions))) if named.is_none_or(|named| *named == *here) => {
            if usize::try_from(number).is_ok_and(|number| number < partitions) {
                return Err(Error::invalid(format!(
                    "{topic}/{number} is there: what was not read of it is skipped, not forgotten (simcube topics skip)"
                )));
            }
            here
        }
        // Of another cluster nothing can be asked here.
        (Some(named), _) => named.into(),
        (None, there) => there?.0,
    };
    let partition = Partition {
        cluster,
        topic: topic.into(),
        number,
    };
    let cx = db.system().await?;
    topic::forget(&cx, &partition).await?;
    cx.commit().await
}

/// A client that looks and reads nothing.
fn look(settings: &Settings) -> Result<BaseConsumer> {
    reading(settings).create().map_err(unavailable)
}

pub(super) fn cluster(consumer: &BaseConsumer) -> Result<Arc<str>> {
    let cluster = consumer.client().fetch_cluster_id(PATIENCE);
    let nameless = || Error::unavailable("Kafka does not answer", "the cluster has no identity");
    cluster.map(Into::into).ok_or_else(nameless)
}

/// How many partitions a topic has; 0 if it is missing.
pub(super) fn partitions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
) -> Result<usize> {
    match consumer.fetch_metadata(Some(topic), PATIENCE) {
        Ok(found) => Ok(found.topics().iter().map(|it| it.partitions().len()).sum()),
        Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)) => Ok(0),
        Err(error) => Err(unavailable(error)),
    }
}

/// Asks the broker away from the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(ask)
        .await
        .map_err(Error::internal)?
}
