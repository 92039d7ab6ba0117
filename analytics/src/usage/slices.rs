//! An answer that several statements give together, one after the other, because the question needs more SIMs or devices than one
//! carries.
//!
//! Each statement reads the cells of a slice of SIMs, or of devices where SIMs are closed to the caller, with what the inventory says of
//! that slice. Every cell and record is of one SIM and of one device or none, so it is in one slice, and the sums of slices add up,
//! whatever they are grouped by. So do numbers of SIMs: a SIM is in one slice of SIMs, and where slices are of devices none are
//! counted. Averages are made of the sums, and rounded once. What ranks or chooses among whole groups cannot be said of a part of them.

use chrono::{DateTime, Utc};
use clickhouse::query::RowCursor;
use domain::{
    Error, Result, Scope,
    slice::{Of, Slice},
};

use super::{
    CubeQuery, Fill, Inventory, OrderBy, State, UsageFile, UsageLimits,
    answer::Line,
    plan::plan_file,
    spool::{Merge, Spool, Sums},
};
use crate::{Store, store::fault};

impl CubeQuery {
    /// What of the question only one statement answers, if there is something: it is about whole groups.
    pub fn unsliceable(&self) -> Option<&'static str> {
        let by_measure = |by: &OrderBy| matches!(by, OrderBy::Measure(_));
        let all = [
            ("top", self.top.is_some()),
            ("others", self.others),
            ("fill", self.fill != Fill::None),
            ("having", self.having.is_some()),
            (
                "an order by a measure",
                self.order_by.iter().any(|order| by_measure(&order.by)),
            ),
        ];
        let said = all.into_iter().find(|(_, is_said)| *is_said);
        said.map(|(what, _)| what)
    }
}

/// Where the lines of a file come from.
pub(super) enum Lines {
    /// One statement.
    Statement(RowCursor<Line>),
    /// One statement for each slice.
    Slices(Box<Slices>),
}

impl Lines {
    pub(super) async fn next(&mut self) -> Result<Option<Line>> {
        match self {
            Self::Statement(lines) => lines.next().await.map_err(fault),
            Self::Slices(slices) => slices.next().await,
        }
    }
}

/// Slices that were read, and all of them together once they have been.
pub(super) struct Slices {
    store: Store,
    scope: Scope,
    /// What is asked of each.
    query: CubeQuery,
    now: DateTime<Utc>,
    spool: Spool,
    whole: Sums,
    /// The earliest of any, in Unix milliseconds; 0 where nothing was received.
    watermark: Option<i64>,
    merge: Option<Merge>,
    /// Lines that come after those of groups.
    last: Vec<Line>,
}

impl Store {
    /// Begins the answer to a question for a file, of which slices of SIMs or devices are read by [`UsageFile::read`] before its rows:
    /// such that each id is in one of them. What is [`CubeQuery::unsliceable`] has no such answer.
    ///
    /// # Errors
    /// As [`Store::usage_file`]; `UNAVAILABLE` when the folder for temporary files cannot be used.
    pub async fn usage_slices(
        &self,
        scope: &Scope,
        query: &CubeQuery,
        of: Of,
        now: DateTime<Utc>,
    ) -> Result<UsageFile> {
        if query.unsliceable().is_some() {
            return Err(Error::internal("slices of this question do not add up"));
        }
        // What is known of an answer does not depend on what the inventory has.
        let inventory = Inventory::default().of_slice(Slice::whole(of));
        let plan = plan_file(scope, query, &inventory, now)?;
        let slices = Slices {
            store: self.clone(),
            scope: scope.clone(),
            query: CubeQuery {
                limit: None,
                offset: 0,
                ..query.clone()
            },
            now,
            spool: Spool::new(UsageLimits::SPOOL).await?,
            whole: Sums::default(),
            watermark: None,
            merge: None,
            last: Vec::new(),
        };
        Ok(UsageFile::of(
            query,
            plan,
            Lines::Slices(Box::new(slices)),
            None,
        ))
    }
}

impl UsageFile {
    /// Reads another slice. `inventory` has what [`CubeQuery::needs`] names, of that slice.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when it needs too much memory or time, or the rows of all slices too much of the disk.
    pub async fn read(&mut self, inventory: &Inventory) -> Result<()> {
        match &mut self.lines {
            Lines::Slices(slices) => slices.read(inventory).await,
            Lines::Statement(_) => Err(Error::internal("an answer of one statement has no slices")),
        }
    }
}

impl Slices {
    async fn read(&mut self, inventory: &Inventory) -> Result<()> {
        if inventory.slice().is_none() || self.merge.is_some() {
            return Err(Error::internal("a slice that is none, or comes too late"));
        }
        let plan = plan_file(&self.scope, &self.query, inventory, self.now)?;
        let (statement, running) = self.store.file(&self.scope, plan.sql(), &plan.parameters);
        let mut lines = statement.fetch::<Line>().map_err(fault)?;
        let (mut place, mut whole, mut watermark) = (None, Sums::default(), None);
        self.spool.begin();
        while let Some(line) = lines.next().await.map_err(fault)? {
            match line.kind {
                0 => {
                    if place.is_some_and(|place| place >= line.place) {
                        return Err(Error::internal("lines of a slice came in another order"));
                    }
                    place = Some(line.place);
                    self.spool.push(&line.into_sums()).await?;
                }
                1 => whole.add(&line.into_sums())?,
                _ => watermark = Some(line.watermark),
            }
        }
        running.end();
        let watermark = watermark.ok_or_else(|| Error::internal("no watermark in a slice"))?;
        self.spool.end().await?;
        self.whole.add(&whole)?;
        self.watermark = Some(
            self.watermark
                .map_or(watermark, |known| known.min(watermark)),
        );
        Ok(())
    }

    /// The next line: groups in order, then the whole, then the watermark.
    async fn next(&mut self) -> Result<Option<Line>> {
        if self.merge.is_none() {
            let watermark = self
                .watermark
                .ok_or_else(|| Error::internal("no slice was read"))?;
            self.last.push(Line::of_watermark(watermark));
            // As of one statement: a whole whose records were all taken back is none.
            if has_records(&self.whole.now) || has_records(&self.whole.before) {
                self.last
                    .push(Line::of_sums(1, 0, std::mem::take(&mut self.whole)));
            }
        }
        let merge = self
            .merge
            .get_or_insert_with(|| self.spool.merge(&self.query));
        while let Some((place, sums)) = merge.next().await? {
            // Nor is a group that has usage in the other period only, or none any more, a row.
            if has_records(&sums.now) {
                return Ok(Some(Line::of_sums(0, place, sums)));
            }
        }
        Ok(self.last.pop())
    }
}

fn has_records(states: &[i128]) -> bool {
    states
        .get(State::Records as usize)
        .is_some_and(|records| *records != 0)
}
