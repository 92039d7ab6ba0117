//! What the tables say by batch, by hour and by source, to be held against the ledger of the intake.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clickhouse::{Row, query::Query};
use domain::{
    Error, Period, Result,
    id::{BatchId, TenantId},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Count, Table, Tables, moment, patient,
    rows::{Where, rows},
};
use crate::{
    System,
    cube::{Cube, Level},
    family::Family,
    settle::LOW_HALF,
    store::fault,
};

/// The records of one tenant in one batch as the ledger has them: of usage records without corrections, of sessions all rows as if their sign
/// were 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchCount {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub batch: BatchId,
    /// Their sums.
    pub count: Count,
    /// Sum, modulo 2^64, of the lower halves of their identities.
    pub checksum: i64,
    /// Start of the earliest.
    pub first: DateTime<Utc>,
    /// Start of the latest.
    pub last: DateTime<Utc>,
}

/// What a table says of a tenant and source over all time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// Whose.
    pub tenant: TenantId,
    /// Stream that delivered it; empty for sessions, whose tables do not know it.
    pub source: String,
    /// Who says so.
    pub table: Table,
    /// What.
    pub count: Count,
}

#[derive(Row, Deserialize)]
struct BatchLine {
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    batch: Uuid,
    records: i64,
    bytes_up: i128,
    bytes_down: i128,
    units: i128,
    sessions: i64,
    resets: i64,
    checksum: i64,
    first: i64,
    last: i64,
}

impl TryFrom<BatchLine> for BatchCount {
    type Error = Error;

    fn try_from(line: BatchLine) -> Result<Self> {
        let moment = |millis| {
            DateTime::from_timestamp_millis(millis)
                .ok_or_else(|| Error::internal("a record outside of time"))
        };
        Ok(Self {
            tenant: TenantId::new(line.tenant),
            batch: BatchId::new(line.batch),
            count: Count {
                records: line.records,
                bytes_up: line.bytes_up,
                bytes_down: line.bytes_down,
                units: line.units,
                sessions: line.sessions,
                resets: line.resets,
            },
            checksum: line.checksum,
            first: moment(line.first)?,
            last: moment(line.last)?,
        })
    }
}

#[derive(Row, Deserialize)]
struct Line {
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    source: String,
    start: u32,
    records: i64,
    bytes_up: i128,
    bytes_down: i128,
    units: i128,
    sessions: i64,
    resets: i64,
}

impl Line {
    fn count(&self) -> Count {
        Count {
            records: self.records,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
            units: self.units,
            sessions: self.sessions,
            resets: self.resets,
        }
    }
}

#[derive(Row, Deserialize)]
struct MonthLine {
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    start: u32,
}

/// Columns of a [`Line`] but the first and its start, and what it is grouped by besides the tenant.
fn by_source(family: Family) -> (String, &'static str) {
    let (source, group) = match family {
        Family::Cdr => ("CAST(source, 'String')", ", source"),
        Family::Session => ("''", ""),
    };
    let counts = family.counts("", |column| format!("sum({column})"));
    (format!("{source} AS source, {counts}"), group)
}

