//! What can be asked about intake: the fate of a record, the accounting, the refused records.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, VariantArray};
use uuid::Uuid;

use super::{BatchPart, Kind, RejectionCode, identity, parts::PART_COLUMNS, present};
use crate::{
    Error, Period, Permission, ReadCx, Result, SystemCx,
    filter::Filter,
    id::TenantId,
    list::{Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    sql::{Sql, texts},
};

/// Most rows of one accounting answer.
pub const MAX_ACCOUNTING_ROWS: u32 = 10_000;
/// Refusals listed with the fate of one record, newest first.
const FATE_REJECTIONS: i64 = 20;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum FateState {
    /// It counts.
    Accepted,
    /// It was delivered and refused, and never accepted.
    Rejected,
    /// It was never delivered with an identity, or longer ago than identities are kept.
    Unknown,
}

/// What became of one record.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Where it stands.
    pub state: FateState,
    /// Event time of the accepted record.
    pub event_at: Option<DateTime<Utc>>,
    /// The batch of the accepted record.
    pub batch: Option<BatchPart>,
    /// Deliveries of this identity that were refused, newest first, at most 20.
    pub rejections: Vec<Rejection>,
}

/// A refused record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its own id.
    pub id: Uuid,
    /// Source, empty when the record named none.
    pub source: String,
    /// Identity, when it had one.
    pub identity: Option<Uuid>,
    /// Record id, when it had one.
    pub record_id: Option<String>,
    /// Why.
    pub code: RejectionCode,
    /// Why, for people.
    pub message: String,
    /// As received, cut at 8 KiB; empty of a rollup, which names what nobody is shown.
    pub raw: String,
    /// When.
    pub received_at: DateTime<Utc>,
}

/// Which refused records.
pub type RejectionFilter = Filter<RejectionCondition>;

/// One condition on a refused record. An empty list is met by none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RejectionCondition {
    /// Received within.
    Received(Period),
    /// Of one of these sources.
    Sources(Vec<String>),
    /// With one of these codes.
    Codes(Vec<RejectionCode>),
    /// With one of these record ids.
    RecordIds(Vec<String>),
}

/// What refused records can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionOrderField {
    /// Time of receipt.
    #[default]
    ReceivedAt,
}

/// Which hour the accounting is grouped by.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    AsRefStr,
    EnumMessage,
    VariantArray,
    Default,
    Serialize,
    Deserialize,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HourOf {
    /// Hour in which records were received.
    #[default]
    Receipt,
    /// Hour in which the usage began.
    Event,
}

impl HourOf {
    const fn column(self) -> &'static str {
        match self {
            Self::Receipt => "received_hour",
            Self::Event => "event_hour",
        }
    }
}

/// Which part of the accounting.
#[derive(Clone, Debug)]
pub struct AccountingQuery {
    /// Hours that begin within.
    pub period: Period,
    /// Which hour.
    pub hour_of: HourOf,
    /// Only this source.
    pub source: Option<String>,
}

/// received = accepted + duplicate + rejected, of one source and hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// Source, empty for records that named none.
    pub source: String,
    /// Begin of the hour.
    pub hour: DateTime<Utc>,
    /// Deliveries.
    pub received: u64,
    /// Counted.
    pub accepted: u64,
    /// Known before.
    pub duplicate: u64,
    /// Refused.
    pub rejected: u64,
    /// Bytes from devices, of accepted records.
    pub bytes_up: u128,
    /// Bytes to devices, of accepted records.
    pub bytes_down: u128,
}

struct AcceptedRow {
    event_at: DateTime<Utc>,
    part: BatchPart,
}

impl Decode for AcceptedRow {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            event_at: row.get()?,
            part: BatchPart::decode(row)?,
        })
    }
}

impl Decode for Rejection {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            source: row.get()?,
            identity: row.get::<Option<Uuid>>()?.and_then(present),
            record_id: row.get()?,
            code: row.word()?,
            message: row.get()?,
            raw: row.get()?,
            received_at: row.get()?,
        })
    }
}

impl Decode for Accounting {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            source: row.get()?,
            hour: row.get()?,
            received: row.count()?,
            accepted: row.count()?,
            duplicate: row.count()?,
            rejected: row.count()?,
            bytes_up: row.number()?,
            bytes_down: row.number()?,
        })
    }
}

/// A rollup has what no tenant is shown, also one that was sent as a usage record.
const REJECTION_COLUMNS: &str = "SELECT rejection_id, source, identity, record_id, code, message, \
                                        CASE WHEN kind = 'CDR' AND strpos(raw, '\"cell_id\"') = 0 THEN raw ELSE '' END, received_at \
                                 FROM intake_rejection WHERE tenant_id = ";

const ACCOUNTING_SUMS: &str = "sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, \
     sum(duplicate)::bigint AS duplicate, sum(rejected)::bigint AS rejected, \
     sum(bytes_up)::text AS bytes_up, sum(bytes_down)::text AS bytes_down FROM intake_accounting WHERE tenant_id = ";

/// What became of the record `record_id` of `source`.
///
/// # Errors
/// `FORBIDDEN` without `INGEST_READ`.
pub async fn fate(cx: &ReadCx, source: &str, record_id: &str) -> Result<Fate> {
    cx.scope().require(Permission::IngestRead)?;
    let tenant = cx.scope().tenant();
    let identity = identity(tenant, source, record_id);
    let tenant = tenant.uuid();
    let mut sql = Sql::new(&format!(
        "SELECT known.event_at, {PART_COLUMNS} \
         FROM intake_identity AS known JOIN intake_batch_tenant USING (part) WHERE tenant_id = "
    ));
    sql.bind(tenant)
        .push(" AND known.identity = ")
        .bind(identity);
    let accepted: Option<AcceptedRow> = cx.select_one(sql).await?;
    let mut sql = Sql::new(REJECTION_COLUMNS);
    sql.bind(tenant).push(" AND identity = ").bind(identity);
    sql.push(" ORDER BY received_at DESC, rejection_id DESC LIMIT ")
        .bind(FATE_REJECTIONS);
    let rejections: Vec<Rejection> = cx.select(sql).await?;
    let state = match (&accepted, rejections.is_empty()) {
        (Some(_), _) => FateState::Accepted,
        (None, false) => FateState::Rejected,
        (None, true) => FateState::Unknown,
    };
    let event_at = accepted.as_ref().map(|row| row.event_at);
    let batch = accepted.map(|row| row.part);
    Ok(Fate {
        state,
        event_at,
        batch,
        rejections,
    })
}

