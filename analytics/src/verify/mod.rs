//! Proof that records and cubes agree, and mending a cube that does not.
//!
//! A census counts the records and every cube by tenant, source and period; the server compares it with the ledger
//! of the intake as well. Records are kept for 400 days and cubes for good, so a period whose records may have
//! expired is compared among the cubes only, and is never rebuilt.

mod listing;
mod repair;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, TimeDelta, Utc};
use clickhouse::Row;
use domain::{Error, Period, Result, id::TenantId};
use serde::Deserialize;
use uuid::Uuid;

pub use listing::Listed;
pub use repair::Repaired;

use crate::{Store, System, cube::Level, store::fault};

/// Records this old are all still there. Their time to live is 400 days; the difference leaves room for clocks and for
/// a repair that takes long.
const WHOLE_DAYS: i64 = 390;

/// A table of usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// `cdr`
    Records,
    /// A cube.
    Cube(Level),
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records => f.write_str("cdr"),
            Self::Cube(level) => level.fmt(f),
        }
    }
}

/// What is counted together. The width of the period is that of the census.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Owner of the usage.
    pub tenant: TenantId,
    /// Stream that delivered it.
    pub source: String,
    /// Start of the period, by event time.
    pub start: DateTime<Utc>,
}

/// Sums of a cell; corrections are subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Usage records.
    pub records: i64,
    /// Bytes sent by devices.
    pub bytes_up: i128,
    /// Bytes received by devices.
    pub bytes_down: i128,
    /// Messages, seconds and the like.
    pub units: i128,
}

/// Sums per cell and table. A table without the cell has no entry.
pub type Census = BTreeMap<Cell, BTreeMap<Table, Count>>;

/// Two tables that should agree and do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub cell: Cell,
    /// Width of the cell.
    pub width: Level,
    /// The table that is right, as far as can be known.
    pub reference: Table,
    /// What it says.
    pub expected: Count,
    /// The table that differs.
    pub table: Table,
    /// What that one says.
    pub found: Count,
}

/// Outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Cells compared.
    pub cells: u64,
    /// Cells compared among the cubes only, since their records may have expired.
    pub without_records: u64,
    /// What does not agree; empty when all is well.
    pub differences: Vec<Difference>,
}

impl Verification {
    /// What [`Store::repair`] can mend: cubes that differ from the records, with a moment in the partition that does.
    /// Differences by year in a cube partitioned by month show up by month as well, so they add nothing.
    pub fn repairs(&self) -> BTreeSet<(Level, DateTime<Utc>)> {
        self.differences
            .iter()
            .filter(|difference| difference.reference == Table::Records)
            .filter_map(|difference| {
                let Table::Cube(level) = difference.table else {
                    return None;
                };
                let (_, partition) = level.partition_at(difference.cell.start)?;
                let (_, cell) = difference.width.partition_at(difference.cell.start)?;
                let narrower = difference.width <= Level::Month || partition == cell;
                narrower.then_some((level, partition.from()))
            })
            .collect()
    }
}

#[derive(Row, Deserialize)]
struct Line {
    table: u8,
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    source: String,
    start: u32,
    records: i64,
    bytes_up: i128,
    bytes_down: i128,
    units: i128,
}

impl Store {
    /// Counts the records and every cube that has periods of `width` or narrower, in all of time or in `period`.
    pub async fn census(&self, _: &System, width: Level, period: Option<Period>) -> Result<Census> {
        let tables = tables(width);
        let sql: Vec<String> = tables
            .iter()
            .map(|table| count(*table, width, period))
            .collect();
        let lines: Vec<Line> = self
            .query(&sql.join("\nUNION ALL\n"))
            .fetch_all()
            .await
            .map_err(fault)?;
        let mut census = Census::new();
        for line in lines {
            let table = tables.get(usize::from(line.table));
            let (Some(table), Some(start)) =
                (table, DateTime::from_timestamp(line.start.into(), 0))
            else {
                return Err(Error::internal("a census of an unknown table or time"));
            };
            let cell = Cell {
                tenant: TenantId::new(line.tenant),
                source: line.source,
                start,
            };
            let count = Count {
                records: line.records,
                bytes_up: line.bytes_up,
                bytes_down: line.bytes_down,
                units: line.units,
            };
            census.entry(cell).or_default().insert(*table, count);
        }
        Ok(census)
    }

