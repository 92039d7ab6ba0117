//! What a schedule is.

use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};
use serde_json::Value;

use super::KEPT;
use crate::{Error, Period, Result, calendar::Zone, id::ScheduleId, job::JobKind};

/// A calendar month of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    zone: Zone,
    first: NaiveDate,
    period: Period,
}

impl Month {
    /// The month that begins with this day.
    ///
    /// # Errors
    /// `INTERNAL` for another day, and at the end of time.
    pub(super) fn new(zone: Zone, first: NaiveDate) -> Result<Self> {
        let outside = || Error::internal(format!("no month of {zone} begins with {first}"));
        let period = zone.month(first).ok_or_else(outside)?;
        Ok(Self {
            zone,
            first,
            period,
        })
    }

    /// The month that a moment is in.
    ///
    /// # Errors
    /// `INTERNAL` at the end of time.
    pub(super) fn of(zone: Zone, moment: DateTime<Utc>) -> Result<Self> {
        let first = zone.first_of_month(moment);
        Self::new(zone, first.ok_or_else(|| Error::internal("no month"))?)
    }

    /// The month of the same zone that a moment is in.
    ///
    /// # Errors
    /// `INTERNAL` at the end of time.
    pub(super) fn around(self, moment: DateTime<Utc>) -> Result<Self> {
        Self::of(self.zone, moment)
    }

    /// First day.
    pub(super) fn first(self) -> NaiveDate {
        self.first
    }

    /// When it begins and ends.
    pub fn period(self) -> Period {
        self.period
    }

    /// The month so many months later.
    ///
    /// # Errors
    /// `INTERNAL` at the end of time.
    pub(super) fn later(self, months: u32) -> Result<Self> {
        let first = self.first.checked_add_months(Months::new(months));
        Self::new(self.zone, first.ok_or_else(|| Error::internal("no month"))?)
    }

    /// The first month of those that are kept, when this one is the last that has not ended.
    ///
    /// # Errors
    /// `INTERNAL` at the end of time.
    pub(super) fn oldest_kept(self) -> Result<Self> {
        let first = self.first.checked_sub_months(Months::new(KEPT));
        Self::new(self.zone, first.ok_or_else(|| Error::internal("no month"))?)
    }
}

impl std::fmt::Display for Month {
    /// Year and month, as in `2026-10`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.first.format("%Y-%m").fmt(f)
    }
}

/// Work that is done every month.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Identifier.
    pub id: ScheduleId,
    /// Kind of work.
    pub kind: JobKind,
    /// Name. Its jobs have it too, with the month behind it.
    pub name: String,
    /// What is asked about each month, in the form that the kind of work gave it.
    pub request: Value,
    /// In which months begin and end.
    pub zone: Zone,
    /// Subject of the token of whoever made it.
    pub created_by: String,
    /// Whether it runs.
    pub enabled: bool,
    /// The month that the next job is about.
    pub next: Month,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed, by somebody.
    pub updated_at: DateTime<Utc>,
}

impl Schedule {
    /// When the next job is made, if what comes late has this much time; none while it does not run.
    pub fn due_at(&self, late: TimeDelta) -> Option<DateTime<Utc>> {
        let ends_at = self.enabled.then(|| self.next.period().to())?;
        ends_at.checked_add_signed(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    #[test]
    fn a_month_is_that_of_its_zone() {
        for (zone, moment, name, from, to) in [
            (
                "Europe/Berlin",
                "2026-10-31T22:59:59Z",
                "2026-10",
                "2026-09-30T22:00:00Z",
                "2026-10-31T23:00:00Z",
            ),
            (
                "Europe/Berlin",
                "2026-10-31T23:00:00Z",
                "2026-11",
                "2026-10-31T23:00:00Z",
                "2026-11-30T23:00:00Z",
            ),
            (
                "UTC",
                "2026-10-31T23:00:00Z",
                "2026-10",
                "2026-10-01T00:00:00Z",
                "2026-11-01T00:00:00Z",
            ),
            (
                "Pacific/Kiritimati",
                "2026-12-31T10:00:00Z",
                "2027-01",
                "2026-12-31T10:00:00Z",
                "2027-01-31T10:00:00Z",
            ),
        ] {
            let zone: Zone = zone.parse().expect("a zone");
            let month = Month::of(zone, at(moment)).expect("a month");
            assert_eq!(month.to_string(), name);
            let period = month.period();
            assert_eq!((period.from(), period.to()), (at(from), at(to)), "{zone}");
            let next = month.later(1).expect("a month");
            assert_eq!(next.period().from(), period.to(), "{zone}");
            let oldest = next.oldest_kept().expect("a month");
            assert_eq!(oldest.later(KEPT - 1).ok(), Some(month));
        }
    }
}
