//! Hours in which ledger and a table do not agree, and what on its way explains it.

use std::collections::BTreeMap;

use analytics::{
    Store, System,
    cube::{Cube, Level},
    verify::{Count, Table, Tables},
};
use chrono::{DateTime, Utc};
use domain::{
    Code, Error, Period, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{
        Kind,
        ledger::{self, AcceptedOf, Part},
    },
};

use super::count;
use crate::kind::family_of;

/// Most batches of a tenant on their way with which its records are still judged.
const OPEN_PARTS: u32 = 10_000;

/// What a tenant has journaled and not counted: its span, and what of it the records do not have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub(super) missing: Count,
}

impl Open {
    /// Adds a part of which the records have `there`.
    pub(super) fn add(&mut self, part: &Part, there: Count) {
        let (first, last) = self.span.unwrap_or((part.first_at, part.last_at));
        self.span = Some((first.min(part.first_at), last.max(part.last_at)));
        self.missing += count(part.sums) - there;
    }

    /// Whether the hour may lack this much because it is on its way.
    pub(super) fn explains(&self, hour: DateTime<Utc>, lacks: Count) -> bool {
        let within = |(first, last): (DateTime<Utc>, DateTime<Utc>)| {
            domain::journal::hour_of(first) <= hour && hour <= last
        };
        let possible = |lacks: i128, missing: i128| (0..=missing).contains(&lacks);
        self.span.is_some_and(within)
            && possible(lacks.records.into(), self.missing.records.into())
            && possible(lacks.bytes_up, self.missing.bytes_up)
            && possible(lacks.bytes_down, self.missing.bytes_down)
    }
}

/// An hour of a source in which the accounting and a table do not agree.
#[derive(Clone, Debug)]
pub(super) struct HourDifference {
    pub(super) source: String,
    pub(super) hour: DateTime<Utc>,
    pub(super) expected: Count,
    pub(super) found: Count,
}

impl HourDifference {
    pub(super) fn lacks(&self) -> Count {
        self.expected - self.found
    }
}

/// Hours in which the accounting of a tenant and a table do not agree. The accounting does not know units.
pub(super) async fn uneven_hours(
    cx: &SystemCx,
    tables: &Tables,
    system: &System,
    (kind, table): (Kind, Table),
    tenant: TenantId,
    period: Period,
) -> Result<Vec<HourDifference>> {
    let tables = tables.of(family_of(kind));
    let accepted = ledger::accepted_by_hour(cx, kind, tenant, period).await?;
    let mut hours: BTreeMap<_, (Count, Count)> = BTreeMap::new();
    for AcceptedOf {
        source, hour, sums, ..
    } in accepted
    {
        // Tables of sessions know no source.
        let source = match kind {
            Kind::Cdr => source,
            Kind::Session => String::new(),
        };
        hours.entry((source, hour)).or_default().0 += accounted(kind, count(sums));
    }
    for (key, found) in tables.hours(system, table, tenant, period).await? {
        hours.entry(key).or_default().1 = accounted(kind, found);
    }
    Ok(hours
        .into_iter()
        .filter(|(_, (expected, found))| expected != found)
        .map(|((source, hour), (expected, found))| HourDifference {
            source,
            hour,
            expected,
            found,
        })
        .collect())
}

/// As much of it as accounts know: no units, and of sessions the rollups alone, because corrections move bytes from hour to hour.
fn accounted(kind: Kind, count: Count) -> Count {
    match kind {
        Kind::Cdr => Count { units: 0, ..count },
        Kind::Session => Count {
            records: count.records,
            ..Count::default()
        },
    }
}

/// Those that nothing on its way explains.
pub(super) fn unexplained(open: &Open, hours: Vec<HourDifference>) -> Vec<HourDifference> {
    let explained = |hour: &HourDifference| open.explains(hour.hour, hour.lacks());
    hours.into_iter().filter(|hour| !explained(hour)).collect()
}

