//! The rows of any table of usage in one form, so that two of them can be added up together.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use domain::{
    Period,
    id::{SimId, TenantId},
    tenant::{Retention, Retentions, SessionRetention},
};

use super::Table;
use crate::{
    cube::{Cube, Level, moment},
    family::Family,
};

/// Every text that a [`super::Key`] has, in its order.
const ALL_TEXTS: [&str; 4] = ["network", "rat", "service", "source"];
/// Stands for a SIM or a device that is not known.
const NOBODY: &str = "toUUID('00000000-0000-0000-0000-000000000000')";
/// The receipt of the newest record.
const RECEIPT: &str = ", CAST(received_at, 'DateTime64(3, \\'UTC\\')') AS receipt";

/// How long records of a family are kept, and so what of them can be proved.
pub trait Keeps: Copy + Default {
    /// Which records.
    const FAMILY: Family;

    /// From when on all of them are there.
    fn whole_from(self, now: DateTime<Utc>) -> DateTime<Utc>;
}

impl Keeps for Retention {
    const FAMILY: Family = Family::Cdr;

    fn whole_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.whole_days_from(now)
    }
}

impl Keeps for SessionRetention {
    const FAMILY: Family = Family::Session;

    fn whole_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.whole_hours_from(now)
    }
}

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
    pub(super) kept: Option<&'a Kept>,
}

/// From when on records are all there, of every tenant.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    own: Vec<(TenantId, DateTime<Utc>)>,
    others: DateTime<Utc>,
}

impl Kept {
    pub(super) fn new<R: Keeps>(retentions: &Retentions<R>, now: DateTime<Utc>) -> Self {
        let own = retentions.own();
        Self {
            own: (own.map(|(tenant, own)| (tenant, own.whole_from(now)))).collect(),
            others: R::default().whole_from(now),
        }
    }

    /// From when on those of some tenant are all there, and from when on those of every tenant.
    pub(super) fn bounds(&self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let all = self.own.iter().map(|(_, from)| *from).chain([self.others]);
        all.fold((now, DateTime::UNIX_EPOCH), |(first, last), from| {
            (first.min(from), last.max(from))
        })
    }

    /// The condition on rows of a tenant.
    pub(super) fn sql_of(&self, tenant: TenantId, time: &str) -> String {
        let own = self.own.iter().find(|(of, _)| *of == tenant);
        let from = own.map_or(self.others, |(_, from)| *from);
        format!("{time} >= {}", literal(time, from))
    }

