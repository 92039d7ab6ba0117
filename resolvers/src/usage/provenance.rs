//! `Provenance`: where an answer comes from.

use analytics::{
    cube::{Cube, Level, Table},
    usage::{self, Incomplete, Source},
};
use async_graphql::SimpleObject;
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
    /// True: the period had ended when that record was received. Records that are delivered late may still change the answer.
    complete: bool,
    /// Why the answer is not complete; null when it is.
    reason: Option<IncompleteReason>,
    /// The reason as a sentence.
    reason_text: Option<&'static str>,
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

fn reason(incomplete: Incomplete) -> (IncompleteReason, &'static str) {
    match incomplete {
        Incomplete::NothingReceived => (
            IncompleteReason::NothingReceived,
            "no usage that you may see has been received yet",
        ),
        Incomplete::PeriodRunning => (
            IncompleteReason::PeriodRunning,
            "the period reaches beyond the newest record received",
        ),
    }
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
