//! Networks.

mod query;
mod types;

pub(crate) use query::NetworkQuery;
pub(crate) use types::{Network, network_id};
