//! Whether a session goes on.

use chrono::{DateTime, TimeDelta, Utc};
use strum::{AsRefStr, EnumMessage, VariantArray};

/// Whether a session goes on, by its newest rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionStatus {
    /// It goes on: its newest rollup is no older than three of the intervals at which they come (five minutes, unless the tenant has another one).
    Online,
    /// Its newest rollup is older, and does not end it.
    Stale,
    /// It ended.
    Offline,
}

impl SessionStatus {
    /// That of a session whose newest rollup was made at `event_at`, and ends it or not.
    pub fn at(
        now: DateTime<Utc>,
        event_at: DateTime<Utc>,
        terminates: bool,
        online_for: TimeDelta,
    ) -> Self {
        if terminates {
            Self::Offline
        } else if event_at >= now - online_for {
            Self::Online
        } else {
            Self::Stale
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_online_for_three_intervals_and_stale_until_it_ends() {
        let event_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let patience = TimeDelta::minutes(15);
        for (later, terminates, expected) in [
            (TimeDelta::zero(), false, SessionStatus::Online),
            (patience, false, SessionStatus::Online),
            (
                patience + TimeDelta::microseconds(1),
                false,
                SessionStatus::Stale,
            ),
            (TimeDelta::zero(), true, SessionStatus::Offline),
            (TimeDelta::days(1), true, SessionStatus::Offline),
        ] {
            let status = SessionStatus::at(event_at + later, event_at, terminates, patience);
            assert_eq!(status, expected, "{later}");
        }
    }
}
