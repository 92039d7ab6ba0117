//! The levels at which usage is summed up.

use std::fmt;

use chrono::{DateTime, Datelike, Timelike, Utc};

/// A cube: one table per width of its period. From fine to coarse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `usage_hour`
    Hour,
    /// `usage_day`
    Day,
    /// `usage_month`
    Month,
    /// `usage_year`
    Year,
}

impl Level {
    /// Every level, from fine to coarse.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Month, Self::Year];

    /// Name of the table.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Hour => "usage_hour",
            Self::Day => "usage_day",
            Self::Month => "usage_month",
            Self::Year => "usage_year",
        }
    }

    /// Whether a period of this level begins at `moment`.
    pub fn begins_at(self, moment: DateTime<Utc>) -> bool {
        let hour = moment.minute() == 0 && moment.second() == 0 && moment.nanosecond() == 0;
        let day = hour && moment.hour() == 0;
        match self {
            Self::Hour => hour,
            Self::Day => day,
            Self::Month => day && moment.day() == 1,
            Self::Year => day && moment.ordinal() == 1,
        }
    }

    /// Start of the period around the column `moment`, as the views compute it.
    pub(crate) fn start_of(self, moment: &str) -> String {
        match self {
            Self::Hour => format!("toStartOfHour({moment})"),
            Self::Day => format!("toStartOfDay({moment})"),
            Self::Month => format!("toDateTime(toStartOfMonth({moment}), 'UTC')"),
            Self::Year => format!("toDateTime(toStartOfYear({moment}), 'UTC')"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table())
    }
}
