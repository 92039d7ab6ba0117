//! Rows that are not in the records and are so old that they may have expired: the cube of hours tells whether they were counted.
//!
//! Cubes keep what they counted. Where the cube of an hour has all that the ledger accepted, rows of that hour that are missing in the records
//! have expired; where it lacks just these rows, they were never counted. Anything else nobody can tell.

use std::collections::BTreeMap;

use analytics::verify::Count;
use chrono::{DateTime, Utc};
use domain::{Result, id::TenantId, journal};

use super::{super::Inner, Settled, case::Case, correct::Touched};
use crate::{standstill::StandStill, verify};

/// A source and hour of a tenant.
type Hour = (TenantId, String, DateTime<Utc>);

impl Inner {
    /// Step 4. Decides what became of doubtful rows: those that were never counted are missing, those that expired are not. Cases of which
    /// that cannot be told are quarantined; the others are returned.
    pub(super) async fn tell_expired(
        &self,
        still: &StandStill,
        cases: Vec<Case>,
        settled: &mut Settled,
    ) -> Result<Vec<Case>> {
        if cases.iter().all(|case| case.doubtful.is_empty()) {
            return Ok(cases);
        }
        let mut doubtful: BTreeMap<Hour, Count> = BTreeMap::new();
        for case in &cases {
            for place in &case.doubtful {
                *doubtful.entry(case.hour(*place)).or_default() += case.count(*place);
            }
        }
        let mut lacks: BTreeMap<Hour, Count> = BTreeMap::new();
        for (tenant, period, _) in Touched::of(&cases).areas()? {
            let of_cube = verify::lacking(still.cx(), &self.store, tenant, period).await?;
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
            if let Some(place) = unclear {
                let (tenant, _, hour) = case.hour(*place);
                let (batch, hour) = (case.pending.batch, hour.format("%Y-%m-%dT%H:00Z"));
                tracing::error!(%batch, %tenant, %hour, "records may have expired and nobody can tell: a batch is quarantined");
                let reason = format!(
                    "records of {hour} may have expired, and usage_hour does not tell whether they were counted: see simcube verify"
                );
                journal::quarantine(still.cx(), batch, &reason).await?;
                settled.quarantined += 1;
                continue;
            }
            let never_counted = std::mem::take(&mut case.doubtful)
                .into_iter()
                .filter(|place| lacks.contains_key(&case.hour(*place)));
            let never_counted: Vec<usize> = never_counted.collect();
            case.missing.extend(never_counted);
            told.push(case);
        }
        Ok(told)
    }
}

impl Case {
    fn hour(&self, place: usize) -> Hour {
        let row = &self.rows[place];
        (row.tenant, row.source.clone(), journal::hour_of(row.start))
    }

    /// A row as the ledger counts it.
    fn count(&self, place: usize) -> Count {
        let row = &self.rows[place];
        Count {
            records: 1,
            bytes_up: row.bytes_up.into(),
            bytes_down: row.bytes_down.into(),
            units: 0,
        }
    }
}
