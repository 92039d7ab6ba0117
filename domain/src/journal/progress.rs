//! How far each source of a tenant has come, and whether usage is complete up to a moment.
//!
//! A source is complete up to the lesser of its newest event and its newest receipt, less how late its records may come. One that
//! comes through a topic has its messages in several partitions: while some of them wait to be read, it is no further than the partition
//! that is least far. A source is waited for until an operator retires it ([`retire`]), so one that falls silent is noticed.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use strum::{AsRefStr, EnumMessage, VariantArray};

use super::{Kind, Tally};
use crate::{
    Error, Period, Permission, ReadCx, Result, SystemCx,
    id::TenantId,
    row::{Columns, Decode},
    scope::Segments,
    sql::{texts, uuids},
};

/// Sources that an answer names as not complete.
const NAMED: u8 = 5;

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SourceState {
    /// It delivered within its lateness, and all that is known to be there was read.
    Current,
    /// Messages of its topic wait to be read.
    Behind,
    /// It delivered nothing for longer than its records may be late.
    Silent,
    /// Nobody waits for it.
    Retired,
}

/// How far a source has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What its records are.
    pub kind: Kind,
    /// The source.
    pub source: String,
    /// When its newest usage began, of what counts.
    pub newest_event_at: DateTime<Utc>,
    /// When a record of it that counts was received last.
    pub newest_received_at: DateTime<Utc>,
    /// How late its records may come.
    pub lateness: TimeDelta,
    /// Usage that began before is complete. None while messages of its topic wait of which nothing was read.
    pub complete_up_to: Option<DateTime<Utc>>,
    /// How long ago that is, at least nothing. None as before.
    pub lag: Option<TimeDelta>,
    /// Where it stands.
    pub state: SourceState,
    /// Since when nobody waits for it.
    pub retired_at: Option<DateTime<Utc>>,
}

struct Row {
    kind: Kind,
    source: String,
    newest_event_at: DateTime<Utc>,
    newest_received_at: DateTime<Utc>,
    lateness: TimeDelta,
    retired_at: Option<DateTime<Utc>>,
    complete_up_to: Option<DateTime<Utc>>,
    is_held: bool,
}

impl Decode for Row {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            kind: row.word()?,
            source: row.get()?,
            newest_event_at: row.get()?,
            newest_received_at: row.get()?,
            lateness: TimeDelta::minutes(row.get::<i32>()?.into()),
            retired_at: row.get()?,
            complete_up_to: row.get()?,
            is_held: row.get()?,
        })
    }
}

impl Row {
    fn at(self, now: DateTime<Utc>) -> Progress {
        let state = match self.retired_at {
            Some(_) => SourceState::Retired,
            None if self.is_held => SourceState::Behind,
            None if now - self.newest_received_at > self.lateness => SourceState::Silent,
            None => SourceState::Current,
        };
        let ago = |moment: DateTime<Utc>| (now - moment).max(TimeDelta::zero());
        Progress {
            kind: self.kind,
            source: self.source,
            newest_event_at: self.newest_event_at,
            newest_received_at: self.newest_received_at,
            lateness: self.lateness,
            complete_up_to: self.complete_up_to,
            lag: self.complete_up_to.map(ago),
            state,
            retired_at: self.retired_at,
        }
    }
}

/// The sources of one tenant ($1), each with how far it is complete, and whether its topic holds it back.
const SOURCES: &str = "SELECT known.kind, known.source, known.newest_event_at, known.newest_received_at, known.lateness_minutes, \
            known.retired_at, \
            nullif(least(known.newest_event_at, known.newest_received_at, held.held_at), '-infinity') \
                - make_interval(mins => known.lateness_minutes) AS complete_up_to, \
            held.held_at IS NOT NULL AS is_held \
     FROM intake_progress AS known LEFT JOIN topics_held() AS held USING (topic) WHERE known.tenant_id = $1";

