//! What a tenant can ask about its batches.

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::BatchState;
use crate::{
    Cx, Error, Period, Permission, Result,
    id::BatchId,
    paging::{Direction, Keyset, Page, PageRequest},
    sql::Sql,
};

/// What the caller's tenant has in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPart {
    /// The batch.
    pub batch: BatchId,
    /// Where it stands.
    pub state: BatchState,
    /// Records of the tenant.
    pub records: u64,
    /// Bytes from devices.
    pub bytes_up: i128,
    /// Bytes to devices.
    pub bytes_down: i128,
    /// When they were received.
    pub received_at: DateTime<Utc>,
    /// When they were known to be in every cube.
    pub counted_at: Option<DateTime<Utc>>,
    /// Why they are quarantined.
    pub reason: Option<String>,
}

/// Which batches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct BatchFilter {
    /// In this state.
    pub state: Option<BatchState>,
    /// Received within.
    pub received: Option<Period>,
}

/// What a [`PartRow`] is read from.
pub(super) const PART_COLUMNS: &str = "batch_id, state, rows, bytes_up::text AS bytes_up, \
    bytes_down::text AS bytes_down, received_at, counted_at, reason";

#[derive(FromQueryResult)]
pub(super) struct PartRow {
    batch_id: Uuid,
    state: String,
    rows: i64,
    bytes_up: String,
    bytes_down: String,
    received_at: DateTime<Utc>,
    counted_at: Option<DateTime<Utc>>,
    reason: Option<String>,
}

impl TryFrom<PartRow> for BatchPart {
    type Error = Error;

    fn try_from(row: PartRow) -> Result<Self> {
        Ok(Self {
            batch: BatchId::new(row.batch_id),
            state: row.state.parse().map_err(Error::internal)?,
            records: u64::try_from(row.rows).map_err(Error::internal)?,
            bytes_up: row.bytes_up.parse().map_err(Error::internal)?,
            bytes_down: row.bytes_down.parse().map_err(Error::internal)?,
            received_at: row.received_at,
            counted_at: row.counted_at,
            reason: row.reason,
        })
    }
}

/// Batches that hold records of the caller's tenant, newest first.
///
/// # Errors
/// `FORBIDDEN` without `ingest:read`, `INVALID_CURSOR`.
pub async fn batches(cx: &Cx, filter: &BatchFilter, page: &PageRequest) -> Result<Page<BatchPart>> {
    cx.scope().require(Permission::IngestRead)?;
    let keyset = Keyset::new(
        "received_at",
        "timestamptz",
        "batch_id",
        Direction::Desc,
        &("batches", filter),
    );
    let mut sql = Sql::new(&format!(
        "SELECT {PART_COLUMNS} FROM intake_batch_tenant WHERE tenant_id = "
    ));
    sql.bind(cx.scope().tenant().uuid());
    if let Some(state) = filter.state {
        sql.push(" AND state = ").bind(state.as_str());
    }
    if let Some(period) = filter.received {
        sql.push(" AND received_at >= ")
            .bind(period.from())
            .push(" AND received_at < ")
            .bind(period.to());
    }
    keyset.push(&mut sql, page)?;
    let rows: Vec<PartRow> = cx.select(sql).await?;
    let rows: Result<Vec<BatchPart>> = rows.into_iter().map(BatchPart::try_from).collect();
    Ok(keyset.page(rows?, page, |part| {
        let at = part.received_at;
        (
            at.to_rfc3339_opts(SecondsFormat::Micros, true),
            part.batch.uuid(),
        )
    }))
}
