//! The two families of tables: usage records with their cubes, and the log of sessions with its own.
//!
//! What differs between them is data: names, keys, what is summed up, how long a partition is. What is done with them, settling, comparing and
//! correcting, is written once.

use chrono::{DateTime, Utc};
use domain::{tenant::Settings, usage::Source};

use crate::cube::{Cube, Level};

/// A table of records, and the cubes that it feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Usage records.
    Cdr,
    /// Rollups of sessions.
    Session,
}

/// What is summed up, as answers name it and as rows of any table of the family are read for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    /// Name of the cubes' column.
    pub(crate) name: &'static str,
    /// Its short name in statements over any table.
    pub(crate) column: &'static str,
    /// What a row of the records adds.
    pub(crate) of_record: &'static str,
    /// What a row of a cube adds.
    pub(crate) of_cube: &'static str,
}

const RECORDS: Measure = Measure {
    name: "records",
    column: "count",
    of_record: "toInt64(sign)",
    of_cube: "toInt64(records)",
};
const UP: Measure = Measure {
    name: "bytes_up",
    column: "up",
    of_record: "toInt128(bytes_up) * sign",
    of_cube: "toInt128(bytes_up)",
};
const DOWN: Measure = Measure {
    name: "bytes_down",
    column: "down",
    of_record: "toInt128(bytes_down) * sign",
    of_cube: "toInt128(bytes_down)",
};
const UNITS: Measure = Measure {
    name: "units",
    column: "amount",
    of_record: "toInt128(units) * sign",
    of_cube: "toInt128(units)",
};
const SESSIONS: Measure = Measure {
    name: "sessions",
    column: "begun",
    of_record: "toInt64(sessions) * sign",
    of_cube: "toInt64(sessions)",
};
const RESETS: Measure = Measure {
    name: "resets",
    column: "fell",
    of_record: "toInt64(resets) * sign",
    of_cube: "toInt64(resets)",
};

/// Every measure that a [`crate::verify::Count`] has, in its order, with the type of its column.
const ALL: [(Measure, &str); 6] = [
    (RECORDS, "Int64"),
    (UP, "Int128"),
    (DOWN, "Int128"),
    (UNITS, "Int128"),
    (SESSIONS, "Int64"),
    (RESETS, "Int64"),
];

