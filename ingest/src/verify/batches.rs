//! Each tenant's part of each batch, held against the records.

use std::collections::HashMap;

use analytics::verify::{BatchCount, Count};
use domain::{
    Result,
    id::{BatchId, TenantId},
    journal::{
        BatchState, Kind,
        ledger::{self, Part},
    },
};

use super::{Still, count, report::Report};
use crate::kind::family_of;

/// Parts that are in memory at the same time. Records are read once for each so many.
const PAGE: u32 = 100_000;

impl Still {
    pub(super) async fn batches(&self, report: &mut Report, kind: Kind) -> Result<()> {
        let tables = self.tables.of(family_of(kind));
        let mut after = None;
        loop {
            let page = ledger::parts(&self.ledger, kind, after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            let until = page
                .last()
                .filter(|_| !is_last)
                .map(|part| (part.batch, part.tenant));
            let counted = tables.batches(&self.system, after, until).await?;
            self.page(report, kind, &page, counted);
            if until.is_none() {
                return Ok(());
            }
            after = until;
        }
    }

    fn page(&self, report: &mut Report, kind: Kind, parts: &[Part], counted: Vec<BatchCount>) {
        let mut counted: HashMap<(BatchId, TenantId), BatchCount> = counted
            .into_iter()
            .map(|found| ((found.batch, found.tenant), found))
            .collect();
        for part in parts {
            let found = counted.remove(&(part.batch, part.tenant));
            self.part(report, kind, part, found);
        }
        let mut strangers: Vec<BatchCount> = counted.into_values().collect();
        strangers.sort_unstable_by_key(|found| (found.tenant, found.batch));
        for found in strangers {
            report.add_stranger(kind, &found);
        }
    }

    fn part(&self, report: &mut Report, kind: Kind, part: &Part, found: Option<BatchCount>) {
        let records = family_of(kind).records();
        let there = found.map_or_else(Count::default, |found| found.count);
        match part.state {
            BatchState::Journaled => report.add_open(kind, part, there),
            BatchState::Quarantined => {
                report.add_open(kind, part, there);
                if found.is_some() {
                    let what = format!("is quarantined, and yet {records} has");
                    report.add_part(kind, part, there, &what);
                }
            }
            BatchState::Counted => {
                let checksum = found.map_or(0, |found| found.checksum);
                let whole_from = self.whole_from(kind, part.tenant);
                let is_whole = part.first_at >= whole_from;
                if count(part.sums) == there && part.checksum == checksum {
                    return;
                }
                if !is_whole && there.records < part.sums.rows {
                    report.add_expired(kind, part, whole_from);
                } else if count(part.sums) == there {
                    report.add_part(kind, part, there, "has other identities than the");
                } else {
                    let what = format!("is counted, and {records} has");
                    report.add_part(kind, part, there, &what);
                }
            }
        }
    }
}
