//! Cubes are corrected from records only where these are the ledger's: what touches other hours is withheld.

use std::collections::{BTreeMap, HashSet};

use analytics::verify::Count;
use chrono::{DateTime, Utc};
use domain::{
    Result,
    id::{BatchId, TenantId},
    journal,
};

use super::{super::Inner, Settled, case::Case, correct::Touched, cut::piece_of};
use crate::{kind::Row, standstill::StandStill, verify};

impl Inner {
    /// Step 5. Says which cases may go on.
    pub(super) async fn withhold<R: Row>(
        &self,
        still: &StandStill,
        cases: Vec<Case<R>>,
        settled: &mut Settled,
    ) -> Result<Vec<Case<R>>> {
        let batches: Vec<BatchId> = cases.iter().map(|case| case.pending.batch).collect();
        let gone = journal::gone_of(still.cx(), &batches).await?;
        let mut missing = Missing::default();
        for case in &cases {
            missing.add(case, &gone);
        }
        let mut unsound = Vec::new();
        for (tenant, period, _) in Touched::of(&cases).areas()? {
            let (missing, some) = missing.of(tenant);
            let whole: Vec<BatchId> = (batches.iter().copied())
                .filter(|batch| !gone.contains(&(tenant, *batch)))
                .collect();
            let hour = verify::unexplained_hour(
                still.cx(),
                &self.store,
                (R::KIND, tenant),
                (period, still.whole_from(R::KIND, tenant)),
                &missing,
                &whole,
                some,
            );
            unsound.extend(hour.await?.map(|hour| (tenant, period, hour)));
        }
        let mut sound = Vec::with_capacity(cases.len());
        for case in cases {
            let touched = |row: &R| {
                let area = unsound.iter().find(|(tenant, period, _)| {
                    row.tenant() == *tenant && period.from() <= row.at() && row.at() < period.to()
                });
                area.map(|(tenant, _, hour)| (*tenant, *hour))
            };
            let touched: BTreeMap<TenantId, DateTime<Utc>> =
                case.rows.iter().filter_map(touched).collect();
            let Some((tenant, hour)) = touched.first_key_value() else {
                sound.push(case);
                continue;
            };
            let batch = case.pending.batch;
            // Other tenants' records have nothing to do with it.
            let is_kept = |row: &R| touched.contains_key(&row.tenant());
            let (kept, others): (Vec<R>, Vec<R>) = case.rows.iter().cloned().partition(is_kept);
            if !others.is_empty() && self.holds_all(still.cx(), &case).await? {
                let pieces = vec![(batch, kept), (piece_of(&case), others)];
                self.replace(still.cx(), &case, pieces).await?;
                settled.cut += 1;
            }
            let hour = hour.format("%Y-%m-%dT%H:00Z");
            tracing::error!(%batch, %tenant, %hour, "records are not those of the ledger: a batch is quarantined");
            let reason = format!(
                "the records of {hour} are not those that the ledger has, so nobody can tell whether the cubes have these \
                 rows: see simcube verify"
            );
            journal::quarantine(still.cx(), batch, &reason).await?;
            settled.quarantined += 1;
        }
        Ok(sound)
    }
}

/// What is missing in the records and can be inserted.
#[derive(Default)]
struct Missing {
    by_tenant: BTreeMap<TenantId, Hours>,
    /// What of it is of parts of which the rest is gone.
    of_gone: BTreeMap<TenantId, Count>,
}

/// By source and hour.
type Hours = BTreeMap<(String, DateTime<Utc>), Count>;

impl Missing {
    fn add<R: Row>(&mut self, case: &Case<R>, gone: &HashSet<(TenantId, BatchId)>) {
        for row in case.missing.iter().map(|at| &case.rows[*at]) {
            let hours = self.by_tenant.entry(row.tenant()).or_default();
            let hour = (row.source().to_owned(), journal::hour_of(row.at()));
            *hours.entry(hour).or_default() += row.in_hours();
            if gone.contains(&(row.tenant(), case.pending.batch)) {
                *self.of_gone.entry(row.tenant()).or_default() += row.in_hours();
            }
        }
    }

    fn of(&self, tenant: TenantId) -> (Hours, Count) {
        let hours = self.by_tenant.get(&tenant).cloned().unwrap_or_default();
        let of_gone = self.of_gone.get(&tenant).copied().unwrap_or_default();
        (hours, of_gone)
    }
}
