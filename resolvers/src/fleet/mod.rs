//! Fleet import.

mod mutation;
mod types;

pub(crate) use mutation::FleetMutation;
pub(crate) use types::ImportFleetPayload;
