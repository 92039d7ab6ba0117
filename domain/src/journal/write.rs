//! The one transaction of a batch.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::{RejectionCode, packed};
use crate::{
    Cx, Error, Result, SystemCx,
    db::violated_constraint,
    id::{BatchId, TenantId},
    sql::{texts, uuids},
};

/// Key of the lock around applying; no tenant's id ends in it.
const APPLY_LOCK: i64 = 0x0061_7070_6c79;

/// A decoded and resolved record that asks to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// See [`super::place`].
    pub place: i64,
    /// See [`super::identity`].
    pub identity: Uuid,
    /// See [`super::Content`].
    pub content: Uuid,
    /// Event time (`start`).
    pub event_at: DateTime<Utc>,
}

/// What the caller expects of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// None was claimed before. A plain insert does for them in three fifths of the time that one takes which is
    /// prepared for conflicts; when it fails, Postgres logs an error and the other one follows.
    AllNew,
    /// Some may have been claimed before.
    SomeKnown,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first of its identity: it counts.
    Accepted,
    /// Known, with the same billing fields.
    Duplicate,
    /// Known, with other billing fields: the first one stands.
    Conflict,
}

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

#[derive(FromQueryResult)]
struct Stored {
    identity: Uuid,
    content: Uuid,
}

/// Claims identities for `batch`. Verdicts come in the order of `claims`; of one identity named twice the first wins.
/// A concurrent transaction that claims the same identity is waited for. What is expected changes the time that it takes
/// and nothing else.
pub async fn claim(
    cx: &SystemCx,
    tenant: TenantId,
    batch: BatchId,
    claims: &[Claim],
    expected: Expected,
) -> Result<Vec<Verdict>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let mut order: Vec<usize> = (0..claims.len()).collect();
    // As the index is, so that two batches take their locks in one order; then by position, so that the first wins.
    order.sort_unstable_by_key(|index| (claims[*index].place, claims[*index].identity, *index));
    let firsts: Vec<&Claim> = order
        .chunk_by(|a, b| claims[*a].identity == claims[*b].identity)
        .map(|same| &claims[same[0]])
        .collect();

    let (inserted, stored) = claim_identities(cx, tenant, batch, &firsts, expected).await?;
    let mut verdicts = vec![Verdict::Accepted; claims.len()];
    for same in order.chunk_by(|a, b| claims[*a].identity == claims[*b].identity) {
        let first = &claims[same[0]];
        let (standing, rest) = match stored.get(&first.identity) {
            Some(earlier) => (earlier.content, same),
            None => (first.content, &same[1..]),
        };
        for index in rest {
            verdicts[*index] = if claims[*index].content == standing {
                Verdict::Duplicate
            } else {
                Verdict::Conflict
            };
        }
    }
    let accepted = verdicts.iter().filter(|v| **v == Verdict::Accepted).count();
    if accepted as u64 != inserted {
        let text = format!("{inserted} identities were inserted and {accepted} records accepted");
        return Err(Error::internal(text));
    }
    Ok(verdicts)
}

/// Inserts those of `claims` that are nobody's yet. Says how many these are, and returns the others.
async fn claim_identities(
    cx: &SystemCx,
    tenant: TenantId,
    batch: BatchId,
    claims: &[&Claim],
    expected: Expected,
) -> Result<(u64, HashMap<Uuid, Stored>)> {
    if expected == Expected::AllNew
        && let Some(inserted) = insert_as_new(cx, tenant, batch, claims).await?
    {
        return Ok((inserted, HashMap::new()));
    }
    let inserted = insert_identities(cx, tenant, batch, claims, "ON CONFLICT DO NOTHING").await?;
    let stored = if inserted == claims.len() as u64 {
        HashMap::new()
    } else {
        stored_identities(cx, tenant, batch, claims).await?
    };
    Ok((inserted, stored))
}

/// Inserts all of `claims` and says how many these are; inserts nothing when one of them is known.
async fn insert_as_new(
    cx: &SystemCx,
    tenant: TenantId,
    batch: BatchId,
    claims: &[&Claim],
) -> Result<Option<u64>> {
    cx.execute("SAVEPOINT claims", []).await?;
    match insert_identities(cx, tenant, batch, claims, "").await {
        Ok(inserted) => Ok(Some(inserted)),
        Err(error) if violated_constraint(&error).as_deref() == Some("intake_identity_pkey") => {
            cx.execute("ROLLBACK TO SAVEPOINT claims", []).await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn insert_identities(
    cx: &SystemCx,
    tenant: TenantId,
    batch: BatchId,
    claims: &[&Claim],
    on_conflict: &str,
) -> Result<u64, DbErr> {
    let times: Vec<DateTime<Utc>> = claims.iter().map(|claim| claim.event_at).collect();
    let sql = format!(
        "INSERT INTO intake_identity (tenant_id, place, identity, content, batch_id, event_at) \
         SELECT $1, new.place, new.identity, new.content, $2, new.event_at \
         FROM unnest($3::bigint[], $4::uuid[], $5::uuid[], $6::timestamptz[]) \
              AS new(place, identity, content, event_at) {on_conflict}"
    );
    let values = [
        tenant.uuid().into(),
        batch.uuid().into(),
        places(claims),
        uuids(claims.iter().map(|claim| claim.identity)),
        uuids(claims.iter().map(|claim| claim.content)),
        times.into(),
    ];
    cx.execute(&sql, values).await
}

fn places(claims: &[&Claim]) -> Value {
    let places: Vec<i64> = claims.iter().map(|claim| claim.place).collect();
    places.into()
}

/// Those of `claims` that other batches hold. Read after the insert, so a transaction that was waited for is seen.
async fn stored_identities(
    cx: &SystemCx,
    tenant: TenantId,
    batch: BatchId,
    claims: &[&Claim],
) -> Result<HashMap<Uuid, Stored>> {
    let rows: Vec<Stored> = cx
        .all(
            // OFFSET 0 keeps this a look-up each: a join may read the whole table.
            "SELECT stored.identity, stored.content \
             FROM unnest($3::bigint[], $4::uuid[]) AS wanted(place, identity) \
             CROSS JOIN LATERAL ( \
                 SELECT known.identity, known.content, known.batch_id FROM intake_identity AS known \
                 WHERE known.tenant_id = $1 AND known.place = wanted.place \
                   AND known.identity = wanted.identity OFFSET 0) AS stored \
             WHERE stored.batch_id <> $2",
            [
                tenant.uuid().into(),
                batch.uuid().into(),
                places(claims),
                uuids(claims.iter().map(|claim| claim.identity)),
            ],
        )
        .await?;
    let by_identity = rows.into_iter().map(|row| (row.identity, row));
    Ok(by_identity.collect())
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
