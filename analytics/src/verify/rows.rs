//! The rows of any table of usage in one form, so that two of them can be added up together.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use domain::{
    Period,
    id::{SimId, TenantId},
    tenant::{Retention, Retentions},
};

use super::Table;
use crate::cube::{Cube, Level, moment};

/// What makes a cell besides tenant and period, in the form of [`rows`].
pub(super) const KEY: &str = "customer, sim, device, network, rat, service, source";
/// The same with texts that any client can read.
pub(super) const PLAIN_KEY: &str = "customer, sim, device, CAST(network, 'String') AS network, CAST(rat, 'String') AS rat, \
                                    CAST(service, 'String') AS service, CAST(source, 'String') AS source";
/// Those of its columns that are texts.
pub(super) const TEXTS: &str = "network, rat, service, source";
/// Stands for a SIM or a device that is not known.
const NOBODY: &str = "toUUID('00000000-0000-0000-0000-000000000000')";
/// The receipt of the newest record.
const RECEIPT: &str = ", CAST(received_at, 'DateTime64(3, \\'UTC\\')') AS receipt";

/// Each measure as answers name it, and as [`rows`] does.
pub(super) const MEASURES: [(&str, &str); 4] = [
    ("records", "count"),
    ("bytes_up", "up"),
    ("bytes_down", "down"),
    ("units", "amount"),
];

/// Which rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Where<'a> {
    /// Of one tenant, or of all.
    pub(super) tenant: Option<TenantId>,
    /// By event time.
    pub(super) period: Period,
    /// Of these SIMs, or of all; written by [`listed`].
    pub(super) sims: Option<&'a str>,
    /// Only where records are all there; or everywhere.
    pub(super) kept: Option<Kept<'a>>,
}

/// From when on records are all there, of every tenant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<'a> {
    pub(super) retentions: &'a Retentions,
    pub(super) now: DateTime<Utc>,
}

impl Kept<'_> {
    /// The condition on a table whose time is this column.
    fn sql(self, time: &str) -> String {
        let from = |retention: Retention| {
            let from = literal(time, retention.whole_days_from(self.now));
            format!("{time} >= {from}")
        };
        let (mut own, mut names) = (String::new(), Vec::new());
        for (tenant, retention) in self.retentions.own() {
            let name = format!("'{}'", tenant.uuid());
            write!(own, " OR tenant = {name} AND {}", from(retention)).ok();
            names.push(name);
        }
        let mut others = from(Retention::default());
        if !names.is_empty() {
            write!(others, " AND tenant NOT IN ({})", names.join(", ")).ok();
        }
        format!("({others}{own})")
    }
}

impl Where<'_> {
    /// Everything in a period.
    pub(super) const fn all(period: Period) -> Self {
        Self {
            tenant: None,
            period,
            sims: None,
            kept: None,
        }
    }

    /// The condition on a table.
    pub(super) fn sql(&self, table: Table) -> String {
        let mut sql = format!("{} AND {}", table.own(), within(table.time(), self.period));
        if let Some(tenant) = self.tenant {
            write!(sql, " AND tenant = '{}'", tenant.uuid()).ok();
        }
        if let Some(sims) = self.sims {
            write!(sql, " AND sim IN ({sims})").ok();
        }
        if let Some(kept) = self.kept {
            write!(sql, " AND {}", kept.sql(table.time())).ok();
        }
        sql
    }
}

/// The SIMs as a subquery. One text that is taken apart: as many literals would take the parser seconds.
pub(super) fn listed(sims: &[SimId]) -> String {
    let sims: Vec<String> = sims.iter().map(|sim| sim.uuid().to_string()).collect();
    format!(
        "SELECT toUUID(arrayJoin(splitByChar(',', '{}')))",
        sims.join(",")
    )
}

