//! Correcting a cube from what it is summed up from.
//!
//! What is missing or too much in a cell is entered as a signed row: nothing is deleted, no partition is swapped, readers see
//! the old or the new sum. A cell that should not be there stays with sums of zero, which no answer shows. What is entered into
//! a full cube reaches the small ones by their views, as what intake inserts does; so a small cube that was right while
//! the full one was not is wrong until it is corrected after it. A correction that is
//! cut short is finished by the next one.

use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Error, Period, Result,
    id::{SimId, TenantId},
    tenant::Retention,
    usage::Dimension,
};
use serde::Deserialize;

use super::{
    Count, STATEMENT_BYTES, Table, patient,
    rows::{Keeps, Where, each, key, listed, rows, sides, texts, uneven},
};
use crate::{
    Store, System,
    cube::{Cube, Level},
    family::Family,
    store::fault,
};

/// Which cells. How long records are kept says of which family they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area<R = Retention> {
    /// Whose.
    pub tenant: TenantId,
    /// Every cell whose period meets this one.
    pub period: Period,
    /// Of these SIMs, or of all. A small cube does not know them, so all its cells are meant.
    pub sims: Option<Vec<SimId>>,
    /// How long records of the tenant are kept.
    pub retention: R,
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
    sessions: i64,
    resets: i64,
}

impl Store {
    /// Makes the cells of a cube equal to what it is summed up from, one after the other of the days (months, years) that
    /// differ, and says what it took. Doing it again corrects nothing.
    ///
    /// The caller knows that the finer table is whole there: a cube that knows more would be made to forget it. Hours of which
    /// records may have expired are left alone.
    ///
    /// Of years the receipt of the newest record is corrected too, upwards, from the records that are still there, and of small
    /// ones from the full ones.
    ///
    /// # Errors
    /// `INVALID_INPUT` for more SIMs than a statement can name (200,000); `UNAVAILABLE` and others from the engine, with a
    /// part corrected.
    pub async fn correct<R: Keeps>(
        &self,
        system: &System,
        cube: Cube,
        area: &Area<R>,
        permit: &impl Permit,
    ) -> Result<Corrected> {
        let sims = area.sims.as_deref().filter(|_| cube.knows(Dimension::Sim));
        let sims = sims.map(listed);
        if sims.as_ref().is_some_and(|sims| sims.len() > 8 << 20) {
            return Err(Error::invalid("too many SIMs for one correction"));
        }
        let condition = Where {
            tenant: Some(area.tenant),
            period: area.period,
            sims: sims.as_deref(),
            kept: None,
        };
        let period = cube.level().widened(area.period)?;
        let from = match Table::finer(cube) {
            Table::Records => (period.from()).max(area.retention.whole_from(system.now())),
            Table::Cube(_) => period.from(),
        };
        let Ok(period) = Period::new(from, period.to()) else {
            return Ok(Corrected::default());
        };
        let condition = Where {
            period,
            ..condition
        };
        self.correct_where(system, R::FAMILY, cube, &condition, permit)
            .await
    }

    /// Corrects cells of which the caller knows that what they are summed up from is there.
    pub(super) async fn correct_where(
        &self,
        system: &System,
        family: Family,
        cube: Cube,
        condition: &Where<'_>,
        permit: &impl Permit,
    ) -> Result<Corrected> {
        let condition = Where {
            period: cube.level().widened(condition.period)?,
            ..*condition
        };
        let mut corrected = Corrected::default();
        for step in self.steps(system, family, cube, &condition).await? {
            let condition = Where {
                period: step,
                ..condition
            };
            let step = self.correct_step(family, cube, &condition, permit);
            corrected += step.await?;
        }
        Ok(corrected)
    }

    /// Where there may be something to correct. Years are looked at whole: their receipts are no sums.
    async fn steps(
        &self,
        system: &System,
        family: Family,
        cube: Cube,
        condition: &Where<'_>,
    ) -> Result<Vec<Period>> {
        if cube.level() == Level::Year {
            return Ok(Level::Year.steps(condition.period));
        }
        let salt = system.now().timestamp_micros().unsigned_abs();
        let tables = self.tables(system).of(family);
        let steps = tables.uneven_steps(cube, condition, salt).await?;
        match (&steps[..], condition.sims) {
            // Named SIMs are few, and naming them is what takes time: all their days at once.
            ([first, .., last], Some(_)) => Ok(vec![Period::new(first.from(), last.to())?]),
            _ => Ok(steps),
        }
    }

    async fn correct_step(
        &self,
        family: Family,
        cube: Cube,
        condition: &Where<'_>,
        permit: &impl Permit,
    ) -> Result<Corrected> {
        let missing = missing(family, cube, condition);
        let sums = family.counts("", |column| format!("sum(missing_{column})"));
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
                sessions: line.sessions,
                resets: line.resets,
            },
        };
        if corrected.cells > 0 {
            let begin_by = permit.begin_by().await?;
            self.enter(family, cube, &missing, begin_by).await?;
        }
        Ok(corrected)
    }

    /// # Errors
    /// `UNAVAILABLE` when it came too late; nothing was entered then.
    async fn enter(
        &self,
        family: Family,
        cube: Cube,
        missing: &str,
        begin_by: DateTime<Utc>,
    ) -> Result<()> {
        let columns: Vec<&str> = family.measures().iter().map(|it| it.name).collect();
        let columns = columns.join(", ");
        let values = each(family, ", ", |column| format!("missing_{column}"));
        let (receipt, received) = match Table::receipts(cube) {
            Some(_) => (", received_at", ", newest"),
            None => ("", ""),
        };
        let (key, own) = match cube {
            Cube::Full(_) => (key(family), key(family)),
            Cube::Small(level) => {
                let texts = texts(family);
                (
                    format!("grain, customer, {texts}"),
                    format!("'{level}', customer, {texts}"),
                )
            }
        };
        let sql = format!(
            "INSERT INTO {} (tenant, period, {key}, {columns}{receipt})\n\
             SELECT tenant, toDateTime(cell, 'UTC'), {own}, {values}{received} FROM ({missing}) \
             WHERE throwIf(now() > toDateTime({}, 'UTC'), 'the apply lock may be lost') = 0",
            family.cube(cube),
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
fn missing(family: Family, cube: Cube, condition: &Where<'_>) -> String {
    let of = |table: Table| {
        let condition = condition.sql(family, table);
        rows(table.name(family), family, table, cube, &condition)
    };
    let mut both = sides(&of(Table::finer(cube)), &of(Table::Cube(cube)));
    let mut newest = "";
    let mut uneven = uneven(family);
    if let Some(source) = Table::receipts(cube) {
        // Months do not know the receipt; what does counts nothing here.
        let nothing = each(family, ", ", |column| format!("{column} * 0 AS {column}"));
        both.push_str(&format!(
            " UNION ALL SELECT * REPLACE ({nothing}), toInt8(1) AS side FROM ({})",
            of(source)
        ));
        newest = ", max(receipt) AS newest";
        uneven.push_str(" OR maxIf(receipt, side = 1) > maxIf(receipt, side = -1)");
    }
    let sums = each(family, ", ", |column| {
        format!("sum({column} * side) AS missing_{column}")
    });
    let key = key(family);
    format!(
        "SELECT tenant, cell, {key}, {sums}{newest} FROM ({both}) GROUP BY tenant, cell, {key} HAVING {uneven}"
    )
}
