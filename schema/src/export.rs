//! Words about exports.

use async_graphql::{Enum, ID, InputObject, OneofObject};
use domain::job::{self, JobCondition};
use serde::Serialize;

use crate::{
    customer::CustomerFilter,
    device::DeviceFilter,
    filter::conditions,
    ingest::{HourOf, RejectionFilter},
    order::order,
    parse_ids,
    sim::SimFilter,
    text, texts,
    usage::{PeriodInput, UsageFilter, UsageInput, UsageMeasure},
    word::word,
    words,
};

word! {
    /// How far an export is.
    ExportState = job::JobState
}

/// What can be a file.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportDataSet {
    /// SIMs as they are now.
    Sims,
    /// Devices as they are now.
    Devices,
    /// Customers as they are now.
    Customers,
    /// Any question to the usage cubes.
    Usage,
    /// What customers used in a period, by network and service.
    CustomerUsage,
    /// What networks carried in a period, by service.
    NetworkUsage,
    /// Single usage records of a period.
    Records,
    /// To whom SIMs belonged and in which devices they were, from when to when.
    Assignments,
    /// Records that intake refused.
    IngestRejections,
    /// Deliveries by source and hour.
    IngestAccounting,
    /// The audit log of a period.
    Audit,
}

/// Format of a file.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportFormat {
    /// Comma-separated values (RFC 4180): UTF-8, lines end with LF. A text that a spreadsheet would take for a formula has an
    /// apostrophe in front.
    Csv,
    /// An Excel workbook, with a sheet that says what it holds.
    Xlsx,
    /// Apache Parquet, typed columns.
    Parquet,
    /// Apache Arrow's IPC stream, the same columns as Parquet.
    Arrow,
    /// A JSON object a line. Numbers of more than 53 bits are told as text, in every row, because most readers round them.
    Ndjson,
}

/// Whether the whole of a file is compressed.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportCompression {
    /// As it is.
    #[default]
    None,
    /// As RFC 1952 has it. For CSV and NDJSON; the other formats compress what they hold.
    Gzip,
}

/// What stands between two values of CSV.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsvSeparator {
    /// `,` as RFC 4180 has it.
    #[default]
    Comma,
    /// `;` which Excel expects where numbers have a decimal comma.
    Semicolon,
}

/// How rows are spread over several files.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportPartition {
    /// A folder for each month of the question's time zone, `month=YYYY-MM`, as Hive names partitions.
    Month,
}

/// How a CSV file is spelt.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct CsvInput {
    /// What stands between two values.
    #[graphql(default)]
    pub separator: CsvSeparator,
    /// Whether U+FEFF comes first, by which Excel knows UTF-8.
    #[graphql(default)]
    pub byte_order_mark: bool,
}

/// Which SIMs become rows.
#[derive(InputObject, Clone, Debug)]
pub struct SimExportInput {
    /// Which; all of them by default.
    pub filter: Option<SimFilter>,
}

/// Which devices become rows.
#[derive(InputObject, Clone, Debug)]
pub struct DeviceExportInput {
    /// Which; all of them by default.
    pub filter: Option<DeviceFilter>,
}

/// Which customers become rows.
#[derive(InputObject, Clone, Debug)]
pub struct CustomerExportInput {
    /// Which; all of them by default.
    pub filter: Option<CustomerFilter>,
}

/// A question whose answer becomes rows, as many as it has: no limit of an answer applies.
#[derive(InputObject, Clone, Debug)]
pub struct UsageExportInput {
    /// What is measured, each a column.
    pub measures: Vec<UsageMeasure>,
    /// The question.
    pub question: UsageInput,
}

/// A part of usage.
#[derive(InputObject, Clone, Debug)]
pub struct UsageSelectionInput {
    /// The period. A record counts in full at the time when its usage began.
    pub period: PeriodInput,
    /// Time zone of presets: a name of the IANA time zone database, such as Europe/Berlin.
    #[graphql(default = "UTC")]
    pub time_zone: String,
    /// Which usage; all of it by default.
    pub filter: Option<UsageFilter>,
}

/// Which refused records become rows.
#[derive(InputObject, Clone, Debug)]
pub struct IngestRejectionExportInput {
    /// Which; all of them by default.
    pub filter: Option<RejectionFilter>,
}

