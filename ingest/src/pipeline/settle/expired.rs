//! Rows that are not in the records and are so old that they may have expired: the cube of hours tells whether they were counted.
//!
//! Cubes keep what they counted. Where the cube of an hour has all that the ledger accepted, rows of that hour that are missing in the records
//! have expired; where it lacks just these rows, they were never counted. Anything else nobody can tell.

use std::collections::BTreeMap;

use analytics::{
    cube::{Cube, Level},
    verify::Count,
};
use chrono::{DateTime, Utc};
use domain::{Result, id::TenantId, journal};

use super::{super::Inner, Settled, case::Case, correct::Touched};
use crate::{
    kind::{Row, family_of},
    standstill::StandStill,
    verify,
};

/// A source and hour of a tenant.
type Hour = (TenantId, String, DateTime<Utc>);

impl Inner {
    /// Step 4. Decides what became of doubtful rows: those that were never counted are missing, those that expired are not. Cases of which
    /// that cannot be told are quarantined; the others are returned.
    pub(super) async fn tell_expired<R: Row>(
        &self,
        still: &StandStill,
        cases: Vec<Case<R>>,
        settled: &mut Settled,
    ) -> Result<Vec<Case<R>>> {
        if cases.iter().all(|case| case.doubtful.is_empty()) {
            return Ok(cases);
        }
        let mut doubtful: BTreeMap<Hour, Count> = BTreeMap::new();
        for case in &cases {
            for place in &case.doubtful {
                *doubtful.entry(case.hour(*place)).or_default() += case.rows[*place].accounted();
            }
        }
        let mut lacks: BTreeMap<Hour, Count> = BTreeMap::new();
        for (tenant, period, _) in Touched::of(&cases).areas()? {
            let of_cube = verify::lacking(still.cx(), &self.store, R::KIND, tenant, period).await?;
            lacks.extend(
                of_cube
                    .into_iter()
                    .map(|((source, hour), count)| ((tenant, source, hour), count)),
            );
        }
        let mut told = Vec::with_capacity(cases.len());
        for mut case in cases {
            let unclear = case.doubtful.iter().find(|place| {
                let hour = case.hour(**place);
                let lack = lacks.get(&hour).copied().unwrap_or_default();
                lack != Count::default() && Some(&lack) != doubtful.get(&hour)
            });
            // No account knows corrections: they go the way of what came with them, if all of that goes one way.
            let (silent, telling): (Vec<usize>, Vec<usize>) = (case.doubtful.iter())
                .partition(|place| case.rows[**place].accounted() == Count::default());
            let missing = |place: &usize| lacks.contains_key(&case.hour(*place));
            let all_missing = telling.iter().all(missing);
            let one_way = all_missing || !telling.iter().any(missing);
            let untold = silent.first().filter(|_| telling.is_empty() || !one_way);
            if let Some(place) = unclear.or(untold) {
                let (tenant, _, hour) = case.hour(*place);
                let (batch, hour) = (case.pending.batch, hour.format("%Y-%m-%dT%H:00Z"));
                tracing::error!(%batch, %tenant, %hour, "records may have expired and nobody can tell: a batch is quarantined");
                let reason = format!(
                    "records of {hour} may have expired, and {} does not tell whether they were counted: see simcube verify",
                    family_of(R::KIND).cube(Cube::Full(Level::Hour))
                );
                journal::quarantine(still.cx(), batch, &reason).await?;
                settled.quarantined += 1;
                continue;
            }
            let mut never_counted: Vec<usize> = telling.iter().copied().filter(missing).collect();
            if all_missing {
                never_counted.extend(silent);
            }
            case.doubtful.clear();
            case.missing.extend(never_counted);
            told.push(case);
        }
        Ok(told)
    }
}

impl<R: Row> Case<R> {
    fn hour(&self, place: usize) -> Hour {
        let row = &self.rows[place];
        let hour = journal::hour_of(row.at());
        (row.tenant(), row.source().to_owned(), hour)
    }
}