impl From<Source> for Family {
    fn from(source: Source) -> Self {
        match source {
            Source::Cdr => Self::Cdr,
            Source::Session => Self::Session,
        }
    }
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cdr, Self::Session];

    /// From when on all of a tenant's records are there.
    pub(crate) fn whole_from(self, settings: Settings, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Cdr => settings.records.whole_from(now),
            Self::Session => settings.sessions.whole_from(now),
        }
    }

    /// Days of which all of a tenant's records are there, if the setting was never another one.
    pub(crate) fn whole_days(self, settings: Settings) -> i64 {
        match self {
            Self::Cdr => settings.records.whole_days(),
            Self::Session => settings.sessions.days().into(),
        }
    }

    /// The table of records.
    pub const fn records(self) -> &'static str {
        match self {
            Self::Cdr => "cdr",
            Self::Session => "session_log",
        }
    }

    /// The table that a cube is in.
    pub const fn cube(self, cube: Cube) -> &'static str {
        match (self, cube) {
            (Self::Cdr, cube) => cube.table(),
            (Self::Session, Cube::Full(Level::Hour)) => "session_hour",
            (Self::Session, Cube::Full(Level::Day)) => "session_day",
            (Self::Session, Cube::Full(Level::Month)) => "session_month",
            (Self::Session, Cube::Full(Level::Year)) => "session_year",
            (Self::Session, Cube::Small(_)) => "session_small",
        }
    }

    /// The column of the records that has the event time.
    pub(crate) const fn time(self) -> &'static str {
        match self {
            Self::Cdr => "start",
            Self::Session => "event_at",
        }
    }

    /// The texts that a cell is known by.
    pub(crate) const fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Cdr => &["network", "rat", "service", "source"],
            Self::Session => &["network", "rat"],
        }
    }

    /// What is summed up.
    pub(crate) const fn measures(self) -> &'static [Measure] {
        match self {
            Self::Cdr => &[RECORDS, UP, DOWN, UNITS],
            Self::Session => &[RECORDS, UP, DOWN, SESSIONS, RESETS],
        }
    }

    /// A column for each measure that a [`crate::verify::Count`] has, made of its short name; a zero for what the family does not know.
    pub(crate) fn counts(self, prefix: &str, of: impl Fn(&str) -> String) -> String {
        let columns = ALL.map(|(measure, kind)| self.column(measure, kind, prefix, &of));
        columns.join(", ")
    }

    /// The same with 128 bits for each.
    pub(crate) fn wide_counts(self, prefix: &str, of: impl Fn(&str) -> String) -> String {
        let columns = ALL.map(|(measure, _)| self.column(measure, "Int128", prefix, &of));
        columns.join(", ")
    }

    fn column(
        self,
        measure: Measure,
        kind: &str,
        prefix: &str,
        of: impl Fn(&str) -> String,
    ) -> String {
        let name = measure.name;
        let value = if self.knows(name) {
            of(measure.column)
        } else {
            format!("to{kind}(0)")
        };
        format!("{value} AS {prefix}{name}")
    }

    /// What tells rows of the records from each other, for taking them out.
    pub(crate) const fn row_key(self) -> &'static str {
        match self {
            Self::Cdr => "(tenant, identity)",
            Self::Session => "(tenant, batch, identity, sign)",
        }
    }

    /// The rows by which records came, rather than corrections of what they count.
    pub(crate) const fn came(self) -> &'static str {
        match self {
            Self::Cdr => "sign > 0",
            Self::Session => "arrived = 1",
        }
    }

    /// The rows that the ledger has in its parts.
    pub(crate) const fn in_ledger(self) -> &'static str {
        match self {
            Self::Cdr => "sign >= 0",
            Self::Session => "true",
        }
    }

    /// What these rows come to, as the ledger adds them up: whatever their sign.
    pub(crate) fn rows_of_ledger(self) -> String {
        let columns = ALL.map(|(measure, kind)| {
            let name = measure.name;
            let value = match name {
                "records" => "toInt64(count())".to_owned(),
                "bytes_up" | "bytes_down" => format!("sum(toInt128({name}))"),
                "units" if self.knows("units") => "sum(toInt128(units))".to_owned(),
                _ => format!("to{kind}(0)"),
            };
            format!("{value} AS {name}")
        });
        columns.join(", ")
    }

    fn knows(self, name: &str) -> bool {
        self.measures().iter().any(|own| own.name == name)
    }

    /// Id of the records' partition around a moment; none at the end of time.
    pub(crate) fn partition_at(self, moment: DateTime<Utc>) -> Option<String> {
        match self {
            Self::Cdr => Some(Level::Hour.partition_at(moment)?.0),
            Self::Session => Some(moment.format("%Y%m%d").to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::usage::{Dimension, Known, State};
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn the_vocabulary_knows_what_each_family_keeps() {
        for source in Source::VARIANTS {
            let family = Family::from(*source);
            let states = State::VARIANTS.iter();
            let states = states.filter(|state| state.sources().contains(source));
            let kept: BTreeSet<_> = family.measures().iter().map(|own| own.name).collect();
            assert_eq!(
                states
                    .filter_map(|state| state.column())
                    .collect::<BTreeSet<_>>(),
                kept
            );
            let dimensions = Dimension::VARIANTS.iter().map(|one| one.entry());
            let dimensions = dimensions.filter(|entry| entry.sources.contains(source));
            let texts: BTreeSet<_> = dimensions
                .filter_map(|entry| match entry.known {
                    Known::Cells(column) => Some(column),
                    Known::Network | Known::Sim => None,
                })
                .filter(|column| !["customer", "sim", "device"].contains(column))
                .collect();
            assert_eq!(texts, family.texts().iter().copied().collect());
        }
    }

    #[test]
    fn what_a_family_does_not_know_is_nothing() {
        let columns = Family::Session.counts("x_", |column| format!("sum({column})"));
        assert_eq!(
            columns,
            "sum(count) AS x_records, sum(up) AS x_bytes_up, sum(down) AS x_bytes_down, toInt128(0) AS x_units, \
             sum(begun) AS x_sessions, sum(fell) AS x_resets"
        );
    }
}
