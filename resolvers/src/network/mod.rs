//! Networks.

mod query;
mod types;

pub(crate) use query::NetworkList;
pub(crate) use types::{Network, network_id};
