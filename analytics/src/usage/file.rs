//! An answer as a file takes it: row by row, as many as the question leaves.
//!
//! Nothing here grows with the answer but what all others put together come to, at most a row for each bucket of time. The engine
//! groups and sorts in so much memory ([`UsageLimits::FILE_SPILL`] each) and on its disk beyond that; only questions for the largest
//! values or for all others need their groups in its memory. It waits for whoever reads slowly.

use std::vec;

use chrono::{DateTime, Utc};
use clickhouse::query::Query;
use domain::{Error, Period, Result, Scope};

use super::{
    CubeQuery, Inventory, Measure, Provenance, UsageLimits, UsagePlan, UsageRow, Values,
    answer::{Line, MOST_TEXT, Reader, Running, provenance},
    plan::plan_file,
    scoped::Parameters,
    slices::Lines,
};
use crate::{Store, store::fault};

/// What an answer says beside its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The whole, whatever is shown of it.
    pub totals: Values,
    /// The period that it is compared with.
    pub previous_period: Option<Period>,
    /// The whole of that.
    pub previous_totals: Option<Values>,
    /// Whether the limit cut rows off.
    pub truncated: bool,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// An answer that is being read. Dropped before its end, it ends the statement.
pub struct UsageFile {
    query: CubeQuery,
    plan: UsagePlan,
    open: Vec<Measure>,
    pub(super) lines: Lines,
    running: Option<Running>,
    /// Rows of all others, which come after those that are shown.
    others: Vec<UsageRow>,
    last: Option<vec::IntoIter<UsageRow>>,
    /// Rows that came, with those passed over.
    came: u64,
    place: Option<u64>,
    whole: Whole,
    has_watermark: bool,
}

impl Store {
    /// A statement whose rows a file takes, and what ends it in the engine.
    pub(super) fn file(
        &self,
        scope: &Scope,
        sql: &str,
        parameters: &Parameters,
    ) -> (Query, Running) {
        let (_, bytes) = UsageLimits::of_statement(scope.role());
        let running = Running::new(self.clone());
        let spill = UsageLimits::FILE_SPILL.to_string();
        let statement = parameters
            .attach(self.stream(sql))
            .with_setting("max_execution_time", UsageLimits::FILE_SECONDS.to_string())
            .with_setting("max_memory_usage", bytes.to_string())
            .with_setting("max_bytes_before_external_group_by", spill.clone())
            .with_setting("max_bytes_before_external_sort", spill)
            .with_setting("log_comment", running.mark.to_string())
            .with_setting("max_query_size", MOST_TEXT);
        (statement, running)
    }

    /// Begins the answer to a question for a file. `inventory` has what [`CubeQuery::needs`] names.
    ///
    /// # Errors
    /// As [`Store::usage`].
    pub fn usage_file(
        &self,
        scope: &Scope,
        query: &CubeQuery,
        inventory: &Inventory,
        now: DateTime<Utc>,
    ) -> Result<UsageFile> {
        let plan = plan_file(scope, query, inventory, now)?;
        let (statement, running) = self.file(scope, plan.sql(), &plan.parameters);
        let lines = Lines::Statement(statement.fetch().map_err(fault)?);
        Ok(UsageFile::of(query, plan, lines, Some(running)))
    }
}

impl UsageFile {
    pub(super) fn of(
        query: &CubeQuery,
        plan: UsagePlan,
        lines: Lines,
        running: Option<Running>,
    ) -> Self {
        let open = plan.open(query);
        let reader = Reader { query, open: &open };
        let whole = Whole {
            totals: reader.values(&[]),
            previous_period: plan.previous,
            previous_totals: query.compare_to.map(|_| reader.values(&[])),
            truncated: false,
            provenance: provenance(plan.source, plan.tables(), plan.period, None),
        };
        Self {
            query: query.clone(),
            plan,
            open,
            lines,
            running,
            others: Vec::new(),
            last: None,
            came: 0,
            place: None,
            whole,
            has_watermark: false,
        }
    }

    /// The period that is meant.
    pub fn period(&self) -> Period {
        self.plan.period
    }

    /// What people call the tables that are read, the coarsest first.
    pub fn tables(&self) -> Vec<String> {
        self.whole.provenance.names()
    }

    /// Quantities that were asked for and are closed to the caller.
    pub fn closed(&self) -> &[Measure] {
        &self.plan.closed
    }

    /// Quantities that were asked for and are open to the caller.
    pub fn open(&self) -> &[Measure] {
        &self.open
    }

    /// The next row.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when the question needs too much memory or time, also after rows have come.
    pub async fn next(&mut self) -> Result<Option<UsageRow>> {
        if let Some(last) = &mut self.last {
            return Ok(last.next());
        }
        while let Some(line) = self.lines.next().await? {
            if let Some(row) = self.take(&line)? {
                return Ok(Some(row));
            }
        }
        let last = self.finish()?;
        Ok(self.last.insert(last.into_iter()).next())
    }

    /// What is said beside the rows, once all of them have been read.
    ///
    /// # Errors
    /// `INTERNAL` before.
    pub fn whole(self) -> Result<Whole> {
        match self.last {
            Some(_) => Ok(self.whole),
            None => Err(Error::internal("an answer was not read to its end")),
        }
    }

    /// The row that a line is, if it is one to be shown now.
    fn take(&mut self, line: &Line) -> Result<Option<UsageRow>> {
        let reader = Reader {
            query: &self.query,
            open: &self.open,
        };
        self.whole.truncated |= line.cut == 1;
        match (line.kind, line.rest) {
            (0, 0) => {
                if self.place.is_some_and(|place| place >= line.place) {
                    return Err(Error::internal("lines of an answer came in another order"));
                }
                self.place = Some(line.place);
                let row = reader.row(line)?;
                Ok(self.is_asked_for().then_some(row))
            }
            (0, _) => {
                self.others.push(reader.row(line)?);
                Ok(None)
            }
            (1, _) => {
                self.whole.totals = reader.values(&line.now);
                self.whole.previous_totals =
                    (self.query.compare_to).map(|_| reader.values(&line.before));
                Ok(None)
            }
            _ => {
                self.has_watermark = true;
                let plan = &self.plan;
                self.whole.provenance =
                    provenance(plan.source, plan.tables(), plan.period, line.received());
                Ok(None)
            }
        }
    }

    /// Whether the next row lies between offset and limit; where groups are put together, the statement sees to that.
    fn is_asked_for(&mut self) -> bool {
        if self.query.merges() {
            return true;
        }
        self.came += 1;
        let offset = u64::from(self.query.offset);
        let is_beyond = self.came > offset + u64::from(self.plan.limit);
        self.whole.truncated |= is_beyond;
        self.came > offset && !is_beyond
    }

    /// The rows that come last.
    fn finish(&mut self) -> Result<Vec<UsageRow>> {
        if let Some(running) = self.running.take() {
            running.end();
        }
        if !self.has_watermark {
            return Err(Error::internal("no watermark in an answer"));
        }
        let mut rows = Vec::new();
        if self.query.group_by.is_empty() {
            // Nothing to group by: the whole is the only row.
            rows.push(UsageRow {
                keys: Vec::new(),
                others: false,
                values: self.whole.totals.clone(),
                previous: self.whole.previous_totals.clone(),
            });
        }
        self.others.sort_by(|a, b| a.keys.cmp(&b.keys));
        if self.query.others {
            rows.append(&mut self.others);
        }
        Ok(rows)
    }
}