    /// The condition on a table whose time is this column.
    pub(super) fn sql(&self, time: &str) -> String {
        let from = |from: DateTime<Utc>| format!("{time} >= {}", literal(time, from));
        let (mut own, mut names) = (String::new(), Vec::new());
        for (tenant, whole_from) in &self.own {
            let name = format!("'{}'", tenant.uuid());
            write!(own, " OR tenant = {name} AND {}", from(*whole_from)).ok();
            names.push(name);
        }
        let mut others = from(self.others);
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
    pub(super) fn sql(&self, family: Family, table: Table) -> String {
        let time = table.time(family);
        let mut sql = format!("{} AND {}", table.own(), within(time, self.period));
        if let Some(tenant) = self.tenant {
            write!(sql, " AND tenant = '{}'", tenant.uuid()).ok();
        }
        if let Some(sims) = self.sims {
            write!(sql, " AND sim IN ({sims})").ok();
        }
        if let Some(kept) = self.kept {
            write!(sql, " AND {}", kept.sql(time)).ok();
        }
        sql
    }
}

/// The SIMs as a subquery. One text that is taken apart: as many literals would take the parser seconds.
pub(crate) fn listed(sims: &[SimId]) -> String {
    let sims: Vec<String> = sims.iter().map(|sim| sim.uuid().to_string()).collect();
    format!(
        "SELECT toUUID(arrayJoin(splitByChar(',', '{}')))",
        sims.join(",")
    )
}

/// What makes a cell besides tenant and period, in the form of [`rows`].
pub(super) fn key(family: Family) -> String {
    format!("customer, sim, device, {}", texts(family))
}

/// Those of its columns that are texts.
pub(super) fn texts(family: Family) -> String {
    family.texts().join(", ")
}

/// The same with texts that any client can read, and empty ones for those that the family does not know.
pub(super) fn plain_key(family: Family) -> String {
    let texts = ALL_TEXTS.map(|name| {
        if family.texts().contains(&name) {
            format!("CAST({name}, 'String') AS {name}")
        } else {
            format!("'' AS {name}")
        }
    });
    format!("customer, sim, device, {}", texts.join(", "))
}

/// Something for each measure of a family, by its short name.
pub(super) fn each(family: Family, separator: &str, of: impl Fn(&str) -> String) -> String {
    let each: Vec<String> = family.measures().iter().map(|it| of(it.column)).collect();
    each.join(separator)
}

/// Rows of a table (`name` is where it is read) as `cube`, which is summed up from it, would hold them, one per row: tenant,
/// cell (start of the period, Unix seconds), key, and the measures by their short names with their sign. What the
/// cube does not know is nobody's. Years come with `receipt` as well, which months do not know.
pub(super) fn rows(
    name: &str,
    family: Family,
    table: Table,
    cube: Cube,
    condition: &str,
) -> String {
    let measures: Vec<String> = (family.measures().iter())
        .map(|it| match table {
            Table::Records => format!("{} AS {}", it.of_record, it.column),
            Table::Cube(_) => format!("{} AS {}", it.of_cube, it.column),
        })
        .collect();
    let measures = measures.join(", ");
    let key = match cube {
        Cube::Full(_) => key(family),
        Cube::Small(_) => {
            let texts = texts(family);
            format!("customer, {NOBODY} AS sim, {NOBODY} AS device, {texts}")
        }
    };
    let receipt = match (cube.level(), table) {
        (Level::Year, Table::Records) => RECEIPT,
        (Level::Year, Table::Cube(of)) if of.level() == Level::Year => RECEIPT,
        (Level::Year, _) => ", toDateTime64(0, 3, 'UTC') AS receipt",
        _ => "",
    };
    format!(
        "SELECT tenant, toUnixTimestamp({}) AS cell, {key}, {measures}{receipt} FROM {name} WHERE {condition}",
        cube.level().start_of(table.time(family))
    )
}

/// Both in one, with `side` 1 for what is right and -1 for what is held against it.
pub(super) fn sides(right: &str, other: &str) -> String {
    format!(
        "SELECT *, toInt8(1) AS side FROM ({right}) UNION ALL SELECT *, toInt8(-1) AS side FROM ({other})"
    )
}

/// The hash of a row's whole key as a number of 128 bits, so that its product with a measure does not wrap.
pub(super) fn hash(family: Family, salt: u64) -> String {
    let key = key(family);
    format!("toInt128(cityHash64(toUInt64({salt}), tenant, cell, {key}))")
}

/// Whether the two sides of a cell differ in any measure.
pub(super) fn uneven(family: Family) -> String {
    each(family, " OR ", |column| {
        format!("sum({column} * side) <> 0")
    })
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

    use domain::usage::{Dimension, Kind, Known, Source, State};
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

    fn listed(columns: &str) -> BTreeSet<&str> {
        columns.split(", ").collect()
    }

    /// A dimension that cells keep and that is missing here would be compared and repaired without.
    #[test]
    fn the_key_is_every_dimension_that_cells_keep() {
        let (key, texts) = (key(Family::Cdr), texts(Family::Cdr));
        assert_eq!(listed(&key), cells(|_| true));
        let is_text = |dimension: Dimension| dimension.entry().kind == Kind::Text;
        assert_eq!(listed(&texts), cells(is_text));
        let small = Cube::Small(Level::Hour);
        let of_small: BTreeSet<&str> = listed(&texts).into_iter().chain(["customer"]).collect();
        assert_eq!(of_small, cells(|dimension| small.knows(dimension)));
        let plain = |column| {
            if listed(&texts).contains(column) {
                format!("CAST({column}, 'String') AS {column}")
            } else {
                String::from(column)
            }
        };
        let plain: Vec<String> = key.split(", ").map(plain).collect();
        assert_eq!(plain_key(Family::Cdr), plain.join(", "));
        let missing: Vec<_> = cells(|_| true)
            .difference(&listed(cdr::COLUMNS))
            .copied()
            .collect();
        assert!(missing.is_empty(), "not in records: {missing:?}");
    }

    #[test]
    fn the_measures_are_every_state_that_cells_keep() {
        let states = State::VARIANTS.iter();
        let states = states.filter(|state| state.sources().contains(&Source::Cdr));
        let kept: BTreeSet<&str> = states.filter_map(|state| state.column()).collect();
        let measures = Family::Cdr.measures();
        let names: BTreeSet<&str> = measures.iter().map(|measure| measure.name).collect();
        assert_eq!(names, kept);
        let period = Period::new(DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC).expect("a period");
        let condition = Where::all(period).sql(Family::Cdr, Table::Records);
        for table in [Table::Records, Table::Cube(Cube::Full(Level::Hour))] {
            let cube = Cube::Full(Level::Hour);
            let sql = rows("x", Family::Cdr, table, cube, &condition);
            for column in measures.iter().map(|measure| measure.column) {
                assert!(sql.contains(&format!(" AS {column}")), "{column}: {sql}");
            }
        }
    }
}
