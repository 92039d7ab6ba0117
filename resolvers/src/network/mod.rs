//! Networks.

mod query;
mod types;
mod unknown;

pub(crate) use query::NetworkList;
pub(crate) use types::{Network, network_id};
pub(crate) use unknown::UnknownNetwork;
