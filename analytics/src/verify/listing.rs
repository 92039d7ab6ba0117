//! Every cell of a tenant's usage by day, to be held against totals that are known from elsewhere.

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Error, Result,
    id::{CustomerId, SimId, TenantId},
};
use serde::Deserialize;
use uuid::Uuid;

use super::Table;
use crate::{Store, System, cube::Level, store::fault};

/// Usage of one day, by everything that the cubes know about it but the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Stream that delivered it.
    pub source: String,
    /// Customer at event time.
    pub customer: Option<CustomerId>,
    /// SIM.
    pub sim: SimId,
    /// `MCC-MNC`, empty when unknown.
    pub network: String,
    /// Radio access type, empty when unknown.
    pub rat: String,
    /// `DATA`, `SMS` or `VOICE`.
    pub service: String,
    /// First moment of the day, UTC.
    pub day: DateTime<Utc>,
    /// Usage records; corrections are subtracted.
    pub records: i64,
    /// Bytes sent by devices.
    pub bytes_up: i128,
    /// Bytes received by devices.
    pub bytes_down: i128,
}

#[derive(Row, Deserialize)]
struct Line {
    source: String,
    #[serde(with = "clickhouse::serde::uuid")]
    customer: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    network: String,
    rat: String,
    service: String,
    day: u32,
    records: i64,
    bytes_up: i128,
    bytes_down: i128,
}

impl TryFrom<Line> for Listed {
    type Error = Error;

    fn try_from(line: Line) -> Result<Self> {
        let day = DateTime::from_timestamp(line.day.into(), 0);
        Ok(Self {
            source: line.source,
            customer: (!line.customer.is_nil()).then(|| CustomerId::new(line.customer)),
            sim: SimId::new(line.sim),
            network: line.network,
            rat: line.rat,
            service: line.service,
            day: day.ok_or_else(|| Error::internal("a day that is none"))?,
            records: line.records,
            bytes_up: line.bytes_up,
            bytes_down: line.bytes_down,
        })
    }
}

impl Store {
    /// Everything that `table` says about a tenant, by day.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a cube that does not know days.
    pub async fn list_days(
        &self,
        _: &System,
        tenant: TenantId,
        table: Table,
    ) -> Result<Vec<Listed>> {
        let lines: Vec<Line> = self
            .query(&statement(tenant, table)?)
            .fetch_all()
            .await
            .map_err(fault)?;
        lines.into_iter().map(Listed::try_from).collect()
    }
}

fn statement(tenant: TenantId, table: Table) -> Result<String> {
    let (time, sums) = match table {
        Table::Records => (
            "start",
            "sum(toInt64(t.sign)) AS records, sum(toInt128(t.bytes_up) * t.sign) AS bytes_up, \
             sum(toInt128(t.bytes_down) * t.sign) AS bytes_down",
        ),
        Table::Cube(Level::Hour | Level::Day) => (
            "period",
            "sum(t.records) AS records, sum(t.bytes_up) AS bytes_up, sum(t.bytes_down) AS bytes_down",
        ),
        Table::Cube(level) => {
            return Err(Error::invalid(format!("{level} does not know days")));
        }
    };
    Ok(format!(
        "SELECT CAST(t.source, 'String') AS source, t.customer AS customer, t.sim AS sim, \
         CAST(t.network, 'String') AS network, CAST(t.rat, 'String') AS rat, \
         CAST(t.service, 'String') AS service, toUnixTimestamp(toStartOfDay(t.{time})) AS day, {sums}\n\
         FROM {table} AS t WHERE t.tenant = '{}'\n\
         GROUP BY source, customer, sim, network, rat, service, day",
        tenant.uuid()
    ))
}