    /// Compares the records with every cube, by month and by year, or at another width alone. Batches that are being
    /// applied meanwhile may show as differences; hold them back.
    pub async fn verify(&self, system: &System, width: Option<Level>) -> Result<Verification> {
        let mut verification = Verification::default();
        let widths = width.map_or_else(|| vec![Level::Month, Level::Year], |width| vec![width]);
        for width in widths {
            let census = self.census(system, width, None).await?;
            compare(&mut verification, &census, width, system.now());
        }
        Ok(verification)
    }
}

/// The tables that can be counted at a width.
fn tables(width: Level) -> Vec<Table> {
    let cubes = Level::ALL
        .into_iter()
        .filter(|level| *level <= width)
        .map(Table::Cube);
    std::iter::once(Table::Records).chain(cubes).collect()
}

/// Whether every record since this moment is still there.
fn records_are_whole(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    since >= now - TimeDelta::days(WHOLE_DAYS)
}

fn compare(verification: &mut Verification, census: &Census, width: Level, now: DateTime<Utc>) {
    for (cell, counts) in census {
        verification.cells += 1;
        let mut tables = tables(width);
        if !records_are_whole(cell.start, now) {
            verification.without_records += 1;
            tables.remove(0);
        }
        // Without records the finest cube is the best witness.
        let reference = tables.remove(0);
        let said = |table| counts.get(&table).copied().unwrap_or_default();
        let expected = said(reference);
        verification.differences.extend(
            tables
                .into_iter()
                .filter(|table| said(*table) != expected)
                .map(|table| Difference {
                    cell: cell.clone(),
                    width,
                    reference,
                    expected,
                    table,
                    found: said(table),
                }),
        );
    }
}

/// One table's part of a census.
fn count(table: Table, width: Level, period: Option<Period>) -> String {
    let (place, time, sums) = match table {
        Table::Records => (
            0,
            "start",
            "sum(toInt64(sign)) AS total_records, sum(toInt128(bytes_up) * sign) AS total_bytes_up, \
             sum(toInt128(bytes_down) * sign) AS total_bytes_down, sum(toInt128(units) * sign) AS total_units",
        ),
        Table::Cube(level) => (
            1 + level as u8,
            "period",
            "sum(records) AS total_records, sum(bytes_up) AS total_bytes_up, sum(bytes_down) AS total_bytes_down, \
             sum(units) AS total_units",
        ),
    };
    let during = period
        .map(|period| format!(" WHERE {}", within(time, period)))
        .unwrap_or_default();
    format!(
        "SELECT toUInt8({place}) AS table, tenant, CAST(source, 'String') AS source, toUnixTimestamp(bucket) AS start, \
         total_records AS records, total_bytes_up AS bytes_up, total_bytes_down AS bytes_down, total_units AS units\n\
         FROM (SELECT tenant, source, {} AS bucket, {sums} FROM {table}{during} GROUP BY tenant, source, bucket)",
        width.start_of(time),
    )
}

/// Whether the column lies in the period. Times are written as whole seconds: bounds of periods have no fractions.
fn within(column: &str, period: Period) -> String {
    let moment = |moment: DateTime<Utc>| {
        format!(
            "toDateTime({}, 'UTC')",
            moment.timestamp().clamp(0, u32::MAX.into())
        )
    };
    format!(
        "{column} >= {} AND {column} < {}",
        moment(period.from()),
        moment(period.to())
    )
}
