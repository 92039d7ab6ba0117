//! Devices.

mod query;
mod types;

pub(crate) use query::{DeviceList, DeviceQuery};
pub(crate) use types::Device;
