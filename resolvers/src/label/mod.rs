//! Labels.

mod mutation;
mod query;
mod types;

pub(crate) use mutation::LabelMutation;
pub(crate) use query::LabelDefinitionList;
pub(crate) use types::{Label, LabelDefinition, shared};
