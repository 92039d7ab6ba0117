//! Everything that one batch writes besides identities.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use sea_orm::Value;
use uuid::Uuid;

use super::{Kind, RejectionCode, packed, progress};
use crate::{
    Error, Result, SystemCx,
    id::{BatchId, TenantId},
    sql::{texts, uuids},
};

/// The accepted rows of a batch, encoded for the cubes.
#[derive(Clone, Copy, Debug)]
pub struct NewBatch<'a> {
    /// Its id, which its rows carry.
    pub id: BatchId,
    /// How many rows.
    pub rows: u64,
    /// Version of the payload's encoding, among those of its kind.
    pub encoding: i16,
    /// The rows.
    pub payload: &'a [u8],
    /// Until when the first insert may begin, by the clock of the cubes.
    pub apply_by: DateTime<Utc>,
    /// What each tenant has in it; together all of the rows.
    pub parts: &'a [Part],
}

/// What a tenant has in a batch. Of rollups it has all rows, those that correct what earlier ones count included, each as if its sign were
/// 1: it proves that they are there. What was accepted is in the accounting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub tenant: TenantId,
    /// Its number, which its identities carry; see [`super::Month::part`].
    pub number: i64,
    /// Records.
    pub rows: u64,
    /// Bytes from devices.
    pub bytes_up: u128,
    /// Bytes to devices.
    pub bytes_down: u128,
    /// Messages, seconds and the like.
    pub units: u128,
    /// Sum, modulo 2^64, of the lower halves of the identities.
    pub checksum: u64,
    /// Earliest event time.
    pub first_at: DateTime<Utc>,
    /// Latest event time.
    pub last_at: DateTime<Utc>,
}

impl Part {
    /// A part without records.
    pub fn new(tenant: TenantId, number: i64) -> Self {
        Self {
            tenant,
            number,
            rows: 0,
            bytes_up: 0,
            bytes_down: 0,
            units: 0,
            checksum: 0,
            first_at: DateTime::<Utc>::MAX_UTC,
            last_at: DateTime::<Utc>::MIN_UTC,
        }
    }

    /// Adds a record.
    pub fn add(&mut self, identity: Uuid, event_at: DateTime<Utc>, [up, down, units]: [u64; 3]) {
        self.rows += 1;
        self.bytes_up += u128::from(up);
        self.bytes_down += u128::from(down);
        self.units += u128::from(units);
        self.checksum = self.checksum.wrapping_add(identity.as_u64_pair().1);
        self.first_at = self.first_at.min(event_at);
        self.last_at = self.last_at.max(event_at);
    }
}

/// A record that was refused.
#[derive(Clone, Debug)]
pub struct NewRejection {
    /// Whose.
    pub tenant: TenantId,
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

/// Counts of one tenant, source and event hour within a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Whose.
    pub tenant: TenantId,
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
    /// When the newest usage began of those that were accepted, now or before; none where all were refused.
    pub newest_event_at: Option<DateTime<Utc>>,
    /// The topic that some came through.
    pub topic: Option<Arc<str>>,
}

/// Writes everything else that a batch of `kind` changes. `batch` is none when nothing of it was accepted.
///
/// # Errors
/// `INTERNAL` when the numbers do not add up; nothing of the batch is kept then.
pub async fn record(
    cx: &SystemCx,
    kind: Kind,
    batch: Option<NewBatch<'_>>,
    tallies: &[Tally],
    rejections: &[NewRejection],
    received_at: DateTime<Utc>,
) -> Result<()> {
    balance(kind, batch.as_ref(), tallies, rejections)?;
    if let Some(batch) = batch {
        insert_batch(cx, kind, &batch, received_at).await?;
        insert_parts(cx, kind, &batch, received_at).await?;
    }
    if !rejections.is_empty() {
        insert_rejections(cx, kind, rejections, received_at).await?;
    }
    if tallies.is_empty() {
        return Ok(());
    }
    // Last, because every batch of one source and hour waits here for the one before it. One after the other, so that the order of locks
    // stays one: a statement that has to be prepared first would come second.
    add_accounting(cx, kind, tallies, received_at).await?;
    progress::add(cx, kind, tallies, received_at).await
}

