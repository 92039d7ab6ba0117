//! Words of a question: what it is answered from, widths of buckets, parts of dates, periods that move with the clock.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, VariantArray};

use crate::Area;

macro_rules! words {
    ($($(#[$doc:meta])+ $name:ident { $($(#[$word_doc:meta])+ $word:ident),+ $(,)? })+) => {
        $(
        $(#[$doc])+
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, AsRefStr, EnumMessage, VariantArray, Serialize,
            Deserialize,
        )]
        #[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name {
            $($(#[$word_doc])+ $word,)+
        }
        )+
    };
}

impl Source {
    /// The area that must be open to whoever asks, besides usage.
    pub const fn area(self) -> Option<Area> {
        match self {
            Self::Cdr => None,
            Self::Session => Some(Area::Sessions),
        }
    }
}

impl Grain {
    /// Hours of the shortest bucket, where a clock was put forward.
    pub const fn shortest_hours(self) -> u64 {
        match self {
            Self::Hour => 1,
            Self::Day => 23,
            Self::Week => 7 * 24 - 1,
            Self::Month => 28 * 24 - 1,
            Self::Quarter => 90 * 24 - 1,
            Self::Year => 365 * 24 - 1,
        }
    }
}

impl TimePart {
    /// How many values it has.
    pub const fn count(self) -> u64 {
        match self {
            Self::HourOfDay => 24,
            Self::DayOfWeek => 7,
            Self::DayOfMonth => 31,
            Self::MonthOfYear => 12,
        }
    }
}

impl Preset {
    /// Days that it has at most.
    pub const fn longest_days(self) -> u64 {
        match self {
            Self::Last24Hours => 1,
            Self::Last7Days => 7,
            Self::Last30Days => 30,
            Self::ThisMonth | Self::LastMonth => 31,
            Self::ThisQuarter | Self::LastQuarter => 92,
            Self::ThisYear | Self::LastYear => 366,
        }
    }
}

words! {
    /// What usage is counted from. Both say what SIMs used, each by a way of its own, and neither knows of the other.
    Source {
        /// Usage records, by which is billed: the record's volume counts in full at the time when its usage began.
        #[default]
        Cdr,
        /// Rollups of sessions, which say what goes on: what a session used since the rollup before counts at the time of each rollup.
        /// What sessions do not tell is `INVALID_INPUT`: `cubeCatalog` lists the sources of each measure and dimension. `FORBIDDEN` when
        /// sessions are closed to the caller.
        Session,
    }

    /// Width of a time bucket, in the question's time zone.
    Grain {
        /// One hour of the clock.
        #[default]
        Hour,
        /// One calendar day. It has 23 or 25 hours when summer time begins or ends.
        Day,
        /// One ISO 8601 week, Monday to Sunday.
        Week,
        /// One calendar month.
        Month,
        /// Three calendar months, from January, April, July or October.
        Quarter,
        /// One calendar year.
        Year,
    }

    /// A part of a date or of the time of day, in the question's time zone.
    TimePart {
        /// Hour of the day, 0 to 23.
        #[default]
        HourOfDay,
        /// Day of the week, 1 is Monday and 7 Sunday (ISO 8601).
        DayOfWeek,
        /// Day of the month, 1 to 31.
        DayOfMonth,
        /// Month of the year, 1 to 12.
        MonthOfYear,
    }

    /// A period that moves with the clock, in the question's time zone.
    Preset {
        /// 24 whole hours; the running one is the last.
        #[default]
        #[strum(serialize = "LAST_24_HOURS")]
        #[serde(rename = "LAST_24_HOURS")]
        Last24Hours,
        /// 7 calendar days; today is the last.
        #[strum(serialize = "LAST_7_DAYS")]
        #[serde(rename = "LAST_7_DAYS")]
        Last7Days,
        /// 30 calendar days; today is the last.
        #[strum(serialize = "LAST_30_DAYS")]
        #[serde(rename = "LAST_30_DAYS")]
        Last30Days,
        /// The running calendar month, to its end.
        ThisMonth,
        /// The calendar month before the running one.
        LastMonth,
        /// The running calendar quarter, to its end.
        ThisQuarter,
        /// The calendar quarter before the running one.
        LastQuarter,
        /// The running calendar year, to its end.
        ThisYear,
        /// The calendar year before the running one.
        LastYear,
    }

    /// How the bounds of a period are taken.
    Alignment {
        /// As they are given, in whole seconds. Refused with `NOT_EXACT` where that cannot be answered exactly: bounds within
        /// an hour of UTC, also those of time buckets, need the records of that hour; `cubeCatalog` says for how many days these are kept. `from` and `to` of the error are the period that
        /// would do.
        #[default]
        Exact,
        /// The period is widened to whole buckets of the narrowest group of time, or to whole hours of UTC when nothing is grouped by
        /// time. `Usage.period` says what it became.
        Outward,
    }

    /// Which earlier period is shown beside the one that is asked about. A preset that is still running is compared as far as it has
    /// run, to the end of the running hour.
    Comparison {
        /// The one just before, of the same length: as many calendar months if the period is whole months, as many calendar days if it
        /// begins and ends at midnight, else exactly as much time.
        #[default]
        PreviousPeriod,
        /// The same dates and times of day one year earlier. 29 February has no counterpart: its usage counts in `previousTotals` only.
        PreviousYear,
    }

    /// Whether time buckets without usage get a row: up to `Provenance.watermark`, for every combination of other keys that has usage
    /// in the period. It does nothing unless rows are grouped by time or by a part of it.
    Fill {
        /// They get none.
        #[default]
        None,
        /// They get a row of zeros, in which averages are null.
        Zero,
        /// They get a row in which all values are null.
        Null,
    }

    /// Which customer and device usage belongs to: in groups, in filters, and where it is asked of a customer or device.
    Attribution {
        /// Those that the SIM had at the time of use.
        #[default]
        AtEvent,
        /// Those that the SIM has now. It shows nothing that the caller may not see with `AT_EVENT`, and is `FORBIDDEN` when SIMs are
        /// closed to the caller.
        Current,
    }
}
