//! A cube and what it is summed up from, at the full key of the cube.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Error, Period, Result,
    id::{CustomerId, DeviceId, SimId, TenantId},
    tenant::Retentions,
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Count, Key, STATEMENT_BYTES, Table, Tables, moment, patient,
    rows::{Keeps, Kept, Where, each, hash, key, plain_key, rows, sides, uneven},
    tables::around,
};
use crate::{
    System,
    cube::{Cube, Level},
    family::Family,
    store::fault,
};

/// A tenant and a month, or a year, in which a cube and what it is summed up from do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub tenant: TenantId,
    /// Of which family the tables are.
    pub family: Family,
    /// The cube that differs from what it is summed up from.
    pub cube: Cube,
    /// The part of the month, or the year, that was compared.
    pub period: Period,
    /// What the finer table says of all of it.
    pub expected: Count,
    /// What the cube says.
    pub found: Count,
    /// The first cells that differ.
    pub cells: Vec<Cell>,
    /// Whether further cells may differ.
    pub more: bool,
    /// Whether the cube, one of years, knows less about receipt than what has it from the records.
    pub receipt: bool,
}

/// A cell that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Start of its period.
    pub start: DateTime<Utc>,
    /// Its key.
    pub key: Key,
    /// What the finer table says.
    pub expected: Count,
    /// What the cube says.
    pub found: Count,
}

/// Outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Pairs of tenant and month (or year) and table that were compared.
    pub compared: u64,
    /// Whether some of the usage is too old to be compared with records.
    pub without_records: bool,
    /// What does not agree; empty when all is well.
    pub differences: Vec<Difference>,
}

/// Sums of a tenant, and each times the hash of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Print {
    count: Count,
    hashed: [i128; 6],
}

#[derive(Row, Deserialize)]
struct PrintLine {
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    records: i64,
    bytes_up: i128,
    bytes_down: i128,
    units: i128,
    sessions: i64,
    resets: i64,
    hashed_records: i128,
    hashed_bytes_up: i128,
    hashed_bytes_down: i128,
    hashed_units: i128,
    hashed_sessions: i128,
    hashed_resets: i128,
}

/// Key and both sums of a cell. The driver reads a row into one flat struct, so each statement spells the key's columns out.
#[derive(Row, Deserialize)]
struct KeyLine {
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
    other_records: i64,
    other_bytes_up: i128,
    other_bytes_down: i128,
    other_units: i128,
    other_sessions: i64,
    other_resets: i64,
}

impl KeyLine {
    fn key(&self) -> Key {
        Key {
            customer: (!self.customer.is_nil()).then(|| CustomerId::new(self.customer)),
            sim: (!self.sim.is_nil()).then(|| SimId::new(self.sim)),
            device: (!self.device.is_nil()).then(|| DeviceId::new(self.device)),
            network: self.network.clone(),
            rat: self.rat.clone(),
            service: self.service.clone(),
            source: self.source.clone(),
        }
    }

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

    fn other(&self) -> Count {
        Count {
            records: self.other_records,
            bytes_up: self.other_bytes_up,
            bytes_down: self.other_bytes_down,
            units: self.other_units,
            sessions: self.other_sessions,
            resets: self.other_resets,
        }
    }
}

#[derive(Row, Deserialize)]
struct Start {
    start: u32,
}

#[derive(Row, Deserialize)]
struct Receipt {
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    customer: Uuid,
    /// Unix milliseconds.
    newest: i64,
}

impl Tables {
    /// Compares every cube of the family whose records are kept by these `retentions` with what it is summed up from. `salt` makes the hashes
    /// this run's own; at most `shown` cells are named in all. Hours are compared with records where these are all there.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine; `LIMIT_EXCEEDED` when a month is more than one statement may read.
    pub async fn compare<R: Keeps>(
        &self,
        system: &System,
        salt: u64,
        shown: usize,
        retentions: &Retentions<R>,
    ) -> Result<Comparison> {
        let kept = Kept::new(retentions, system.now());
        let tables = self.of(R::FAMILY);
        tables.compare_kept(system, salt, shown, &kept).await
    }

