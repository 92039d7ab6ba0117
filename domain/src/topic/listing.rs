//! Messages in quarantine as staff of the platform list them: nobody knows whose they are.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Partition, Reason};
use crate::{
    Error, Period, Result, Scope, SystemCx,
    filter::{self, Filter},
    list::{Listing, sort_moment},
    paging::{Direction, Keyset, PageRequest},
    row::{Columns, Decode},
    sql::{Sql, texts},
};

/// Most bytes of a key or a payload that a list shows.
pub const SHOWN_BYTES: i32 = 8 * 1024;

/// A message in quarantine as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its row.
    pub id: Uuid,
    /// Where it lay.
    pub partition: Partition,
    /// At which offset.
    pub offset: i64,
    /// The beginning of its key.
    pub key: Option<Bytes>,
    /// The beginning of what it says.
    pub payload: Bytes,
    /// Bytes of all that it says.
    pub bytes: u64,
    /// Why it is kept.
    pub reason: Reason,
    /// Why, for people.
    pub text: String,
    /// When it was read.
    pub received_at: DateTime<Utc>,
    /// When the broker had taken its dead letter.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it was read again and was a tenant's.
    pub released_at: Option<DateTime<Utc>>,
}

impl Decode for Listed {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            partition: Partition::decode(row)?,
            offset: row.get()?,
            key: row.get::<Option<&[u8]>>()?.map(Bytes::copy_from_slice),
            payload: Bytes::copy_from_slice(row.get()?),
            bytes: row.count()?,
            reason: row.word()?,
            text: row.get()?,
            received_at: row.get()?,
            sent_at: row.get()?,
            released_at: row.get()?,
        })
    }
}

/// What messages in quarantine can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QuarantineCondition {
    /// Of one of these topics.
    Topics(Vec<String>),
    /// Kept for one of these reasons.
    Reasons(Vec<Reason>),
    /// Read within this period.
    Received(Period),
    /// Whether they were released.
    Released(bool),
}

fn push_condition(sql: &mut Sql, condition: &QuarantineCondition) {
    match condition {
        QuarantineCondition::Topics(topics) => sql.push_any("topic", texts(topics)),
        QuarantineCondition::Reasons(reasons) => sql.push_any("reason", texts(reasons)),
        QuarantineCondition::Received(period) => sql.push_within("received_at", *period),
        QuarantineCondition::Released(yes) => sql.push_is_null("released_at", !yes),
    }
}

/// Messages in quarantine, also those that were released, newest first.
///
/// # Errors
/// `FORBIDDEN` unless the caller is staff of the platform, `INVALID_CURSOR` for a cursor of another question.
pub async fn list(
    cx: &SystemCx,
    scope: &Scope,
    filter: &Filter<QuarantineCondition>,
    page: &PageRequest,
    with_total: bool,
) -> Result<Listing<Listed>> {
    scope.require_platform()?;
    let keyset = Keyset::new(
        "topic_quarantine.received_at",
        "timestamptz",
        "topic_quarantine.message_id",
        Direction::Desc,
        &("quarantined message", filter),
    );
    let matching = |columns: &str| {
        let mut sql = Sql::new(&format!("SELECT {columns} FROM topic_quarantine WHERE "));
        filter::push(&mut sql, filter, &push_condition);
        sql
    };
    let mut sql = matching(&format!(
        "message_id, cluster, topic, partition, message_offset, substring(key FOR {SHOWN_BYTES}), \
         substring(payload FOR {SHOWN_BYTES}), length(payload)::bigint, reason, message, received_at, sent_at, released_at"
    ));
    keyset.push(&mut sql, page, keyset.position(page)?);
    let (text, values) = sql.into_parts();
    let rows: Vec<Listed> = cx.all(&text, values).await?;
    let total = if with_total {
        let (text, values) = matching("count(*)").into_parts();
        let (count,): (i64,) = cx.one(&text, values).await?.unwrap_or_default();
        Some(u64::try_from(count).map_err(Error::internal)?)
    } else {
        None
    };
    let position = |row: &Listed| (sort_moment(row.received_at), row.id);
    Ok(Listing {
        page: keyset.page(rows, page, position),
        total,
    })
}
