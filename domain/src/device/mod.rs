//! Devices: the record, its states and the lists over it.
//!
//! Device state is lifecycle, not connectivity, and is independent of the state of any SIM inside.

pub(crate) mod filter;
mod model;
mod store;

use std::collections::HashMap;

pub use filter::{DeviceCondition, DeviceFilter, DeviceOrderField};
pub use model::{Connectivity, Device, DeviceState};

use crate::{
    Permission, ReadCx, Result, WriteCx,
    filter::Filter,
    id::{CustomerId, DeviceId, SimId},
    label::{self, Label, Labelled},
    list::{self, List as _, Listing, Question},
    saved_filter::{self, Clause},
    slice::Extent,
    sql::Visible,
};

/// The device with this id.
///
/// # Errors
/// `NOT_FOUND` when the caller cannot see such a device.
pub async fn get(cx: &ReadCx, id: DeviceId) -> Result<Device> {
    list::get(cx, id).await
}

/// The visible ones among `ids`.
///
/// # Errors
/// `FORBIDDEN` when devices are closed to the caller.
pub async fn by_ids(cx: &ReadCx, ids: &[DeviceId]) -> Result<HashMap<DeviceId, Device>> {
    list::by_ids(cx, ids).await
}

/// The visible device that each SIM sits in at this moment.
///
/// # Errors
/// `FORBIDDEN` when devices are closed to the caller.
pub async fn by_sims(cx: &ReadCx, sims: &[SimId]) -> Result<HashMap<SimId, Device>> {
    store::by_sims(cx, sims).await
}

/// The answers to one question about the visible devices of each customer. A cursor is one customer's: the others are answered
/// `INVALID_CURSOR`.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller.
pub async fn by_customers(
    cx: &ReadCx,
    customers: &[CustomerId],
    question: &Question<Clause<DeviceCondition>, DeviceOrderField>,
) -> Result<HashMap<CustomerId, Result<Listing<Device>>>> {
    let filter = Device::resolve(cx, &question.filter).await?;
    let question = question.with(filter);
    list::by_parents(cx, "device.customer_id", customers, &question).await
}

/// The ids of all visible devices that match, in no order.
///
/// # Errors
/// `FORBIDDEN` when devices are closed to the caller, `LIMIT_EXCEEDED` when more match than the extent allows, those of
/// [`saved_filter::resolve`].
pub async fn matching(
    cx: &ReadCx,
    filter: &Filter<Clause<DeviceCondition>>,
    extent: impl Into<Extent>,
) -> Result<Vec<DeviceId>> {
    let filter = saved_filter::resolve(cx, filter).await?;
    list::ids::<Device, _>(cx, &filter, Visible::Devices, extent.into()).await
}

/// The labels of the devices of a page, by key, to be asked for together with it. `None` where finding its rows twice costs more
/// than waiting for them: then [`label::by_devices`] is asked when they are there.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
pub async fn labels_of_page(
    cx: &ReadCx,
    question: &Question<DeviceCondition, DeviceOrderField>,
) -> Result<Option<HashMap<DeviceId, Vec<Label>>>> {
    label::by_page::<Device, _>(cx, Labelled::Device, question).await
}

/// Sets labels on a device, and removes those with the keys `remove`; what is not named stays. Returns all of its labels.
///
/// # Errors
/// `FORBIDDEN` without `INVENTORY_WRITE`; `NOT_FOUND` for a device that the caller cannot see, and for a key that is not defined;
/// `INVALID_INPUT` for a value that is not among the options, `LIMIT_EXCEEDED` above [`label::MAX_LABELS`].
pub async fn set_labels(
    cx: WriteCx,
    device: DeviceId,
    set: Vec<Label>,
    remove: Vec<String>,
) -> Result<Vec<Label>> {
    cx.scope().require(Permission::InventoryWrite)?;
    get(&cx, device).await?;
    label::set(cx, Labelled::Device, device, set, remove).await
}
