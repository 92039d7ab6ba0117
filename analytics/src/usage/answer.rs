//! Running a plan and reading its lines.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clickhouse::{Row, RowOwned, RowRead};
use domain::{
    Error, Period, Result, Scope,
    usage::{Kind, Known, Source},
};
use serde::Deserialize;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{
    Carried, CubeQuery, Dimension, Fill, Group, Incomplete, Inventory, Key, Measure, Parents,
    Provenance, State, UsageAnswer, UsageLimits, UsagePlan, UsageRow, Values, plan,
    scoped::Parameters, spool::Sums, watermark::received,
};
use crate::{Store, cube::Table, store::fault};

/// Bytes of the longest statement: what travels of [`UsageLimits::CARRIED`] SIMs for six groups takes half of that.
pub(super) const MOST_TEXT: &str = "67108864";

/// One line of a plan's result: a group (kind 0), the whole (1) or the watermark (2).
#[derive(Debug, Row, Deserialize)]
pub(super) struct Line {
    pub(super) kind: u8,
    pub(super) place: u64,
    parent: String,
    /// Whether it is all others together.
    pub(super) rest: u8,
    /// Whether the limit cut rows off.
    pub(super) cut: u8,
    keys: Vec<String>,
    pub(super) now: Vec<i128>,
    pub(super) before: Vec<i128>,
    pub(super) watermark: i64,
}

impl Store {
    /// Answers a question within what the caller may see, by one statement. `inventory` has what [`CubeQuery::needs`]
    /// names.
    ///
    /// # Errors
    /// As [`plan`]; `LIMIT_EXCEEDED` also when it needs too much memory or time.
    pub async fn usage(
        &self,
        scope: &Scope,
        query: &CubeQuery,
        inventory: &Inventory,
        now: DateTime<Utc>,
    ) -> Result<UsageAnswer> {
        let plan = plan(scope, query, None, inventory, now)?;
        let lines = self.lines(scope, &plan).await?;
        let watermark = watermark(&lines)?;
        answer(query, &plan, watermark, &lines)
    }

    /// Answers the same question for each of several parents (the SIMs of a page, say) by one statement. Every
    /// parent gets an answer, an empty one if there is no usage. [`Key::None`] is the unassigned.
    ///
    /// # Errors
    /// As [`Store::usage`].
    pub async fn usage_by(
        &self,
        scope: &Scope,
        query: &CubeQuery,
        parents: Parents<'_>,
        inventory: &Inventory,
        now: DateTime<Utc>,
    ) -> Result<HashMap<Key, UsageAnswer>> {
        let plan = plan(scope, query, Some(parents), inventory, now)?;
        let lines = self.lines(scope, &plan).await?;
        let watermark = watermark(&lines)?;
        let mut by_parent: HashMap<Key, Vec<Line>> = parents
            .ids
            .iter()
            .map(|id| (id.clone(), Vec::new()))
            .collect();
        for line in lines {
            let parent = dimension_key(parents.dimension, &line.parent)?;
            if let Some(own) = by_parent.get_mut(&parent) {
                own.push(line);
            }
        }
        let answers = by_parent
            .into_iter()
            .map(|(id, lines)| Ok((id, answer(query, &plan, watermark, &lines)?)));
        answers.collect()
    }

    async fn lines(&self, scope: &Scope, plan: &UsagePlan) -> Result<Vec<Line>> {
        let lines = self.ask(scope, plan.sql(), &plan.parameters).await;
        let mut lines: Vec<Line> = lines?;
        lines.sort_by_key(|line| (line.rest, line.place));
        Ok(lines)
    }

    /// All that a statement answers, within what the caller's statements may take.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when it needs more memory or time, and others from the engine.
    pub(super) async fn ask<L: RowOwned + RowRead>(
        &self,
        scope: &Scope,
        sql: &str,
        parameters: &Parameters,
    ) -> Result<Vec<L>> {
        let (seconds, bytes) = UsageLimits::of_statement(scope.role());
        let running = Running::new(self.clone());
        let query = parameters.attach(self.query(sql));
        let query = query
            .with_setting("max_execution_time", seconds.to_string())
            .with_setting("max_memory_usage", bytes.to_string())
            .with_setting("log_comment", running.mark.to_string())
            // The inventory travels in the text.
            .with_setting("max_query_size", MOST_TEXT);
        let lines = query.fetch_all().await;
        running.end();
        lines.map_err(fault)
    }
}

impl Line {
    /// A group (kind 0) or the whole (1), from what it is put together of.
    pub(super) fn of_sums(kind: u8, place: u64, Sums { keys, now, before }: Sums) -> Self {
        Self {
            kind,
            place,
            parent: String::new(),
            rest: 0,
            cut: 0,
            keys,
            now,
            before,
            watermark: 0,
        }
    }

    /// The line of a watermark, in Unix milliseconds.
    pub(super) fn of_watermark(watermark: i64) -> Self {
        Self {
            watermark,
            ..Self::of_sums(2, 0, Sums::default())
        }
    }

    /// What it adds to what is put together.
    pub(super) fn into_sums(self) -> Sums {
        Sums {
            keys: self.keys,
            now: self.now,
            before: self.before,
        }
    }

    /// The watermark, if it has one.
    pub(super) fn received(&self) -> Option<DateTime<Utc>> {
        received(self.watermark)
    }
}

/// A statement that runs. When whoever waits for it goes away, it is ended in the engine, which would not notice.
pub(super) struct Running {
    store: Store,
    /// What it is found by.
    pub(super) mark: Uuid,
    has_ended: bool,
}

