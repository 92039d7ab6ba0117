//! Records that are there twice.

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Error, Result,
    id::{BatchId, TenantId},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{Table, Tables};
use crate::{System, settle::LOW_HALF, store::fault};

/// Identities looked at together: some hundred megabytes.
const SLICE: u64 = 4_000_000;

/// One identity with more than one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twice {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub identity: Uuid,
    /// Its records, corrections left out.
    pub records: u64,
    /// The batches that they came in. A single one: a copy; several: accepted more than once.
    pub batches: Vec<BatchId>,
    /// Start of the earliest.
    pub first: DateTime<Utc>,
    /// Start of the latest.
    pub last: DateTime<Utc>,
}

#[derive(Row, Deserialize)]
struct Rows {
    rows: u64,
}

#[derive(Row, Deserialize)]
struct Line {
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    identity: Uuid,
}

#[derive(Row, Deserialize)]
struct Detail {
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    identity: Uuid,
    records: u64,
    batches: Vec<String>,
    first: i64,
    last: i64,
}

impl TryFrom<Detail> for Twice {
    type Error = Error;

    fn try_from(line: Detail) -> Result<Self> {
        let moment = |millis| {
            DateTime::from_timestamp_millis(millis)
                .ok_or_else(|| Error::internal("a record outside of time"))
        };
        let batches: Result<Vec<BatchId>> = line
            .batches
            .iter()
            .map(|id| id.parse().map(BatchId::new).map_err(Error::internal))
            .collect();
        Ok(Self {
            tenant: TenantId::new(line.tenant),
            identity: line.identity,
            records: line.records,
            batches: batches?,
            first: moment(line.first)?,
            last: moment(line.last)?,
        })
    }
}

impl Tables {
    /// The first `limit` identities that more than one record has. One pass over the identities for every four million of
    /// them, so that memory does not grow.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn twice(&self, _: &System, limit: usize) -> Result<Vec<Twice>> {
        let (records, came, time) = (
            self.name(Table::Records),
            self.family.came(),
            self.family.time(),
        );
        let sql = format!("SELECT count() AS rows FROM {records}");
        let total: Rows = self.ask(&sql).fetch_one().await.map_err(fault)?;
        let slices = total.rows.div_ceil(SLICE).max(1);
        let mut found: Vec<Line> = Vec::new();
        for place in 0..slices {
            let room = limit - found.len();
            if room == 0 {
                break;
            }
            let sql = format!(
                "SELECT tenant, identity FROM {records} \
                 WHERE {came} AND {LOW_HALF} % {slices} = {place}\n\
                 GROUP BY tenant, identity HAVING count() > 1 LIMIT {room}"
            );
            let lines: Vec<Line> = self.ask(&sql).fetch_all().await.map_err(fault)?;
            found.extend(lines);
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let pairs: Vec<String> = found
            .iter()
            .map(|line| format!("(toUUID('{}'), toUUID('{}'))", line.tenant, line.identity))
            .collect();
        let sql = format!(
            "SELECT tenant, identity, count() AS records, arraySort(groupUniqArray(toString(batch))) AS batches, \
             toUnixTimestamp64Milli(min({time})) AS first, toUnixTimestamp64Milli(max({time})) AS last\n\
             FROM {records} WHERE {came} AND (tenant, identity) IN ({})\n\
             GROUP BY tenant, identity ORDER BY tenant, identity",
            pairs.join(", ")
        );
        let details: Vec<Detail> = self.ask(&sql).fetch_all().await.map_err(fault)?;
        details.into_iter().map(Twice::try_from).collect()
    }
}
