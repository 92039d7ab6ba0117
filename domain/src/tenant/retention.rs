//! How long usage records are kept.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};

use crate::{id::TenantId, session::points::GAP};

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
    /// What they were before, and until when.
    before: Option<(u16, DateTime<Utc>)>,
}

impl Default for SessionRetention {
    /// Of a tenant that has no setting.
    fn default() -> Self {
        Self {
            days: Self::DAYS,
            before: None,
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

    /// What was taken in under other days was made this long after these ended, at the latest: clocks differ, and inserts take time.
    const LATEST: TimeDelta = TimeDelta::hours(2);

    /// Kept for so many days, after it was for other ones until a moment.
    pub const fn new(days: u16, before: Option<(u16, DateTime<Utc>)>) -> Self {
        Self { days, before }
    }

    /// Days that a rollup can be read.
    pub const fn days(self) -> u16 {
        self.days
    }

    /// Days before these, and until when.
    pub const fn before(self) -> Option<(u16, DateTime<Utc>)> {
        self.before
    }

    /// Rollups that were made from this moment on are all there: these are shown, and late ones are taken in among them. It moves on with
    /// time, whatever is set, and never back. What came while it was kept for fewer days goes by these, so a longer retention grows day by
    /// day, from half a day after it was set.
    pub fn whole_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        // The log must have the one before what is taken in, too: see [`crate::session::points`].
        self.from(now, Self::LATEST + GAP)
    }

    /// As long ago as the days say; while those before are the ones to go by, `after` they ended at the latest.
    fn from(self, now: DateTime<Utc>, after: TimeDelta) -> DateTime<Utc> {
        let days = |days: u16| now - TimeDelta::days(days.into());
        let from = days(self.days);
        self.before.map_or(from, |(before, until)| {
            from.max(days(before).min(until + after))
        })
    }

    /// From when on every row of the log is there.
    fn proved_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.from(now - Self::PROOF, Self::LATEST)
    }

    /// The retention after it was set to so many days.
    pub(super) fn with(self, days: u16, now: DateTime<Utc>) -> Self {
        if days <= self.days {
            return Self { days, ..self };
        }
        // Whole days of which all is there now, what is proved included; there is one at least.
        let whole = now - self.whole_from(now);
        let proved = now - Self::PROOF - self.proved_from(now);
        let age = whole.min(proved).num_days().max(1);
        let age = u16::try_from(age).unwrap_or(self.days);
        Self {
            days,
            before: Some((age, now)),
        }
    }

    /// The first hour from which on every row of the log is there, whatever became of what is older: what is proved, and what settling
    /// takes for evidence.
    pub fn whole_hours_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let from = self.proved_from(now);
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
    use proptest::prelude::*;

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
        let longer = SessionRetention::default().with(30, now);
        let age = |days: i64| {
            let then = now + TimeDelta::days(days);
            then - longer.whole_from(then)
        };
        assert_eq!([age(0), age(6)], [TimeDelta::days(7); 2]);
        assert_eq!(age(20), TimeDelta::hours(20 * 24 - 14));
        let proved = longer.whole_hours_from(now + TimeDelta::days(20));
        assert_eq!(proved, now + TimeDelta::hours(2));
        assert_eq!(age(40), TimeDelta::days(30));
        let usual = SessionRetention::default();
        assert_eq!(usual.whole_from(now), at("2026-11-17T12:00:00Z"));
        assert_eq!(usual.whole_hours_from(now), at("2026-11-16T18:00:00Z"));
        let later = now + TimeDelta::minutes(1);
        assert_eq!(usual.whole_hours_from(later), at("2026-11-16T19:00:00Z"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is set when: what was whole stays the least that is asked for, and what is whole was received under days that keep it.
        #[test]
        fn the_log_is_whole_from_a_moment_that_never_moves_back(
            changes in prop::collection::vec((0..30 * 24_i64, SessionRetention::MIN_DAYS..=SessionRetention::MAX_DAYS), 1..8),
        ) {
            let start = at("2026-01-01T00:00:00Z");
            let mut retention = SessionRetention::default();
            let mut received: Vec<(DateTime<Utc>, u16)> = vec![(start - TimeDelta::days(200), retention.days())];
            let mut changes = changes.into_iter();
            let mut next = changes.next();
            let mut changed = start;
            let mut whole = start - TimeDelta::days(400);
            let mut proved = whole;
            for hour in 0..200 * 24 {
                let now = start + TimeDelta::hours(hour);
                while let Some((pause, days)) = next.filter(|(pause, _)| now >= changed + TimeDelta::hours(*pause)) {
                    changed += TimeDelta::hours(pause);
                    retention = retention.with(days, now);
                    received.push((now, days));
                    next = changes.next();
                }
                prop_assert!(retention.whole_from(now) >= whole);
                whole = retention.whole_from(now);
                prop_assert!(whole <= now - TimeDelta::days(1));
                prop_assert!(retention.whole_hours_from(now) >= proved);
                proved = retention.whole_hours_from(now);
                prop_assert!(proved <= whole - GAP + TimeDelta::hours(1));
                // What was made at each hour may have come in any time that had not ended by then. It is needed as it is, as the one before
                // what was taken in, and as a proof; it is kept for a day longer than its days.
                for (made, beyond) in [(whole, 0), (whole - GAP, 12), (proved, 18)] {
                    for (n, (from, days)) in received.iter().enumerate() {
                        let until = received.get(n + 1).map_or(now, |(until, _)| *until);
                        let may_have_come = made <= until + TimeDelta::hours(1) && *from <= now;
                        let is_kept = made >= now - TimeDelta::days((*days).into()) - TimeDelta::hours(beyond);
                        prop_assert!(!may_have_come || is_kept, "{made} under {days} until {until}, at {now}");
                    }
                }
            }
        }
    }
}
