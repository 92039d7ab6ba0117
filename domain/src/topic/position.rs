//! How far each partition is journaled.

use chrono::{DateTime, Utc};

use super::{Digest, Partition, Passage, Stop, Way};
use crate::{
    Error, Result, SystemCx,
    row::{Columns, Decode},
    sql::texts,
};

/// How far a partition is journaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The first offset that is not, -1 before the first message.
    pub next: i64,
    /// Of the last message, which lay right before; none where an operator put the position.
    pub digest: Option<Digest>,
    /// Why nothing is read.
    pub stopped: Option<Stop>,
}

/// How far a partition of some cluster is journaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub partition: Partition,
    /// How far.
    pub position: Position,
    /// When the position was moved last.
    pub moved_at: DateTime<Utc>,
    /// Whether messages wait to be read, so that sources of this topic are not complete.
    pub held: bool,
}

/// Where a partition ends, as whoever reads it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Which.
    pub partition: Partition,
    /// The offset behind its last message; of one that is read to its end, the first that is not read.
    pub offset: i64,
    /// Whether messages wait before it.
    pub waits: bool,
}

impl Decode for Position {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        let next = row.get()?;
        let digest: Option<&[u8]> = row.get()?;
        let digest = digest.map(<[u8; 32]>::try_from).transpose();
        Ok(Self {
            next,
            digest: digest.map_err(Error::internal)?.map(Digest),
            stopped: row.word_or_none()?,
        })
    }
}

impl Decode for Standing {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            partition: Partition::decode(row)?,
            position: Position::decode(row)?,
            moved_at: row.get()?,
            held: row.get()?,
        })
    }
}

/// The position of a partition that is about to be read. One that was never read is at its beginning from now on, and one that was
/// forgotten is known again.
pub async fn open(cx: &SystemCx, partition: &Partition) -> Result<Position> {
    let [cluster, topic] = [&partition.cluster, &partition.topic].map(AsRef::as_ref);
    cx.execute(
        "INSERT INTO topic_position (cluster, topic, partition, next_offset, moved_at) \
         VALUES ($1, $2, $3, -1, $4) ON CONFLICT ON CONSTRAINT topic_position_pkey DO NOTHING",
        [
            cluster.into(),
            topic.into(),
            partition.number.into(),
            cx.now().into(),
        ],
    )
    .await?;
    cx.execute(
        "UPDATE topic_position SET forgotten_at = NULL \
         WHERE cluster = $1 AND topic = $2 AND partition = $3 AND forgotten_at IS NOT NULL",
        [cluster.into(), topic.into(), partition.number.into()],
    )
    .await?;
    let position = find(cx, partition).await?;
    position.ok_or_else(|| Error::internal("a position is not there"))
}

/// The position of a partition, if it was ever read.
pub async fn find(cx: &SystemCx, partition: &Partition) -> Result<Option<Position>> {
    cx.one(
        "SELECT next_offset, digest, stopped FROM topic_position \
         WHERE cluster = $1 AND topic = $2 AND partition = $3",
        [
            partition.cluster.as_ref().into(),
            partition.topic.as_ref().into(),
            partition.number.into(),
        ],
    )
    .await
}

/// All positions that are not forgotten, by cluster, topic and partition.
pub async fn positions(cx: &SystemCx) -> Result<Vec<Standing>> {
    cx.all(
        "SELECT cluster, topic, partition, next_offset, digest, stopped, moved_at, held FROM topic_position \
         WHERE forgotten_at IS NULL ORDER BY cluster, topic, partition",
        [],
    )
    .await
}

/// Moves the position of a passage that is read in its order, from where the last one ended and from nowhere else, and says
/// whether it did. It waits for whoever is moving it. One that is read again is never stale. `newest` is when the newest usage of the
/// passage began.
pub async fn pass(cx: &SystemCx, passage: &Passage, newest: Option<DateTime<Utc>>) -> Result<bool> {
    let Way::Consume {
        from,
        to,
        digest,
        end,
    } = passage.way
    else {
        return Ok(true);
    };
    let Partition {
        cluster,
        topic,
        number,
    } = &passage.partition;
    let moved = cx
        .execute(
            "UPDATE topic_position SET next_offset = $5, digest = $6, moved_at = $7, end_offset = $8, \
                 newest_event_at = greatest(newest_event_at, $9) \
             WHERE cluster = $1 AND topic = $2 AND partition = $3 AND next_offset = $4 AND stopped IS NULL",
            [
                cluster.as_ref().into(),
                topic.as_ref().into(),
                (*number).into(),
                from.into(),
                to.into(),
                digest.0.to_vec().into(),
                cx.now().into(),
                end.into(),
                newest.into(),
            ],
        )
        .await?;
    Ok(moved == 1)
}