impl Tables {
    /// The records by batch and tenant, in that order, of all batches after `after` and up to `until`; none is no bound.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn batches(
        &self,
        _: &System,
        after: Option<(BatchId, TenantId)>,
        until: Option<(BatchId, TenantId)>,
    ) -> Result<Vec<BatchCount>> {
        // As numbers: the engine orders UUIDs by their second half first.
        let place = "(toUInt128(batch), toUInt128(tenant))";
        let bound = |sign: &str, bound: Option<(BatchId, TenantId)>| {
            bound.map_or_else(String::new, |(batch, tenant)| {
                format!(
                    " AND {place} {sign} (toUInt128(toUUID('{}')), toUInt128(toUUID('{}')))",
                    batch.uuid(),
                    tenant.uuid()
                )
            })
        };
        self.by_batch(&format!("{}{}", bound(">", after), bound("<=", until)))
            .await
    }

    /// The records of one tenant in these batches.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn batches_of(
        &self,
        _: &System,
        tenant: TenantId,
        batches: &[BatchId],
    ) -> Result<Vec<BatchCount>> {
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = batches.iter().map(|id| id.uuid().to_string()).collect();
        self.by_batch(&format!(
            " AND tenant = '{}' AND batch IN (SELECT toUUID(arrayJoin(splitByChar(',', '{}'))))",
            tenant.uuid(),
            ids.join(",")
        ))
        .await
    }

    async fn by_batch(&self, conditions: &str) -> Result<Vec<BatchCount>> {
        let (counts, time) = (self.family.rows_of_ledger(), self.family.time());
        let sql = format!(
            "SELECT tenant, batch, {counts}, reinterpretAsInt64(sum({LOW_HALF})) AS checksum, \
             toUnixTimestamp64Milli(min({time})) AS first, toUnixTimestamp64Milli(max({time})) AS last\n\
             FROM {} WHERE {}{conditions}\n\
             GROUP BY tenant, batch ORDER BY toUInt128(batch), toUInt128(tenant)",
            self.name(Table::Records),
            self.family.in_ledger()
        );
        let lines: Vec<BatchLine> = self.ask(&sql).fetch_all().await.map_err(fault)?;
        lines.into_iter().map(BatchCount::try_from).collect()
    }

    /// What a table that knows hours says of a tenant by source and hour; of sessions, whose tables know no source, by hour alone.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a table that does not.
    pub async fn hours(
        &self,
        _: &System,
        table: Table,
        tenant: TenantId,
        period: Period,
    ) -> Result<BTreeMap<(String, DateTime<Utc>), Count>> {
        let family = self.family;
        if table > Table::Cube(Cube::Full(Level::Hour)) {
            let text = format!("{} does not know hours", table.shown(family));
            return Err(Error::invalid(text));
        }
        let condition = Where {
            tenant: Some(tenant),
            period,
            sims: None,
            kept: None,
        };
        let hours = Cube::Full(Level::Hour);
        let condition = condition.sql(family, table);
        let rows = rows(&self.name(table), family, table, hours, &condition);
        let (line, source) = by_source(family);
        let sql = format!(
            "SELECT tenant, {line}, cell AS start FROM ({rows}) GROUP BY tenant{source}, cell"
        );
        let lines: Vec<Line> = self.ask(&sql).fetch_all().await.map_err(fault)?;
        lines
            .into_iter()
            .map(|line| {
                let count = line.count();
                Ok(((line.source, moment(line.start)?), count))
            })
            .collect()
    }

    /// The months in which a table has usage of a tenant: their first moments.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn tenant_months(
        &self,
        _: &System,
        table: Table,
    ) -> Result<Vec<(TenantId, DateTime<Utc>)>> {
        let sql = format!(
            "SELECT DISTINCT tenant, toUnixTimestamp({}) AS start FROM {}",
            Level::Month.start_of(table.time(self.family)),
            self.name(table)
        );
        let lines: Vec<MonthLine> = self.ask(&sql).fetch_all().await.map_err(fault)?;
        lines
            .into_iter()
            .map(|line| Ok((TenantId::new(line.tenant), moment(line.start)?)))
            .collect()
    }

    /// What every table says by tenant and source.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn totals(&self, _: &System) -> Result<Vec<Total>> {
        let mut totals = Vec::new();
        for table in Table::ALL {
            let name = self.name(table);
            let rows = rows(
                &name,
                self.family,
                table,
                table.listed_as(Level::Day),
                table.own(),
            );
            let (line, source) = by_source(self.family);
            let sql = format!(
                "SELECT tenant, {line}, toUInt32(0) AS start FROM ({rows}) GROUP BY tenant{source}"
            );
            let lines: Vec<Line> = self.ask(&sql).fetch_all().await.map_err(fault)?;
            totals.extend(lines.into_iter().map(|line| Total {
                tenant: TenantId::new(line.tenant),
                count: line.count(),
                source: line.source,
                table,
            }));
        }
        Ok(totals)
    }

    /// A patient statement that may name many ids.
    pub(super) fn ask(&self, sql: &str) -> Query {
        patient(self.store.query(sql))
    }
}
