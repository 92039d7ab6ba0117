//! Batches between the journal and the cubes, and what becomes of them.
//!
//! A batch is `JOURNALED` until its rows are known to be in the records and in every cube; then it is `COUNTED`. Its payload
//! stays until the rows were looked up and found whole ([`forget`]). A batch that the engine refuses for good is
//! replaced by pieces of it ([`replace`]), until what is left is `QUARANTINED` with the engine's reason.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::Value;
use strum::{AsRefStr, Display, EnumMessage, EnumString, VariantArray};
use uuid::Uuid;

use super::{
    Kind, Month, packed,
    record::{NewBatch, bigint, insert_batch, insert_parts},
};
use crate::{
    Error, ReadCx, Result, SystemCx,
    id::{BatchId, TenantId},
    row::{Columns, Decode},
    session,
    sql::uuids,
};

/// Where a batch stands. The words are part of the public contract.
#[derive(AsRefStr, Display, EnumMessage, EnumString, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchState {
    /// Accepted, durable, and on its way to the cubes.
    Journaled,
    /// In the records and in every cube.
    Counted,
    /// Accepted, and refused by the usage store; kept, and counted once that is repaired.
    Quarantined,
}

/// A batch whose payload is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which.
    pub batch: BatchId,
    /// What it is of.
    pub kind: Kind,
    /// Its place in the order of journaling.
    pub sequence: i64,
    /// How many rows.
    pub rows: u64,
    /// Earliest event time of its rows.
    pub first_at: DateTime<Utc>,
    /// Latest event time of its rows.
    pub last_at: DateTime<Utc>,
    /// No insert of it begins after this, by the clock of the cubes.
    pub apply_by: DateTime<Utc>,
    /// Inserts that the engine refused.
    pub attempts: u16,
    /// What the engine said to the last of them.
    pub reason: Option<String>,
    /// When it was received.
    pub created_at: DateTime<Utc>,
}

/// The encoded rows of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Version of the encoding.
    pub encoding: i16,
    /// The rows.
    pub bytes: Vec<u8>,
}

impl Payload {
    /// What is stored as an encoding and packed bytes.
    pub(super) fn unpacked((encoding, packed): (i16, Vec<u8>)) -> Result<Self> {
        let bytes = packed::unpack(&packed)?;
        Ok(Self { encoding, bytes })
    }
}

/// What a [`Pending`] is read from.
const COLUMNS: &str =
    "batch_id, kind, sequence, rows, first_at, last_at, apply_by, attempts, reason, created_at";

impl Decode for Pending {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            batch: row.get()?,
            kind: row.word()?,
            sequence: row.get()?,
            rows: row.count()?,
            first_at: row.get()?,
            last_at: row.get()?,
            apply_by: row.get()?,
            attempts: row.get::<i16>()?.try_into().map_err(Error::internal)?,
            reason: row.get()?,
            created_at: row.get()?,
        })
    }
}

/// Batches in `state` after the place `after` (none: from the first one), in the order in which they were journaled, at most
/// `limit`.
pub async fn pending(
    cx: &SystemCx,
    state: BatchState,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<Pending>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM intake_batch \
         WHERE state = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
    );
    let values = [
        state.as_ref().into(),
        after.unwrap_or(i64::MIN).into(),
        i64::from(limit).into(),
    ];
    cx.all(&sql, values).await
}

/// Journaled batches by turns of their tenants, at most `limit`: the first one of each, then the second ones. Batches that
/// several tenants share take turns as if they were their first tenant's.
pub async fn journaled_by_turns(cx: &SystemCx, limit: u32) -> Result<Vec<Pending>> {
    let sql = format!(
        "SELECT {COLUMNS} \
         FROM (SELECT {COLUMNS}, row_number() OVER (PARTITION BY owner.tenant_id ORDER BY sequence) AS turn \
               FROM intake_batch AS batch \
               LEFT JOIN LATERAL (SELECT tenant_id FROM intake_batch_tenant AS part \
                                  WHERE part.batch_id = batch.batch_id ORDER BY tenant_id LIMIT 1) AS owner ON true \
               WHERE batch.state = 'JOURNALED') AS waiting \
         ORDER BY turn, sequence LIMIT $1"
    );
    cx.all(&sql, [i64::from(limit).into()]).await
}