/// Nothing is refused, or counted, silently, of no tenant. Rows of rollups are those that were accepted and what these correct.
fn balance(
    kind: Kind,
    batch: Option<&NewBatch<'_>>,
    tallies: &[Tally],
    rejections: &[NewRejection],
) -> Result<()> {
    let parts = batch.map_or(&[][..], |batch| batch.parts);
    let rows: u64 = parts.iter().map(|part| part.rows).sum();
    let even = tallies
        .iter()
        .all(|tally| tally.received == tally.accepted + tally.duplicate + tally.rejected);
    if even
        && rows == batch.map_or(0, |batch| batch.rows)
        && match kind {
            Kind::Cdr => counted(tallies) == kept(parts, rejections),
            Kind::Session => covers(&kept(parts, rejections), &counted(tallies)),
        }
    {
        Ok(())
    } else {
        Err(Error::internal("a batch's accounting does not add up"))
    }
}

/// What both books must say of each tenant.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    accepted: u64,
    rejected: u64,
    bytes_up: u128,
    bytes_down: u128,
}

/// Whether all that was accepted and rejected is kept, of every tenant.
fn covers(kept: &HashMap<TenantId, Sums>, counted: &HashMap<TenantId, Sums>) -> bool {
    kept.len() == counted.len()
        && kept.iter().all(|(tenant, kept)| {
            counted.get(tenant).is_some_and(|counted| {
                kept.rejected == counted.rejected
                    && kept.accepted >= counted.accepted
                    && (kept.accepted > 0) == (counted.accepted > 0)
                    && kept.bytes_up >= counted.bytes_up
                    && kept.bytes_down >= counted.bytes_down
            })
        })
}

fn counted(tallies: &[Tally]) -> HashMap<TenantId, Sums> {
    let mut counted: HashMap<TenantId, Sums> = HashMap::new();
    for tally in tallies {
        let sums = counted.entry(tally.tenant).or_default();
        sums.accepted += tally.accepted;
        sums.rejected += tally.rejected;
        sums.bytes_up += tally.bytes_up;
        sums.bytes_down += tally.bytes_down;
    }
    counted.retain(|_, sums| *sums != Sums::default());
    counted
}

fn kept(parts: &[Part], rejections: &[NewRejection]) -> HashMap<TenantId, Sums> {
    let mut kept: HashMap<TenantId, Sums> = HashMap::new();
    for part in parts {
        let sums = kept.entry(part.tenant).or_default();
        sums.accepted += part.rows;
        sums.bytes_up += part.bytes_up;
        sums.bytes_down += part.bytes_down;
    }
    for rejection in rejections {
        kept.entry(rejection.tenant).or_default().rejected += 1;
    }
    kept
}

