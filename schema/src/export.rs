//! Words about exports.

use async_graphql::{Enum, ID, InputObject, OneofObject};
use domain::job::{self, JobCondition};
use serde::Serialize;

use crate::{
    customer::CustomerFilter,
    device::DeviceFilter,
    filter::conditions,
    order::order,
    parse_ids,
    sim::SimFilter,
    text, texts,
    usage::{UsageInput, UsageMeasure},
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
}

/// A file that is asked for.
#[derive(InputObject, Clone, Debug)]
pub struct CreateExportInput {
    /// What becomes a file.
    pub data_set: ExportDataSetInput,
    /// As what.
    pub format: ExportFormat,
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
}

conditions!(ExportFilter => JobCondition {
    search: |part| text(part).map(JobCondition::Search),
    ids: |ids: Vec<ID>| parse_ids(&ids).map(JobCondition::Ids),
    states: |states: Vec<ExportState>| words(states).map(JobCondition::States),
    requested_by: |subjects| texts(subjects).map(JobCondition::RequestedBy),
});

word! {
    /// What exports can be sorted by.
    ExportOrderField = job::JobOrderField, Default
}

order! {
    /// Sort of a list of exports.
    ExportOrder by ExportOrderField, Desc
}
