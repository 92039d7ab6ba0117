//! Records that are there twice.

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Code, Error, Period, Result,
    id::{BatchId, TenantId},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{Table, Tables, patient, rows::within, tables::CLONE};
use crate::{Store, System, settle::LOW_HALF, store::fault};

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
        let cdr = self.name(Table::Records);
        let sql = format!("SELECT count() AS rows FROM {cdr}");
        let total: Rows = self.ask(&sql).fetch_one().await.map_err(fault)?;
        let slices = total.rows.div_ceil(SLICE).max(1);
        let mut found: Vec<Line> = Vec::new();
        for place in 0..slices {
            let room = limit - found.len();
            if room == 0 {
                break;
            }
            let sql = format!(
                "SELECT tenant, identity FROM {cdr} \
                 WHERE sign > 0 AND {LOW_HALF} % {slices} = {place}\n\
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
             toUnixTimestamp64Milli(min(start)) AS first, toUnixTimestamp64Milli(max(start)) AS last\n\
             FROM {cdr} WHERE sign > 0 AND (tenant, identity) IN ({})\n\
             GROUP BY tenant, identity ORDER BY tenant, identity",
            pairs.join(", ")
        );
        let details: Vec<Detail> = self.ask(&sql).fetch_all().await.map_err(fault)?;
        details.into_iter().map(Twice::try_from).collect()
    }
}

impl Store {
    /// Drops the copies of records: of each identity (and sign) in these batches of a tenant one record is kept. The month is
    /// rebuilt beside the table and swapped in, which fires no view, so cubes stay as they are. Says how many were dropped.
    ///
    /// The caller holds the exclusive apply lock. Single servers only: no cluster has run it.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine; the records are then as they were.
    pub async fn drop_copies(
        &self,
        _: &System,
        tenant: TenantId,
        batches: &[BatchId],
        month: Period,
    ) -> Result<u64> {
        let beside = format!("{CLONE}copies");
        let outcome = self.rebuild(&beside, tenant, batches, month).await;
        // The table goes whatever happened; a failure before this one matters more.
        let gone = self.drop_table(&beside).await;
        let dropped = outcome?;
        gone.map(|()| dropped)
    }

    async fn rebuild(
        &self,
        beside: &str,
        tenant: TenantId,
        batches: &[BatchId],
        month: Period,
    ) -> Result<u64> {
        let ids: Vec<String> = batches
            .iter()
            .map(|id| format!("toUUID('{}')", id.uuid()))
            .collect();
        let during = within("start", month);
        let affected = format!(
            "tenant = '{}' AND batch IN ({})",
            tenant.uuid(),
            ids.join(", ")
        );
        self.drop_table(beside).await?;
        self.execute(&format!("CREATE TABLE {beside} AS cdr"))
            .await?;
        // These records were inserted in time, long ago.
        let drop = format!("ALTER TABLE {beside} DROP CONSTRAINT cdr_apply_by_check");
        self.execute(&drop).await?;
        for rows in [
            format!("NOT ({affected})"),
            format!("{affected} LIMIT 1 BY tenant, batch, identity, sign"),
        ] {
            let sql = format!("INSERT INTO {beside} SELECT * FROM cdr WHERE {during} AND {rows}");
            patient(self.query(&sql))
                .with_setting("insert_deduplicate", "0")
                .with_setting("async_insert", "0")
                .execute()
                .await
                .map_err(fault)?;
        }
        let before = self.rows(&format!("cdr WHERE {during}")).await?;
        let after = self.rows(beside).await?;
        let sql = format!(
            "SELECT toUInt64(count() - uniqExact(tenant, batch, identity, sign)) AS rows FROM cdr \
             WHERE {during} AND {affected}"
        );
        let copies = self.number(&sql).await?;
        if before.checked_sub(after) != Some(copies) {
            return Err(Error::new(
                Code::Conflict,
                "records changed while copies were dropped: they are left as they were",
            ));
        }
        if copies > 0 {
            let id = month.from().format("%Y%m");
            self.execute(&format!(
                "ALTER TABLE cdr REPLACE PARTITION ID '{id}' FROM {beside}"
            ))
            .await?;
        }
        Ok(copies)
    }

    async fn rows(&self, from: &str) -> Result<u64> {
        self.number(&format!("SELECT count() AS rows FROM {from}"))
            .await
    }

    async fn number(&self, sql: &str) -> Result<u64> {
        let line: Rows = patient(self.query(sql)).fetch_one().await.map_err(fault)?;
        Ok(line.rows)
    }

    async fn drop_table(&self, table: &str) -> Result<()> {
        self.execute(&format!("DROP TABLE IF EXISTS {table} SYNC"))
            .await
    }
}
