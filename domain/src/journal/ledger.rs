//! What verifying reads: the ledger of the intake, by batch, by hour and in all, and the locks under which it is read.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{BatchState, Kind, lock::try_lock};
use crate::{
    Db, Period, Result, SystemCx,
    id::{BatchId, TenantId},
    row::{Columns, Decode},
    sql::uuids,
};

/// Held by whoever verifies.
const VERIFY_LOCK: i64 = 0x0076_6572_6966;
/// What was accepted, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Records.
    pub rows: i64,
    /// Bytes from devices.
    pub bytes_up: i128,
    /// Bytes to devices.
    pub bytes_down: i128,
    /// Messages or seconds; 0 where the ledger does not know them.
    pub units: i128,
}

/// What a tenant has in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub batch: BatchId,
    /// Where it stands.
    pub state: BatchState,
    /// Its sums.
    pub sums: Sums,
    /// Sum, modulo 2^64, of the lower halves of its identities.
    pub checksum: i64,
    /// Earliest event.
    pub first_at: DateTime<Utc>,
    /// Latest event.
    pub last_at: DateTime<Utc>,
}

/// What the two books of a tenant say; they must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Whose.
    pub tenant: TenantId,
    /// Accepted by the accounting.
    pub accounting: Sums,
    /// Sum of all parts of batches.
    pub parts: Sums,
}

/// Accepted records of a source, of one event hour or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedOf {
    /// Whose.
    pub tenant: TenantId,
    /// Source.
    pub source: String,
    /// Begin of the hour; of a sum over all hours, the first one.
    pub hour: DateTime<Utc>,
    /// Its sums, without units.
    pub sums: Sums,
}

/// Records and bytes; units stay 0.
impl Decode for Sums {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            rows: row.get()?,
            bytes_up: row.number()?,
            bytes_down: row.number()?,
            units: 0,
        })
    }
}

impl Decode for Part {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            tenant: row.get()?,
            batch: row.get()?,
            state: row.word()?,
            sums: Sums {
                rows: row.get()?,
                bytes_up: row.number()?,
                bytes_down: row.number()?,
                units: row.number()?,
            },
            checksum: row.get()?,
            first_at: row.get()?,
            last_at: row.get()?,
        })
    }
}

impl Decode for AcceptedOf {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            tenant: row.get()?,
            source: row.get()?,
            hour: row.get()?,
            sums: Sums::decode(row)?,
        })
    }
}

impl Decode for Balance {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            tenant: row.get()?,
            accounting: Sums::decode(row)?,
            parts: Sums::decode(row)?,
        })
    }
}

const PART: &str = "SELECT tenant_id, batch_id, state, rows, bytes_up::text, bytes_down::text, units::text, checksum, \
                    first_at, last_at FROM intake_batch_tenant";
const ACCEPTED: &str = "sum(accepted)::bigint AS rows, sum(bytes_up)::text AS bytes_up, sum(bytes_down)::text AS bytes_down \
                        FROM intake_accounting";

/// A transaction that keeps other verifications out while it is open; none when one is under way, here or in another
/// process.
pub async fn try_verify(db: &Db) -> Result<Option<SystemCx>> {
    let cx = db.system().await?;
    let taken = try_lock(&cx, VERIFY_LOCK).await?;
    Ok(taken.then_some(cx))
}

/// The next parts of a kind in order of batch and tenant, as bytes.
pub async fn parts(
    cx: &SystemCx,
    kind: Kind,
    after: Option<(BatchId, TenantId)>,
    limit: u32,
) -> Result<Vec<Part>> {
    let (batch, tenant) = after.map_or((Uuid::nil(), Uuid::nil()), |(batch, tenant)| {
        (batch.uuid(), tenant.uuid())
    });
    let sql = format!(
        "{PART} WHERE (batch_id, tenant_id) > ($1, $2) AND kind = $4 ORDER BY batch_id, tenant_id LIMIT $3"
    );
    let values = [
        batch.into(),
        tenant.into(),
        i64::from(limit).into(),
        kind.as_ref().into(),
    ];
    cx.all(&sql, values).await
}