impl Running {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            mark: Uuid::new_v4(),
            has_ended: false,
        }
    }

    /// The engine has answered.
    pub(super) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.has_ended {
            return;
        }
        let (store, mark) = (self.store.clone(), self.mark);
        runtime.spawn(async move {
            let kill = format!("KILL QUERY WHERE Settings['log_comment'] = '{mark}' ASYNC");
            // It ends by itself when its time is up.
            if let Err(error) = store.execute(&kill).await {
                tracing::warn!(error.cause = ?error.cause(), "a statement that nobody waits for goes on");
            }
        });
    }
}

fn watermark(lines: &[Line]) -> Result<Option<DateTime<Utc>>> {
    let line = lines
        .iter()
        .find(|line| line.kind == 2)
        .ok_or_else(|| Error::internal("no watermark in an answer"))?;
    Ok(line.received())
}

fn answer(
    query: &CubeQuery,
    plan: &UsagePlan,
    watermark: Option<DateTime<Utc>>,
    lines: &[Line],
) -> Result<UsageAnswer> {
    let open = plan.open(query);
    let reader = Reader { query, open: &open };
    let (mut rows, mut others) = (Vec::new(), Vec::new());
    let mut totals = reader.values(&[]);
    let mut previous_totals = query.compare_to.map(|_| reader.values(&[]));
    for line in lines {
        match (line.kind, line.rest) {
            (0, 0) => rows.push(reader.row(line)?),
            (0, _) => others.push(reader.row(line)?),
            (1, _) => {
                totals = reader.values(&line.now);
                previous_totals = query.compare_to.map(|_| reader.values(&line.before));
            }
            _ => {}
        }
    }
    let mut truncated = lines.iter().any(|line| line.cut == 1);
    if query.group_by.is_empty() {
        // Nothing to group by: the whole is the only row.
        rows.push(UsageRow {
            keys: Vec::new(),
            others: false,
            values: totals.clone(),
            previous: previous_totals.clone(),
        });
    } else if !(query.others || query.top.is_some()) {
        let skipped = (query.offset as usize).min(rows.len());
        rows.drain(..skipped);
        truncated = rows.len() > plan.limit as usize;
        rows.truncate(plan.limit as usize);
    }
    others.sort_by(|a, b| a.keys.cmp(&b.keys));
    if query.others {
        rows.extend(others);
    }
    Ok(UsageAnswer {
        period: plan.period,
        previous_period: plan.previous,
        rows,
        totals,
        previous_totals,
        truncated,
        closed: plan.closed.clone(),
        provenance: provenance(plan.source, plan.tables(), plan.period, watermark),
    })
}

/// Makes rows of lines.
pub(super) struct Reader<'a> {
    pub(super) query: &'a CubeQuery,
    /// Quantities that are asked for and open to the caller.
    pub(super) open: &'a [Measure],
}

impl Reader<'_> {
    pub(super) fn row(&self, line: &Line) -> Result<UsageRow> {
        let groups = self.query.group_by.iter().zip(&line.keys);
        let keys = groups.map(|(group, text)| {
            // Of all others together, an empty key of time is none.
            if line.rest == 1 && (!group.is_time() || text.is_empty()) {
                Ok(None)
            } else {
                key(group, text).map(Some)
            }
        });
        let records = line
            .now
            .get(State::Records as usize)
            .copied()
            .unwrap_or_default();
        let is_filled = self.query.fill == Fill::Null && records == 0 && line.rest == 0;
        Ok(UsageRow {
            keys: keys.collect::<Result<_>>()?,
            others: line.rest == 1,
            values: if is_filled {
                Values::default()
            } else {
                self.values(&line.now)
            },
            previous: self.query.compare_to.map(|_| self.values(&line.before)),
        })
    }

    pub(super) fn values(&self, states: &[i128]) -> Values {
        Values::of(self.open, |state| {
            states.get(state as usize).copied().unwrap_or_default()
        })
    }
}

fn key(group: &Group, text: &str) -> Result<Key> {
    let damaged = || Error::internal("a key of an answer can't be read");
    Ok(match group {
        Group::Dimension(dimension) => dimension_key(*dimension, text)?,
        Group::Time(_) => {
            let seconds = text.parse().map_err(Error::internal)?;
            Key::Moment(DateTime::from_timestamp(seconds, 0).ok_or_else(damaged)?)
        }
        Group::TimePart(_) => Key::Number(text.parse().map_err(Error::internal)?),
        Group::SimLabel(_) | Group::DeviceLabel(_) => match text.strip_prefix('=') {
            Some(value) => Key::Text(value.to_owned()),
            None if text == Carried::HIDDEN => Key::Hidden,
            None => Key::None,
        },
    })
}

fn dimension_key(dimension: Dimension, text: &str) -> Result<Key> {
    let entry = dimension.entry();
    if entry.kind == Kind::Text {
        let is_hidden = entry.known == Known::Sim && text == Carried::HIDDEN;
        return Ok(if is_hidden {
            Key::Hidden
        } else {
            Key::Text(text.to_owned())
        });
    }
    // The watermark's line has no parent; it reads as nobody's.
    let id = if text.is_empty() {
        Uuid::nil()
    } else {
        text.parse().map_err(Error::internal)?
    };
    Ok(match id {
        id if id.is_nil() => Key::None,
        id if id.is_max() => Key::Hidden,
        id => Key::Id(id),
    })
}

pub(super) fn provenance(
    source: Source,
    tables: &[Table],
    period: Period,
    watermark: Option<DateTime<Utc>>,
) -> Provenance {
    let incomplete = match watermark {
        None => Some(Incomplete::NothingReceived),
        Some(watermark) if period.to() > watermark => Some(Incomplete::PeriodRunning),
        Some(_) => None,
    };
    Provenance {
        source,
        tables: tables.to_vec(),
        watermark,
        incomplete,
    }
}
