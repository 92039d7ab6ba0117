//! The cells that settled rows touch are compared, each cube with what it is summed up from, and what differs is corrected.

use std::collections::{BTreeMap, BTreeSet};

use analytics::{cube::Cube, verify::Area};
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use domain::{
    Period, Result,
    id::{SimId, TenantId},
};

use super::{super::Inner, case::Case};
use crate::{kind::Row, standstill::StandStill};

impl Inner {
    /// Step 7. Says how many cells it took.
    pub(super) async fn correct<R: Row>(
        &self,
        still: &StandStill,
        cases: &[Case<R>],
    ) -> Result<u64> {
        let areas = Touched::of(cases).areas()?;
        let system = still.system();
        let mut corrected = 0;
        for cube in Cube::ALL {
            for (tenant, period, sims) in &areas {
                let area = Area {
                    tenant: *tenant,
                    period: *period,
                    sims: Some(sims.clone()),
                    retention: R::retentions(still.retained()).of(*tenant),
                };
                let outcome = self.store.correct(&system, cube, &area, still).await?;
                corrected += outcome.cells;
            }
        }
        for case in cases {
            R::restore(&self.store, &case.rows, None, still).await?;
        }
        Ok(corrected)
    }
}

/// SIMs and days whose cells may be wrong.
#[derive(Default)]
pub(super) struct Touched {
    by_tenant: BTreeMap<TenantId, BTreeMap<DateTime<Utc>, BTreeSet<SimId>>>,
}

impl Touched {
    pub(super) fn of<R: Row>(cases: &[Case<R>]) -> Self {
        let mut touched = Self::default();
        for row in cases.iter().flat_map(|case| &case.rows) {
            let days = touched.by_tenant.entry(row.tenant()).or_default();
            days.entry(day_of(row.at())).or_default().insert(row.sim());
        }
        touched
    }

    /// What a cube has to be looked at for: at most a month at a time, from the first to the last day touched in it. Coarser
    /// ones take in the whole of their periods, and small ones all SIMs.
    pub(super) fn areas(&self) -> Result<Vec<(TenantId, Period, Vec<SimId>)>> {
        let mut months: BTreeMap<(TenantId, i32, u32), (Period, BTreeSet<SimId>)> = BTreeMap::new();
        for (tenant, days) in &self.by_tenant {
            for (day, sims) in days {
                let end = *day + TimeDelta::days(1);
                let month = (*tenant, day.year(), day.month());
                let (period, known) = match months.remove(&month) {
                    Some((period, known)) => (Period::new(period.from(), end)?, known),
                    None => (Period::new(*day, end)?, BTreeSet::new()),
                };
                let known = known.into_iter().chain(sims.iter().copied()).collect();
                months.insert(month, (period, known));
            }
        }
        let areas = months.into_iter();
        Ok(areas
            .map(|((tenant, ..), (period, sims))| (tenant, period, sims.into_iter().collect()))
            .collect())
    }
}

fn day_of(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = at.timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(86_400), 0).unwrap_or(at)
}
