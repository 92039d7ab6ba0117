//! SIMs.

mod counts;
mod query;
mod types;

pub(crate) use query::{SimList, SimQuery};
pub(crate) use types::Sim;
