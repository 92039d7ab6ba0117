//! What the usage store lost of a month, and how it is put back into the journal from whoever still has the bytes.
//!
//! Rows that are put back wait in quarantine until all of them are there ([`put_back_more`]), because a batch is settled only where ledger
//! and records agree once what is on its way is in. Then all are tried at once ([`retry_restored`]).

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::Value;
use uuid::Uuid;

use super::{
    BatchState, Claim, Kind, Month, Payload,
    identity::{look_up, months_since},
    ledger::Part,
    packed,
    pending::set_state,
};
use crate::{
    Error, Period, Result, SystemCx,
    id::{BatchId, TenantId},
    row::{Columns, Decode},
    sql::uuids,
};

/// Why rows that are being put back are not tried yet.
const RESTORING: &str = "the rest of it is still being read: simcube replay --restore";

/// Why a part is open of which nobody has all that is missing, while what there is of it is settled.
const GONE: &str = "nobody has the rest of it: simcube replay --restore";

/// A tenant's part of a batch, with what its rows are stored with.
#[derive(Clone, Debug)]
pub struct KnownPart {
    /// Its number, which its identities carry.
    pub number: i64,
    /// The part.
    pub part: Part,
    /// When its records were received.
    pub received_at: DateTime<Utc>,
    /// Whether the journal has a payload of the batch.
    pub is_kept: bool,
}

impl Decode for KnownPart {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            number: row.get()?,
            received_at: row.get()?,
            is_kept: row.get()?,
            part: Part::decode(row)?,
        })
    }
}

/// Takes back what a restore that was cut off left: rows in quarantine that are a part of what was to be put back, and parts that nobody
/// has on the way.
pub async fn forget_restore(cx: &SystemCx) -> Result<()> {
    let sql = "DELETE FROM intake_batch WHERE state = 'QUARANTINED' AND reason = $1";
    cx.execute(sql, [RESTORING.into()]).await?;
    let sql = "UPDATE intake_batch_tenant AS part SET state = 'COUNTED', reason = NULL WHERE state <> 'COUNTED' \
               AND NOT EXISTS (SELECT FROM intake_batch AS kept WHERE kept.batch_id = part.batch_id)";
    cx.execute(sql, []).await?;
    Ok(())
}

/// The parts of a kind that a tenant has with events in a period, by number.
pub async fn parts_within(
    cx: &SystemCx,
    kind: Kind,
    tenant: TenantId,
    period: Period,
) -> Result<Vec<KnownPart>> {
    let sql = "SELECT part, received_at, EXISTS (SELECT FROM intake_batch AS kept WHERE kept.batch_id = own.batch_id), \
                      tenant_id, batch_id, state, rows, bytes_up::text, bytes_down::text, units::text, checksum, first_at, last_at \
               FROM intake_batch_tenant AS own \
               WHERE tenant_id = $1 AND kind = $2 AND first_at < $4 AND last_at >= $3 ORDER BY part";
    let values: [Value; 4] = [
        tenant.uuid().into(),
        kind.as_ref().into(),
        period.from().into(),
        period.to().into(),
    ];
    cx.all(sql, values).await
}

/// The parts that count these records, in their order; none of one that is unknown, or stands with another content. Only months of receipt
/// from `since` on are looked at.
pub async fn counted_by(cx: &SystemCx, since: Month, claims: &[Claim]) -> Result<Vec<Option<i64>>> {
    let months = months_since(cx, since).await?;
    let wanted: Vec<(Month, Uuid)> = claims
        .iter()
        .flat_map(|claim| months.iter().map(|month| (*month, claim.identity)))
        .collect();
    let standing = look_up(cx, &wanted).await?;
    let part = |claim: &Claim| {
        let known = standing.get(&claim.identity);
        known
            .filter(|known| known.content == claim.content)
            .map(|known| known.part)
    };
    Ok(claims.iter().map(part).collect())
}