pub(super) async fn insert_batch(
    cx: &SystemCx,
    kind: Kind,
    batch: &NewBatch<'_>,
    received_at: DateTime<Utc>,
) -> Result<()> {
    let first_at = batch.parts.iter().map(|part| part.first_at).min();
    let last_at = batch.parts.iter().map(|part| part.last_at).max();
    // Whoever left a mark as the last one was not.
    cx.execute(
        "WITH unclean AS (UPDATE intake_mark SET clean = false WHERE clean) \
         INSERT INTO intake_batch \
             (batch_id, state, encoding, rows, payload, first_at, last_at, apply_by, created_at, kind) \
         VALUES ($1, 'JOURNALED', $2, $3, $4, $5, $6, $7, $8, $9)",
        [
            batch.id.uuid().into(),
            batch.encoding.into(),
            bigint(batch.rows)?.into(),
            packed::pack(batch.payload)?.into(),
            first_at.into(),
            last_at.into(),
            batch.apply_by.into(),
            received_at.into(),
            kind.as_ref().into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn insert_parts(
    cx: &SystemCx,
    kind: Kind,
    batch: &NewBatch<'_>,
    received_at: DateTime<Utc>,
) -> Result<()> {
    let parts = batch.parts;
    let sums = |of: fn(&Part) -> u128| texts(parts.iter().map(|part| of(part).to_string()));
    let times = |of: fn(&Part) -> DateTime<Utc>| -> Value {
        parts.iter().map(of).collect::<Vec<_>>().into()
    };
    let numbers =
        |of: fn(&Part) -> i64| -> Value { parts.iter().map(of).collect::<Vec<_>>().into() };
    cx.execute(
        "INSERT INTO intake_batch_tenant \
             (tenant_id, part, batch_id, state, rows, bytes_up, bytes_down, units, checksum, \
              first_at, last_at, received_at, kind) \
         SELECT new.tenant_id, new.part, $1, 'JOURNALED', new.rows, new.bytes_up::numeric, \
                new.bytes_down::numeric, new.units::numeric, new.checksum, new.first_at, new.last_at, $2, $12 \
         FROM unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], \
                     $9::bigint[], $10::timestamptz[], $11::timestamptz[]) \
              AS new(tenant_id, part, rows, bytes_up, bytes_down, units, checksum, first_at, last_at)",
        [
            batch.id.uuid().into(),
            received_at.into(),
            uuids(parts.iter().map(|part| part.tenant.uuid())),
            numbers(|part| part.number),
            numbers(|part| part.rows.cast_signed()),
            sums(|part| part.bytes_up),
            sums(|part| part.bytes_down),
            sums(|part| part.units),
            numbers(|part| part.checksum.cast_signed()),
            times(|part| part.first_at),
            times(|part| part.last_at),
            kind.as_ref().into(),
        ],
    )
    .await?;
    Ok(())
}

async fn insert_rejections(
    cx: &SystemCx,
    kind: Kind,
    rejections: &[NewRejection],
    received_at: DateTime<Utc>,
) -> Result<()> {
    let column = |of: fn(&NewRejection) -> &str| -> Value { texts(rejections.iter().map(of)) };
    cx.execute(
        "INSERT INTO intake_rejection \
             (tenant_id, source, identity, record_id, code, message, raw, received_at, kind) \
         SELECT new.tenant_id, new.source, nullif(new.identity, '00000000-0000-0000-0000-000000000000'), \
                nullif(new.record_id, ''), new.code, new.message, new.raw, $1, $9 \
         FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[]) \
              AS new(tenant_id, source, identity, record_id, code, message, raw)",
        [
            received_at.into(),
            uuids(rejections.iter().map(|r| r.tenant.uuid())),
            column(|r| &r.source),
            uuids(rejections.iter().map(|r| r.identity.unwrap_or_default())),
            column(|r| r.record_id.as_deref().unwrap_or_default()),
            column(|r| r.code.as_ref()),
            column(|r| &r.message),
            column(|r| &r.raw),
            kind.as_ref().into(),
        ],
    )
    .await?;
    Ok(())
}

async fn add_accounting(
    cx: &SystemCx,
    kind: Kind,
    tallies: &[Tally],
    received_at: DateTime<Utc>,
) -> Result<()> {
    let mut sorted: Vec<&Tally> = tallies.iter().collect();
    sorted.sort_unstable_by_key(|tally| (tally.tenant, &tally.source, tally.event_hour));
    let counts = |of: fn(&Tally) -> u64| -> Result<Value> {
        let counts: Result<Vec<i64>> = sorted.iter().map(|tally| bigint(of(tally))).collect();
        Ok(counts?.into())
    };
    let bytes = |of: fn(&Tally) -> u128| texts(sorted.iter().map(|tally| of(tally).to_string()));
    let hours: Vec<DateTime<Utc>> = sorted.iter().map(|tally| tally.event_hour).collect();
    cx.execute(
        "INSERT INTO intake_accounting AS known \
             (tenant_id, source, received_hour, event_hour, received, accepted, duplicate, rejected, \
              bytes_up, bytes_down, kind) \
         SELECT new.tenant_id, new.source, $1, new.event_hour, new.received, new.accepted, new.duplicate, \
                new.rejected, new.bytes_up::numeric, new.bytes_down::numeric, $11 \
         FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], \
                     $8::bigint[], $9::text[], $10::text[]) \
              AS new(tenant_id, source, event_hour, received, accepted, duplicate, rejected, bytes_up, bytes_down) \
         ON CONFLICT ON CONSTRAINT intake_accounting_pkey DO UPDATE SET \
             received = known.received + excluded.received, \
             accepted = known.accepted + excluded.accepted, \
             duplicate = known.duplicate + excluded.duplicate, \
             rejected = known.rejected + excluded.rejected, \
             bytes_up = known.bytes_up + excluded.bytes_up, \
             bytes_down = known.bytes_down + excluded.bytes_down",
        [
            super::hour_of(received_at).into(),
            uuids(sorted.iter().map(|tally| tally.tenant.uuid())),
            texts(sorted.iter().map(|tally| tally.source.as_str())),
            hours.into(),
            counts(|t| t.received)?,
            counts(|t| t.accepted)?,
            counts(|t| t.duplicate)?,
            counts(|t| t.rejected)?,
            bytes(|t| t.bytes_up),
            bytes(|t| t.bytes_down),
            kind.as_ref().into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) fn bigint(count: u64) -> Result<i64> {
    i64::try_from(count).map_err(Error::internal)
}
