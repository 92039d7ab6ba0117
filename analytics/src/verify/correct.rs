//! Correcting a cube from the next finer table.
//!
//! What is missing or too much in a cell is entered as a signed row: nothing is deleted, no partition is swapped, readers see
//! the old or the new sum. A cell that should not be there stays with sums of zero, which no answer shows. A correction that is
//! cut short is finished by the next one.

use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Error, Period, Result,
    id::{SimId, TenantId},
};
use serde::Deserialize;

use super::{
    Count, STATEMENT_BYTES, Table, patient, records_are_whole_from,
    rows::{KEY, MEASURES, Where, listed, rows, sides, uneven},
};
use crate::{Store, System, cube::Level, store::fault};

/// Which cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Whose.
    pub tenant: TenantId,
    /// Every cell whose period meets this one.
    pub period: Period,
    /// Of these SIMs, or of all.
    pub sims: Option<Vec<SimId>>,
}

/// Leave to change records or cubes beside an insert: whoever has it holds the exclusive apply lock.
pub trait Permit: Sync {
    /// Until when the next statement may begin, by the engine's clock. Asked for before each statement; the answer is known to
    /// whoever holds the lock next before it is given.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the lock is lost.
    fn begin_by(&self) -> impl Future<Output = Result<DateTime<Utc>>> + Send;
}

/// What a correction entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Corrected {
    /// Cells that were corrected.
    pub cells: u64,
    /// What was added to them, all together; cells may outweigh each other.
    pub added: Count,
}

impl AddAssign for Corrected {
    fn add_assign(&mut self, other: Self) {
        self.cells += other.cells;
        self.added += other.added;
    }
}

#[derive(Row, Deserialize)]
struct Line {
    cells: u64,
    records: i64,
    bytes_up: i128,
    bytes_down: i128,
    units: i128,
}

impl Store {
    /// Makes the cells of a cube equal to what the next finer table sums up to, one after the other of the days (months, years)
    /// that differ, and says what it took. Doing it again corrects nothing.
    ///
    /// The caller knows that the finer table is whole there: a cube that knows more would be made to forget it. Hours of which
    /// records may have expired are left alone.
    ///
    /// Of years the receipt of the newest record is corrected too, upwards, from the records that are still there.
    ///
    /// # Errors
    /// `INVALID_INPUT` for more SIMs than a statement can name (200,000); `UNAVAILABLE` and others from the engine, with a
    /// part corrected.
    pub async fn correct(
        &self,
        system: &System,
        level: Level,
        area: &Area,
        permit: &impl Permit,
    ) -> Result<Corrected> {
        let period = level.widened(area.period)?;
        let from = match level {
            Level::Hour => period.from().max(records_are_whole_from(system.now())),
            _ => period.from(),
        };
        let mut corrected = Corrected::default();
        let Ok(period) = Period::new(from, period.to()) else {
            return Ok(corrected);
        };
        let sims = area.sims.as_deref().map(listed);
        if sims.as_ref().is_some_and(|sims| sims.len() > 8 << 20) {
            return Err(Error::invalid("too many SIMs for one correction"));
        }
        let condition = Where {
            tenant: Some(area.tenant),
            period,
            sims: sims.as_deref(),
        };
        for step in self.steps(system, level, &condition).await? {
            let condition = Where {
                period: step,
                ..condition
            };
            corrected += self.correct_step(level, &condition, permit).await?;
        }
        Ok(corrected)
    }

    /// Where there may be something to correct. Years are looked at whole: their receipts are no sums.
    async fn steps(
        &self,
        system: &System,
        level: Level,
        condition: &Where<'_>,
    ) -> Result<Vec<Period>> {
        if level == Level::Year {
            return Ok(level.steps(condition.period));
        }
        let salt = system.now().timestamp_micros().unsigned_abs();
        let tables = self.tables(system);
        let steps = tables.uneven_steps(level, condition, salt).await?;
        match (&steps[..], condition.sims) {
            // Named SIMs are few, and naming them is what takes time: all their days at once.
            ([first, .., last], Some(_)) => Ok(vec![Period::new(first.from(), last.to())?]),
            _ => Ok(steps),
        }
    }

    async fn correct_step(
        &self,
        level: Level,
        condition: &Where<'_>,
        permit: &impl Permit,
    ) -> Result<Corrected> {
        let missing = missing(level, condition);
        let sums = MEASURES
            .map(|(name, _)| format!("sum(missing_{name}) AS {name}"))
            .join(", ");
        let sql = format!("SELECT count() AS cells, {sums} FROM ({missing})");
        let line: Line = patient(self.query(&sql))
            .with_setting("max_query_size", STATEMENT_BYTES)
            .fetch_one()
            .await
            .map_err(fault)?;
        let corrected = Corrected {
            cells: line.cells,
            added: Count {
                records: line.records,
                bytes_up: line.bytes_up,
                bytes_down: line.bytes_down,
                units: line.units,
            },
        };
        if corrected.cells > 0 {
            let begin_by = permit.begin_by().await?;
            self.enter(level, &missing, begin_by).await?;
        }
        Ok(corrected)
    }

    /// # Errors
    /// `UNAVAILABLE` when it came too late; nothing was entered then.
    async fn enter(&self, level: Level, missing: &str, begin_by: DateTime<Utc>) -> Result<()> {
        let columns = MEASURES.map(|(name, _)| name).join(", ");
        let values = MEASURES
            .map(|(name, _)| format!("missing_{name}"))
            .join(", ");
        let (receipt, received) = match level {
            Level::Year => (", received_at", ", newest"),
            _ => ("", ""),
        };
        let sql = format!(
            "INSERT INTO {level} (tenant, period, {KEY}, {columns}{receipt})\n\
             SELECT tenant, toDateTime(cell, 'UTC'), {KEY}, {values}{received} FROM ({missing}) \
             WHERE throwIf(now() > toDateTime({}, 'UTC'), 'the apply lock may be lost') = 0",
            begin_by.timestamp()
        );
        // Two corrections may look alike and are two.
        patient(self.query(&sql))
            .with_setting("max_query_size", STATEMENT_BYTES)
            .with_setting("insert_deduplicate", "0")
            .with_setting("async_insert", "0")
            .with_setting("max_insert_threads", "1")
            .execute()
            .await
            .map_err(fault)
    }
}

/// The cells that differ, with what each lacks.
fn missing(level: Level, condition: &Where<'_>) -> String {
    let [right, other] = [Table::finer(level), Table::Cube(level)]
        .map(|table| rows(table.name(), table, level, &condition.sql(table)));
    let mut both = sides(&right, &other);
    let mut newest = "";
    let mut uneven = uneven();
    if level == Level::Year {
        // Months do not know the receipt; records do, and count nothing here.
        let records = rows(
            Table::Records.name(),
            Table::Records,
            level,
            &condition.sql(Table::Records),
        );
        both.push_str(&format!(
            " UNION ALL SELECT * REPLACE (toInt64(0) AS count, toInt128(0) AS up, toInt128(0) AS down, \
             toInt128(0) AS amount), toInt8(1) AS side FROM ({records})"
        ));
        newest = ", max(receipt) AS newest";
        uneven.push_str(" OR maxIf(receipt, side = 1) > maxIf(receipt, side = -1)");
    }
    let sums = MEASURES
        .map(|(name, column)| format!("sum({column} * side) AS missing_{name}"))
        .join(", ");
    format!(
        "SELECT tenant, cell, {KEY}, {sums}{newest} FROM ({both}) GROUP BY tenant, cell, {KEY} HAVING {uneven}"
    )
}