/// The rows of a batch that were put back so far.
pub async fn put_back_so_far(cx: &SystemCx, batch: BatchId) -> Result<Option<Payload>> {
    let stored: Option<(i16, Vec<u8>)> = cx
        .one(
            "SELECT encoding, payload FROM intake_batch WHERE batch_id = $1 AND reason = $2 FOR UPDATE",
            [batch.uuid().into(), RESTORING.into()],
        )
        .await?;
    stored.map(Payload::unpacked).transpose()
}

/// Puts rows of a batch back, in the place of those that were put back so far. A batch of which the journal has a payload otherwise stays as
/// it is.
pub async fn put_back_more(
    cx: &SystemCx,
    kind: Kind,
    batch: BatchId,
    rows: u64,
    payload: &Payload,
    event: [DateTime<Utc>; 2],
    received_at: DateTime<Utc>,
) -> Result<()> {
    let [first_at, last_at] = event;
    cx.execute(
        "INSERT INTO intake_batch AS known \
             (batch_id, state, encoding, rows, payload, first_at, last_at, apply_by, created_at, kind, reason) \
         VALUES ($1, 'QUARANTINED', $2, $3, $4, $5, $6, 'epoch', $7, $8, $9) \
         ON CONFLICT (batch_id) DO UPDATE SET \
             rows = excluded.rows, payload = excluded.payload, first_at = excluded.first_at, last_at = excluded.last_at \
         WHERE known.reason = $9",
        [
            batch.uuid().into(),
            payload.encoding.into(),
            i64::try_from(rows).map_err(Error::internal)?.into(),
            packed::pack(&payload.bytes)?.into(),
            first_at.into(),
            last_at.into(),
            received_at.into(),
            kind.as_ref().into(),
            RESTORING.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Drops what was put back of these batches.
pub async fn drop_put_back(cx: &SystemCx, batches: &[BatchId]) -> Result<()> {
    let sql = "DELETE FROM intake_batch WHERE batch_id = ANY($1) AND reason = $2";
    let ids = uuids(batches.iter().map(|batch| batch.uuid()));
    cx.execute(sql, [ids, RESTORING.into()]).await?;
    Ok(())
}

/// Lets batches be settled of which all is put back that there is, together with parts of which something is lost: what hours lack of these
/// is known ([`gone_of`]).
pub async fn retry_restored(
    cx: &SystemCx,
    batches: &[BatchId],
    lost: &[(TenantId, i64)],
) -> Result<()> {
    set_state(cx, batches, BatchState::Journaled, None, None).await?;
    let sql = "UPDATE intake_batch_tenant AS part SET state = 'JOURNALED', reason = $3 \
               FROM unnest($1::uuid[], $2::bigint[]) AS lost(tenant_id, part) \
               WHERE part.tenant_id = lost.tenant_id AND part.part = lost.part \
               AND (part.state = 'COUNTED' OR part.batch_id = ANY($4))";
    let numbers: Vec<i64> = lost.iter().map(|(_, number)| *number).collect();
    let tenants = uuids(lost.iter().map(|(tenant, _)| tenant.uuid()));
    let batches = uuids(batches.iter().map(|batch| batch.uuid()));
    let values = [tenants, numbers.into(), GONE.into(), batches];
    cx.execute(sql, values).await?;
    Ok(())
}

/// Whether any of these batches waits to be counted.
pub async fn is_any_journaled(cx: &SystemCx, batches: &[BatchId]) -> Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT FROM intake_batch WHERE batch_id = ANY($1) AND state = 'JOURNALED')";
    let ids = uuids(batches.iter().map(|batch| batch.uuid()));
    let found: Option<(bool,)> = cx.one(sql, [ids]).await?;
    Ok(found == Some((true,)))
}

/// The parts of these batches of which nobody has all that is missing, as a restore has found out.
pub async fn gone_of(cx: &SystemCx, batches: &[BatchId]) -> Result<HashSet<(TenantId, BatchId)>> {
    let sql = "SELECT tenant_id, batch_id FROM intake_batch_tenant WHERE batch_id = ANY($1) AND state = 'JOURNALED' AND reason = $2";
    let ids = uuids(batches.iter().map(|batch| batch.uuid()));
    let gone: Vec<(TenantId, BatchId)> = cx.all(sql, [ids, GONE.into()]).await?;
    Ok(gone.into_iter().collect())
}
