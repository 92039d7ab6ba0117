//! Which messages each batch of rollups was made of.
//!
//! Rows of rollups are made again from their messages, batch by batch ([`crate::session::replay`]), so for each message it is known in which
//! batch it was taken in, and which of two batches that have rollups of one session came first.

use chrono::{DateTime, Utc};

use super::{Partition, Passage, Way};
use crate::{
    Result, SystemCx,
    id::BatchId,
    row::{Columns, Decode},
    sql::{texts, uuids},
};

/// Messages of a partition that were journaled in one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The batch.
    pub batch: BatchId,
    /// Of two batches with rollups of one session the later one has the greater place.
    pub place: i64,
    /// When the batch was received.
    pub received_at: DateTime<Utc>,
    from: i64,
    to: i64,
    /// The offsets that were quarantined then, in their order.
    nobodys: Vec<i64>,
}

impl Passed {
    /// Whether the message at an offset was a tenant's then. Others are looked for among all [`passed`].
    fn has(&self, offset: i64) -> bool {
        (self.from..self.to).contains(&offset) && self.nobodys.binary_search(&offset).is_err()
    }

    /// Where the message at an offset went, as far as it was a tenant's. `all` are in their order.
    pub fn of(all: &[Self], offset: i64) -> Option<&Self> {
        let at = all.partition_point(|it| it.to <= offset);
        all.get(at).filter(|it| it.has(offset))
    }
}

impl Decode for Passed {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            batch: row.get()?,
            place: row.get()?,
            received_at: row.get()?,
            from: row.get()?,
            to: row.get()?,
            nobodys: row.get()?,
        })
    }
}

/// What some batches and those before them were made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The greatest of their places.
    pub last: i64,
    /// Messages up to there, at most.
    pub messages: u64,
}

impl Decode for Extent {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            last: row.get()?,
            messages: row.count()?,
        })
    }
}

