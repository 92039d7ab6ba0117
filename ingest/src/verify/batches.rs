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

/// Parts that are in memory at the same time. Records are read once for each so many.
const PAGE: u32 = 100_000;

impl Still {
    pub(super) async fn batches(&self, report: &mut Report) -> Result<()> {
        let mut after = None;
        loop {
            let page = ledger::parts(&self.ledger, Kind::Cdr, after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            let until = page
                .last()
                .filter(|_| !is_last)
                .map(|part| (part.batch, part.tenant));
            let counted = self.tables.batches(&self.system, after, until).await?;
            self.page(report, &page, counted);
            if until.is_none() {
                return Ok(());
            }
            after = until;
        }
    }

    fn page(&self, report: &mut Report, parts: &[Part], counted: Vec<BatchCount>) {
        let mut counted: HashMap<(BatchId, TenantId), BatchCount> = counted
            .into_iter()
            .map(|found| ((found.batch, found.tenant), found))
            .collect();
        for part in parts {
            let found = counted.remove(&(part.batch, part.tenant));
            self.part(report, part, found);
        }
        let mut strangers: Vec<BatchCount> = counted.into_values().collect();
        strangers.sort_unstable_by_key(|found| (found.tenant, found.batch));
        for found in strangers {
            report.add_stranger(&found);
        }
    }

    fn part(&self, report: &mut Report, part: &Part, found: Option<BatchCount>) {
        let there = found.map_or_else(Count::default, |found| found.count);
        match part.state {
            BatchState::Journaled => report.add_open(part, there),
            BatchState::Quarantined => {
                report.add_open(part, there);
                if found.is_some() {
                    report.add_part(part, there, "is quarantined, and yet cdr has");
                }
            }
            BatchState::Counted => {
                let checksum = found.map_or(0, |found| found.checksum);
                let is_whole = part.first_at >= self.whole_from(part.tenant);
                if count(part.sums) == there && part.checksum == checksum {
                    return;
                }
                if !is_whole && there.records < part.sums.rows {
                    report.expired += 1;
                } else if count(part.sums) == there {
                    report.add_part(part, there, "has other identities than the");
                } else {
                    report.add_part(part, there, "is counted, and cdr has");
                }
            }
        }
    }
}
