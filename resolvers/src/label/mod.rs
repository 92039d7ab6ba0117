//! Labels.

mod mutation;
mod query;
mod types;

pub(crate) use mutation::LabelMutation;
pub(crate) use query::LabelQuery;
pub(crate) use types::{Label, LabelDefinition, shared};
