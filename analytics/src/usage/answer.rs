//! Running a plan and reading its lines.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{Error, Result, Scope};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Dimension, Key, Measure, Provenance, UsageAnswer, UsagePlan, UsageQuery, UsageRow, Values,
    plan, plan::plan_by, scoped::identifies,
};
use crate::{Store, store::fault};

/// One line of a plan's result: a group (kind 0), the whole (1) or the watermark (2).
#[derive(Debug, Row, Deserialize)]
struct Line {
    kind: u8,
    place: u64,
    parent: String,
    bucket: u32,
    keys: Vec<String>,
    up: i128,
    down: i128,
    total_records: i64,
    sims: u64,
    watermark: i64,
}

impl Store {
    /// Answers a question within what the caller may see, by one statement.
    ///
    /// # Errors
    /// As [`plan`]; `LIMIT_EXCEEDED` also when it needs too much memory or time.
    pub async fn usage(&self, scope: &Scope, query: &UsageQuery) -> Result<UsageAnswer> {
        let plan = plan(scope, query)?;
        let lines = self.lines(&plan).await?;
        let watermark = watermark(&lines)?;
        answer(query, &plan, watermark, lines.into_iter())
    }

    /// Answers the same question for each of several parents (the SIMs of a page, say) by one statement. Every
    /// parent gets an answer, an empty one if there is no usage. [`Key::None`] is the unassigned.
    ///
    /// # Errors
    /// As [`Store::usage`].
    pub async fn usage_by(
        &self,
        scope: &Scope,
        query: &UsageQuery,
        parent: Dimension,
        ids: &[Key],
    ) -> Result<HashMap<Key, UsageAnswer>> {
        let plan = plan_by(scope, query, parent, ids)?;
        let lines = self.lines(&plan).await?;
        let watermark = watermark(&lines)?;
        let mut by_parent: HashMap<Key, Vec<Line>> =
            ids.iter().map(|id| (id.clone(), Vec::new())).collect();
        for line in lines {
            if let Some(own) = by_parent.get_mut(&key(parent, &line.parent)?) {
                own.push(line);
            }
        }
        by_parent
            .into_iter()
            .map(|(id, lines)| Ok((id, answer(query, &plan, watermark, lines.into_iter())?)))
            .collect()
    }

    async fn lines(&self, plan: &UsagePlan) -> Result<Vec<Line>> {
        let query = plan.parameters.attach(self.query(plan.sql()));
        let mut lines: Vec<Line> = query.fetch_all().await.map_err(fault)?;
        lines.sort_by_key(|line| line.place);
        Ok(lines)
    }
}

fn watermark(lines: &[Line]) -> Result<Option<DateTime<Utc>>> {
    let line = lines
        .iter()
        .find(|line| line.kind == 2)
        .ok_or_else(|| Error::internal("no watermark in an answer"))?;
    Ok(DateTime::from_timestamp_millis(line.watermark).filter(|_| line.watermark > 0))
}

fn answer(
    query: &UsageQuery,
    plan: &UsagePlan,
    watermark: Option<DateTime<Utc>>,
    lines: impl Iterator<Item = Line>,
) -> Result<UsageAnswer> {
    let mut rows = Vec::new();
    let mut totals = values(query, 0, 0, 0, 0);
    for line in lines.filter(|line| line.kind < 2) {
        let values = values(query, line.up, line.down, line.total_records, line.sims);
        if line.kind == 1 {
            totals = values;
        } else {
            rows.push(row(query, &line, values)?);
        }
    }
    if query.dimensions.is_empty() && query.grain.is_none() {
        // Nothing to group by: the whole is the only row.
        rows.push(UsageRow {
            period_start: None,
            keys: vec![],
            values: totals,
        });
    }
    let limit = query.limit as usize;
    let truncated = rows.len() > limit;
    rows.truncate(limit);
    Ok(UsageAnswer {
        rows,
        totals,
        truncated,
        provenance: provenance(query, plan, watermark),
    })
}

fn row(query: &UsageQuery, line: &Line, values: Values) -> Result<UsageRow> {
    let keys = query
        .dimensions
        .iter()
        .zip(&line.keys)
        .map(|(dimension, text)| key(*dimension, text));
    Ok(UsageRow {
        period_start: query
            .grain
            .and_then(|_| DateTime::from_timestamp(line.bucket.into(), 0)),
        keys: keys.collect::<Result<_>>()?,
        values,
    })
}

fn values(query: &UsageQuery, up: i128, down: i128, records: i64, sims: u64) -> Values {
    let asked = |measure| query.measures.contains(&measure);
    Values {
        bytes_up: asked(Measure::BytesUp).then_some(up),
        bytes_down: asked(Measure::BytesDown).then_some(down),
        bytes_total: asked(Measure::BytesTotal).then_some(up + down),
        records: asked(Measure::Records).then_some(records),
        active_sims: asked(Measure::ActiveSims).then_some(sims),
    }
}

fn key(dimension: Dimension, text: &str) -> Result<Key> {
    if !identifies(dimension) {
        return Ok(Key::Text(text.to_owned()));
    }
    // The watermark's line has no parent; it reads as nobody's.
    let id = if text.is_empty() {
        Uuid::nil()
    } else {
        text.parse().map_err(Error::internal)?
    };
    Ok(if id.is_nil() { Key::None } else { Key::Id(id) })
}

fn provenance(
    query: &UsageQuery,
    plan: &UsagePlan,
    watermark: Option<DateTime<Utc>>,
) -> Provenance {
    let reason = match watermark {
        None => Some("no usage has been received yet".to_owned()),
        Some(watermark) if query.period.to() > watermark => {
            Some("the period reaches beyond the newest record received".to_owned())
        }
        Some(_) => None,
    };
    Provenance {
        table: plan.table(),
        watermark,
        complete: reason.is_none(),
        reason,
    }
}
