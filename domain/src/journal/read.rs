//! What can be asked about intake: the fate of a record, the accounting, the refused records.

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{RejectionCode, identity, present};
use crate::{
    Code, Cx, Error, Period, Permission, Result, SystemCx,
    id::{BatchId, TenantId},
    paging::{Direction, Keyset, Page, PageRequest},
    sql::Sql,
};

/// Most rows of one accounting answer.
pub const MAX_ACCOUNTING_ROWS: u32 = 10_000;
/// Refusals listed with the fate of one record, newest first.
const FATE_REJECTIONS: i64 = 20;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FateState {
    /// It counts.
    Accepted,
    /// It was delivered and refused, and never accepted.
    Rejected,
    /// It was never delivered with an identity, or long ago.
    Unknown,
}

/// The batch that carried an accepted record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// When it was known to be in the cubes; none while it is on its way.
    pub applied_at: Option<DateTime<Utc>>,
}

/// What became of one record.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Where it stands.
    pub state: FateState,
    /// Event time of the accepted record.
    pub event_at: Option<DateTime<Utc>>,
    /// The batch of the accepted record.
    pub batch: Option<Batch>,
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
    /// As received, cut at 8 KiB.
    pub raw: String,
    /// When.
    pub received_at: DateTime<Utc>,
}

/// Which refused records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RejectionFilter {
    /// Received within.
    pub received: Option<Period>,
    /// Of this source.
    pub source: Option<String>,
    /// With this code.
    pub code: Option<RejectionCode>,
}

/// Which hour the accounting is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HourOf {
    /// Hour of receipt.
    Receipt,
    /// Hour of the event.
    Event,
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

#[derive(FromQueryResult)]
struct IdentityRow {
    event_at: DateTime<Utc>,
    batch_id: Uuid,
    created_at: DateTime<Utc>,
    applied_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct RejectionRow {
    rejection_id: Uuid,
    source: String,
    identity: Option<Uuid>,
    record_id: Option<String>,
    code: String,
    message: String,
    raw: String,
    received_at: DateTime<Utc>,
}

impl TryFrom<RejectionRow> for Rejection {
    type Error = Error;

    fn try_from(row: RejectionRow) -> Result<Self> {
        Ok(Self {
            id: row.rejection_id,
            source: row.source,
            identity: row.identity.and_then(present),
            record_id: row.record_id,
            code: row.code.parse().map_err(Error::internal)?,
            message: row.message,
            raw: row.raw,
            received_at: row.received_at,
        })
    }
}

#[derive(FromQueryResult)]
struct AccountingRow {
    source: String,
    hour: DateTime<Utc>,
    received: i64,
    accepted: i64,
    duplicate: i64,
    rejected: i64,
    bytes_up: String,
    bytes_down: String,
}

impl TryFrom<AccountingRow> for Accounting {
    type Error = Error;