/// How many batches are in `state`.
pub async fn count(cx: &SystemCx, state: BatchState) -> Result<u64> {
    let sql = "SELECT count(*) FROM intake_batch WHERE state = $1";
    let count = cx.one(sql, [state.as_ref().into()]).await?;
    let (count,): (i64,) = count.unwrap_or_default();
    u64::try_from(count).map_err(Error::internal)
}

/// The latest event times of accepted records that are not known to be in the cubes; none where there are no such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncounted {
    /// Of those on their way.
    pub journaled: Option<DateTime<Utc>>,
    /// Of those that the usage store refused.
    pub quarantined: Option<DateTime<Utc>>,
}

impl Decode for Uncounted {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            journaled: row.get()?,
            quarantined: row.get()?,
        })
    }
}

/// What the caller's tenant has that is accepted and not known to be in the cubes.
pub async fn uncounted(cx: &ReadCx) -> Result<Uncounted> {
    let latest: Option<Uncounted> = cx
        .one(
            "SELECT max(last_at) FILTER (WHERE state = 'JOURNALED'), \
                    max(last_at) FILTER (WHERE state = 'QUARANTINED') \
             FROM intake_batch_tenant WHERE tenant_id = $1 AND state <> 'COUNTED'",
            [cx.scope().tenant().uuid().into()],
        )
        .await?;
    Ok(latest.unwrap_or_default())
}

/// Says that an answer is read from the cubes, which must be asked after this snapshot was opened. It is kept only where no batch of
/// the tenant and no correction is under way: what begins later than the snapshot raises the version of usage first, durably, so
/// what is kept was made while the cubes stood still, whoever is killed at what moment.
pub async fn note_cubes(cx: &ReadCx) -> Result<()> {
    let sql = "SELECT EXISTS (SELECT FROM intake_batch_tenant WHERE tenant_id = $1 AND state = 'JOURNALED') \
                   OR EXISTS (SELECT FROM intake_correction)";
    let under_way = cx.one(sql, [cx.scope().tenant().uuid().into()]).await?;
    if under_way != Some((false,)) {
        cx.noted().read_unversioned();
    }
    Ok(())
}

/// The encoded rows of a batch, while they are kept.
pub async fn payload(cx: &SystemCx, batch: BatchId) -> Result<Option<Payload>> {
    let stored: Option<(i16, Vec<u8>)> = cx
        .one(
            "SELECT encoding, payload FROM intake_batch WHERE batch_id = $1",
            [batch.uuid().into()],
        )
        .await?;
    stored.map(Payload::unpacked).transpose()
}

/// Parts of `parts` that are not known to be counted, with their state: none when other parts have taken the place of one
/// ([`replace`]), and its record is found by its identity only ([`super::parts_of`]).
pub async fn uncounted_parts(
    cx: &SystemCx,
    parts: &[i64],
) -> Result<Vec<(i64, Option<BatchState>)>> {
    let rows: Vec<(i64, Option<String>)> = cx
        .all(
            "SELECT wanted.part, known.state FROM unnest($1::bigint[]) AS wanted (part) \
             LEFT JOIN intake_batch_tenant AS known USING (part) \
             WHERE known.state IS DISTINCT FROM 'COUNTED'",
            [parts.to_vec().into()],
        )
        .await?;
    rows.into_iter()
        .map(|(part, state)| {
            let state = state.map(|state| state.parse()).transpose();
            Ok((part, state.map_err(Error::internal)?))
        })
        .collect()
}

/// Notes that batches are in the records and in every cube.
pub async fn mark_counted(cx: &SystemCx, batches: &[BatchId], at: DateTime<Utc>) -> Result<()> {
    set_state(cx, batches, BatchState::Counted, None, Some(at)).await
}

/// Notes that a batch cannot be counted, and why.
pub async fn quarantine(cx: &SystemCx, batch: BatchId, reason: &str) -> Result<()> {
    set_state(cx, &[batch], BatchState::Quarantined, Some(reason), None).await
}