/// Which hours of the accounting become rows.
#[derive(InputObject, Clone, Debug)]
pub struct IngestAccountingExportInput {
    /// Hours that begin within.
    pub period: PeriodInput,
    /// Time zone of presets: a name of the IANA time zone database, such as Europe/Berlin.
    #[graphql(default = "UTC")]
    pub time_zone: String,
    /// By hour of receipt or of the event.
    #[graphql(default)]
    pub hour_of: HourOf,
    /// Only this source.
    pub source: Option<String>,
}

/// Which part of the audit log becomes rows.
#[derive(InputObject, Clone, Debug)]
pub struct AuditExportInput {
    /// When it was written.
    pub period: PeriodInput,
    /// Time zone of presets: a name of the IANA time zone database, such as Europe/Berlin.
    #[graphql(default = "UTC")]
    pub time_zone: String,
}

/// What becomes a file.
#[derive(OneofObject, Clone, Debug)]
pub enum ExportDataSetInput {
    /// SIMs as they are now, by ICCID.
    Sims(SimExportInput),
    /// Devices as they are now, by name.
    Devices(DeviceExportInput),
    /// Customers as they are now, by name.
    Customers(CustomerExportInput),
    /// Any question to the usage cubes.
    Usage(Box<UsageExportInput>),
    /// What customers used in a period, by network and service: what a tenant bills its customers from.
    CustomerUsage(UsageSelectionInput),
    /// What networks carried in a period, by service.
    NetworkUsage(UsageSelectionInput),
    /// Single usage records of a period, by customer, SIM and start: what usage is summed up from.
    Records(UsageSelectionInput),
    /// To whom SIMs belonged and in which devices they were, from when to when, by ICCID and time.
    Assignments(SimExportInput),
    /// Records that intake refused and why, by receipt. Needs `INGEST_READ`.
    IngestRejections(IngestRejectionExportInput),
    /// Deliveries by hour and source. Needs `INGEST_READ`.
    IngestAccounting(IngestAccountingExportInput),
    /// The audit log of a period. Needs `AUDIT_READ`.
    Audit(AuditExportInput),
}

/// A file that is asked for.
#[derive(InputObject, Clone, Debug)]
pub struct CreateExportInput {
    /// What becomes a file.
    pub data_set: ExportDataSetInput,
    /// As what.
    pub format: ExportFormat,
    /// Whether the whole of it is compressed.
    #[graphql(default)]
    pub compression: ExportCompression,
    /// How a CSV file is spelt; null for other formats.
    pub csv: Option<CsvInput>,
    /// In several files instead of one; of the records, the accounting of intake and the audit log.
    pub partition_by: Option<ExportPartition>,
    /// Name of the export and of its file, 1 to 100 printable characters without slashes. That of the data set by default.
    pub name: Option<String>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// An export that is to be taken back.
#[derive(InputObject, Clone, Debug)]
pub struct CancelExportInput {
    /// The export.
    pub export_id: ID,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// An export that is to be done again.
#[derive(InputObject, Clone, Debug)]
pub struct RetryExportInput {
    /// The export.
    pub export_id: ID,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// Which exports. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct ExportFilter {
    /// All of these hold.
    pub and: Option<Vec<ExportFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<ExportFilter>>,
    /// This does not hold.
    pub not: Option<Box<ExportFilter>>,
    /// Part of the name, in any case.
    pub search: Option<String>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// In one of these states.
    pub states: Option<Vec<ExportState>>,
    /// Asked for by one of these subjects.
    pub requested_by: Option<Vec<String>>,
    /// Made by one of these schedules.
    pub schedules: Option<Vec<ID>>,
}

conditions!(ExportFilter => JobCondition {
    search: |part| text(part).map(JobCondition::Search),
    ids: |ids: Vec<ID>| parse_ids(&ids).map(JobCondition::Ids),
    states: |states: Vec<ExportState>| words(states).map(JobCondition::States),
    requested_by: |subjects| texts(subjects).map(JobCondition::RequestedBy),
    schedules: |ids: Vec<ID>| parse_ids(&ids).map(JobCondition::Schedules),
});

word! {
    /// What exports can be sorted by.
    ExportOrderField = job::JobOrderField, Default
}

order! {
    /// Sort of a list of exports.
    ExportOrder by ExportOrderField, Desc
}
