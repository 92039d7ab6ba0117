//! The levels at which usage is summed up.

use std::fmt;

use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};
use domain::Period;

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

    /// The partition of this cube around `moment`: its id and what it spans, a month for hours and days, a year for
    /// months and years. `None` at the end of time.
    pub fn partition_at(self, moment: DateTime<Utc>) -> Option<(String, Period)> {
        let first = |year, month| Utc.with_ymd_and_hms(year, month, 1, 0, 0, 0).single();
        let (year, month) = (moment.year(), moment.month());
        let (id, from, to) = match self {
            Self::Hour | Self::Day => {
                let next = if month == 12 {
                    first(year + 1, 1)
                } else {
                    first(year, month + 1)
                };
                (format!("{year:04}{month:02}"), first(year, month)?, next?)
            }
            Self::Month | Self::Year => {
                (format!("{year:04}"), first(year, 1)?, first(year + 1, 1)?)
            }
        };
        Some((id, Period::new(from, to).ok()?))
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
