//! Devices.

mod query;
mod types;

pub(crate) use query::DeviceQuery;
pub(crate) use types::Device;
