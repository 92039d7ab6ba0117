//! Messages that are kept because they are nobody's, or nobody can read them, and their dead letters.

use std::collections::HashSet;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sea_orm::{Value, sea_query::ArrayType};
use uuid::Uuid;

use super::{Message, Partition, Passage, Quarantined, Way};
use crate::{
    Error, Result, SystemCx,
    journal::Kind,
    row::{Columns, Decode},
    sql::{texts, uuids},
};

/// Bytes of messages that are read at once, beside the last one's.
const PAGE_BYTES: i64 = 4 << 20;

/// A message that is kept, with all of its bytes.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its row.
    pub id: Uuid,
    /// Where it lay.
    pub partition: Partition,
    /// What it was read as.
    pub kind: Kind,
    /// What it is, and why it is kept.
    pub quarantined: Quarantined,
}

impl Decode for Held {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            partition: Partition::decode(row)?,
            kind: row.word()?,
            quarantined: Quarantined {
                message: Message {
                    offset: row.get()?,
                    key: row.get::<Option<&[u8]>>()?.map(Bytes::copy_from_slice),
                    payload: Bytes::copy_from_slice(row.get()?),
                },
                reason: row.word()?,
                text: row.get()?,
            },
        })
    }
}

/// What of all is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Messages that were not released.
    pub held: u64,
    /// Messages of which the dead letter was not sent.
    pub unsent: u64,
}

impl Decode for Kept {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            held: row.count()?,
            unsent: row.count()?,
        })
    }
}

/// Files what a passage leaves in quarantine, in the transaction that journals the rest of it. Of what is read again nothing is
/// filed twice; of what is read again from quarantine, that which is a tenant's now is marked as released.
pub async fn file(
    cx: &SystemCx,
    passage: &Passage,
    quarantined: &[&Quarantined],
    received_at: DateTime<Utc>,
) -> Result<()> {
    match &passage.way {
        Way::Consume { .. } => insert(cx, passage, quarantined, received_at, "").await,
        Way::Replay => {
            let unknown = "WHERE NOT EXISTS (SELECT FROM topic_quarantine AS known \
                 WHERE known.cluster = $1 AND known.topic = $2 AND known.partition = $3 \
                   AND known.message_offset = new.message_offset)";
            insert(cx, passage, quarantined, received_at, unknown).await
        }
        Way::Release { rows } => {
            let kept: HashSet<i64> = quarantined.iter().map(|it| it.message.offset).collect();
            let released = rows.iter().filter(|(offset, _)| !kept.contains(offset));
            release(cx, released.map(|(_, id)| *id), received_at).await
        }
    }
}

async fn insert(
    cx: &SystemCx,
    passage: &Passage,
    all: &[&Quarantined],
    received_at: DateTime<Utc>,
    condition: &str,
) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let at = &passage.partition;
    let offsets: Vec<i64> = all.iter().map(|it| it.message.offset).collect();
    cx.execute(
        &format!(
            "INSERT INTO topic_quarantine \
                 (cluster, topic, partition, kind, message_offset, key, payload, reason, message, received_at) \
             SELECT $1, $2, $3, $10, new.message_offset, new.key, new.payload, new.reason, new.message, $4 \
             FROM unnest($5::bigint[], $6::bytea[], $7::bytea[], $8::text[], $9::text[]) \
                  AS new(message_offset, key, payload, reason, message) {condition}"
        ),
        [
            at.cluster.as_ref().into(),
            at.topic.as_ref().into(),
            at.number.into(),
            received_at.into(),
            offsets.into(),
            byteas(all.iter().map(|it| it.message.key.as_ref())),
            byteas(all.iter().map(|it| Some(&it.message.payload))),
            texts(all.iter().map(|it| it.reason.as_ref())),
            texts(all.iter().map(|it| it.text.as_str())),
            passage.kind.as_ref().into(),
        ],
    )
    .await?;
    Ok(())
}

/// A `bytea[]` parameter.
fn byteas<'a>(values: impl Iterator<Item = Option<&'a Bytes>>) -> Value {
    let values = values.map(|value| Value::Bytes(value.map(|bytes| bytes.to_vec())));
    Value::Array(ArrayType::Bytes, Some(Box::new(values.collect())))
}

async fn release(cx: &SystemCx, ids: impl Iterator<Item = Uuid>, at: DateTime<Utc>) -> Result<()> {
    let sql = "UPDATE topic_quarantine SET released_at = $2 \
               WHERE message_id = ANY($1) AND released_at IS NULL";
    cx.execute(sql, [uuids(ids), at.into()]).await?;
    Ok(())
}

/// Messages of a cluster of which the dead letter was not sent yet, oldest first, after one of them: some.
pub async fn unsent(
    cx: &SystemCx,
    cluster: &str,
    after: Option<Uuid>,
    most: u32,
) -> Result<Vec<Held>> {
    let of = "sent_at IS NULL AND cluster = $4";
    page(cx, of, after, most, Some(cluster.into())).await
}

/// Messages that were not released, after one of them: some.
pub async fn held(cx: &SystemCx, after: Option<Uuid>, most: u32) -> Result<Vec<Held>> {
    page(cx, "released_at IS NULL", after, most, None).await
}

async fn page(
    cx: &SystemCx,
    of: &str,
    after: Option<Uuid>,
    most: u32,
    value: Option<Value>,
) -> Result<Vec<Held>> {
    let values = [
        i64::from(most).into(),
        PAGE_BYTES.into(),
        after.unwrap_or_default().into(),
    ];
    cx.all(
        &format!(
            "SELECT message_id, cluster, topic, partition, kind, message_offset, key, payload, reason, message FROM ( \
                 SELECT *, sum(length(payload)) OVER (ORDER BY message_id) - length(payload) AS before \
                 FROM (SELECT * FROM topic_quarantine WHERE {of} AND message_id > $3 ORDER BY message_id LIMIT $1) AS first) AS page \
             WHERE before < $2 ORDER BY message_id"
        ),
        values.into_iter().chain(value),
    )
    .await
}

/// Notes that the dead letters of these messages were taken by the broker.
pub async fn sent(cx: &SystemCx, ids: &[Uuid]) -> Result<()> {
    let sql = "UPDATE topic_quarantine SET sent_at = $2 WHERE message_id = ANY($1)";
    let ids = uuids(ids.iter().copied());
    cx.execute(sql, [ids, cx.now().into()]).await?;
    Ok(())
}

/// How much is kept.
pub async fn kept(cx: &SystemCx) -> Result<Kept> {
    let kept = cx
        .one(
            "SELECT (SELECT count(*) FROM topic_quarantine WHERE released_at IS NULL), \
                    (SELECT count(*) FROM topic_quarantine WHERE sent_at IS NULL)",
            [],
        )
        .await?;
    kept.ok_or_else(|| Error::internal("a count is not there"))
}