/// Puts rows of a counted batch back into the journal, so that they are settled once more. A batch whose payload is kept
/// stays as it is.
pub async fn put_back(
    cx: &SystemCx,
    batch: BatchId,
    rows: u64,
    payload: &Payload,
    event: [DateTime<Utc>; 2],
    received_at: DateTime<Utc>,
) -> Result<()> {
    let [first_at, last_at] = event;
    cx.execute(
        "INSERT INTO intake_batch \
             (batch_id, state, encoding, rows, payload, first_at, last_at, apply_by, created_at, kind) \
         SELECT $1, 'JOURNALED', $2, $3, $4, $5, $6, 'epoch', $7, coalesce(min(kind), 'CDR') \
         FROM intake_batch_tenant WHERE batch_id = $1 ON CONFLICT (batch_id) DO NOTHING",
        [
            batch.uuid().into(),
            payload.encoding.into(),
            bigint(rows)?.into(),
            packed::pack(&payload.bytes)?.into(),
            first_at.into(),
            last_at.into(),
            received_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Lets quarantined batches be tried again, and says how many.
pub async fn release(cx: &SystemCx) -> Result<u64> {
    let released: Vec<(BatchId,)> = cx
        .all(
            "SELECT batch_id FROM intake_batch WHERE state = 'QUARANTINED' ORDER BY batch_id FOR UPDATE",
            [],
        )
        .await?;
    let batches: Vec<BatchId> = released.into_iter().map(|(batch,)| batch).collect();
    cx.execute(
        "UPDATE intake_batch SET attempts = 0 WHERE batch_id = ANY($1)",
        [uuids(batches.iter().map(|batch| batch.uuid()))],
    )
    .await?;
    set_state(cx, &batches, BatchState::Journaled, None, None).await?;
    Ok(batches.len() as u64)
}

pub(super) async fn set_state(
    cx: &SystemCx,
    batches: &[BatchId],
    state: BatchState,
    reason: Option<&str>,
    counted_at: Option<DateTime<Utc>>,
) -> Result<()> {
    let ids = || uuids(batches.iter().map(|batch| batch.uuid()));
    let values = || -> [Value; 4] {
        [
            ids(),
            state.as_ref().into(),
            reason.map(str::to_owned).into(),
            counted_at.into(),
        ]
    };
    for table in ["intake_batch", "intake_batch_tenant"] {
        let sql = format!(
            "UPDATE {table} SET state = $2, reason = $3, counted_at = coalesce($4, counted_at) \
             WHERE batch_id = ANY($1)"
        );
        cx.execute(&sql, values()).await?;
    }
    Ok(())
}

/// Says until when the next insert of a batch may begin, and whether it may: not once it is counted or quarantined, and not
/// when somebody else has begun a later attempt.
pub async fn begin_attempt(cx: &SystemCx, batch: BatchId, apply_by: DateTime<Utc>) -> Result<bool> {
    let begun = cx
        .execute(
            "UPDATE intake_batch SET apply_by = $2 \
             WHERE batch_id = $1 AND state = 'JOURNALED' AND apply_by <= $2",
            [batch.uuid().into(), apply_by.into()],
        )
        .await?;
    Ok(begun > 0)
}

/// Notes that the attempt which had to begin by `apply_by` is over, for `reason` if the engine refused it. If another
/// attempt has begun since, nothing changes.
pub async fn end_attempt(
    cx: &SystemCx,
    batch: BatchId,
    apply_by: DateTime<Utc>,
    over: DateTime<Utc>,
    reason: Option<&str>,
) -> Result<()> {
    cx.execute(
        "UPDATE intake_batch SET apply_by = $3, reason = coalesce($4, reason), \
                attempts = least(attempts + CASE WHEN $4 IS NULL THEN 0 ELSE 1 END, 1000) \
         WHERE batch_id = $1 AND apply_by = $2 AND state = 'JOURNALED'",
        [
            batch.uuid().into(),
            apply_by.into(),
            over.into(),
            reason.map(str::to_owned).into(),
        ],
    )
    .await?;
    Ok(())
}

/// A piece of a batch that replaces it, and the identities that move into it.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// The new batch.
    pub batch: NewBatch<'a>,
    /// Identities and the parts that they belong to from now on. Of rollups, those of earlier batches that it corrects may be among them;
    /// they stay where they are.
    pub identities: Vec<(Uuid, i64)>,
    /// When its records were received.
    pub received_at: DateTime<Utc>,
}

/// Puts `pieces` in the place of a batch. One of them may have its id: the rows of it that are in the records.
///
/// # Errors
/// `INTERNAL` when an identity of a piece is not the batch's.
pub async fn replace(cx: &SystemCx, batch: BatchId, pieces: &[Piece<'_>]) -> Result<()> {
    let id = batch.uuid();
    cx.execute("DELETE FROM intake_batch WHERE batch_id = $1", [id.into()])
        .await?;
    let gone: Vec<(i64, String)> = cx
        .all(
            "DELETE FROM intake_batch_tenant WHERE batch_id = $1 RETURNING part, kind",
            [id.into()],
        )
        .await?;
    let kind = gone.first().map(|(_, kind)| kind.parse());
    let kind = kind.transpose().map_err(Error::internal)?;
    let kind = kind.ok_or_else(|| Error::internal("a batch without a tenant's part"))?;
    let gone: Vec<i64> = gone.into_iter().map(|(part, _)| part).collect();
    for piece in pieces {
        insert_batch(cx, kind, &piece.batch, piece.received_at).await?;
        insert_parts(cx, kind, &piece.batch, piece.received_at).await?;
        match kind {
            Kind::Cdr => move_identities(cx, piece, &gone).await?,
            Kind::Session => session::move_points(cx, piece, &gone).await?,
        }
    }
    match kind {
        Kind::Cdr => Ok(()),
        Kind::Session => session::none_left(cx, &gone).await,
    }
}

/// Moves the identities of a piece out of the parts that are `gone`: all of them are there.
async fn move_identities(cx: &SystemCx, piece: &Piece<'_>, gone: &[i64]) -> Result<()> {
    let parts: Vec<i64> = piece.identities.iter().map(|(_, part)| *part).collect();
    let moved = cx
        .execute(
            "UPDATE intake_identity AS known SET part = new.part \
             FROM unnest($1::uuid[], $2::bigint[]) AS new(identity, part) \
             WHERE known.identity = new.identity AND known.part = ANY($3::bigint[])",
            [
                uuids(piece.identities.iter().map(|(identity, _)| *identity)),
                parts.into(),
                gone.to_vec().into(),
            ],
        )
        .await?;
    if moved == piece.identities.len() as u64 {
        return Ok(());
    }
    let text = format!("{moved} of {} identities moved", piece.identities.len());
    Err(Error::internal(text))
}

/// Lets batches that are marked as counted be looked up again.
pub async fn reopen(cx: &SystemCx, batches: &[BatchId]) -> Result<()> {
    set_state(cx, batches, BatchState::Journaled, None, None).await
}

/// The month of each tenant's part of a batch.
pub async fn months_of(cx: &SystemCx, batch: BatchId) -> Result<HashMap<TenantId, Month>> {
    let rows: Vec<(TenantId, i64)> = cx
        .all(
            "SELECT tenant_id, part FROM intake_batch_tenant WHERE batch_id = $1",
            [batch.uuid().into()],
        )
        .await?;
    let months = rows
        .into_iter()
        .map(|(tenant, part)| (tenant, Month::of_part(part)));
    Ok(months.collect())
}

/// Drops the payloads of batches whose rows were all seen in the records, and says of how many.
pub async fn forget(cx: &SystemCx, batches: &[BatchId]) -> Result<u64> {
    let dropped = cx
        .execute(
            "DELETE FROM intake_batch WHERE batch_id = ANY($1) AND state = 'COUNTED'",
            [uuids(batches.iter().map(|batch| batch.uuid()))],
        )
        .await?;
    Ok(dropped)
}

/// New numbers of parts in the order of the call.
pub async fn part_sequences(cx: &SystemCx, count: usize) -> Result<Vec<i64>> {
    let count = bigint(count as u64)?;
    let rows: Vec<(i64,)> = cx
        .all(
            "SELECT nextval('intake_part_seq') FROM generate_series(1, $1)",
            [count.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|(number,)| number).collect())
}
