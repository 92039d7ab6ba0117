//! The rows of any table of usage in one form, so that two of them can be added up together.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use domain::{
    Period,
    id::{SimId, TenantId},
};

use super::Table;
use crate::cube::Level;

/// What makes a cell besides tenant and period.
pub(super) const KEY: &str = "customer, sim, device, network, rat, service, source";
/// The same with texts that any client can read.
pub(super) const PLAIN_KEY: &str = "customer, sim, device, CAST(network, 'String') AS network, CAST(rat, 'String') AS rat, \
                                    CAST(service, 'String') AS service, CAST(source, 'String') AS source";

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
}

impl Where<'_> {
    /// The condition on a table.
    pub(super) fn sql(&self, table: Table) -> String {
        let mut sql = within(table.time(), self.period);
        if let Some(tenant) = self.tenant {
            write!(sql, " AND tenant = '{}'", tenant.uuid()).ok();
        }
        if let Some(sims) = self.sims {
            write!(sql, " AND sim IN ({sims})").ok();
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

/// Rows of a table (`name` is where it is read) as the coarser `level` would hold them, one per row: tenant, cell (start of
/// the period, Unix seconds), key, and the measures `count`, `up`, `down`, `amount` with their sign. Years come with
/// `receipt` as well, which only records and years know.
pub(super) fn rows(name: &str, table: Table, level: Level, condition: &str) -> String {
    let measures = match table {
        Table::Records => {
            "toInt64(sign) AS count, toInt128(bytes_up) * sign AS up, toInt128(bytes_down) * sign AS down, \
             toInt128(units) * sign AS amount"
        }
        Table::Cube(_) => {
            "toInt64(records) AS count, toInt128(bytes_up) AS up, toInt128(bytes_down) AS down, toInt128(units) AS amount"
        }
    };
    let receipt = match (level, table) {
        (Level::Year, Table::Records | Table::Cube(Level::Year)) => {
            ", CAST(received_at, 'DateTime64(3, \\'UTC\\')') AS receipt"
        }
        (Level::Year, _) => ", toDateTime64(0, 3, 'UTC') AS receipt",
        _ => "",
    };
    format!(
        "SELECT tenant, toUnixTimestamp({}) AS cell, {KEY}, {measures}{receipt} FROM {name} WHERE {condition}",
        level.start_of(table.time())
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
        literal(period.from()),
        literal(period.to())
    )
}

fn literal(moment: DateTime<Utc>) -> String {
    let seconds = moment.timestamp().clamp(0, u32::MAX.into());
    format!("toDateTime({seconds}, 'UTC')")
}
