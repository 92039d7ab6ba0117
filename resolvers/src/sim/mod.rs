//! SIMs.

mod query;
mod types;

pub(crate) use query::SimQuery;
pub(crate) use types::Sim;
