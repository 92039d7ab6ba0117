//! Saved filters.

mod mutation;
mod query;
mod types;

pub(crate) use mutation::SavedFilterMutation;
pub(crate) use query::SavedFilterList;
pub(crate) use types::SavedFilter;
