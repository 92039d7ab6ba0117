//! Time zones: where days, months and years begin.
//!
//! Bounds come from the IANA time zone data that is built into the program, so that Postgres, ClickHouse and the machine need not
//! agree about it. A day may have 23 or 25 hours, and a day that a zone skipped has none.

use std::{fmt, str::FromStr};

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone,
    Timelike, Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Error, Period, Result,
    usage::{Grain, Preset, TimePart},
};

/// A wall clock that does not exist is looked for in steps of this; zones have been set forward by multiples of it since 1972.
const STEP: TimeDelta = TimeDelta::minutes(15);
/// Longest time that a zone has skipped at once: a day, when it crossed the date line.
const STEPS: i32 = 2 * 24 * 4;

/// A time zone of the IANA data.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// Name in the IANA data.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What a clock on the wall shows.
    pub fn local(self, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&self.0).naive_local()
    }

    /// The moment at which a clock on the wall shows this: the first of two, and the first one after it where there is none. `None` at
    /// the end of time.
    pub fn moment(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        (0..=STEPS).find_map(|step| {
            let local = local.checked_add_signed(STEP * step)?;
            let moment = self.0.from_local_datetime(&local).earliest()?;
            Some(moment.with_timezone(&Utc))
        })
    }

    /// First moment of a day.
    pub fn midnight(self, date: NaiveDate) -> Option<DateTime<Utc>> {
        self.moment(date.and_time(chrono::NaiveTime::MIN))
    }

    /// The month that begins with this day; `None` for another day and at the end of time.
    pub fn month(self, first: NaiveDate) -> Option<Period> {
        let next = Grain::Month.next_day(first)?;
        let (from, to) = (self.midnight(first)?, self.midnight(next)?);
        Period::new(from, to).ok().filter(|_| first.day() == 1)
    }

    /// First day of the month that a moment is in.
    pub fn first_of_month(self, moment: DateTime<Utc>) -> Option<NaiveDate> {
        Grain::Month.first_day(self.day(moment)?)
    }

    /// Whether a day begins at this moment.
    pub fn is_midnight(self, moment: DateTime<Utc>) -> bool {
        self.midnight(self.local(moment).date()) == Some(moment)
    }

    /// The bucket around a moment; `None` at the end of time.
    pub fn bucket(self, grain: Grain, moment: DateTime<Utc>) -> Option<Period> {
        let (from, to) = if grain == Grain::Hour {
            self.hour(moment)?
        } else {
            let first = grain.first_day(self.day(moment)?)?;
            (
                self.midnight(first)?,
                self.midnight(grain.next_day(first)?)?,
            )
        };
        Period::new(from, to).ok()
    }

    /// The day that a moment is in. Once a day has begun it goes on, even if the clock is set back past midnight then.
    fn day(self, moment: DateTime<Utc>) -> Option<NaiveDate> {
        let date = self.local(moment).date();
        let next = date.succ_opt()?;
        let has_begun = self.midnight(next)? <= moment;
        Some(if has_begun { next } else { date })
    }

    /// The hour of the wall clock around a moment. It ends early where the clock is set in the middle of an hour.
    fn hour(self, moment: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let local = self.local(moment);
        let past = TimeDelta::seconds((local.minute() * 60 + local.second()).into())
            + TimeDelta::nanoseconds(local.nanosecond().into());
        let mut from = moment.checked_sub_signed(past)?;
        // The clock was set since this hour began.
        if self.offset(from) != self.offset(moment) {
            from = self.change_between(from, moment);
        }
        let rest = self.local(from).minute() * 60 + self.local(from).second();
        let hour = TimeDelta::hours(1) - TimeDelta::seconds(rest.into());
        let mut to = from.checked_add_signed(hour)?;
        // The clock is set before this hour is over.
        let last = to - TimeDelta::seconds(1);
        if self.offset(last) != self.offset(from) {
            to = self.change_between(from, last);
        }
        Some((from, to))
    }

    /// The second at which the clock was set, between two moments with different offsets.
    fn change_between(self, mut before: DateTime<Utc>, mut after: DateTime<Utc>) -> DateTime<Utc> {
        let offset = self.offset(after);
        while after - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            if self.offset(middle) == offset {
                after = middle;
            } else {
                before = middle;
            }
        }
        after
    }

    fn offset(self, moment: DateTime<Utc>) -> i32 {
        self.0
            .offset_from_utc_datetime(&moment.naive_utc())
            .fix()
            .local_minus_utc()
    }

    /// The hour that a clock on the wall shows, or a part of the date of the day.
    pub fn part(self, part: TimePart, moment: DateTime<Utc>) -> u32 {
        let local = self.local(moment);
        let day = || self.day(moment).unwrap_or(local.date());
        match part {
            TimePart::HourOfDay => local.hour(),
            TimePart::DayOfWeek => day().weekday().number_from_monday(),
            TimePart::DayOfMonth => day().day(),
            TimePart::MonthOfYear => day().month(),
        }
    }

    /// What a preset means at this moment.
    ///
    /// # Errors
    /// `INVALID_INPUT` at the end of time.
    pub fn preset(self, preset: Preset, now: DateTime<Utc>) -> Result<Period> {
        let found = match preset {
            Preset::Last24Hours => self.last_hours(now),
            Preset::Last7Days => self.last_days(7, now),
            Preset::Last30Days => self.last_days(30, now),
            Preset::ThisMonth => self.bucket(Grain::Month, now),
            Preset::LastMonth => self.bucket_before(Grain::Month, now),
            Preset::ThisQuarter => self.bucket(Grain::Quarter, now),
            Preset::LastQuarter => self.bucket_before(Grain::Quarter, now),
            Preset::ThisYear => self.bucket(Grain::Year, now),
            Preset::LastYear => self.bucket_before(Grain::Year, now),
        };
        found.ok_or_else(|| Error::invalid("that time is out of range"))
    }

    fn last_hours(self, now: DateTime<Utc>) -> Option<Period> {
        let to = self.bucket(Grain::Hour, now)?.to();
        Period::new(to.checked_sub_signed(TimeDelta::hours(24))?, to).ok()
    }

    fn last_days(self, days: u64, now: DateTime<Utc>) -> Option<Period> {
        let today = self.day(now)?;
        let from = self.midnight(today.checked_sub_days(Days::new(days - 1))?)?;
        Period::new(from, self.midnight(today.succ_opt()?)?).ok()
    }

    fn bucket_before(self, grain: Grain, now: DateTime<Utc>) -> Option<Period> {
        let this = self.bucket(grain, now)?;
        let last = this.from().checked_sub_signed(TimeDelta::seconds(1))?;
        self.bucket(grain, last)
    }
}

