//! The local days of a month.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::{Rates, RatingError};
use crate::{calendar::Zone, usage::Grain};

/// What a month is rated by, besides its usage and the number of its SIMs. It is kept with the run, so that the run can be repeated.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Prices.
    pub rates: Rates,
    /// When days begin.
    pub month: Month,
    /// Countries of networks, ISO 3166-1 alpha-2 by `262-01`. A network without a country is not here.
    pub countries: HashMap<String, String>,
}

/// A calendar month of a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    first: NaiveDate,
    /// First moments of its days, and of the day after them. Days that the zone skipped have none of their own.
    midnights: Vec<DateTime<Utc>>,
}

/// A day of a month: `[from, to)`, which is empty if the zone skipped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: NaiveDate,
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// The first moment after it.
    pub to: DateTime<Utc>,
}

impl Month {
    /// The month that begins with this day; `None` for another day and at the end of time.
    pub fn new(zone: Zone, first: NaiveDate) -> Option<Self> {
        zone.month(first)?;
        let next = Grain::Month.next_day(first)?;
        let dates = first.iter_days().take_while(|date| *date <= next);
        let midnights = dates
            .map(|date| zone.midnight(date))
            .collect::<Option<_>>()?;
        Some(Self { first, midnights })
    }

    /// Its days.
    pub fn days(&self) -> impl Iterator<Item = Day> {
        let bounds = self.midnights.iter().zip(self.midnights.iter().skip(1));
        (self.first.iter_days().zip(bounds)).map(|(date, (from, to))| Day {
            date,
            from: *from,
            to: *to,
        })
    }

    /// The day that a moment is in. Once a day has begun it goes on, even if the clock is set back past midnight then.
    pub(super) fn day(&self, moment: DateTime<Utc>) -> Result<NaiveDate, RatingError> {
        let begun = self
            .midnights
            .partition_point(|midnight| *midnight <= moment);
        let day = begun
            .checked_sub(1)
            .filter(|_| begun < self.midnights.len());
        day.and_then(|day| self.first.iter_days().nth(day))
            .ok_or(RatingError::OutsideMonth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(zone: &str, first: &str) -> Month {
        let first = first.parse().expect("a date");
        Month::new(zone.parse().expect("a zone"), first).expect("a month")
    }

    fn day(month: &Month, moment: &str) -> Option<String> {
        let day = month.day(moment.parse().expect("a moment")).ok()?;
        Some(day.to_string())
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let october = month("Europe/Berlin", "2026-10-01");
        assert_eq!(october.days().count(), 31);
        for (moment, expected) in [
            ("2026-09-30T21:59:59.999Z", None),
            ("2026-09-30T22:00:00Z", Some("2026-10-01")),
            ("2026-10-24T21:59:59.999Z", Some("2026-10-24")),
            // 25 hours.
            ("2026-10-24T22:00:00Z", Some("2026-10-25")),
            ("2026-10-25T22:59:59.999Z", Some("2026-10-25")),
            ("2026-10-25T23:00:00Z", Some("2026-10-26")),
            ("2026-10-31T22:59:59.999Z", Some("2026-10-31")),
            ("2026-10-31T23:00:00Z", None),
        ] {
            assert_eq!(day(&october, moment).as_deref(), expected, "{moment}");
        }
    }

    #[test]
    fn a_day_that_has_begun_goes_on_when_the_clock_is_set_back_past_midnight() {
        // One minute into 7 November 2010, St. John's went back to 23:01 of the day before.
        let november = month("America/St_Johns", "2010-11-01");
        for (moment, expected) in [
            ("2010-11-07T02:29:59.999Z", "2010-11-06"),
            ("2010-11-07T02:30:00Z", "2010-11-07"),
            ("2010-11-07T02:45:00Z", "2010-11-07"),
            ("2010-11-08T03:29:59.999Z", "2010-11-07"),
            ("2010-11-08T03:30:00Z", "2010-11-08"),
        ] {
            assert_eq!(day(&november, moment).as_deref(), Some(expected));
        }
        let days: Vec<Day> = november.days().collect();
        assert!(days.windows(2).all(|two| two[0].to == two[1].from));
    }

    #[test]
    fn a_day_that_was_skipped_has_no_moment() {
        let apia = month("Pacific/Apia", "2011-12-01");
        assert_eq!(
            day(&apia, "2011-12-30T09:59:59Z").as_deref(),
            Some("2011-12-29")
        );
        assert_eq!(
            day(&apia, "2011-12-30T10:00:00Z").as_deref(),
            Some("2011-12-31")
        );
        let skipped = apia.days().nth(29).expect("30 December");
        assert_eq!(skipped.from, skipped.to);
    }

    #[test]
    fn a_month_begins_on_its_first_day() {
        let second = NaiveDate::from_ymd_opt(2026, 10, 2).expect("a date");
        assert_eq!(Month::new(Zone::UTC, second), None);
        assert_eq!(Month::new(Zone::UTC, NaiveDate::MAX), None);
    }
}