/// Rows of a table (`name` is where it is read) as `cube`, which is summed up from it, would hold them, one per row: tenant,
/// cell (start of the period, Unix seconds), key, and the measures `count`, `up`, `down`, `amount` with their sign. What the
/// cube does not know is nobody's. Years come with `receipt` as well, which months do not know.
pub(super) fn rows(name: &str, table: Table, cube: Cube, condition: &str) -> String {
    let measures = match table {
        Table::Records => {
            "toInt64(sign) AS count, toInt128(bytes_up) * sign AS up, toInt128(bytes_down) * sign AS down, \
             toInt128(units) * sign AS amount"
        }
        Table::Cube(_) => {
            "toInt64(records) AS count, toInt128(bytes_up) AS up, toInt128(bytes_down) AS down, toInt128(units) AS amount"
        }
    };
    let key = match cube {
        Cube::Full(_) => KEY.to_owned(),
        Cube::Small(_) => format!("customer, {NOBODY} AS sim, {NOBODY} AS device, {TEXTS}"),
    };
    let receipt = match (cube.level(), table) {
        (Level::Year, Table::Records) => RECEIPT,
        (Level::Year, Table::Cube(of)) if of.level() == Level::Year => RECEIPT,
        (Level::Year, _) => ", toDateTime64(0, 3, 'UTC') AS receipt",
        _ => "",
    };
    format!(
        "SELECT tenant, toUnixTimestamp({}) AS cell, {key}, {measures}{receipt} FROM {name} WHERE {condition}",
        cube.level().start_of(table.time())
    )
}

/// Both in one, with `side` 1 for what is right and -1 for what is held against it.
pub(super) fn sides(right: &str, other: &str) -> String {
    format!(
        "SELECT *, toInt8(1) AS side FROM ({right}) UNION ALL SELECT *, toInt8(-1) AS side FROM ({other})"
    )
}

/// The hash of a row's whole key as a number of 128 bits, so that its product with a measure does not wrap.
pub(super) fn hash(salt: u64) -> String {
    format!("toInt128(cityHash64(toUInt64({salt}), tenant, cell, {KEY}))")
}

/// Whether the two sides of a cell differ in any measure.
pub(super) fn uneven() -> String {
    MEASURES
        .map(|(_, column)| format!("sum({column} * side) <> 0"))
        .join(" OR ")
}

/// Whether the column lies in the period. Times are written as whole seconds: bounds of periods have no fractions.
pub(super) fn within(column: &str, period: Period) -> String {
    format!(
        "{column} >= {} AND {column} < {}",
        literal(column, period.from()),
        literal(column, period.to())
    )
}

fn literal(column: &str, at: DateTime<Utc>) -> String {
    moment(column, at.timestamp().clamp(0, u32::MAX.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::usage::{Dimension, Kind, Known, State};
    use strum::VariantArray as _;

    use super::*;
    use crate::cdr;

    /// The columns of cells that keep dimensions which are like this.
    fn cells(is: impl Fn(Dimension) -> bool) -> BTreeSet<&'static str> {
        let dimensions = Dimension::VARIANTS.iter();
        let column = |dimension: &Dimension| match dimension.entry().known {
            Known::Cells(column) if is(*dimension) => Some(column),
            _ => None,
        };
        dimensions.filter_map(column).collect()
    }

    fn listed(columns: &'static str) -> BTreeSet<&'static str> {
        columns.split(", ").collect()
    }

    /// A dimension that cells keep and that is missing here would be compared and repaired without.
    #[test]
    fn the_key_is_every_dimension_that_cells_keep() {
        assert_eq!(listed(KEY), cells(|_| true));
        let is_text = |dimension: Dimension| dimension.entry().kind == Kind::Text;
        assert_eq!(listed(TEXTS), cells(is_text));
        let small = Cube::Small(Level::Hour);
        let of_small: BTreeSet<&str> = listed(TEXTS).into_iter().chain(["customer"]).collect();
        assert_eq!(of_small, cells(|dimension| small.knows(dimension)));
        let plain = |column| {
            if listed(TEXTS).contains(column) {
                format!("CAST({column}, 'String') AS {column}")
            } else {
                String::from(column)
            }
        };
        let plain: Vec<String> = KEY.split(", ").map(plain).collect();
        assert_eq!(PLAIN_KEY, plain.join(", "));
        let missing: Vec<_> = cells(|_| true)
            .difference(&listed(cdr::COLUMNS))
            .copied()
            .collect();
        assert!(missing.is_empty(), "not in records: {missing:?}");
    }

    #[test]
    fn the_measures_are_every_state_that_cells_keep() {
        let states = State::VARIANTS.iter();
        let kept: BTreeSet<&str> = states.filter_map(|state| state.column()).collect();
        let measures: BTreeSet<&str> = MEASURES.into_iter().map(|(name, _)| name).collect();
        assert_eq!(measures, kept);
        let period = Period::new(DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC).expect("a period");
        let condition = Where::all(period).sql(Table::Records);
        for table in [Table::Records, Table::Cube(Cube::Full(Level::Hour))] {
            let sql = rows("x", table, Cube::Full(Level::Hour), &condition);
            for (_, column) in MEASURES {
                assert!(sql.contains(&format!(" AS {column}")), "{column}: {sql}");
            }
        }
    }
}
