//! Labels: everything operational about a SIM or device. A label never grants access and never decides billing.

pub(crate) mod entity;
mod error;
mod filter;
mod model;
mod store;
mod write;

use std::collections::HashMap;

pub use error::LabelError;
pub(crate) use filter::push_condition;
pub use filter::{
    LabelDefinitionCondition, LabelDefinitionFilter, LabelDefinitionOrderField, LabelFilter,
};
pub use model::{Label, LabelDefinition, Labelled};
pub(crate) use store::by_page;
pub(crate) use write::set;
pub use write::{LabelDefinitionPatch, MAX_LABELS, define, delete, update};

use crate::{
    ReadCx, Result,
    device::Device,
    id::{DeviceId, LabelId, SimId},
    list,
    sim::Sim,
    slice::Extent,
};

/// The definition with this id.
///
/// # Errors
/// `NOT_FOUND` when the caller cannot see such a definition.
pub async fn get(cx: &ReadCx, id: LabelId) -> Result<LabelDefinition> {
    list::get(cx, id).await
}

/// The labels of SIMs that the caller has already been shown, by key.
///
/// # Errors
/// `FORBIDDEN` when SIMs are closed to the caller.
pub async fn by_sims(cx: &ReadCx, sims: &[SimId]) -> Result<HashMap<SimId, Vec<Label>>> {
    store::by_objects(cx, Labelled::Sim, sims).await
}

/// The labels of devices that the caller has already been shown, by key.
///
/// # Errors
/// `FORBIDDEN` when devices are closed to the caller.
pub async fn by_devices(
    cx: &ReadCx,
    devices: &[DeviceId],
) -> Result<HashMap<DeviceId, Vec<Label>>> {
    store::by_objects(cx, Labelled::Device, devices).await
}

/// The value of one label on each visible SIM that carries it, in no order; for callers who see a part of the fleet on each visible
/// SIM, so that those without it are told from those out of sight. As with a filter by label, a key that nobody defined is carried
/// by none.
///
/// # Errors
/// `FORBIDDEN` when SIMs are closed to the caller, `LIMIT_EXCEEDED` when there are more than the extent allows.
pub async fn of_sims(
    cx: &ReadCx,
    key: &str,
    extent: impl Into<Extent>,
) -> Result<Vec<(SimId, Option<String>)>> {
    store::of_key::<Sim, _>(cx, Labelled::Sim, key, extent.into()).await
}

/// The value of one label on each visible device, as [`of_sims`].
///
/// # Errors
/// `FORBIDDEN` when devices are closed to the caller, `LIMIT_EXCEEDED` when there are more than the extent allows.
pub async fn of_devices(
    cx: &ReadCx,
    key: &str,
    extent: impl Into<Extent>,
) -> Result<Vec<(DeviceId, Option<String>)>> {
    store::of_key::<Device, _>(cx, Labelled::Device, key, extent.into()).await
}