/// Remembers that a batch was made of these passages, as far as they are read in their order; none where they came to nothing. Sessions of
/// the batch must be locked: so of two batches with rollups of one session the one that came first has the lesser place.
///
/// What was remembered of offsets that are read another time is forgotten: the topic was made again, or its position was put back.
pub async fn remember(
    cx: &SystemCx,
    passages: &[&Passage],
    batch: Option<BatchId>,
    received_at: DateTime<Utc>,
) -> Result<()> {
    let read: Vec<(&Partition, [i64; 2])> = passages
        .iter()
        .filter_map(|passage| match passage.way {
            Way::Consume { from, to, .. } => Some((&passage.partition, [from, to])),
            Way::Replay | Way::Release { .. } => None,
        })
        .collect();
    if read.is_empty() {
        return Ok(());
    }
    let text = |of: fn(&Partition) -> &str| texts(read.iter().map(|(it, _)| of(it)));
    let clusters = || text(|it| &it.cluster);
    let topics = || text(|it| &it.topic);
    let numbers = || read.iter().map(|(it, _)| it.number).collect::<Vec<_>>();
    let offsets = |at: usize| {
        read.iter()
            .map(|(_, offsets)| offsets[at])
            .collect::<Vec<_>>()
    };
    cx.execute(
        "DELETE FROM topic_passage AS known USING unnest($1::text[], $2::text[], $3::integer[], $4::bigint[]) \
             AS new (cluster, topic, partition, from_offset) \
         WHERE known.cluster = new.cluster AND known.topic = new.topic AND known.partition = new.partition \
           AND known.to_offset > new.from_offset",
        [
            clusters(),
            topics(),
            numbers().into(),
            offsets(0).into(),
        ],
    )
    .await?;
    let Some(batch) = batch else { return Ok(()) };
    cx.execute(
        "WITH batch AS MATERIALIZED (SELECT nextval('topic_passage_place_seq') AS place) \
         INSERT INTO topic_passage (cluster, topic, partition, from_offset, to_offset, batch_id, received_at, place) \
         SELECT new.cluster, new.topic, new.partition, new.from_offset, new.to_offset, $6, $7, batch.place \
         FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[]) \
              AS new (cluster, topic, partition, from_offset, to_offset) CROSS JOIN batch",
        [
            clusters(),
            topics(),
            numbers().into(),
            offsets(0).into(),
            offsets(1).into(),
            batch.uuid().into(),
            received_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Where the messages of a partition between two offsets, both included, went, in their order. Batches of places after `last` are left out.
pub async fn passed(
    cx: &SystemCx,
    partition: &Partition,
    [first, end]: [i64; 2],
    last: i64,
) -> Result<Vec<Passed>> {
    // Passages of a partition do not overlap, so the first one that ends behind the last offset is the last one.
    cx.all(
        "SELECT batch_id, place, received_at, from_offset, to_offset, ARRAY( \
                    SELECT message_offset FROM topic_quarantine AS nobodys \
                    WHERE nobodys.cluster = $1 AND nobodys.topic = $2 AND nobodys.partition = $3 \
                      AND nobodys.message_offset >= known.from_offset AND nobodys.message_offset < known.to_offset \
                      AND nobodys.received_at = known.received_at ORDER BY message_offset) \
         FROM topic_passage AS known \
         WHERE cluster = $1 AND topic = $2 AND partition = $3 AND to_offset > $4 AND from_offset <= $5 AND place <= $6 \
           AND to_offset <= coalesce((SELECT min(to_offset) FROM topic_passage AS next \
                                      WHERE next.cluster = $1 AND next.topic = $2 AND next.partition = $3 \
                                        AND next.to_offset > $5), $5) \
         ORDER BY to_offset",
        [
            partition.cluster.as_ref().into(),
            partition.topic.as_ref().into(),
            partition.number.into(),
            first.into(),
            end.into(),
            last.into(),
        ],
    )
    .await
}

/// What these batches and those before them were made of, of a topic; none where nothing is known of them.
pub async fn extent(cx: &SystemCx, topic: &str, batches: &[BatchId]) -> Result<Option<Extent>> {
    cx.one(
        "SELECT last.place, ( \
                    SELECT coalesce(sum(to_offset - greatest(from_offset, 0)), 0)::bigint FROM topic_passage AS before \
                    WHERE before.topic = $1 AND before.place <= last.place) \
         FROM (SELECT max(place) AS place FROM topic_passage JOIN unnest($2::uuid[]) AS wanted (batch_id) USING (batch_id) \
               WHERE topic = $1) AS last \
         WHERE last.place IS NOT NULL",
        [
            topic.into(),
            uuids(batches.iter().map(|batch| batch.uuid())),
        ],
    )
    .await
}

/// Forgets what batches were made of that were received before a moment, and says of how many passages.
pub async fn forget_passed(cx: &SystemCx, before: DateTime<Utc>) -> Result<u64> {
    let sql = "DELETE FROM topic_passage WHERE received_at < $1";
    Ok(cx.execute(sql, [before.into()]).await?)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn stretch(place: i64, from: i64, to: i64, nobodys: &[i64]) -> Passed {
        Passed {
            batch: BatchId::new(Uuid::from_u128(1)),
            place,
            received_at: DateTime::UNIX_EPOCH,
            from,
            to,
            nobodys: nobodys.to_vec(),
        }
    }

    #[test]
    fn a_message_went_where_its_offset_lies_unless_it_was_nobodys() {
        let all = [
            stretch(1, -1, 3, &[]),
            stretch(2, 3, 5, &[4]),
            stretch(3, 9, 10, &[]),
        ];
        let places = (0..11).map(|offset| Passed::of(&all, offset).map(|it| it.place));
        let (one, two, three) = (Some(1), Some(2), Some(3));
        let expected = [
            one, one, one, two, None, None, None, None, None, three, None,
        ];
        assert_eq!(places.collect::<Vec<_>>(), expected);
    }
}
