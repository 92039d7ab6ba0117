//! Words of time: widths of buckets, parts of dates, periods that move with the clock.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, VariantArray};

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
    /// Width of a time bucket, in the question's time zone.
    Grain {
        /// One hour.
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
        /// 24 hours; the running one is the last.
        #[default]
        #[strum(serialize = "LAST_24_HOURS")]
        #[serde(rename = "LAST_24_HOURS")]
        Last24Hours,
        /// 7 days; today is the last.
        #[strum(serialize = "LAST_7_DAYS")]
        #[serde(rename = "LAST_7_DAYS")]
        Last7Days,
        /// 30 days; today is the last.
        #[strum(serialize = "LAST_30_DAYS")]
        #[serde(rename = "LAST_30_DAYS")]
        Last30Days,
        /// The running calendar month, whole.
        ThisMonth,
        /// The calendar month before it.
        LastMonth,
        /// The running quarter, whole.
        ThisQuarter,
        /// The quarter before it.
        LastQuarter,
        /// The running calendar year, whole.
        ThisYear,
        /// The calendar year before it.
        LastYear,
    }

    /// What becomes of bounds that no table has.
    Alignment {
        /// They are meant as they are: what no table answers exactly is refused.
        #[default]
        Exact,
        /// The period grows to whole buckets, or to whole hours when nothing is grouped by time.
        Outward,
    }

    /// What is shown beside a period.
    Comparison {
        /// The period before, of the same length: whole months are compared with as many months, whole days with as many days of
        /// the calendar, anything else with as many hours.
        #[default]
        PreviousPeriod,
        /// The same dates a year before; 29 February has no partner.
        PreviousYear,
    }

    /// Whether buckets without usage are rows.
    Fill {
        /// They are not.
        #[default]
        None,
        /// They are, with zeros, up to the watermark, for every key that occurs.
        Zero,
        /// They are, without values, up to the watermark, for every key that occurs.
        Null,
    }

    /// Whose usage it is.
    Attribution {
        /// Of the customer and the device at the time of use.
        #[default]
        AtEvent,
        /// Of the customer and the device that the SIM has now.
        Current,
    }
}
