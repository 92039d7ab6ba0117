//! Whether a sender keeps up, by the time in which somebody waited for it.

use std::time::Duration;

use domain::{Error, Result};

use super::limits::BodyLimits;

/// Only time spent waiting for the sender is counted: while the server has other things to do, the sender cannot send.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Since something came.
    silent: Duration,
    /// Since the last whole record, or since the sender was last found to be fast enough.
    waited: Duration,
    /// Bytes that came in that time, as they were sent.
    came: u64,
}

impl Pace {
    /// How long may be waited at most before [`Pace::judge`] is asked again.
    pub(super) fn patience(&self, limits: &BodyLimits) -> Duration {
        let silence = limits.silence.saturating_sub(self.silent);
        silence.min(limits.rate_window.saturating_sub(self.waited))
    }

    /// Notes a wait and what came in it.
    pub(super) fn waited(&mut self, time: Duration, bytes: u64) {
        self.silent = if bytes > 0 {
            Duration::ZERO
        } else {
            self.silent + time
        };
        self.waited += time;
        self.came += bytes;
    }

    /// Notes that a whole record came: a sender of records may be as slow as it likes.
    pub(super) fn delivered(&mut self) {
        self.waited = Duration::ZERO;
        self.came = 0;
    }

    /// # Errors
    /// `INVALID_INPUT` when the sender was silent for too long, or sends too slowly.
    pub(super) fn judge(&mut self, limits: &BodyLimits) -> Result<()> {
        if self.silent >= limits.silence {
            return Err(Error::invalid(
                "the body broke off: nothing came for too long",
            ));
        }
        if self.waited >= limits.rate_window {
            let due = limits.rate_window.as_millis() * u128::from(limits.rate) / 1_000;
            if u128::from(self.came) < due {
                return Err(Error::invalid(format!(
                    "the body broke off: less than {} bytes a second came",
                    limits.rate
                )));
            }
            self.delivered();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many seconds a sender of so many bytes a second lasts, of 300. It finishes a record every `record` seconds.
    fn lasts(bytes: u64, record: Option<u32>) -> u32 {
        let limits = BodyLimits::default();
        let mut pace = Pace::default();
        for second in 1..=300 {
            assert!(pace.patience(&limits) >= SECOND);
            pace.waited(SECOND, bytes);
            if record.is_some_and(|every| second % every == 0) {
                pace.delivered();
            }
            if pace.judge(&limits).is_err() {
                return second;
            }
        }
        300
    }

    #[test]
    fn a_body_comes_at_a_kibibyte_a_second_or_breaks_off() {
        assert_eq!(lasts(0, None), 30);
        assert_eq!(lasts(1, None), 30);
        assert_eq!(lasts(1_023, None), 30);
        assert_eq!(lasts(1_024, None), 300);
    }

    #[test]
    fn a_sender_of_whole_records_may_be_slow() {
        assert_eq!(lasts(10, Some(29)), 300);
        assert_eq!(lasts(10, Some(31)), 30);
        // Records do not excuse silence.
        assert_eq!(lasts(0, Some(29)), 30);
    }

    #[test]
    fn a_burst_does_not_excuse_what_follows_for_long() {
        let limits = BodyLimits::default();
        let mut pace = Pace::default();
        pace.waited(SECOND, 1 << 30);
        let mut seconds = 1;
        while pace.judge(&limits).is_ok() {
            pace.waited(SECOND, 100);
            seconds += 1;
        }
        assert_eq!(seconds, 60);
    }
}
