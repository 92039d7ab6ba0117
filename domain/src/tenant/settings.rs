//! What a tenant has otherwise than the installation.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Retention, SessionRetention, TenantError};

/// What a tenant has otherwise than the installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How long its usage records are kept.
    pub records: Retention,
    /// How long its log of sessions is kept.
    pub sessions: SessionRetention,
    /// Minutes between two rollups of a session that goes on; none is what the installation gives everybody.
    pub session_minutes: Option<u16>,
    /// Days that files of exports are kept; none is what the installation gives everybody.
    pub export_days: Option<u16>,
    /// Bytes of files of exports that it keeps at most; none is what the installation gives everybody.
    pub export_bytes: Option<u64>,
}

impl Settings {
    /// The most days that a file is kept.
    pub const MAX_EXPORT_DAYS: u16 = 3_650;
    /// Minutes between two rollups of a session that goes on, of a tenant that has no setting.
    pub const SESSION_MINUTES: u16 = 5;
    /// The most such minutes.
    pub const MAX_SESSION_MINUTES: u16 = 1_440;
    /// So many times the interval may pass without a rollup before a session is stale.
    const PATIENCE: i32 = 3;

    /// Minutes between two rollups of a session that goes on.
    pub fn session_interval(&self) -> u16 {
        self.session_minutes.unwrap_or(Self::SESSION_MINUTES)
    }

    /// How long after its newest rollup a session counts as online.
    pub fn online_for(&self) -> TimeDelta {
        TimeDelta::minutes(self.session_interval().into()) * Self::PATIENCE
    }
}

/// What is to be another one. What is not named stays; null is what the installation gives everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetSettings {
    /// Days that usage records are kept, [`Retention::MIN_DAYS`] to [`Retention::MAX_DAYS`].
    pub record_days: Option<Option<u16>>,
    /// Days that the log of sessions is kept, [`SessionRetention::MIN_DAYS`] to [`SessionRetention::MAX_DAYS`].
    pub session_days: Option<Option<u16>>,
    /// Minutes between two rollups of a session that goes on, 1 to [`Settings::MAX_SESSION_MINUTES`].
    pub session_minutes: Option<Option<u16>>,
    /// Days that files of exports are kept, 1 to [`Settings::MAX_EXPORT_DAYS`].
    pub export_days: Option<Option<u16>>,
    /// Bytes of files of exports, 1 and more.
    pub export_bytes: Option<Option<u64>>,
}

impl SetSettings {
    pub(super) fn check(self) -> Result<(), TenantError> {
        let within = |days: Option<Option<u16>>, least: u16, most: u16| {
            days.flatten()
                .is_none_or(|days| (least..=most).contains(&days))
        };
        if !within(self.record_days, Retention::MIN_DAYS, Retention::MAX_DAYS) {
            return Err(TenantError::RecordDays);
        }
        let (least, most) = (SessionRetention::MIN_DAYS, SessionRetention::MAX_DAYS);
        if !within(self.session_days, least, most) {
            return Err(TenantError::SessionDays);
        }
        if !within(self.session_minutes, 1, Settings::MAX_SESSION_MINUTES) {
            return Err(TenantError::SessionMinutes);
        }
        if !within(self.export_days, 1, Settings::MAX_EXPORT_DAYS) {
            return Err(TenantError::ExportDays);
        }
        let bytes = self.export_bytes.flatten();
        if bytes.is_some_and(|bytes| bytes == 0 || i64::try_from(bytes).is_err()) {
            return Err(TenantError::ExportBytes);
        }
        Ok(())
    }
}

/// Settings as they are stored, and what bounds their change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) settings: Settings,
    /// Whether the days of records are the tenant's own.
    pub(super) has_record_days: bool,
    /// Whether the days of sessions are.
    pub(super) has_session_days: bool,
    /// When the days of records were changed last.
    pub(super) set_at: Option<DateTime<Utc>>,
}

impl Stored {
    /// What it is after a change at `now`.
    pub(super) fn with(self, set: SetSettings, now: DateTime<Utc>) -> Self {
        let mut next = self;
        if let Some(days) = set.export_days {
            next.settings.export_days = days;
        }
        if let Some(bytes) = set.export_bytes {
            next.settings.export_bytes = bytes;
        }
        if let Some(minutes) = set.session_minutes {
            next.settings.session_minutes = minutes;
        }
        if let Some(days) = set.session_days {
            next.has_session_days = days.is_some();
            let days = days.unwrap_or(SessionRetention::DAYS);
            next.settings.sessions = self.settings.sessions.with(days, now);
        }
        if let Some(days) = set.record_days {
            next.has_record_days = days.is_some();
            let before = self.settings.records;
            let days = days.unwrap_or(Retention::DAYS);
            if days != before.days() {
                // Within the time of grace nothing went that was there when it began.
                let is_grace = self.set_at.is_some_and(|at| now < at + Retention::GRACE);
                let since = if is_grace {
                    before.since()
                } else {
                    Some(before.whole_from(now))
                };
                next.settings.records = Retention::new(days, since);
                next.set_at = Some(now);
            }
        }
        next
    }

