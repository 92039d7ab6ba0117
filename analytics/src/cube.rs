//! The cubes: what usage is summed up by.

use std::fmt;

use chrono::{DateTime, Datelike, DurationRound as _, TimeDelta, TimeZone, Timelike, Utc};
use domain::{
    Error, Period, Result,
    tenant::Settings,
    usage::{Dimension, Known},
};

use crate::family::Family;

/// A cube, by the width of its periods. Cells of a full one are known by every dimension, those of a small one by all but
/// SIM and device, so that it stays small however large the fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cube {
    /// A table for each level.
    Full(Level),
    /// All levels in `usage_small`: one insert writes one part, not four.
    Small(Level),
}

impl Cube {
    /// Every cube. What a cube is summed up from comes before it.
    pub const ALL: [Self; 8] = [
        Self::Full(Level::Hour),
        Self::Full(Level::Day),
        Self::Full(Level::Month),
        Self::Full(Level::Year),
        Self::Small(Level::Hour),
        Self::Small(Level::Day),
        Self::Small(Level::Month),
        Self::Small(Level::Year),
    ];

    /// Width of its periods.
    pub const fn level(self) -> Level {
        match self {
            Self::Full(level) | Self::Small(level) => level,
        }
    }

    /// Name of the table that it is in.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Full(Level::Hour) => "usage_hour",
            Self::Full(Level::Day) => "usage_day",
            Self::Full(Level::Month) => "usage_month",
            Self::Full(Level::Year) => "usage_year",
            Self::Small(_) => "usage_small",
        }
    }

    /// Whether its cells are known by this dimension, or by what tells it.
    pub const fn knows(self, dimension: Dimension) -> bool {
        match (self, dimension.entry().known) {
            (Self::Full(_), _) | (Self::Small(_), Known::Network) => true,
            (Self::Small(_), Known::Cells(_)) => {
                !matches!(dimension, Dimension::Sim | Dimension::Device)
            }
            (Self::Small(_), Known::Sim) => false,
        }
    }

    /// The smallest cube of a level whose cells are known by all of these.
    pub fn of(level: Level, dimensions: &[Dimension]) -> Self {
        let small = Self::Small(level);
        if dimensions.iter().all(|dimension| small.knows(*dimension)) {
            small
        } else {
            Self::Full(level)
        }
    }

    /// What picks its rows from its table, where others are in it too.
    pub(crate) const fn rows(self) -> Option<&'static str> {
        match self {
            Self::Full(_) => None,
            Self::Small(Level::Hour) => Some("grain = 'hour'"),
            Self::Small(Level::Day) => Some("grain = 'day'"),
            Self::Small(Level::Month) => Some("grain = 'month'"),
            Self::Small(Level::Year) => Some("grain = 'year'"),
        }
    }
}

/// A table that answers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Sums.
    Cube(Cube),
    /// The records themselves.
    Records,
}

impl Table {
    /// Every table, the coarsest first.
    pub fn all() -> impl Iterator<Item = Self> {
        Cube::ALL
            .into_iter()
            .rev()
            .map(Self::Cube)
            .chain([Self::Records])
    }

    /// Days for which all of what is in it is there, by the settings of a tenant; none is for ever.
    pub fn retention_days(self, family: Family, settings: Settings) -> Option<i64> {
        match self {
            Self::Cube(_) => None,
            Self::Records => Some(family.whole_days(settings)),
        }
    }

    /// What people call it: the name of its table, and of a small cube its width.
    pub fn shown(self, family: Family) -> String {
        match self {
            Self::Records => family.records().to_owned(),
            Self::Cube(cube @ Cube::Full(_)) => family.cube(cube).to_owned(),
            Self::Cube(cube @ Cube::Small(level)) => format!("{} ({level})", family.cube(cube)),
        }
    }
}

/// Widths of a cube's periods, from fine to coarse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// UTC hours.
    Hour,
    /// UTC days.
    Day,
    /// Calendar months, UTC.
    Month,
    /// Calendar years, UTC.
    Year,
}

