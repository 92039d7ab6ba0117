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

/// The retentions of tenants. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Retentions(Arc<BTreeMap<TenantId, Retention>>);

impl Retentions {
    /// That of a tenant.
    pub fn of(&self, tenant: TenantId) -> Retention {
        self.0.get(&tenant).copied().unwrap_or_default()
    }

    /// Those that are not [`Retention::default`].
    pub fn own(&self) -> impl Iterator<Item = (TenantId, Retention)> {
        self.0
            .iter()
            .map(|(tenant, retention)| (*tenant, *retention))
    }
}

impl FromIterator<(TenantId, Retention)> for Retentions {
    fn from_iter<I: IntoIterator<Item = (TenantId, Retention)>>(retentions: I) -> Self {
        let is_own = |(_, retention): &(TenantId, Retention)| *retention != Retention::default();
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
}
