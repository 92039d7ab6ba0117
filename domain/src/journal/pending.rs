//! Batches between the journal and the cubes.
//!
//! Sending a batch again is a no-op only while the cubes remember its token. They remember a number of *parts*, and a
//! batch makes at most one part per row and one per month of the horizon, so what is sent again is limited by parts
//! and not by time alone.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::packed;
use crate::{
    Cx, Error, Result, SystemCx,
    id::{BatchId, TenantId},
};

/// Most parts that one batch can make: the months that 400 days can touch, and one to be safe.
pub const PARTS_PER_BATCH: u32 = 15;

/// A batch whose payload is still kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub batch: BatchId,
    /// How many rows.
    pub rows: u64,
    /// When it was journaled.
    pub created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    batch_id: Uuid,
    rows: i64,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Pending {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            tenant: TenantId::new(row.tenant_id),
            batch: BatchId::new(row.batch_id),
            rows: u64::try_from(row.rows).map_err(Error::internal)?,
            created_at: row.created_at,
        })
    }
}

/// Batches of all tenants that were journaled before `created_before` and are not known to be in the cubes, oldest
/// first.
pub async fn unapplied(
    cx: &SystemCx,
    created_before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<Pending>> {
    let rows: Vec<Row> = cx
        .all(
            "SELECT tenant_id, batch_id, rows, created_at FROM intake_batch \
             WHERE payload IS NOT NULL AND applied_at IS NULL AND created_at <= $1 \
             ORDER BY created_at, batch_id LIMIT $2",
            [created_before.into(), i64::from(limit).into()],
        )
        .await?;
    rows.into_iter().map(Pending::try_from).collect()
}

/// Rows of the caller's tenant that are accepted and not yet known to be in the cubes.
pub async fn unapplied_rows(cx: &Cx) -> Result<u64> {
    #[derive(FromQueryResult)]
    struct Sum {
        rows: i64,
    }
    let sum: Option<Sum> = cx
        .one(
            "SELECT coalesce(sum(rows), 0)::bigint AS rows FROM intake_batch \
             WHERE tenant_id = $1 AND payload IS NOT NULL AND applied_at IS NULL",
            [cx.scope().tenant().uuid().into()],
        )
        .await?;
    u64::try_from(sum.map_or(0, |sum| sum.rows)).map_err(Error::internal)
}

/// Batches applied since `since`, oldest first: the newest of them whose parts together are at most `parts`.
pub async fn recently_applied(
    cx: &SystemCx,
    since: DateTime<Utc>,
    parts: u32,
) -> Result<Vec<Pending>> {
    let rows: Vec<Row> = cx
        .all(
            "SELECT tenant_id, batch_id, rows, created_at FROM ( \
                 SELECT tenant_id, batch_id, rows, created_at, applied_at, \
                        sum(least(rows, $2)) OVER (ORDER BY applied_at DESC, batch_id DESC) AS parts \
                 FROM intake_batch WHERE payload IS NOT NULL AND applied_at >= $1) AS recent \
             WHERE parts <= $3 ORDER BY applied_at, batch_id",
            [
                since.into(),
                i64::from(PARTS_PER_BATCH).into(),
                i64::from(parts).into(),
            ],
        )
        .await?;
    rows.into_iter().map(Pending::try_from).collect()
}

/// The encoded rows of a batch, while they are kept.
pub async fn payload(cx: &SystemCx, tenant: TenantId, batch: BatchId) -> Result<Option<Vec<u8>>> {
    #[derive(FromQueryResult)]
    struct Payload {
        payload: Option<Vec<u8>>,
    }
    let row: Option<Payload> = cx
        .one(
            "SELECT payload FROM intake_batch WHERE tenant_id = $1 AND batch_id = $2",
            [tenant.uuid().into(), batch.uuid().into()],
        )
        .await?;
    let stored = row.and_then(|row| row.payload);
    stored.map(|stored| packed::unpack(&stored)).transpose()
}

/// Notes that a batch is in the cubes.
pub async fn mark_applied(
    cx: &SystemCx,
    tenant: TenantId,
    batch: BatchId,
    at: DateTime<Utc>,
) -> Result<()> {
    cx.execute(
        "UPDATE intake_batch SET applied_at = $3 \
         WHERE tenant_id = $1 AND batch_id = $2 AND applied_at IS NULL",
        [tenant.uuid().into(), batch.uuid().into(), at.into()],
    )
    .await?;
    Ok(())
}

/// Drops the payloads of at most `limit` batches that were applied before `before`, and says of how many.
pub async fn drop_payloads(cx: &SystemCx, before: DateTime<Utc>, limit: u32) -> Result<u64> {
    let dropped = cx
        .execute(
            "UPDATE intake_batch SET payload = NULL \
             WHERE (tenant_id, batch_id) IN ( \
                 SELECT tenant_id, batch_id FROM intake_batch \
                 WHERE payload IS NOT NULL AND applied_at < $1 \
                 ORDER BY tenant_id, batch_id LIMIT $2 FOR UPDATE SKIP LOCKED)",
            [before.into(), i64::from(limit).into()],
        )
        .await?;
    Ok(dropped)
}