    async fn compare_kept(
        &self,
        system: &System,
        salt: u64,
        shown: usize,
        kept: &Kept,
    ) -> Result<Comparison> {
        let months = self.months(system).await?;
        let (first, last) = kept.bounds(system.now());
        let mut found = Comparison::default();
        let years: Result<BTreeSet<_>> = months
            .iter()
            .map(|month| around(Level::Year, *month).map(|year| (year.from(), year.to())))
            .collect();
        let (yearly, monthly): (Vec<_>, Vec<_>) =
            (Cube::ALL.into_iter()).partition(|cube| cube.level() == Level::Year);
        for month in months {
            let period = around(Level::Day, month)?;
            for cube in &monthly {
                if Table::finer(*cube) != Table::Records {
                    let condition = Where::all(period);
                    self.pair(&mut found, *cube, &condition, salt, shown)
                        .await?;
                    continue;
                }
                found.without_records |= period.from() < last;
                if let Ok(period) = Period::new(first.max(period.from()), period.to()) {
                    let condition = Where {
                        kept: Some(kept),
                        ..Where::all(period)
                    };
                    self.pair(&mut found, *cube, &condition, salt, shown)
                        .await?;
                }
            }
        }
        for (from, to) in years? {
            let year = Period::new(from, to)?;
            for cube in &yearly {
                let condition = Where::all(year);
                self.pair(&mut found, *cube, &condition, salt, shown)
                    .await?;
                self.receipts(&mut found, *cube, year).await?;
            }
        }
        Ok(found)
    }

    /// One cube and what it is summed up from.
    async fn pair(
        &self,
        found: &mut Comparison,
        cube: Cube,
        condition: &Where<'_>,
        salt: u64,
        shown: usize,
    ) -> Result<()> {
        let finer = Table::finer(cube);
        let expected = self.prints(finer, cube, condition, salt).await?;
        let actual = self
            .prints(Table::Cube(cube), cube, condition, salt)
            .await?;
        let tenants: BTreeSet<TenantId> = expected.keys().chain(actual.keys()).copied().collect();
        for tenant in tenants {
            found.compared += 1;
            let said = |prints: &BTreeMap<_, Print>| prints.get(&tenant).copied();
            let (right, other) = (said(&expected), said(&actual));
            let (right, other) = (right.unwrap_or_default(), other.unwrap_or_default());
            if right == other {
                continue;
            }
            let named: usize = found.differences.iter().map(|d| d.cells.len()).sum();
            let room = shown.saturating_sub(named);
            let condition = Where {
                tenant: Some(tenant),
                ..*condition
            };
            let cells = self.cells(cube, &condition, salt, room).await?;
            found.differences.push(Difference {
                tenant,
                family: self.family,
                cube,
                period: condition.period,
                expected: right.count,
                found: other.count,
                more: cells.len() == room,
                cells,
                receipt: false,
            });
        }
        Ok(())
    }

    async fn prints(
        &self,
        table: Table,
        cube: Cube,
        condition: &Where<'_>,
        salt: u64,
    ) -> Result<BTreeMap<TenantId, Print>> {
        let sql = format!(
            "SELECT tenant, {}, {}\nFROM (SELECT *, {} AS hash FROM ({}))\nGROUP BY tenant",
            self.family.counts("", |column| format!("sum({column})")),
            self.family.wide_counts("hashed_", |column| format!(
                "toInt128(sum(hash * {column}))"
            )),
            hash(self.family, salt),
            self.rows(table, cube, condition)
        );
        let lines: Vec<PrintLine> = patient(self.store.query(&sql))
            .fetch_all()
            .await
            .map_err(fault)?;
        let print = |line: PrintLine| {
            let print = Print {
                count: Count {
                    records: line.records,
                    bytes_up: line.bytes_up,
                    bytes_down: line.bytes_down,
                    units: line.units,
                    sessions: line.sessions,
                    resets: line.resets,
                },
                hashed: [
                    line.hashed_records,
                    line.hashed_bytes_up,
                    line.hashed_bytes_down,
                    line.hashed_units,
                    line.hashed_sessions,
                    line.hashed_resets,
                ],
            };
            (TenantId::new(line.tenant), print)
        };
        Ok(lines.into_iter().map(print).collect())
    }

