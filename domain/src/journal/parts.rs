//! What a tenant can ask about its batches.

use chrono::{DateTime, Utc};
use strum::{AsRefStr, EnumMessage, VariantArray};
use uuid::Uuid;

use super::BatchState;
use crate::{
    Period, Permission, ReadCx, Result,
    filter::Filter,
    id::BatchId,
    list::{self, Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    sql::{Sql, texts, uuids},
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
pub type BatchFilter = Filter<BatchCondition>;

/// One condition on a batch. An empty list is met by none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BatchCondition {
    /// One of these.
    Ids(Vec<BatchId>),
    /// In one of these states.
    States(Vec<BatchState>),
    /// Received within.
    Received(Period),
}

/// What batches can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum BatchOrderField {
    /// Time of receipt.
    #[default]
    ReceivedAt,
}

/// What a [`BatchPart`] is read from.
pub(super) const PART_COLUMNS: &str =
    "batch_id, state, rows, bytes_up::text, bytes_down::text, received_at, counted_at, reason";

impl Decode for BatchPart {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            batch: row.get()?,
            state: row.word()?,
            records: row.count()?,
            bytes_up: row.number()?,
            bytes_down: row.number()?,
            received_at: row.get()?,
            counted_at: row.get()?,
            reason: row.get()?,
        })
    }
}

lists!(BatchPart, by BatchCondition, sorted by BatchOrderField);

impl Listed for BatchPart {
    const WHAT: &'static str = "batch";
    const ID: &'static str = "intake_batch_tenant.batch_id";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::IngestRead)?;
        let mut sql = Sql::new(&format!(
            "SELECT {PART_COLUMNS} FROM intake_batch_tenant WHERE tenant_id = "
        ));
        sql.bind(cx.scope().tenant().uuid());
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &BatchCondition) {
        match condition {
            BatchCondition::Ids(ids) => {
                sql.push_any("batch_id", uuids(ids.iter().map(|id| id.uuid())));
            }
            BatchCondition::States(states) => {
                sql.push_any("state", texts(states));
            }
            BatchCondition::Received(period) => sql.push_within("received_at", *period),
        }
    }

    fn column(field: BatchOrderField) -> SortColumn {
        match field {
            BatchOrderField::ReceivedAt => SortColumn::moment("intake_batch_tenant.received_at"),
        }
    }

    fn sort_key(&self, field: BatchOrderField) -> String {
        match field {
            BatchOrderField::ReceivedAt => sort_moment(self.received_at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.batch.uuid()
    }
}

/// What the caller's tenant has in a batch.
///
/// # Errors
/// `FORBIDDEN` without `INGEST_READ`, `NOT_FOUND`.
pub async fn batch(cx: &ReadCx, id: BatchId) -> Result<BatchPart> {
    list::get(cx, id).await
}