/// What batches hold of all tenants together, and the sum of the checksums of their parts. Batches that the ledger does not
/// know have no entry.
pub async fn sums_of(cx: &SystemCx, batches: &[BatchId]) -> Result<HashMap<BatchId, (Sums, i64)>> {
    let parts: Vec<Part> = cx
        .all(
            &format!("{PART} WHERE batch_id = ANY($1)"),
            [uuids(batches.iter().map(|batch| batch.uuid()))],
        )
        .await?;
    let mut known: HashMap<BatchId, (Sums, i64)> = HashMap::new();
    for part in parts {
        let (sums, checksum) = known.entry(part.batch).or_default();
        sums.rows += part.sums.rows;
        sums.bytes_up += part.sums.bytes_up;
        sums.bytes_down += part.sums.bytes_down;
        sums.units += part.sums.units;
        *checksum = checksum.wrapping_add(part.checksum);
    }
    Ok(known)
}

/// The parts of a kind that a tenant has and that are not counted, at most `limit`.
pub async fn open_parts(
    cx: &SystemCx,
    kind: Kind,
    tenant: TenantId,
    limit: u32,
) -> Result<Vec<Part>> {
    let sql = format!(
        "{PART} WHERE tenant_id = $1 AND state <> 'COUNTED' AND kind = $3 ORDER BY tenant_id, part LIMIT $2"
    );
    let values = [
        tenant.uuid().into(),
        i64::from(limit).into(),
        kind.as_ref().into(),
    ];
    cx.all(&sql, values).await
}

/// The sums of both books of a kind, by tenant.
pub async fn balances(cx: &SystemCx, kind: Kind) -> Result<Vec<Balance>> {
    cx.all(
            "SELECT tenant_id, coalesce(accepted, 0) AS accepted, coalesce(accepted_up, 0)::text AS accepted_up, \
                    coalesce(accepted_down, 0)::text AS accepted_down, coalesce(rows, 0) AS rows, \
                    coalesce(bytes_up, 0)::text AS bytes_up, coalesce(bytes_down, 0)::text AS bytes_down \
             FROM (SELECT tenant_id, sum(accepted)::bigint AS accepted, sum(bytes_up) AS accepted_up, \
                          sum(bytes_down) AS accepted_down FROM intake_accounting WHERE kind = $1 GROUP BY tenant_id) AS accounting \
             FULL JOIN (SELECT tenant_id, sum(rows)::bigint AS rows, sum(bytes_up) AS bytes_up, \
                               sum(bytes_down) AS bytes_down FROM intake_batch_tenant WHERE kind = $1 GROUP BY tenant_id) AS parts \
             USING (tenant_id) ORDER BY tenant_id",
            [kind.as_ref().into()],
        )
        .await
}

/// What the accounting of a kind accepted, by tenant and source.
pub async fn accepted_by_source(cx: &SystemCx, kind: Kind) -> Result<Vec<AcceptedOf>> {
    let sql = format!(
        "SELECT tenant_id, source, min(event_hour) AS hour, {ACCEPTED} WHERE kind = $1 \
         GROUP BY tenant_id, source HAVING sum(accepted) > 0"
    );
    cx.all(&sql, [kind.as_ref().into()]).await
}

/// What the accounting of a kind accepted of a tenant, by source and event hour.
pub async fn accepted_by_hour(
    cx: &SystemCx,
    kind: Kind,
    tenant: TenantId,
    period: Period,
) -> Result<Vec<AcceptedOf>> {
    let sql = format!(
        "SELECT tenant_id, source, event_hour AS hour, {ACCEPTED} \
         WHERE tenant_id = $1 AND event_hour >= $2 AND event_hour < $3 AND kind = $4 \
         GROUP BY tenant_id, source, event_hour HAVING sum(accepted) > 0"
    );
    let values = [
        tenant.uuid().into(),
        period.from().into(),
        period.to().into(),
        kind.as_ref().into(),
    ];
    cx.all(&sql, values).await
}

/// The months of which the accounting of a kind accepted anything: their first moments, by tenant.
pub async fn accepted_months(cx: &SystemCx, kind: Kind) -> Result<Vec<(TenantId, DateTime<Utc>)>> {
    cx.all(
            "SELECT DISTINCT tenant_id, date_trunc('month', event_hour, 'UTC') AS month FROM intake_accounting \
             WHERE accepted > 0 AND kind = $1 ORDER BY tenant_id, month",
            [kind.as_ref().into()],
        )
        .await
}
