//! Exports: files of data sets, made by jobs.

mod mutation;
mod query;
mod types;

pub(crate) use mutation::{ExportMutation, order};
pub(crate) use query::{ExportList, ExportQuery};
pub(crate) use types::{Export, data_set, format, question};