/// Adds what a batch says of its sources. What came again says nothing: it may be read again years later. Rows are locked in one order.
pub(super) async fn add(
    cx: &SystemCx,
    kind: Kind,
    tallies: &[Tally],
    received_at: DateTime<Utc>,
) -> Result<()> {
    let mut by_source: BTreeMap<(TenantId, &str), (DateTime<Utc>, &str)> = BTreeMap::new();
    for tally in tallies.iter().filter(|tally| tally.accepted > 0) {
        let Some(newest) = tally.newest_event_at else {
            continue;
        };
        let key = (tally.tenant, tally.source.as_str());
        let known = by_source.entry(key).or_insert((newest, ""));
        known.0 = known.0.max(newest);
        known.1 = tally.topic.as_deref().unwrap_or(known.1);
    }
    if by_source.is_empty() {
        return Ok(());
    }
    let newest: Vec<DateTime<Utc>> = by_source.values().map(|(newest, _)| *newest).collect();
    cx.execute(
        "INSERT INTO intake_progress AS known \
             (tenant_id, kind, source, topic, newest_event_at, newest_received_at) \
         SELECT new.tenant_id, $1, new.source, nullif(new.topic, ''), new.newest, $2 \
         FROM unnest($3::uuid[], $4::text[], $5::text[], $6::timestamptz[]) AS new(tenant_id, source, topic, newest) \
         ON CONFLICT ON CONSTRAINT intake_progress_pkey DO UPDATE SET \
             topic = coalesce(excluded.topic, known.topic), \
             newest_event_at = greatest(known.newest_event_at, excluded.newest_event_at), \
             newest_received_at = greatest(known.newest_received_at, excluded.newest_received_at), \
             retired_at = NULL",
        [
            kind.as_ref().into(),
            received_at.into(),
            uuids(by_source.keys().map(|(tenant, _)| tenant.uuid())),
            texts(by_source.keys().map(|(_, source)| source)),
            texts(by_source.values().map(|(_, topic)| topic)),
            newest.into(),
        ],
    )
    .await?;
    Ok(())
}

/// The sources of the caller's tenant, by kind and name.
///
/// # Errors
/// `FORBIDDEN` without `INGEST_READ`.
pub async fn progress(cx: &ReadCx) -> Result<Vec<Progress>> {
    cx.scope().require(Permission::IngestRead)?;
    // Where a source stands depends on the clock, and on positions, which raise no version.
    cx.noted().read_unversioned();
    let sql = format!("{SOURCES} ORDER BY known.kind, known.source");
    let rows: Vec<Row> = cx.all(&sql, [cx.scope().tenant().uuid().into()]).await?;
    Ok(rows.into_iter().map(|row| row.at(cx.now())).collect())
}

/// The sources of a tenant, for whoever operates the platform.
pub async fn progress_of(cx: &SystemCx, tenant: TenantId) -> Result<Vec<Progress>> {
    let sql = format!("{SOURCES} ORDER BY known.kind, known.source");
    let rows: Vec<Row> = cx.all(&sql, [tenant.uuid().into()]).await?;
    Ok(rows.into_iter().map(|row| row.at(cx.now())).collect())
}

/// Waits for a source no more, until a record of it comes that is new.
///
/// # Errors
/// `NOT_FOUND` when the tenant has no such source.
pub async fn retire(cx: &SystemCx, tenant: TenantId, kind: Kind, source: &str) -> Result<()> {
    let sql = "UPDATE intake_progress SET retired_at = coalesce(retired_at, $4) \
               WHERE tenant_id = $1 AND kind = $2 AND source = $3";
    change(cx, sql, tenant, kind, source, cx.now().into()).await
}

/// Says how late the records of a source may come, in minutes up to a year.
///
/// # Errors
/// `NOT_FOUND` when the tenant has no such source.
pub async fn set_lateness(
    cx: &SystemCx,
    tenant: TenantId,
    kind: Kind,
    source: &str,
    minutes: u32,
) -> Result<()> {
    let minutes = i32::try_from(minutes).map_err(Error::internal)?;
    let sql = "UPDATE intake_progress SET lateness_minutes = $4 \
               WHERE tenant_id = $1 AND kind = $2 AND source = $3";
    change(cx, sql, tenant, kind, source, minutes.into()).await
}

async fn change(
    cx: &SystemCx,
    sql: &str,
    tenant: TenantId,
    kind: Kind,
    source: &str,
    value: sea_orm::Value,
) -> Result<()> {
    let values = [
        tenant.uuid().into(),
        kind.as_ref().into(),
        source.into(),
        value,
    ];
    match cx.execute(sql, values).await? {
        0 => Err(Error::not_found("source")),
        _ => Ok(()),
    }
}

/// A source that is waited for, and up to when it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The source.
    pub source: String,
    /// Usage that began before is complete; none where nothing is known.
    pub complete_up_to: Option<DateTime<Utc>>,
}

/// What an answer of the cubes has to say about whether it is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Between when the usage began that is accepted and not counted.
    waiting: Option<[DateTime<Utc>; 2]>,
    /// Those that are least far, at most one more than an answer names.
    sources: Vec<Covered>,
}

