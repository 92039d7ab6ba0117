//! `Provenance`: where an answer comes from.

use analytics::{
    cube::{Cube, Level, Table},
    usage::{self, Incomplete, Source},
};
use async_graphql::SimpleObject;
use chrono::SecondsFormat;
use domain::journal::{Covered, Lack};
use schema::{
    scalar::DateTime,
    usage::{IncompleteReason, UsageSource, UsageTable},
};

/// Where an answer comes from and how fresh it is.
#[derive(SimpleObject)]
pub(crate) struct Provenance {
    /// What the answer is counted from.
    source: UsageSource,
    /// The tables that were read, the coarsest first. Each part of the period comes from the coarsest table that answers it exactly.
    tables: Vec<UsageTable>,
    /// When the newest record of this source was received of all that the caller may see, whatever the question; null when there is none.
    watermark: Option<DateTime>,
    /// True: the period had ended when that record was received, nothing of it that was accepted waits to be counted, and every source
    /// of the tenant is complete up to its end (`ingestSources`). For callers who see a part of the tenant the first counts alone: of sources
    /// they know nothing. Records that come later than their source's lateness may still change the answer.
    complete: bool,
    /// Why the answer is not complete; null when it is.
    reason: Option<IncompleteReason>,
    /// The reason as a sentence.
    reason_text: Option<String>,
}

impl From<usage::Provenance> for Provenance {
    fn from(provenance: usage::Provenance) -> Self {
        let (reason, reason_text) = provenance.incomplete.map(reason).unzip();
        let source = provenance.source;
        let tables = provenance.tables.into_iter();
        Self {
            source: source.into(),
            tables: tables.map(|read| table(source, read)).collect(),
            watermark: provenance.watermark.map(Into::into),
            complete: reason.is_none(),
            reason,
            reason_text,
        }
    }
}

fn reason(incomplete: Incomplete) -> (IncompleteReason, String) {
    match incomplete {
        Incomplete::NothingReceived => (
            IncompleteReason::NothingReceived,
            "no usage that you may see has been received yet".to_owned(),
        ),
        Incomplete::PeriodRunning => (
            IncompleteReason::PeriodRunning,
            "the period reaches beyond the newest record received".to_owned(),
        ),
        Incomplete::Lacks(Lack::NotCounted) => (
            IncompleteReason::NotCounted,
            "usage of the period was accepted and waits to be counted".to_owned(),
        ),
        Incomplete::Lacks(Lack::Behind(sources, are_more)) => {
            (IncompleteReason::SourcesBehind, behind(&sources, are_more))
        }
    }
}

/// Names the sources that are waited for.
fn behind(sources: &[Covered], are_more: bool) -> String {
    let named = sources.iter().map(|it| match it.complete_up_to {
        Some(up_to) => format!(
            "{} (complete up to {})",
            it.source,
            up_to.to_rfc3339_opts(SecondsFormat::Secs, true)
        ),
        None => format!("{} (nothing of its topic was read)", it.source),
    });
    let named: Vec<String> = named.collect();
    let more = if are_more { " and others" } else { "" };
    format!("sources are behind: {}{more}", named.join(", "))
}

/// The word of a table of a source.
pub(super) fn table(source: Source, table: Table) -> UsageTable {
    let [cdr, session] = words(table);
    match source {
        Source::Cdr => cdr,
        Source::Session => session,
    }
}

/// Those of both sources.
const fn words(table: Table) -> [UsageTable; 2] {
    use UsageTable as T;
    match table {
        Table::Records => [T::Cdr, T::SessionLog],
        Table::Cube(Cube::Full(Level::Hour)) => [T::UsageHour, T::SessionHour],
        Table::Cube(Cube::Full(Level::Day)) => [T::UsageDay, T::SessionDay],
        Table::Cube(Cube::Full(Level::Month)) => [T::UsageMonth, T::SessionMonth],
        Table::Cube(Cube::Full(Level::Year)) => [T::UsageYear, T::SessionYear],
        Table::Cube(Cube::Small(Level::Hour)) => [T::UsageHourSmall, T::SessionHourSmall],
        Table::Cube(Cube::Small(Level::Day)) => [T::UsageDaySmall, T::SessionDaySmall],
        Table::Cube(Cube::Small(Level::Month)) => [T::UsageMonthSmall, T::SessionMonthSmall],
        Table::Cube(Cube::Small(Level::Year)) => [T::UsageYearSmall, T::SessionYearSmall],
    }
}
