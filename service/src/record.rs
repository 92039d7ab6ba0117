//! Single usage records.

use std::sync::Arc;

use analytics::usage::{Measure, Provenance, RecordFile, Selection, UsageLimits, UsageRecord};
use domain::{Period, ReadCx, Result, journal::Coverage, usage::Source};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Session,
    complete::{coverage, judge},
    hidden::{hide_records, narrow_selection},
    usage::inventory,
};

impl Session {
    /// The records of a selection that the caller may see, for a file: all of them, as they come.
    ///
    /// # Errors
    /// `FORBIDDEN` when usage is closed to the caller, `NOT_EXACT` where records may have expired, `THROTTLED` when too many questions
    /// of the tenant wait.
    pub async fn records(&self, selection: &Selection) -> Result<UsageRecords> {
        let cx = self.read().await?;
        let selection = &*narrow_selection(&cx, selection).await?;
        let query = selection.by(&[], &[Measure::Records]);
        let inventory = inventory(&cx, &query, None, UsageLimits::CARRIED.into()).await?;
        let coverage = coverage(&cx, Source::Cdr).await?;
        let turn = self.turn().await?;
        let file = self
            .store()
            .records(self.scope(), selection, &inventory, cx.now())?;
        Ok(UsageRecords {
            file,
            cx,
            coverage,
            _turn: turn,
        })
    }
}

/// Records that are being read. They have the tenant's turn until they are dropped.
pub struct UsageRecords {
    file: RecordFile,
    cx: Arc<ReadCx>,
    /// What was known of the journal before.
    coverage: Option<Coverage>,
    _turn: OwnedSemaphorePermit,
}

impl UsageRecords {
    /// The period that is meant.
    pub fn period(&self) -> Period {
        self.file.period()
    }

    /// How many there are at this moment, before any is read: others may come in between.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when that needs too much time.
    pub async fn count(&mut self) -> Result<u64> {
        self.file.count().await
    }

    /// At most so many of the next records; none at the end. What the caller may not see now reads as hidden.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when they need too much memory or time, also after some have come.
    pub async fn next(&mut self, most: usize) -> Result<Vec<UsageRecord>> {
        let mut records = Vec::new();
        while records.len() < most
            && let Some(record) = self.file.next().await?
        {
            records.push(record);
        }
        hide_records(&self.cx, &mut records).await?;
        Ok(records)
    }

    /// Where they come from and how fresh they are, once all have been read.
    ///
    /// # Errors
    /// `INTERNAL` before.
    pub fn provenance(self) -> Result<Provenance> {
        let period = self.file.period();
        let mut provenance = self.file.provenance()?;
        judge(&mut provenance, period, self.coverage.as_ref());
        Ok(provenance)
    }
}