impl Level {
    /// Every level, from fine to coarse.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Month, Self::Year];

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

    /// The partition of the full cube around `moment`: its id and what it spans, a month for hours and days, a year for
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

    /// The period of this level around `moment`; `None` at the end of time.
    pub fn period_at(self, moment: DateTime<Utc>) -> Option<Period> {
        let cut = |width: TimeDelta| moment.duration_trunc(width).ok();
        let (from, to) = match self {
            Self::Hour => {
                let from = cut(TimeDelta::hours(1))?;
                (from, from.checked_add_signed(TimeDelta::hours(1))?)
            }
            Self::Day => {
                let from = cut(TimeDelta::days(1))?;
                (from, from.checked_add_signed(TimeDelta::days(1))?)
            }
            // The finer two are partitioned by month, the coarser two by year.
            Self::Month => return Some(Self::Day.partition_at(moment)?.1),
            Self::Year => return Some(Self::Year.partition_at(moment)?.1),
        };
        Period::new(from, to).ok()
    }

    /// All periods of this level that meet `period`, as one.
    ///
    /// # Errors
    /// `INVALID_INPUT` at the end of time.
    pub fn widened(self, period: Period) -> Result<Period> {
        let at = |moment| {
            self.period_at(moment)
                .ok_or_else(|| Error::invalid("no cube holds that time"))
        };
        let last = period.to() - TimeDelta::nanoseconds(1);
        Period::new(at(period.from())?.from(), at(last)?.to())
    }

    /// The whole periods of this level that lie within `period`, as one; none when there is none.
    pub(crate) fn within(self, period: Period) -> Option<Period> {
        let around = self.period_at(period.from())?;
        let from = if around.from() == period.from() {
            around.from()
        } else {
            around.to()
        };
        let to = self.period_at(period.to())?.from();
        Period::new(from, to).ok()
    }

    /// A period in pieces of which each holds whole periods of this level: days, months or years.
    pub(crate) fn steps(self, period: Period) -> Vec<Period> {
        let step = self.max(Self::Day);
        let mut steps = Vec::new();
        let mut from = period.from();
        while let Some(end) = step
            .period_at(from)
            .map(|piece| piece.to().min(period.to()))
            && let Ok(piece) = Period::new(from, end)
        {
            steps.push(piece);
            from = end;
        }
        steps
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

/// A moment of whole seconds as a column of time is compared with it. Event times of records have milliseconds, and their bounds need them, too:
/// when the engine chooses what to read, it takes "before" a moment in seconds for "up to the second before", and passes over a part
/// whose first record lies between the two.
pub(crate) fn moment(column: &str, seconds: impl fmt::Display) -> String {
    match column {
        "start" | "event_at" => format!("toDateTime64({seconds}, 3, 'UTC')"),
        _ => format!("toDateTime({seconds}, 'UTC')"),
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(from: &str, to: &str) -> Period {
        let at = |text: &str| text.parse().expect("a time");
        Period::new(at(from), at(to)).expect("a period")
    }

    #[test]
    fn a_period_is_widened_to_whole_ones_and_cut_into_pieces_without_a_gap() {
        let asked = period("2025-12-31T22:30:00Z", "2026-02-01T00:00:00Z");
        let wide = |level: Level| level.widened(asked).expect("in range");
        assert_eq!(
            wide(Level::Hour),
            period("2025-12-31T22:00:00Z", "2026-02-01T00:00:00Z")
        );
        assert_eq!(
            wide(Level::Month),
            period("2025-12-01T00:00:00Z", "2026-02-01T00:00:00Z")
        );
        assert_eq!(
            wide(Level::Year),
            period("2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
        );
        for (level, pieces) in Level::ALL.into_iter().zip([32, 32, 2, 2]) {
            let steps = level.steps(wide(level));
            assert_eq!(steps.len(), pieces, "{level}");
            assert!(steps.windows(2).all(|pair| pair[0].to() == pair[1].from()));
            assert_eq!(steps[0].from(), wide(level).from());
            assert_eq!(steps[pieces - 1].to(), wide(level).to());
        }
    }
}
