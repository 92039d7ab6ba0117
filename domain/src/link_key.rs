//! Keys that links are signed with. Postgres makes them, of its own randomness, and all servers know the same; each signs for a day.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    Error, Result, SystemCx,
    row::{Columns, Decode},
};

/// How long a key signs.
const SIGNS: TimeDelta = TimeDelta::hours(24);
/// How long one is known after that: longer than any link lasts.
const KNOWN: TimeDelta = TimeDelta::hours(1);
/// Lock of whoever makes one.
const MAKING: i64 = 0x6c69_6e6b;

/// A key, and since when it is one.
#[derive(Clone)]
pub struct LinkKey {
    /// Its name in links.
    pub id: Uuid,
    /// 32 random bytes.
    pub secret: Vec<u8>,
    created_at: DateTime<Utc>,
}

impl Decode for LinkKey {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            secret: row.get()?,
            created_at: row.get()?,
        })
    }
}

impl LinkKey {
    /// Whether it signs at this moment.
    pub fn signs(&self, now: DateTime<Utc>) -> bool {
        now < self.created_at + SIGNS
    }
}

/// The key that signs now; a new one when the last is a day old. Those that no link can be signed with any more are deleted.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn newest(cx: SystemCx) -> Result<LinkKey> {
    cx.ends_when_silent().await?;
    cx.execute("SELECT pg_advisory_xact_lock($1)", [MAKING.into()])
        .await?;
    let sql =
        "SELECT link_key_id, secret, created_at FROM link_key ORDER BY created_at DESC LIMIT 1";
    let newest: Option<LinkKey> = cx.one(sql, []).await?;
    if let Some(key) = newest.filter(|key| key.signs(cx.now())) {
        return Ok(key);
    }
    let dead = cx.now() - SIGNS - KNOWN;
    cx.execute("DELETE FROM link_key WHERE created_at < $1", [dead.into()])
        .await?;
    let made = cx.one(
        "INSERT INTO link_key (secret, created_at)
         VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), $1)
         RETURNING link_key_id, secret, created_at",
        [cx.now().into()],
    );
    let made = made.await?;
    cx.commit().await?;
    made.ok_or_else(|| Error::internal("a key that was made is not there"))
}

/// The key with this name, if it is known still.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn find(cx: &SystemCx, id: Uuid) -> Result<Option<LinkKey>> {
    let known = cx.now() - SIGNS - KNOWN;
    let sql = "SELECT link_key_id, secret, created_at FROM link_key WHERE link_key_id = $1 AND created_at >= $2";
    cx.one(sql, [id.into(), known.into()]).await
}
