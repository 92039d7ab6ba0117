//! Labels.

mod query;
mod types;

pub(crate) use query::LabelQuery;
pub(crate) use types::{Label, LabelDefinition, shared};
