//! `Provenance`: where an answer comes from.

use analytics::{
    cube::{Cube, Level, Table},
    usage::{self, Incomplete},
};
use async_graphql::SimpleObject;
use schema::{
    scalar::DateTime,
    usage::{IncompleteReason, UsageTable},
};

/// Where an answer comes from and how fresh it is.
#[derive(SimpleObject)]
pub(crate) struct Provenance {
    /// The tables that were read, the coarsest first. Each part of the period comes from the coarsest table that answers it exactly.
    tables: Vec<UsageTable>,
    /// When the newest record was received of all that the caller may see, whatever the question; null when there is none.
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
        Self {
            tables: provenance.tables.into_iter().map(table).collect(),
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

pub(super) fn table(table: Table) -> UsageTable {
    match table {
        Table::Records => UsageTable::Cdr,
        Table::Cube(Cube::Full(Level::Hour)) => UsageTable::UsageHour,
        Table::Cube(Cube::Full(Level::Day)) => UsageTable::UsageDay,
        Table::Cube(Cube::Full(Level::Month)) => UsageTable::UsageMonth,
        Table::Cube(Cube::Full(Level::Year)) => UsageTable::UsageYear,
        Table::Cube(Cube::Small(Level::Hour)) => UsageTable::UsageHourSmall,
        Table::Cube(Cube::Small(Level::Day)) => UsageTable::UsageDaySmall,
        Table::Cube(Cube::Small(Level::Month)) => UsageTable::UsageMonthSmall,
        Table::Cube(Cube::Small(Level::Year)) => UsageTable::UsageYearSmall,
    }
}
