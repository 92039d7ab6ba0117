//! The event times that are taken, and the hour that a record counts in.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    id::TenantId,
    journal::{self, RejectionCode},
    tenant::{Retentions, SessionRetentions},
};

use super::Settings;

/// The event times that are taken: as far back as the installation says, and less where a tenant's records are not kept for so long.
#[derive(Clone)]
pub(super) struct Horizon {
    pub(super) now: DateTime<Utc>,
    future: TimeDelta,
    past: Past,
}

/// How far back.
#[derive(Clone)]
enum Past {
    /// Usage records: so far at most, and less by the retention of their tenant.
    Records(TimeDelta, Retentions),
    /// Rollups: as far as the log of sessions is whole.
    Sessions(SessionRetentions),
}

impl Horizon {
    pub(super) fn new(settings: &Settings, now: DateTime<Utc>, retentions: Retentions) -> Self {
        Self {
            now,
            future: settings.future,
            past: Past::Records(settings.past, retentions),
        }
    }

    /// That of rollups.
    pub(super) fn of_sessions(
        settings: &Settings,
        now: DateTime<Utc>,
        retentions: SessionRetentions,
    ) -> Self {
        Self {
            now,
            future: settings.future,
            past: Past::Sessions(retentions),
        }
    }

    /// The earliest event time that is taken.
    fn earliest(&self, tenant: TenantId) -> DateTime<Utc> {
        match &self.past {
            Past::Records(most, retentions) => {
                self.now - *most.min(&retentions.of(tenant).horizon())
            }
            Past::Sessions(retentions) => retentions.of(tenant).whole_from(self.now),
        }
    }

    pub(super) fn check(
        &self,
        tenant: TenantId,
        start: DateTime<Utc>,
    ) -> Result<(), (RejectionCode, &'static str)> {
        if start < self.earliest(tenant) {
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
    pub(super) fn hour(&self, tenant: TenantId, event_at: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let believable = event_at.filter(|at| self.check(tenant, *at).is_ok());
        journal::hour_of(believable.unwrap_or(self.now))
    }
}

#[cfg(test)]
mod tests {
    use domain::tenant::{Retention, SessionRetention};
    use uuid::Uuid;

    use super::*;

    fn tenant(n: u128) -> TenantId {
        TenantId::new(Uuid::from_u128(n))
    }

    #[test]
    fn a_record_that_would_soon_go_is_too_old() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let own = [(1, 60), (2, 3_650)].map(|(n, days)| (tenant(n), Retention::new(days, None)));
        let horizon = Horizon::new(&Settings::default(), now, own.into_iter().collect());
        for (n, days) in [(1, 45), (2, 365), (3, 365)] {
            let at = |days: i64| now - TimeDelta::days(days);
            assert_eq!(horizon.check(tenant(n), at(days)), Ok(()), "{n}");
            let refused = horizon.check(tenant(n), at(days) - TimeDelta::milliseconds(1));
            assert_eq!(
                refused.map_err(|(code, _)| code),
                Err(RejectionCode::TooOld)
            );
            assert_eq!(
                horizon.hour(tenant(n), Some(at(days + 1))),
                journal::hour_of(now)
            );
        }
    }

    #[test]
    fn a_rollup_that_the_log_would_not_show_is_too_old() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let own = (tenant(1), SessionRetention::new(30, None));
        let horizon = Horizon::of_sessions(&Settings::default(), now, [own].into_iter().collect());
        for (n, days) in [(1, 30), (2, 7)] {
            let first = now - TimeDelta::days(days);
            assert_eq!(horizon.check(tenant(n), first), Ok(()));
            let refused = horizon.check(tenant(n), first - TimeDelta::milliseconds(1));
            assert_eq!(
                refused.map_err(|(code, _)| code),
                Err(RejectionCode::TooOld)
            );
        }
        let ahead = horizon.check(tenant(1), now + TimeDelta::minutes(61));
        assert_eq!(
            ahead.map_err(|(code, _)| code),
            Err(RejectionCode::InFuture)
        );
    }

    #[test]
    fn unbelievable_times_count_in_the_hour_of_receipt() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let horizon = Horizon::new(&Settings::default(), now, Retentions::default());
        let hour = |days: i64| horizon.hour(tenant(1), Some(now + TimeDelta::days(days)));
        assert_eq!(hour(-1), journal::hour_of(now - TimeDelta::days(1)));
        for unbelievable in [-366, 1, 60_000] {
            assert_eq!(hour(unbelievable), journal::hour_of(now));
        }
        assert_eq!(horizon.hour(tenant(1), None), journal::hour_of(now));
    }
}
