//! Exports: files of data sets, made by jobs.

mod mutation;
mod part;
mod query;
mod types;

pub(crate) use mutation::{ExportMutation, form, order};
pub(crate) use query::{ExportList, ExportQuery};
pub(crate) use types::{Export, compression, data_set, format, question};