/// Says why a partition is not read from now on, unless its position is not what the caller saw.
pub async fn stop(cx: &SystemCx, partition: &Partition, seen: i64, why: Stop) -> Result<()> {
    cx.execute(
        "UPDATE topic_position SET stopped = $5 \
         WHERE cluster = $1 AND topic = $2 AND partition = $3 AND next_offset = $4",
        [
            partition.cluster.as_ref().into(),
            partition.topic.as_ref().into(),
            partition.number.into(),
            seen.into(),
            why.as_ref().into(),
        ],
    )
    .await?;
    Ok(())
}

/// Writes down where partitions end that are read by the caller, where that says something new: that messages wait, up to where, or that
/// none do. A position that is being moved is left to whoever moves it, and who is behind another reader has no say.
pub async fn ends(cx: &SystemCx, ends: &[End]) -> Result<()> {
    let of = |part: fn(&End) -> &str| texts(ends.iter().map(part));
    let numbers: Vec<i32> = ends.iter().map(|it| it.partition.number).collect();
    let offsets: Vec<i64> = ends.iter().map(|it| it.offset).collect();
    let waits: Vec<bool> = ends.iter().map(|it| it.waits).collect();
    cx.execute(
        "UPDATE topic_position AS known SET end_offset = free.told \
         FROM (SELECT own.cluster, own.topic, own.partition, told.end_offset AS told FROM topic_position AS own \
               JOIN unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::boolean[]) \
                   AS told(cluster, topic, partition, end_offset, waits) USING (cluster, topic, partition) \
               WHERE CASE WHEN told.waits THEN own.end_offset < told.end_offset \
                          ELSE own.end_offset > told.end_offset AND own.next_offset <= told.end_offset END \
               FOR UPDATE OF own SKIP LOCKED) AS free \
         WHERE (known.cluster, known.topic, known.partition) = (free.cluster, free.topic, free.partition)",
        [
            of(|it| &it.partition.cluster),
            of(|it| &it.partition.topic),
            numbers.into(),
            offsets.into(),
            waits.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Waits no more for what a partition had that is gone. Its position is kept: whoever reads the partition again goes on there.
///
/// # Errors
/// `NOT_FOUND` when the partition was never read.
pub async fn forget(cx: &SystemCx, partition: &Partition) -> Result<()> {
    let forgotten = cx
        .execute(
            "UPDATE topic_position SET forgotten_at = coalesce(forgotten_at, $4) \
             WHERE cluster = $1 AND topic = $2 AND partition = $3",
            [
                partition.cluster.as_ref().into(),
                partition.topic.as_ref().into(),
                partition.number.into(),
                cx.now().into(),
            ],
        )
        .await?;
    match forgotten {
        0 => Err(Error::not_found("partition that was read")),
        _ => Ok(()),
    }
}

/// Puts the position of a partition where an operator says, whatever stopped it, and says where it was. What lies between is
/// not read. `end` is where the partition ends.
///
/// # Errors
/// `NOT_FOUND` when the partition was never read.
pub async fn skip(cx: &SystemCx, partition: &Partition, next: i64, end: i64) -> Result<i64> {
    let before: Option<(i64,)> = cx
        .one(
            "UPDATE topic_position \
             SET next_offset = $4, digest = NULL, stopped = NULL, moved_at = $5, end_offset = $6 \
             WHERE cluster = $1 AND topic = $2 AND partition = $3 RETURNING OLD.next_offset",
            [
                partition.cluster.as_ref().into(),
                partition.topic.as_ref().into(),
                partition.number.into(),
                next.into(),
                cx.now().into(),
                end.into(),
            ],
        )
        .await?;
    before
        .map(|(before,)| before)
        .ok_or_else(|| Error::not_found("partition that was read"))
}