/// The accounting of the caller's tenant, by source and hour.
///
/// # Errors
/// `FORBIDDEN` without `INGEST_READ`; `LIMIT_EXCEEDED` when the answer has more than [`MAX_ACCOUNTING_ROWS`] rows.
pub async fn accounting(cx: &ReadCx, query: &AccountingQuery) -> Result<Vec<Accounting>> {
    let rows = accounting_after(cx, query, None, MAX_ACCOUNTING_ROWS + 1).await?;
    if rows.len() > MAX_ACCOUNTING_ROWS as usize {
        let text = format!("this period has more than {MAX_ACCOUNTING_ROWS} sources and hours");
        // One row more than may be is read; how many there are isn't counted.
        let error = Error::limit(text, MAX_ACCOUNTING_ROWS.into(), rows.len() as u64);
        return Err(error.suggest("ask for a shorter period"));
    }
    Ok(rows)
}

/// At most so many rows of the accounting, by hour and source: those after the hour and source of `last`.
///
/// # Errors
/// `FORBIDDEN` without `INGEST_READ`.
pub async fn accounting_after(
    cx: &ReadCx,
    query: &AccountingQuery,
    last: Option<&Accounting>,
    most: u32,
) -> Result<Vec<Accounting>> {
    let hour = query.hour_of.column();
    let mut sql = of_period(cx, query)?;
    if let Some(last) = last {
        sql.push(&format!(" AND ({hour}, source) > ("))
            .bind(last.hour)
            .push("::timestamptz, ")
            .bind(last.source.as_str())
            .push("::text)");
    }
    sql.push(&format!(
        " GROUP BY source, {hour} ORDER BY {hour}, source LIMIT "
    ))
    .bind(i64::from(most));
    cx.select(sql).await
}

/// How many rows the accounting has: sources and hours.
///
/// # Errors
/// `FORBIDDEN` without `INGEST_READ`.
pub async fn accounting_rows(cx: &ReadCx, query: &AccountingQuery) -> Result<u64> {
    let mut sql = of_period(cx, query)?;
    sql.push(&format!(" GROUP BY source, {}", query.hour_of.column()));
    let counted = sql.wrapped("SELECT count(*) FROM (", ") AS accounting");
    let (count,): (i64,) = cx.select_one(counted).await?.unwrap_or_default();
    u64::try_from(count).map_err(Error::internal)
}

/// The accounting of a period, before it is grouped.
fn of_period(cx: &ReadCx, query: &AccountingQuery) -> Result<Sql> {
    cx.scope().require(Permission::IngestRead)?;
    let hour = query.hour_of.column();
    let mut sql = Sql::new(&format!("SELECT source, {hour} AS hour, {ACCOUNTING_SUMS}"));
    sql.bind(cx.scope().tenant().uuid());
    sql.push(&format!(" AND {hour} >= "))
        .bind(query.period.from())
        .push(&format!(" AND {hour} < "))
        .bind(query.period.to());
    if let Some(source) = &query.source {
        sql.push(" AND source = ").bind(without_nul(source));
    }
    Ok(sql)
}

/// The whole accounting of a kind that one tenant has, by source and event hour, to be compared with raw and cubes.
pub async fn ledger(cx: &SystemCx, kind: Kind, tenant: TenantId) -> Result<Vec<Accounting>> {
    let text = format!(
        "SELECT source, event_hour AS hour, {ACCOUNTING_SUMS}$1 AND kind = $2 \
         GROUP BY source, event_hour ORDER BY event_hour, source"
    );
    cx.all(&text, [tenant.uuid().into(), kind.as_ref().into()])
        .await
}

lists!(Rejection, by RejectionCondition, sorted by RejectionOrderField);

impl Listed for Rejection {
    const WHAT: &'static str = "rejection";
    const ID: &'static str = "intake_rejection.rejection_id";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::IngestRead)?;
        let mut sql = Sql::new(REJECTION_COLUMNS);
        sql.bind(cx.scope().tenant().uuid());
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &RejectionCondition) {
        match condition {
            RejectionCondition::Received(period) => sql.push_within("received_at", *period),
            RejectionCondition::Sources(sources) => sql.push_any("source", texts(sources)),
            RejectionCondition::Codes(codes) => {
                sql.push_any("code", texts(codes));
            }
            RejectionCondition::RecordIds(ids) => sql.push_any("record_id", texts(ids)),
        }
    }

    fn column(field: RejectionOrderField) -> SortColumn {
        match field {
            RejectionOrderField::ReceivedAt => SortColumn::moment("intake_rejection.received_at"),
        }
    }

    fn sort_key(&self, field: RejectionOrderField) -> String {
        match field {
            RejectionOrderField::ReceivedAt => sort_moment(self.received_at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id
    }
}

/// Text for a comparison. No stored text has a NUL, so one that has it must match nothing; Postgres would refuse it.
fn without_nul(text: &str) -> String {
    if text.contains('\0') {
        "\u{fffd}".into()
    } else {
        text.to_owned()
    }
}
