//! The tables of usage as they are, or as they were at one moment.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeZone as _, Utc};
use clickhouse::Row;
use domain::{Error, Period, Result};
use serde::Deserialize;
use uuid::Uuid;

use super::Table;
use crate::{Store, System, cube::Level, family::Family, session::live::Live, store::fault};

/// What the names of clones begin with.
pub(super) const CLONE: &str = "verify_";

/// Empty clones, ready to be filled.
#[must_use]
pub struct Clones {
    tables: Tables,
}

/// Where the tables are read.
#[derive(Clone)]
pub struct Tables {
    pub(super) store: Store,
    prefix: String,
    pub(super) family: Family,
}

#[derive(Row, Deserialize)]
struct Shape {
    engine: String,
    partition: String,
    sorting_key: String,
}

#[derive(Row, Deserialize)]
struct PartitionId {
    partition_id: String,
}

#[derive(Row, Deserialize)]
struct Name {
    name: String,
}

impl Store {
    /// The tables as they are at each statement; those of usage records, and others by [`Tables::of`].
    pub fn tables(&self, _: &System) -> Tables {
        Tables {
            store: self.clone(),
            prefix: String::new(),
            family: Family::Cdr,
        }
    }

    /// Makes empty clones under a name of their own, and drops those that an ended process left behind: the caller sees to
    /// it that only one verifies at a time. A clone has no time to live and is never merged.
    ///
    /// They are local tables: on a replicated installation they hold what the replica that was asked has.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine; the next call removes what was made.
    pub async fn clones(&self, _: &System, run: Uuid) -> Result<Clones> {
        self.drop_clones().await?;
        let tables = Tables {
            store: self.clone(),
            prefix: format!("{CLONE}{}_", run.simple()),
            family: Family::Cdr,
        };
        for table in stored() {
            let shape: Shape = self
                .query(&format!(
                    "SELECT replaceOne(engine, 'Replicated', '') AS engine, \
                     if(partition_key = '', '', concat('PARTITION BY ', partition_key)) AS partition, sorting_key \
                     FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
                ))
                .fetch_one()
                .await
                .map_err(fault)?;
            let clone = tables.stored(table);
            self.execute(&format!(
                "CREATE TABLE {clone} AS {table} ENGINE = {} {} ORDER BY ({})",
                shape.engine, shape.partition, shape.sorting_key
            ))
            .await?;
            self.execute(&format!("SYSTEM STOP MERGES {clone}")).await?;
        }
        Ok(Clones { tables })
    }

    async fn drop_clones(&self) -> Result<()> {
        let sql = format!(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '{CLONE}')"
        );
        let left: Vec<Name> = self.query(&sql).fetch_all().await.map_err(fault)?;
        for Name { name } in left {
            self.execute(&format!("DROP TABLE IF EXISTS {name} SYNC"))
                .await?;
        }
        Ok(())
    }
}

impl Clones {
    /// Fills the clones by hard links, which takes milliseconds and fires no view. While it runs the caller holds every
    /// insert back (the exclusive apply lock), so that all show one moment.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn fill(self) -> Result<Tables> {
        for table in stored() {
            let clone = self.tables.stored(table);
            let sql = format!("ALTER TABLE {clone} ATTACH PARTITION ALL FROM {table}");
            self.tables.store.execute(&sql).await?;
        }
        Ok(self.tables)
    }
}

impl Tables {
    /// The tables of a family, at the same moment.
    #[must_use]
    pub fn of(&self, family: Family) -> Self {
        Self {
            family,
            ..self.clone()
        }
    }

    /// Drops the clones; the tables themselves stay.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine; the next verification removes them.
    pub async fn thaw(self) -> Result<()> {
        if self.prefix.is_empty() {
            return Ok(());
        }
        for table in stored() {
            let sql = format!("DROP TABLE IF EXISTS {} SYNC", self.stored(table));
            self.store.execute(&sql).await?;
        }
        Ok(())
    }

    /// Where records or a cube are read.
    pub(super) fn name(&self, table: Table) -> String {
        self.stored(table.name(self.family))
    }

    /// Where a table is read.
    pub(super) fn stored(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The first moments of all months that any table may have usage of.
    ///
    /// # Errors
    /// `INTERNAL` for a partition that is none of ours.
    pub async fn months(&self, _: &System) -> Result<BTreeSet<DateTime<Utc>>> {
        let names: Vec<String> = of(self.family)
            .map(|table| format!("'{}'", self.stored(table)))
            .collect();
        let sql = format!(
            "SELECT DISTINCT partition_id FROM system.parts \
             WHERE database = currentDatabase() AND active AND table IN ({})",
            names.join(", ")
        );
        let ids: Vec<PartitionId> = self.store.query(&sql).fetch_all().await.map_err(fault)?;
        let mut months = BTreeSet::new();
        for PartitionId { partition_id } in ids {
            months.extend(
                months_of(&partition_id)
                    .ok_or_else(|| Error::internal(format!("the partition {partition_id}")))?,
            );
        }
        Ok(months)
    }
}

/// The tables in which records and cubes of any family are, and those that are made of the log, each once.
fn stored() -> BTreeSet<&'static str> {
    let live = Live::ALL.map(|live| live.table);
    Family::ALL.into_iter().flat_map(of).chain(live).collect()
}

/// Those of one.
fn of(family: Family) -> impl Iterator<Item = &'static str> {
    let names = Table::ALL.map(|table| table.name(family));
    BTreeSet::from(names).into_iter()
}

/// The months of a partition, `2026`, `202611` or `20261124`.
fn months_of(partition: &str) -> Option<Vec<DateTime<Utc>>> {
    let year = partition.get(..4)?.parse().ok()?;
    let months = match partition.get(4..)? {
        "" => 1..=12,
        rest => {
            let month = rest.get(..2)?.parse().ok()?;
            month..=month
        }
    };
    months
        .map(|month| Utc.with_ymd_and_hms(year, month, 1, 0, 0, 0).single())
        .collect()
}

/// The month or year around a moment.
pub(super) fn around(level: Level, moment: DateTime<Utc>) -> Result<Period> {
    let (_, period) = level
        .partition_at(moment)
        .ok_or_else(|| Error::internal("no cube holds that time"))?;
    Ok(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_of_a_year_a_month_or_a_day_tells_its_months() {
        let months = |id| months_of(id).map(|months| months.len());
        assert_eq!(months("2026"), Some(12));
        assert_eq!(months("202611"), Some(1));
        assert_eq!(months("20261124"), months("202611"));
        assert_eq!(months_of("20261124"), months_of("202611"));
        for none in ["", "26", "20261", "202613", "all"] {
            assert_eq!(months(none), None, "{none}");
        }
    }
}