    /// The first differing cells of a tenant, in order of time.
    async fn cells(
        &self,
        cube: Cube,
        condition: &Where<'_>,
        salt: u64,
        limit: usize,
    ) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        if limit == 0 {
            return Ok(cells);
        }
        for step in self.uneven_steps(cube, condition, salt).await? {
            let limit = limit - cells.len();
            if limit == 0 {
                break;
            }
            let condition = Where {
                period: step,
                ..*condition
            };
            let [right, other] = [Table::finer(cube), Table::Cube(cube)]
                .map(|table| self.rows(table, cube, &condition));
            let (family, key) = (self.family, key(self.family));
            let sums = |prefix: &str, side: i8| {
                family.counts(prefix, |column| format!("sumIf({column}, side = {side})"))
            };
            let sql = format!(
                "SELECT cell AS start, {}, {}, {}\nFROM ({})\nGROUP BY cell, {key}\nHAVING {}\n\
                 ORDER BY cell, {key} LIMIT {limit}",
                plain_key(family),
                sums("", 1),
                sums("other_", -1),
                sides(&right, &other),
                uneven(family),
            );
            let lines: Vec<KeyLine> = patient(self.store.query(&sql))
                .fetch_all()
                .await
                .map_err(fault)?;
            for line in lines {
                cells.push(Cell {
                    start: moment(line.start)?,
                    key: line.key(),
                    expected: line.count(),
                    found: line.other(),
                });
            }
        }
        Ok(cells)
    }

    /// The days (months, years) in which a cube and the finer table differ, by their fingerprints, in order.
    pub(super) async fn uneven_steps(
        &self,
        cube: Cube,
        condition: &Where<'_>,
        salt: u64,
    ) -> Result<Vec<Period>> {
        let [right, other] =
            [Table::finer(cube), Table::Cube(cube)].map(|table| self.rows(table, cube, condition));
        let step = cube.level().max(Level::Day);
        let differ = each(self.family, " OR ", |column| {
            format!("sum(hash * {column} * side) <> 0")
        });
        let sql = format!(
            "SELECT toUnixTimestamp({}) AS start FROM (SELECT *, {} AS hash FROM ({}))\n\
             GROUP BY start HAVING {differ} ORDER BY start",
            step.start_of("toDateTime(cell, 'UTC')"),
            hash(self.family, salt),
            sides(&right, &other)
        );
        let lines: Vec<Start> = patient(self.store.query(&sql))
            .with_setting("max_query_size", STATEMENT_BYTES)
            .fetch_all()
            .await
            .map_err(fault)?;
        let clip = |line: &Start| {
            let step = step.period_at(moment(line.start)?);
            let step = step.ok_or_else(|| Error::internal("no cube holds that time"))?;
            let within = condition.period;
            Period::new(step.from().max(within.from()), step.to().min(within.to()))
        };
        lines.iter().map(clip).collect()
    }

    /// Rows of a table that meet a condition, as `cube` would hold them.
    fn rows(&self, table: Table, cube: Cube, condition: &Where<'_>) -> String {
        let condition = condition.sql(self.family, table);
        rows(&self.name(table), self.family, table, cube, &condition)
    }

    /// The cubes of years alone carry the receipt of the newest record. They must not know less than the records that are
    /// still there do, and the small one not less than the full one.
    async fn receipts(&self, found: &mut Comparison, cube: Cube, year: Period) -> Result<()> {
        let Some(source) = Table::receipts(cube) else {
            return Ok(());
        };
        let expected = self.newest(source, year).await?;
        let known = self.newest(Table::Cube(cube), year).await?;
        // A cube without the customer is a difference already.
        let late = expected.into_iter().filter(|(whose, newest)| {
            let known = known.get(whose);
            known.is_some_and(|known| known < newest)
        });
        let tenants: BTreeSet<TenantId> = late.map(|((tenant, _), _)| tenant).collect();
        found
            .differences
            .extend(tenants.into_iter().map(|tenant| Difference {
                tenant,
                family: self.family,
                cube,
                period: year,
                expected: Count::default(),
                found: Count::default(),
                cells: Vec::new(),
                more: false,
                receipt: true,
            }));
        Ok(())
    }

    /// The newest receipt of each tenant's customers and of the unassigned: what callers are told of who see no more.
    async fn newest(&self, table: Table, year: Period) -> Result<BTreeMap<(TenantId, Uuid), i64>> {
        let condition = Where::all(year);
        let sql = format!(
            "SELECT tenant, customer, toUnixTimestamp64Milli(max(received_at)) AS newest FROM {} WHERE {} \
             GROUP BY tenant, customer",
            self.name(table),
            condition.sql(self.family, table)
        );
        let lines: Vec<Receipt> = patient(self.store.query(&sql))
            .fetch_all()
            .await
            .map_err(fault)?;
        Ok(lines
            .into_iter()
            .map(|line| ((TenantId::new(line.tenant), line.customer), line.newest))
            .collect())
    }
}
