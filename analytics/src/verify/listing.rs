//! Every cell of a tenant's usage, to be held against totals that are known from elsewhere.

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Period, Result,
    id::{CustomerId, DeviceId, SimId, TenantId},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Count, Key, Table, Tables, moment,
    rows::{Where, key, plain_key, rows},
};
use crate::{
    System,
    cube::{Cube, Level},
    store::fault,
};

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Start of its period, UTC.
    pub start: DateTime<Utc>,
    /// Everything else that it is known by.
    pub key: Key,
    /// Its sums.
    pub count: Count,
}

/// A cell as it is read: one flat struct, as the driver wants it.
#[derive(Row, Deserialize)]
struct Line {
    start: u32,
    #[serde(with = "clickhouse::serde::uuid")]
    customer: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    device: Uuid,
    network: String,
    rat: String,
    service: String,
    source: String,
    records: i64,
    bytes_up: i128,
    bytes_down: i128,
    units: i128,
    sessions: i64,
    resets: i64,
}

impl Table {
    /// The width at which [`Tables::list`] lists a table that is to be listed by `level`: this, or the cube's own where it does not know
    /// it.
    pub fn listed_by(self, level: Level) -> Level {
        match self {
            Self::Records => level,
            Self::Cube(cube) => cube.level().max(level),
        }
    }

    /// The cube as which it is listed.
    pub(super) fn listed_as(self, level: Level) -> Cube {
        let level = self.listed_by(level);
        match self {
            Self::Cube(Cube::Small(_)) => Cube::Small(level),
            _ => Cube::Full(level),
        }
    }
}

impl Tables {
    /// Everything that `table` says about a tenant in a period, by `level` as far as it knows ([`Table::listed_by`]). All of it is in memory.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn list(
        &self,
        _: &System,
        table: Table,
        level: Level,
        tenant: TenantId,
        period: Period,
    ) -> Result<Vec<Listed>> {
        let condition = Where {
            tenant: Some(tenant),
            period,
            sims: None,
            kept: None,
        };
        let family = self.family;
        let rows = rows(
            &self.name(table),
            family,
            table,
            table.listed_as(level),
            &condition.sql(family, table),
        );
        let sql = format!(
            "SELECT cell AS start, {}, {} FROM ({rows}) GROUP BY cell, {}",
            plain_key(family),
            family.counts("", |column| format!("sum({column})")),
            key(family)
        );
        let lines: Vec<Line> = self.ask(&sql).fetch_all().await.map_err(fault)?;
        lines.into_iter().map(listed).collect()
    }
}

fn listed(line: Line) -> Result<Listed> {
    Ok(Listed {
        start: moment(line.start)?,
        key: Key {
            customer: (!line.customer.is_nil()).then(|| CustomerId::new(line.customer)),
            sim: (!line.sim.is_nil()).then(|| SimId::new(line.sim)),
            device: (!line.device.is_nil()).then(|| DeviceId::new(line.device)),
            network: line.network,
            rat: line.rat,
            service: line.service,
            source: line.source,
        },
        count: Count {
            records: line.records,
            bytes_up: line.bytes_up,
            bytes_down: line.bytes_down,
            units: line.units,
            sessions: line.sessions,
            resets: line.resets,
        },
    })
}