/// Why usage of a period is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Some that began within was accepted and waits to be counted.
    NotCounted,
    /// These sources, and more if that is true, are not complete up to its end.
    Behind(Vec<Covered>, bool),
}

impl Coverage {
    /// Why usage of a period is not complete, if it is not.
    pub fn lack(&self, period: Period) -> Option<Lack> {
        let waits =
            |[first, last]: [DateTime<Utc>; 2]| first < period.to() && last >= period.from();
        if self.waiting.is_some_and(waits) {
            return Some(Lack::NotCounted);
        }
        let is_behind = |it: &&Covered| it.complete_up_to.is_none_or(|up_to| up_to < period.to());
        let mut behind: Vec<Covered> = self.sources.iter().filter(is_behind).cloned().collect();
        let are_more = behind.len() > usize::from(NAMED);
        behind.truncate(NAMED.into());
        (!behind.is_empty()).then_some(Lack::Behind(behind, are_more))
    }
}

struct CoverageRow {
    waiting: Option<[DateTime<Utc>; 2]>,
    source: Option<Covered>,
    is_held: bool,
}

impl Decode for CoverageRow {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        let first: Option<DateTime<Utc>> = row.get()?;
        let last: Option<DateTime<Utc>> = row.get()?;
        let source: Option<String> = row.get()?;
        let complete_up_to = row.get()?;
        Ok(Self {
            waiting: first.zip(last).map(|(first, last)| [first, last]),
            source: source.map(|source| Covered {
                source,
                complete_up_to,
            }),
            is_held: row.get::<Option<bool>>()?.unwrap_or_default(),
        })
    }
}

/// What is known in this snapshot about whether usage of `kind` is complete. None for callers who see a part of the fleet: sources and
/// batches are the tenant's, and what others of its fleet did must not show in an answer.
pub async fn coverage(cx: &ReadCx, kind: Kind) -> Result<Option<Coverage>> {
    if let Segments::Part(_) = cx.scope().segments() {
        return Ok(None);
    }
    let sql = format!(
        "SELECT waiting.first_at, waiting.last_at, source.source, source.complete_up_to, source.is_held \
         FROM (SELECT min(first_at) AS first_at, max(last_at) AS last_at FROM intake_batch_tenant \
               WHERE tenant_id = $1 AND kind = $2 AND state <> 'COUNTED') AS waiting \
         LEFT JOIN ({SOURCES} AND known.kind = $2 AND known.retired_at IS NULL \
                    ORDER BY complete_up_to NULLS FIRST, known.source LIMIT $3) AS source ON true \
         ORDER BY source.complete_up_to NULLS FIRST, source.source"
    );
    let most = i64::from(NAMED) + 1;
    let values = [
        cx.scope().tenant().uuid().into(),
        kind.as_ref().into(),
        most.into(),
    ];
    let rows: Vec<CoverageRow> = cx.all(&sql, values).await?;
    // Positions raise no version.
    if rows.iter().any(|row| row.is_held) {
        cx.noted().read_unversioned();
    }
    Ok(Some(Coverage {
        waiting: rows.first().and_then(|row| row.waiting),
        sources: rows.into_iter().filter_map(|row| row.source).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn covered(source: &str, hours: Option<i64>) -> Covered {
        Covered {
            source: source.to_owned(),
            complete_up_to: hours.map(at),
        }
    }

    #[test]
    fn a_period_is_complete_when_every_source_is_and_nothing_in_it_waits() {
        let coverage = Coverage {
            waiting: Some([at(10), at(12)]),
            sources: vec![covered("a", Some(20)), covered("b", Some(30))],
        };
        let lack = |from, to| coverage.lack(Period::new(at(from), at(to)).expect("a period"));
        assert_eq!(lack(0, 10), None);
        assert_eq!(lack(0, 11), Some(Lack::NotCounted));
        assert_eq!(lack(12, 13), Some(Lack::NotCounted));
        assert_eq!(lack(13, 20), None);
        let behind = vec![covered("a", Some(20))];
        assert_eq!(lack(13, 21), Some(Lack::Behind(behind, false)));
    }

    #[test]
    fn an_answer_names_the_first_few_and_says_that_there_are_more() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let coverage = Coverage {
            waiting: None,
            sources: names.map(|name| covered(name, None)).to_vec(),
        };
        let period = Period::new(at(0), at(1)).expect("a period");
        let Some(Lack::Behind(first, true)) = coverage.lack(period) else {
            panic!("not complete");
        };
        assert_eq!(first.len(), usize::from(NAMED));
    }
}
