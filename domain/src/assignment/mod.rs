//! Who a SIM or a device belonged to, and when. Usage belongs to the customer of its time, so this history decides whose it
//! is.

mod model;
mod placement;
mod store;

use std::collections::HashMap;

pub use model::Assignment;
pub use placement::{Placement, count_placements, placements};
pub(crate) use store::linked;

use crate::{
    Permission, ReadCx, Result,
    id::{DeviceId, SimId},
};

/// The assignments of SIMs that the caller has already been shown, oldest first. Callers who see a part of the fleet get
/// those to customers that they see: whose it was before is not theirs to know.
///
/// # Errors
/// `FORBIDDEN` when SIMs or customers are closed to the caller.
pub async fn by_sims(cx: &ReadCx, sims: &[SimId]) -> Result<HashMap<SimId, Vec<Assignment>>> {
    cx.scope().require(Permission::SimsRead)?;
    store::by_objects(cx, "sim", sims).await
}

/// The assignments of devices that the caller has already been shown, as [`by_sims`].
///
/// # Errors
/// `FORBIDDEN` when devices or customers are closed to the caller.
pub async fn by_devices(
    cx: &ReadCx,
    devices: &[DeviceId],
) -> Result<HashMap<DeviceId, Vec<Assignment>>> {
    cx.scope().require(Permission::DevicesRead)?;
    store::by_objects(cx, "device", devices).await
}
