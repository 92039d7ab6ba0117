//! How long usage records are kept.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use crate::id::TenantId;

/// How long a tenant's usage records are kept, and which of them are all there. Sums of them are kept for ever.
///
/// A record goes its days after the end of the month (UTC) in which it began, at the earliest: so what goes together lies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    days: u16,
    /// What began earlier may have gone under what the setting was before.
    since: Option<DateTime<Utc>>,
}

impl Default for Retention {
    /// Of a tenant that has no setting.
    fn default() -> Self {
        Self {
            days: Self::DAYS,
            since: None,
        }
    }
}

impl Retention {
    /// Days of a tenant that has no setting.
    pub const DAYS: u16 = 400;
    /// The fewest: a month can be had in full for some weeks after its end, and late records of it are taken.
    pub const MIN_DAYS: u16 = 60;
    /// The most.
    pub const MAX_DAYS: u16 = 3_650;
    /// Records that are younger than their days by this much are all there: it leaves room for clocks, and for a repair that takes long.
    pub const MARGIN: TimeDelta = TimeDelta::days(10);
    /// What is taken in is younger by this much more, so that what became of it can be proved by the records.
    const PROOF: TimeDelta = TimeDelta::days(5);
    /// Nothing goes by a shorter retention earlier than this after the change, so that it can be taken back.
    pub const GRACE: TimeDelta = TimeDelta::days(10);

    /// Kept for so many days; `since` bounds what is there of earlier times.
    pub const fn new(days: u16, since: Option<DateTime<Utc>>) -> Self {
        Self { days, since }
    }

    /// Days that a record is kept at least.
    pub const fn days(self) -> u16 {
        self.days
    }

    /// What began earlier may have gone under what the setting was before.
    pub const fn since(self) -> Option<DateTime<Utc>> {
        self.since
    }

    /// Days of which every record is there, if the setting was never another one.
    pub fn whole_days(self) -> i64 {
        i64::from(self.days) - Self::MARGIN.num_days()
    }

    /// Records that began from this moment on are all there.
    pub fn whole_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let from = now - TimeDelta::days(self.whole_days());
        self.since.map_or(from, |since| from.max(since))
    }

    /// The first day of which every record is there.
    pub fn whole_days_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let from = self.whole_from(now);
        let day = from.duration_trunc(TimeDelta::days(1)).unwrap_or(from);
        if day < from {
            day + TimeDelta::days(1)
        } else {
            day
        }
    }

    /// How far back a record may begin that is taken in.
    pub fn horizon(self) -> TimeDelta {
        TimeDelta::days(self.whole_days()) - Self::PROOF
    }
}

/// How long a tenant's log of sessions is kept, and from when on rollups are taken. Sums of them are kept for ever.
///
/// A rollup goes its days and [`SessionRetention::SLACK`] after the end of the day (UTC) in which it was made: so what goes together lies
/// together, and what is taken in has its neighbours beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRetention {
    days: u16,
    /// What was made earlier may have gone under what the setting was before.
    since: Option<DateTime<Utc>>,
}

impl Default for SessionRetention {
    /// Of a tenant that has no setting.
    fn default() -> Self {
        Self {
            days: Self::DAYS,
            since: None,
        }
    }
}

impl SessionRetention {
    /// Days of a tenant that has no setting.
    pub const DAYS: u16 = 7;
    /// The fewest.
    pub const MIN_DAYS: u16 = 1;
    /// The most.
    pub const MAX_DAYS: u16 = 90;
    /// What is older than its days by less than this is still there: it leaves room for clocks, for a proof that takes long, and for the
    /// neighbour of a rollup that was just taken in.
    pub const SLACK: TimeDelta = TimeDelta::days(1);
    /// As much of the slack is used for a proof; the rest is for clocks.
    const PROOF: TimeDelta = TimeDelta::hours(18);

    /// Kept for so many days; `since` bounds what is there of earlier times.
    pub const fn new(days: u16, since: Option<DateTime<Utc>>) -> Self {
        Self { days, since }
    }