    /// For the audit log.
    pub(super) fn json(self) -> Value {
        let records = self.has_record_days.then(|| self.settings.records.days());
        let sessions = self.has_session_days.then(|| self.settings.sessions.days());
        json!({ "recordDays": records, "sessionDays": sessions, "sessionMinutes": self.settings.session_minutes, "exportDays": self.settings.export_days, "exportBytes": self.settings.export_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + day)
    }

    fn records(stored: Stored, days: Option<u16>, at: DateTime<Utc>) -> Stored {
        let set = SetSettings {
            record_days: Some(days),
            ..SetSettings::default()
        };
        stored.with(set, at)
    }

    fn unset() -> Stored {
        Stored {
            settings: Settings::default(),
            has_record_days: false,
            has_session_days: false,
            set_at: None,
        }
    }

    #[test]
    fn what_may_have_gone_before_a_change_is_not_promised_after_it() {
        let shorter = records(unset(), Some(100), day(0));
        assert_eq!(shorter.settings.records.whole_from(day(0)), day(-90));
        let longer = records(shorter, Some(1_000), day(50));
        assert_eq!(longer.settings.records.whole_from(day(50)), day(-40));
        assert_eq!(longer.settings.records.whole_from(day(200)), day(-40));
        assert_eq!(longer.settings.records.whole_from(day(1_000)), day(10));
    }

    #[test]
    fn a_shorter_retention_that_is_taken_back_in_time_took_nothing() {
        let wrong = records(unset(), Some(60), day(0));
        let worse = records(wrong, Some(61), day(9));
        let back = records(worse, None, day(18));
        assert_eq!(back.settings.records.whole_from(day(18)), day(-372));
        assert_eq!(back.settings.records.days(), 400);
        assert!(!back.has_record_days);
        let late = records(records(unset(), Some(60), day(0)), None, day(10));
        assert_eq!(late.settings.records.whole_from(day(10)), day(-40));
    }

    #[test]
    fn what_is_not_named_stays_and_the_same_days_are_no_change() {
        let set = SetSettings {
            export_days: Some(Some(7)),
            export_bytes: Some(Some(5)),
            record_days: Some(Some(400)),
            session_days: Some(Some(7)),
            session_minutes: Some(Some(10)),
        };
        let stored = unset().with(set, day(0));
        assert_eq!((stored.set_at, stored.has_record_days), (None, true));
        assert_eq!(stored.settings.sessions, SessionRetention::default());
        let stored = stored.with(SetSettings::default(), day(1));
        assert_eq!(stored.settings.export_days, Some(7));
        assert_eq!(stored.settings.export_bytes, Some(5));
        assert_eq!(stored.settings.online_for(), TimeDelta::minutes(30));
    }

    #[test]
    fn settings_beyond_their_bounds_are_refused() {
        let records = |days| SetSettings {
            record_days: Some(Some(days)),
            ..SetSettings::default()
        };
        let files = |days, bytes| SetSettings {
            export_days: Some(Some(days)),
            export_bytes: Some(Some(bytes)),
            ..SetSettings::default()
        };
        for good in [
            records(60),
            records(3_650),
            files(1, 1),
            files(3_650, 1 << 50),
        ] {
            assert_eq!(good.check(), Ok(()));
        }
        for bad in [records(59), records(3_651)] {
            assert_eq!(bad.check(), Err(TenantError::RecordDays));
        }
        let sessions = |days| SetSettings {
            session_days: Some(Some(days)),
            ..SetSettings::default()
        };
        assert_eq!([1, 90].map(|days| sessions(days).check()), [Ok(()); 2]);
        for bad in [sessions(0), sessions(91)] {
            assert_eq!(bad.check(), Err(TenantError::SessionDays));
        }
        let minutes = |minutes| SetSettings {
            session_minutes: Some(Some(minutes)),
            ..SetSettings::default()
        };
        assert_eq!([1, 1_440].map(|it| minutes(it).check()), [Ok(()); 2]);
        for bad in [minutes(0), minutes(1_441)] {
            assert_eq!(bad.check(), Err(TenantError::SessionMinutes));
        }
        for bad in [files(0, 1), files(3_651, 1)] {
            assert_eq!(bad.check(), Err(TenantError::ExportDays));
        }
        for bad in [files(1, 0), files(1, u64::MAX)] {
            assert_eq!(bad.check(), Err(TenantError::ExportBytes));
        }
    }
}
