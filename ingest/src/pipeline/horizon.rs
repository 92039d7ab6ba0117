//! The event times that are taken, and the hour that a record counts in.

use chrono::{DateTime, TimeDelta, Utc};
use domain::journal::{self, RejectionCode};

use super::Settings;

/// The event times that are taken.
#[derive(Clone, Copy)]
pub(super) struct Horizon {
    pub(super) now: DateTime<Utc>,
    past: TimeDelta,
    future: TimeDelta,
}

impl Horizon {
    pub(super) fn new(settings: &Settings, now: DateTime<Utc>) -> Self {
        Self {
            now,
            past: settings.past,
            future: settings.future,
        }
    }

    pub(super) fn check(&self, start: DateTime<Utc>) -> Result<(), (RejectionCode, &'static str)> {
        if start < self.now - self.past {
            Err((
                RejectionCode::TooOld,
                "the record starts before the horizon",
            ))
        } else if start > self.now + self.future {
            Err((RejectionCode::InFuture, "the record starts in the future"))
        } else {
            Ok(())
        }
    }

    /// The hour that a record counts in. Without a believable event time that is the hour of receipt, so that no sender
    /// can open accounts in any hour of history.
    pub(super) fn hour(&self, event_at: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let believable = event_at.filter(|at| self.check(*at).is_ok());
        journal::hour_of(believable.unwrap_or(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unbelievable_times_count_in_the_hour_of_receipt() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let horizon = Horizon::new(&Settings::default(), now);
        let hour = |days: i64| horizon.hour(Some(now + TimeDelta::days(days)));
        assert_eq!(hour(-1), journal::hour_of(now - TimeDelta::days(1)));
        for unbelievable in [-366, 1, 60_000] {
            assert_eq!(hour(unbelievable), journal::hour_of(now));
        }
        assert_eq!(horizon.hour(None), journal::hour_of(now));
    }
}