    fn try_from(row: AccountingRow) -> Result<Self> {
        let count = |n: i64| u64::try_from(n).map_err(Error::internal);
        let bytes = |text: &str| text.parse::<u128>().map_err(Error::internal);
        Ok(Self {
            source: row.source,
            hour: row.hour,
            received: count(row.received)?,
            accepted: count(row.accepted)?,
            duplicate: count(row.duplicate)?,
            rejected: count(row.rejected)?,
            bytes_up: bytes(&row.bytes_up)?,
            bytes_down: bytes(&row.bytes_down)?,
        })
    }
}

const REJECTION_COLUMNS: &str = "SELECT rejection_id, source, identity, record_id, code, message, raw, received_at \
                                 FROM intake_rejection WHERE tenant_id = ";

const ACCOUNTING_SUMS: &str = "sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, \
     sum(duplicate)::bigint AS duplicate, sum(rejected)::bigint AS rejected, \
     sum(bytes_up)::text AS bytes_up, sum(bytes_down)::text AS bytes_down FROM intake_accounting WHERE tenant_id = ";

/// What became of the record `record_id` of `source`.
///
/// # Errors
/// `FORBIDDEN` without `ingest:read`.
pub async fn fate(cx: &Cx, source: &str, record_id: &str) -> Result<Fate> {
    cx.scope().require(Permission::IngestRead)?;
    let tenant = cx.scope().tenant();
    let identity = identity(tenant, source, record_id);
    let tenant = tenant.uuid();
    let accepted: Option<IdentityRow> = cx
        .one(
            "SELECT known.event_at, own.batch_id, own.received_at AS created_at, \
                    own.counted_at AS applied_at \
             FROM intake_identity AS known JOIN intake_batch_tenant AS own USING (part) \
             WHERE own.tenant_id = $1 AND known.identity = $2",
            [tenant.into(), identity.into()],
        )
        .await?;
    let mut sql = Sql::new(REJECTION_COLUMNS);
    sql.bind(tenant).push(" AND identity = ").bind(identity);
    sql.push(" ORDER BY received_at DESC, rejection_id DESC LIMIT ")
        .bind(FATE_REJECTIONS);
    let (text, values) = sql.into_parts();
    let rejections = cx.all::<RejectionRow>(&text, values).await?;
    let rejections: Result<Vec<Rejection>> =
        rejections.into_iter().map(Rejection::try_from).collect();
    let rejections = rejections?;
    let state = match (&accepted, rejections.is_empty()) {
        (Some(_), _) => FateState::Accepted,
        (None, false) => FateState::Rejected,
        (None, true) => FateState::Unknown,
    };
    Ok(Fate {
        state,
        event_at: accepted.as_ref().map(|row| row.event_at),
        batch: accepted.map(|row| Batch {
            id: BatchId::new(row.batch_id),
            received_at: row.created_at,
            applied_at: row.applied_at,
        }),
        rejections,
    })
}

/// The accounting of the caller's tenant, by source and hour.
///
/// # Errors
/// `FORBIDDEN` without `ingest:read`; `LIMIT_EXCEEDED` when the answer has more than [`MAX_ACCOUNTING_ROWS`] rows.
pub async fn accounting(cx: &Cx, query: &AccountingQuery) -> Result<Vec<Accounting>> {
    cx.scope().require(Permission::IngestRead)?;
    let hour = match query.hour_of {
        HourOf::Receipt => "received_hour",
        HourOf::Event => "event_hour",
    };
    let mut sql = Sql::new(&format!("SELECT source, {hour} AS hour, {ACCOUNTING_SUMS}"));
    sql.bind(cx.scope().tenant().uuid());
    sql.push(&format!(" AND {hour} >= "))
        .bind(query.period.from())
        .push(&format!(" AND {hour} < "))
        .bind(query.period.to());
    if let Some(source) = &query.source {
        sql.push(" AND source = ").bind(without_nul(source));
    }
    sql.push(&format!(
        " GROUP BY source, {hour} ORDER BY {hour}, source LIMIT "
    ))
    .bind(i64::from(MAX_ACCOUNTING_ROWS) + 1);
    let (text, values) = sql.into_parts();
    let rows: Vec<AccountingRow> = cx.all(&text, values).await?;
    if rows.len() > MAX_ACCOUNTING_ROWS as usize {
        let text = format!(
            "this period has more than {MAX_ACCOUNTING_ROWS} sources and hours: ask for a shorter one"
        );
        return Err(Error::new(Code::LimitExceeded, text));
    }
    rows.into_iter().map(Accounting::try_from).collect()
}

/// The whole accounting of one tenant by source and event hour, to be compared with raw and cubes.
pub async fn ledger(cx: &SystemCx, tenant: TenantId) -> Result<Vec<Accounting>> {
    let text = format!(
        "SELECT source, event_hour AS hour, {ACCOUNTING_SUMS}$1 \
         GROUP BY source, event_hour ORDER BY event_hour, source"
    );
    let rows: Vec<AccountingRow> = cx.all(&text, [tenant.uuid().into()]).await?;
    rows.into_iter().map(Accounting::try_from).collect()
}

/// Refused records, newest first.
///
/// # Errors
/// `FORBIDDEN` without `ingest:read`, `INVALID_CURSOR`.
pub async fn rejections(
    cx: &Cx,
    filter: &RejectionFilter,
    page: &PageRequest,
) -> Result<Page<Rejection>> {
    cx.scope().require(Permission::IngestRead)?;
    let keyset = Keyset::new(
        "received_at",
        "timestamptz",
        "rejection_id",
        Direction::Desc,
        &("rejections", filter),
    );
    let mut sql = Sql::new(REJECTION_COLUMNS);
    sql.bind(cx.scope().tenant().uuid());
    if let Some(period) = filter.received {
        sql.push(" AND received_at >= ")
            .bind(period.from())
            .push(" AND received_at < ")
            .bind(period.to());
    }
    if let Some(source) = &filter.source {
        sql.push(" AND source = ").bind(without_nul(source));
    }
    if let Some(code) = filter.code {
        sql.push(" AND code = ").bind(code.as_str());
    }
    keyset.push(&mut sql, page)?;
    let (text, values) = sql.into_parts();
    let rows = cx.all::<RejectionRow>(&text, values).await?;
    let rows: Result<Vec<Rejection>> = rows.into_iter().map(Rejection::try_from).collect();
    Ok(keyset.page(rows?, page, |rejection| {
        let at = rejection.received_at;
        (
            at.to_rfc3339_opts(SecondsFormat::Micros, true),
            rejection.id,
        )
    }))
}

/// Text for a comparison. No stored text has a NUL, so one that has it must match nothing; Postgres would refuse it.
fn without_nul(text: &str) -> String {
    if text.contains('\0') {
        "\u{fffd}".into()
    } else {
        text.to_owned()
    }
}