/// The first hour in which ledger and records do not agree once `missing` is put in, and nothing else on its way explains it.
/// Batches in `settled` are those that `missing` is of, and `some` what it has of others, of which the rest is lost and explains as much. Only
/// hours from the second moment beside the period on are looked at: of those before, records may have expired.
pub(crate) async fn unexplained_hour(
    cx: &SystemCx,
    store: &Store,
    (kind, tenant): (Kind, TenantId),
    (period, whole_from): (Period, DateTime<Utc>),
    missing: &BTreeMap<(String, DateTime<Utc>), Count>,
    settled: &[BatchId],
    some: Count,
) -> Result<Option<DateTime<Utc>>> {
    let system = System::new(cx.now());
    let Ok(period) = Period::new(period.from().max(whole_from), period.to()) else {
        return Ok(None);
    };
    let tables = store.tables(&system);
    // In this order: batches are journaled meanwhile. One that comes in between is on its way, and not in the ledger that was
    // read; the other way round its records would be the ledger's, and nobody's.
    let uneven = uneven_hours(cx, &tables, &system, (kind, Table::Records), tenant, period).await?;
    let mut open = open(cx, &tables, &system, (kind, tenant), settled).await?;
    open.missing = open.missing - some;
    let mut lacks: BTreeMap<(String, DateTime<Utc>), Count> = uneven
        .into_iter()
        .map(|hour| ((hour.source.clone(), hour.hour), hour.lacks()))
        .collect();
    for (key, count) in missing {
        if period.from() <= key.1 && key.1 < period.to() {
            let rest = lacks.entry(key.clone()).or_default();
            *rest = *rest - *count;
        }
    }
    let nothing = Count::default();
    let found = lacks
        .into_iter()
        .find(|((_, hour), rest)| *rest != nothing && !open.explains(*hour, *rest));
    Ok(found.map(|((_, hour), _)| hour))
}

/// What the cube of hours lacks of what the ledger accepted, by source and hour; below zero where it has too much.
pub(crate) async fn lacking(
    cx: &SystemCx,
    store: &Store,
    kind: Kind,
    tenant: TenantId,
    period: Period,
) -> Result<BTreeMap<(String, DateTime<Utc>), Count>> {
    let system = System::new(cx.now());
    let (tables, cube) = (store.tables(&system), Table::Cube(Cube::Full(Level::Hour)));
    let uneven = uneven_hours(cx, &tables, &system, (kind, cube), tenant, period).await?;
    let lacks = uneven.into_iter().map(|hour| {
        let lacks = hour.lacks();
        ((hour.source, hour.hour), lacks)
    });
    Ok(lacks.collect())
}

/// Whether in every hour of a period the cube of hours has what the records have.
pub(crate) async fn are_alike(
    cx: &SystemCx,
    store: &Store,
    kind: Kind,
    tenant: TenantId,
    period: Period,
) -> Result<bool> {
    let system = System::new(cx.now());
    let tables = store.tables(&system);
    let tables = tables.of(family_of(kind));
    let cube = Table::Cube(Cube::Full(Level::Hour));
    let records = tables
        .hours(&system, Table::Records, tenant, period)
        .await?;
    Ok(records == tables.hours(&system, cube, tenant, period).await?)
}

/// What a tenant has on its way, but for batches in `but`.
pub(super) async fn open(
    cx: &SystemCx,
    tables: &Tables,
    system: &System,
    (kind, tenant): (Kind, TenantId),
    but: &[BatchId],
) -> Result<Open> {
    let parts = ledger::open_parts(cx, kind, tenant, OPEN_PARTS).await?;
    if parts.len() == OPEN_PARTS as usize {
        return Err(Error::new(
            Code::Unavailable,
            "too many batches are on their way to tell what is missing: try again when they are counted",
        ));
    }
    let ids: Vec<BatchId> = parts
        .iter()
        .map(|part| part.batch)
        .filter(|batch| !but.contains(batch))
        .collect();
    let tables = tables.of(family_of(kind));
    let counted = tables.batches_of(system, tenant, &ids).await?;
    let mut open = Open::default();
    for part in parts.iter().filter(|part| !but.contains(&part.batch)) {
        let found = counted.iter().find(|found| found.batch == part.batch);
        open.add(part, found.map(|found| found.count).unwrap_or_default());
    }
    Ok(open)
}
