//! The one transaction of a batch.

use chrono::{DateTime, Utc};
use sea_orm::Value;
use uuid::Uuid;

use super::{RejectionCode, packed};
use crate::{
    Cx, Error, Result, SystemCx,
    id::{BatchId, TenantId},
    sql::{texts, uuids},
};

/// Key of the lock around applying; no tenant's id ends in it.
const APPLY_LOCK: i64 = 0x0061_7070_6c79;

/// The accepted rows of a batch, encoded for the cubes.
#[derive(Clone, Copy, Debug)]
pub struct NewBatch<'a> {
    /// Token of the insert.
    pub id: BatchId,
    /// The one source of its records, or empty when they have several.
    pub source: &'a str,
    /// How many rows.
    pub rows: u64,
    /// The rows exactly as they are sent, now and at every repetition.
    pub payload: &'a [u8],
}

/// A record that was refused.
#[derive(Clone, Debug)]
pub struct NewRejection {
    /// Its source, or empty when it named none.
    pub source: String,
    /// Its identity, when it had one.
    pub identity: Option<Uuid>,
    /// Its record id, when it had one.
    pub record_id: Option<String>,
    /// Why.
    pub code: RejectionCode,
    /// Why, for people.
    pub message: String,
    /// The record as received, at most [`super::RAW_BYTES`] and without NUL (Postgres text has none).
    pub raw: String,
}

/// Counts of one source and event hour within a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Source, or empty for records that named none.
    pub source: String,
    /// Hour of the event; hour of receipt for records without a believable event time.
    pub event_hour: DateTime<Utc>,
    /// Counted when the records were read.
    pub received: u64,
    /// Counted from the verdicts, as are the next two.
    pub accepted: u64,
    /// Deliveries of records that were accepted before.
    pub duplicate: u64,
    /// Refused records.
    pub rejected: u64,
    /// Of accepted records.
    pub bytes_up: u128,
    /// Of accepted records.
    pub bytes_down: u128,
}

/// Keeps assignments with effect in the past out until the transaction ends (many batches hold at once).
pub async fn hold_attribution(cx: &SystemCx, tenant: TenantId) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock_shared($1)";
    cx.execute(sql, [lock_key(tenant).into()]).await?;
    Ok(())
}

/// Waits for batches that are being attributed and keeps new ones out until the transaction ends. Taken before an
/// assignment with effect in the past is checked against what is counted; see [`super::unapplied_rows`].
pub async fn freeze_attribution(cx: &Cx) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock($1)";
    cx.execute(sql, [lock_key(cx.scope().tenant()).into()])
        .await?;
    Ok(())
}

/// Says that a batch is being applied, until the transaction ends (many at once). Its commit is not waited for on disk:
/// if a power loss takes the note that the batch is applied, the batch is sent once more, which changes nothing.
pub async fn hold_apply(cx: &SystemCx) -> Result<()> {
    let sql =
        "SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock_shared($1)";
    cx.execute(sql, [APPLY_LOCK.into()]).await?;
    Ok(())
}

/// Waits for batches that are being applied, in every process, and keeps new ones out until the transaction ends: the
/// cubes stand still. For verifying and repairing them.
pub async fn freeze_apply(cx: &SystemCx) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock($1)";
    cx.execute(sql, [APPLY_LOCK.into()]).await?;
    Ok(())
}

/// The random half of a tenant's version 7 id.
fn lock_key(tenant: TenantId) -> i64 {
    i64::from_be_bytes(tenant.uuid().as_u64_pair().1.to_be_bytes())
}

/// Writes everything else that the batch changes. `batch` is none when nothing of it was accepted.
///
/// # Errors
/// `INTERNAL` when the numbers do not add up; nothing of the batch is kept then.
pub async fn record(
    cx: &SystemCx,
    tenant: TenantId,
    batch: Option<NewBatch<'_>>,
    tallies: &[Tally],
    rejections: &[NewRejection],
    received_at: DateTime<Utc>,
) -> Result<()> {
    balance(batch.as_ref(), tallies, rejections)?;
    if let Some(batch) = batch {
        insert_batch(cx, tenant, &batch, received_at).await?;
    }
    if !rejections.is_empty() {
        insert_rejections(cx, tenant, rejections, received_at).await?;
    }
    if tallies.is_empty() {
        return Ok(());
    }
    // Last, because every batch of one source and hour waits here for the one before it.
    add_accounting(cx, tenant, tallies, received_at).await
}