    /// Days that a rollup can be read.
    pub const fn days(self) -> u16 {
        self.days
    }

    /// What was made earlier may have gone under what the setting was before.
    pub const fn since(self) -> Option<DateTime<Utc>> {
        self.since
    }

    /// Rollups that were made from this moment on are all there: these are shown, and late ones are taken in among them.
    pub fn whole_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let from = now - TimeDelta::days(self.days.into());
        self.since.map_or(from, |since| from.max(since))
    }

    /// The first hour from which on every row of the log is there, whatever became of what is older: what is proved, and what settling
    /// takes for evidence.
    pub fn whole_hours_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let from = self.whole_from(now) - Self::PROOF;
        let hour = from.duration_trunc(TimeDelta::hours(1)).unwrap_or(from);
        if hour < from {
            hour + TimeDelta::hours(1)
        } else {
            hour
        }
    }
}

/// The retentions of tenants, of records or of sessions. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Retentions<R = Retention>(Arc<BTreeMap<TenantId, R>>);

/// How long the log of sessions is kept, by tenant.
pub type SessionRetentions = Retentions<SessionRetention>;

impl<R> Default for Retentions<R> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<R: Copy + Default> Retentions<R> {
    /// That of a tenant.
    pub fn of(&self, tenant: TenantId) -> R {
        self.0.get(&tenant).copied().unwrap_or_default()
    }

    /// Those that are not what a tenant without a setting has.
    pub fn own(&self) -> impl Iterator<Item = (TenantId, R)> {
        self.0
            .iter()
            .map(|(tenant, retention)| (*tenant, *retention))
    }
}

impl<R: Default + PartialEq> FromIterator<(TenantId, R)> for Retentions<R> {
    fn from_iter<I: IntoIterator<Item = (TenantId, R)>>(retentions: I) -> Self {
        let is_own = |(_, retention): &(TenantId, R)| *retention != R::default();
        Self(Arc::new(retentions.into_iter().filter(is_own).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    #[test]
    fn what_is_taken_in_is_younger_than_what_is_proved_and_that_younger_than_what_is_kept() {
        let now = at("2026-11-24T12:00:00Z");
        for days in [Retention::MIN_DAYS, Retention::DAYS, Retention::MAX_DAYS] {
            let retention = Retention::new(days, None);
            let kept = now - TimeDelta::days(days.into());
            assert!(retention.horizon() > TimeDelta::days(31), "{days}");
            assert!(kept < retention.whole_from(now));
            assert!(retention.whole_from(now) <= retention.whole_days_from(now));
            assert!(retention.whole_days_from(now) < now - retention.horizon());
        }
    }

    #[test]
    fn a_longer_retention_brings_nothing_back() {
        let since = at("2026-10-01T06:00:00Z");
        let longer = Retention::new(400, Some(since));
        let soon = longer.whole_from(at("2026-11-24T12:00:00Z"));
        assert_eq!(soon, since);
        let day = longer.whole_days_from(at("2026-11-24T12:00:00Z"));
        assert_eq!(day, at("2026-10-02T00:00:00Z"));
        let later = at("2028-11-24T12:00:00Z");
        assert_eq!(
            longer.whole_from(later),
            Retention::default().whole_from(later)
        );
    }

    #[test]
    fn a_log_that_is_kept_longer_grows_into_it() {
        let now = at("2026-11-24T12:00:00Z");
        let longer = SessionRetention::new(30, Some(at("2026-11-17T12:00:00Z")));
        assert_eq!(longer.whole_from(now), at("2026-11-17T12:00:00Z"));
        let later = now + TimeDelta::days(40);
        assert_eq!(longer.whole_from(later), later - TimeDelta::days(30));
        let usual = SessionRetention::default();
        assert_eq!(usual.whole_from(now), at("2026-11-17T12:00:00Z"));
        assert_eq!(usual.whole_hours_from(now), at("2026-11-16T18:00:00Z"));
        let later = now + TimeDelta::minutes(1);
        assert_eq!(usual.whole_hours_from(later), at("2026-11-16T19:00:00Z"));
    }
}