impl Preset {
    /// Whether its end is still to come.
    pub const fn is_running(self) -> bool {
        !matches!(self, Self::LastMonth | Self::LastQuarter | Self::LastYear)
    }
}

impl Grain {
    /// First day of the bucket that a day is in; an hour is in its day.
    pub fn first_day(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Hour | Self::Day => Some(day),
            Self::Week => {
                day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into()))
            }
            Self::Month => day.with_day(1),
            Self::Quarter => day.with_day(1)?.with_month(day.month0() / 3 * 3 + 1),
            Self::Year => day.with_ordinal(1),
        }
    }

    /// First day of the next bucket, from the first day of one.
    pub fn next_day(self, first: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Hour | Self::Day => first.succ_opt(),
            Self::Week => first.checked_add_days(Days::new(7)),
            Self::Month => first.checked_add_months(Months::new(1)),
            Self::Quarter => first.checked_add_months(Months::new(3)),
            Self::Year => first.checked_add_months(Months::new(12)),
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl FromStr for Zone {
    type Err = Error;

    /// # Errors
    /// `INVALID_INPUT` for what is no name in the IANA data.
    fn from_str(name: &str) -> Result<Self> {
        let unknown = |_| {
            Error::invalid(
                "no such time zone; names are those of the IANA data, such as Europe/Berlin",
            )
        };
        name.parse().map(Self).map_err(unknown)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    fn zone(name: &str) -> Zone {
        name.parse().expect("a zone")
    }

    fn span(from: &str, to: &str) -> Option<Period> {
        Period::new(at(from), at(to)).ok()
    }

    #[test]
    fn a_day_has_as_many_hours_as_its_zone_says() {
        let berlin = zone("Europe/Berlin");
        let hours = |moment| {
            let day = berlin.bucket(Grain::Day, at(moment)).expect("a day");
            (day.to() - day.from()).num_hours()
        };
        assert_eq!(hours("2026-03-29T12:00:00Z"), 23);
        assert_eq!(hours("2026-10-25T12:00:00Z"), 25);
        assert_eq!(hours("2026-07-01T12:00:00Z"), 24);
        // Beirut sets its clock at midnight: that day begins at one.
        let beirut = zone("Asia/Beirut").bucket(Grain::Day, at("2024-03-31T12:00:00Z"));
        assert_eq!(beirut, span("2024-03-30T22:00:00Z", "2024-03-31T21:00:00Z"));
        // Samoa had no 30 December 2011.
        let apia = zone("Pacific/Apia");
        assert_eq!(
            apia.bucket(Grain::Day, at("2011-12-30T09:59:59Z"))
                .map(|day| day.to()),
            Some(at("2011-12-30T10:00:00Z"))
        );
        assert_eq!(apia.local(at("2011-12-30T10:00:00Z")).date().day(), 31);
    }

    #[test]
    fn an_hour_ends_where_the_clock_is_set_within_it() {
        // At 03:45 the clock is set back to 02:45, and at 02:45 to 03:45.
        let chatham = zone("Pacific/Chatham");
        for (inside, from, to) in [
            (
                "2026-04-04T13:30:00Z",
                "2026-04-04T13:15:00Z",
                "2026-04-04T14:00:00Z",
            ),
            (
                "2026-04-04T14:05:00Z",
                "2026-04-04T14:00:00Z",
                "2026-04-04T14:15:00Z",
            ),
            (
                "2026-09-26T13:50:00Z",
                "2026-09-26T13:15:00Z",
                "2026-09-26T14:00:00Z",
            ),
            (
                "2026-09-26T14:05:00Z",
                "2026-09-26T14:00:00Z",
                "2026-09-26T14:15:00Z",
            ),
        ] {
            let hour = Period::new(at(from), at(to)).ok();
            assert_eq!(chatham.bucket(Grain::Hour, at(inside)), hour, "{inside}");
            let part = |moment| chatham.part(TimePart::HourOfDay, moment);
            assert_eq!(part(at(from)), part(at(inside)), "{inside}");
        }
    }

    #[test]
    fn an_hour_is_one_of_the_wall_clock() {
        let berlin = zone("Europe/Berlin");
        // The hour from two to three is there twice.
        let first = berlin.bucket(Grain::Hour, at("2026-10-25T00:30:00Z"));
        assert_eq!(first, span("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"));
        let again = berlin.bucket(Grain::Hour, at("2026-10-25T01:30:00Z"));
        assert_eq!(again, span("2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"));
        let india = zone("Asia/Kolkata").bucket(Grain::Hour, at("2026-10-25T01:00:00Z"));
        assert_eq!(india, span("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"));
        // Lord Howe goes back by half an hour, from two to half past one.
        let howe = zone("Australia/Lord_Howe");
        let hours = [
            "2026-04-04T14:30:00Z",
            "2026-04-04T15:10:00Z",
            "2026-04-04T15:40:00Z",
        ]
        .map(|it| howe.bucket(Grain::Hour, at(it)));
        assert_eq!(
            hours[0],
            span("2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z")
        );
        assert_eq!(
            hours[1],
            span("2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z")
        );
        assert_eq!(
            hours[2],
            span("2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z")
        );
    }

    #[test]
    fn a_bucket_has_the_moment_that_it_is_asked_for() {
        // Clocks that were set back past midnight: by three hours, and from one minute past.
        for (name, day) in [
            ("Antarctica/Casey", "2010-03-04T00:00:00Z"),
            ("America/Goose_Bay", "2010-11-06T12:00:00Z"),
            ("America/St_Johns", "2010-11-06T12:00:00Z"),
        ] {
            let zone = zone(name);
            let mut end = at(day);
            for moment in (0..48 * 60).map(|minute| at(day) + TimeDelta::minutes(minute)) {
                for grain in [
                    Grain::Hour,
                    Grain::Day,
                    Grain::Week,
                    Grain::Month,
                    Grain::Year,
                ] {
                    let bucket = zone.bucket(grain, moment).expect("a bucket");
                    let is_inside = bucket.from() <= moment && moment < bucket.to();
                    assert!(is_inside, "{name} {grain:?} {moment}: {bucket:?}");
                }
                let day = zone.bucket(Grain::Day, moment).expect("a day");
                let date = zone.local(day.from()).date();
                let part = |part| zone.part(part, moment);
                assert_eq!(part(TimePart::DayOfMonth), date.day(), "{name} {moment}");
                assert_eq!(
                    part(TimePart::DayOfWeek),
                    date.weekday().number_from_monday()
                );
                assert!(day.to() >= end, "days do not go back");
                end = day.to();
            }
        }
    }

    #[test]
    fn presets_move_with_the_clock() {
        let berlin = zone("Europe/Berlin");
        let now = at("2026-11-23T14:05:00Z");
        let is = |preset, from, to| {
            assert_eq!(
                berlin.preset(preset, now).ok(),
                span(from, to),
                "{preset:?}"
            );
        };
        is(
            Preset::Last24Hours,
            "2026-11-22T15:00:00Z",
            "2026-11-23T15:00:00Z",
        );
        is(
            Preset::Last7Days,
            "2026-11-16T23:00:00Z",
            "2026-11-23T23:00:00Z",
        );
        is(
            Preset::Last30Days,
            "2026-10-24T22:00:00Z",
            "2026-11-23T23:00:00Z",
        );
        is(
            Preset::ThisMonth,
            "2026-10-31T23:00:00Z",
            "2026-11-30T23:00:00Z",
        );
        is(
            Preset::LastMonth,
            "2026-09-30T22:00:00Z",
            "2026-10-31T23:00:00Z",
        );
        is(
            Preset::ThisQuarter,
            "2026-09-30T22:00:00Z",
            "2026-12-31T23:00:00Z",
        );
        is(
            Preset::LastQuarter,
            "2026-06-30T22:00:00Z",
            "2026-09-30T22:00:00Z",
        );
        is(
            Preset::ThisYear,
            "2025-12-31T23:00:00Z",
            "2026-12-31T23:00:00Z",
        );
        is(
            Preset::LastYear,
            "2024-12-31T23:00:00Z",
            "2025-12-31T23:00:00Z",
        );
    }

    #[test]
    fn a_zone_is_one_of_the_iana_data() {
        for name in ["", "Europe/berlin ", "Mars/Olympus", "+02:00", "CEST"] {
            assert!(name.parse::<Zone>().is_err(), "{name}");
        }
        let text = serde_json::to_string(&zone("Europe/Berlin")).expect("text");
        assert_eq!(
            serde_json::from_str::<Zone>(&text).ok(),
            Some(zone("Europe/Berlin"))
        );
    }
}