/// Nothing is refused, or counted, silently.
fn balance(
    batch: Option<&NewBatch<'_>>,
    tallies: &[Tally],
    rejections: &[NewRejection],
) -> Result<()> {
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let accepted = batch.map_or(0, |batch| batch.rows);
    let even = tallies
        .iter()
        .all(|tally| tally.received == tally.accepted + tally.duplicate + tally.rejected);
    if even && sum(|t| t.accepted) == accepted && sum(|t| t.rejected) == rejections.len() as u64 {
        Ok(())
    } else {
        Err(Error::internal("a batch's accounting does not add up"))
    }
}

async fn insert_batch(
    cx: &SystemCx,
    tenant: TenantId,
    batch: &NewBatch<'_>,
    received_at: DateTime<Utc>,
) -> Result<()> {
    cx.execute(
        "INSERT INTO intake_batch (tenant_id, batch_id, source, rows, payload, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        [
            tenant.uuid().into(),
            batch.id.uuid().into(),
            batch.source.into(),
            bigint(batch.rows)?.into(),
            packed::pack(batch.payload)?.into(),
            received_at.into(),
        ],
    )
    .await?;
    Ok(())
}

async fn insert_rejections(
    cx: &SystemCx,
    tenant: TenantId,
    rejections: &[NewRejection],
    received_at: DateTime<Utc>,
) -> Result<()> {
    let column = |of: fn(&NewRejection) -> &str| -> Value { texts(rejections.iter().map(of)) };
    cx.execute(
        "INSERT INTO intake_rejection \
             (tenant_id, source, identity, record_id, code, message, raw, received_at) \
         SELECT $1, new.source, nullif(new.identity, '00000000-0000-0000-0000-000000000000'), \
                nullif(new.record_id, ''), new.code, new.message, new.raw, $2 \
         FROM unnest($3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[]) \
              AS new(source, identity, record_id, code, message, raw)",
        [
            tenant.uuid().into(),
            received_at.into(),
            column(|r| &r.source),
            uuids(rejections.iter().map(|r| r.identity.unwrap_or_default())),
            column(|r| r.record_id.as_deref().unwrap_or_default()),
            column(|r| r.code.as_str()),
            column(|r| &r.message),
            column(|r| &r.raw),
        ],
    )
    .await?;
    Ok(())
}

async fn add_accounting(
    cx: &SystemCx,
    tenant: TenantId,
    tallies: &[Tally],
    received_at: DateTime<Utc>,
) -> Result<()> {
    let mut sorted: Vec<&Tally> = tallies.iter().collect();
    sorted.sort_unstable_by(|a, b| (&a.source, a.event_hour).cmp(&(&b.source, b.event_hour)));
    let counts = |of: fn(&Tally) -> u64| -> Result<Value> {
        let counts: Result<Vec<i64>> = sorted.iter().map(|tally| bigint(of(tally))).collect();
        Ok(counts?.into())
    };
    let bytes = |of: fn(&Tally) -> u128| texts(sorted.iter().map(|tally| of(tally).to_string()));
    let hours: Vec<DateTime<Utc>> = sorted.iter().map(|tally| tally.event_hour).collect();
    cx.execute(
        "INSERT INTO intake_accounting AS known \
             (tenant_id, source, received_hour, event_hour, received, accepted, duplicate, rejected, \
              bytes_up, bytes_down) \
         SELECT $1, new.source, $2, new.event_hour, new.received, new.accepted, new.duplicate, \
                new.rejected, new.bytes_up::numeric, new.bytes_down::numeric \
         FROM unnest($3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], \
                     $8::bigint[], $9::text[], $10::text[]) \
              AS new(source, event_hour, received, accepted, duplicate, rejected, bytes_up, bytes_down) \
         ON CONFLICT ON CONSTRAINT intake_accounting_pkey DO UPDATE SET \
             received = known.received + excluded.received, \
             accepted = known.accepted + excluded.accepted, \
             duplicate = known.duplicate + excluded.duplicate, \
             rejected = known.rejected + excluded.rejected, \
             bytes_up = known.bytes_up + excluded.bytes_up, \
             bytes_down = known.bytes_down + excluded.bytes_down",
        [
            tenant.uuid().into(),
            super::hour_of(received_at).into(),
            texts(sorted.iter().map(|tally| tally.source.as_str())),
            hours.into(),
            counts(|t| t.received)?,
            counts(|t| t.accepted)?,
            counts(|t| t.duplicate)?,
            counts(|t| t.rejected)?,
            bytes(|t| t.bytes_up),
            bytes(|t| t.bytes_down),
        ],
    )
    .await?;
    Ok(())
}

fn bigint(count: u64) -> Result<i64> {
    i64::try_from(count).map_err(Error::internal)
}
