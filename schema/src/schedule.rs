//! Words about exports that are made every month.

use async_graphql::{ID, InputObject};
use domain::schedule::{self, ScheduleCondition, SchedulePatch};

use crate::{
    export::{CsvInput, ExportCompression, ExportDataSetInput, ExportFormat},
    filter::conditions,
    order::order,
    parse_ids, text, texts,
    word::word,
};

/// A file that is to be made every month.
#[derive(InputObject, Clone, Debug)]
pub struct CreateExportScheduleInput {
    /// What becomes a file: a question about the preset `LAST_MONTH`, in whose time zone months begin and end.
    pub data_set: ExportDataSetInput,
    /// As what.
    pub format: ExportFormat,
    /// Whether the whole of it is compressed.
    #[graphql(default)]
    pub compression: ExportCompression,
    /// How a CSV file is spelt; null for other formats.
    pub csv: Option<CsvInput>,
    /// Name, 1 to 92 printable characters without slashes; exports and files have it with the month behind it. That of the data set by
    /// default.
    pub name: Option<String>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What changes of a schedule. What is left out stays.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateExportScheduleInput {
    /// The schedule.
    pub schedule_id: ID,
    /// Name, from the next file on.
    pub name: Option<String>,
    /// Whether files are made. When it is turned on again, the months that ended meanwhile are made too, at most the last 12.
    pub enabled: Option<bool>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl UpdateExportScheduleInput {
    /// What changes.
    pub fn patch(self) -> SchedulePatch {
        SchedulePatch {
            name: self.name,
            enabled: self.enabled,
        }
    }
}

/// A schedule that is to go.
#[derive(InputObject, Clone, Debug)]
pub struct DeleteExportScheduleInput {
    /// The schedule.
    pub schedule_id: ID,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// Which schedules. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct ExportScheduleFilter {
    /// All of these hold.
    pub and: Option<Vec<ExportScheduleFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<ExportScheduleFilter>>,
    /// This does not hold.
    pub not: Option<Box<ExportScheduleFilter>>,
    /// Part of the name, in any case.
    pub search: Option<String>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// Made by one of these subjects.
    pub created_by: Option<Vec<String>>,
    /// Whether files are made.
    pub enabled: Option<bool>,
}

conditions!(ExportScheduleFilter => ScheduleCondition {
    search: |part| text(part).map(ScheduleCondition::Search),
    ids: |ids: Vec<ID>| parse_ids(&ids).map(ScheduleCondition::Ids),
    created_by: |subjects| texts(subjects).map(ScheduleCondition::CreatedBy),
    enabled: |yes| Ok(ScheduleCondition::Enabled(yes)),
});

word! {
    /// What schedules can be sorted by.
    ExportScheduleOrderField = schedule::ScheduleOrderField, Default
}

order! {
    /// Sort of a list of schedules.
    ExportScheduleOrder by ExportScheduleOrderField, Asc
}
