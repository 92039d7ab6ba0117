//! SIMs: the record, its states, and the lists over it.
//!
//! What a SIM did is usage (analytics); where it sits and how it is used are links and labels. Nothing here reads or
//! writes a device's state.

mod count;
mod error;
pub(crate) mod filter;
mod model;
pub mod now;
pub mod owner;
pub mod resolve;
mod store;

use std::collections::HashMap;

pub use count::{
    MAX_GROUPINGS, MAX_GROUPS, SimCount, SimCounts, SimDimension, SimGrouping, counts,
};
pub use error::SimError;
pub use filter::{SimCondition, SimFilter, SimOrderField};
pub use model::{Sim, SimBy, SimState};

use crate::{
    Permission, ReadCx, Result, WriteCx,
    filter::Filter,
    id::{CustomerId, DeviceId, SimId},
    identifier::Iccid,
    label::{self, Label, Labelled},
    list::{self, List as _, Listing, Question},
    saved_filter::{self, Clause},
    slice::Extent,
    sql::Visible,
};

/// The SIM with this id.
///
/// # Errors
/// `NOT_FOUND` when the caller cannot see such a SIM.
pub async fn get(cx: &ReadCx, id: SimId) -> Result<Sim> {
    list::get(cx, id).await
}

/// The SIM with this ICCID, with or without its check digit.
///
/// # Errors
/// `NOT_FOUND` when the caller cannot see such a SIM, `CONFLICT` when two SIMs of the tenant could be meant.
pub async fn get_by_iccid(cx: &ReadCx, iccid: &Iccid) -> Result<Sim> {
    store::by_iccid(cx, iccid).await
}

/// The visible ones among `ids`.
///
/// # Errors
/// `FORBIDDEN` when SIMs are closed to the caller.
pub async fn by_ids(cx: &ReadCx, ids: &[SimId]) -> Result<HashMap<SimId, Sim>> {
    list::by_ids(cx, ids).await
}

/// The visible SIMs that sit in each device at this moment, by ICCID.
///
/// # Errors
/// `FORBIDDEN` when SIMs are closed to the caller.
pub async fn by_devices(cx: &ReadCx, devices: &[DeviceId]) -> Result<HashMap<DeviceId, Vec<Sim>>> {
    store::by_devices(cx, devices).await
}

/// The answers to one question about the visible SIMs of each customer. A cursor is one customer's: the others are answered
/// `INVALID_CURSOR`.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller.
pub async fn by_customers(
    cx: &ReadCx,
    customers: &[CustomerId],
    question: &Question<Clause<SimCondition>, SimOrderField>,
) -> Result<HashMap<CustomerId, Result<Listing<Sim>>>> {
    let filter = Sim::resolve(cx, &question.filter).await?;
    let question = question.with(filter);
    list::by_parents(cx, "sim.customer_id", customers, &question).await
}

/// The ids of all visible SIMs that match, in no order.
///
/// # Errors
/// `FORBIDDEN` when SIMs are closed to the caller, `LIMIT_EXCEEDED` when more match than the extent allows, those of
/// [`saved_filter::resolve`].
pub async fn matching(
    cx: &ReadCx,
    filter: &Filter<Clause<SimCondition>>,
    extent: impl Into<Extent>,
) -> Result<Vec<SimId>> {
    let filter = saved_filter::resolve(cx, filter).await?;
    list::ids::<Sim, _>(cx, &filter, Visible::Sims, extent.into()).await
}

/// The labels of the SIMs of a page, by key, to be asked for together with it. `None` where finding its rows twice costs more
/// than waiting for them: then [`label::by_sims`] is asked when they are there.
///
/// # Errors
/// `FORBIDDEN` when they are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
pub async fn labels_of_page(
    cx: &ReadCx,
    question: &Question<SimCondition, SimOrderField>,
) -> Result<Option<HashMap<SimId, Vec<Label>>>> {
    label::by_page::<Sim, _>(cx, Labelled::Sim, question).await
}

/// Sets labels on a SIM, and removes those with the keys `remove`; what is not named stays. Returns all of its labels.
///
/// # Errors
/// `FORBIDDEN` without `INVENTORY_WRITE`; `NOT_FOUND` for a SIM that the caller cannot see, and for a key that is not defined;
/// `INVALID_INPUT` for a value that is not among the options, `LIMIT_EXCEEDED` above [`label::MAX_LABELS`].
pub async fn set_labels(
    cx: WriteCx,
    sim: SimId,
    set: Vec<Label>,
    remove: Vec<String>,
) -> Result<Vec<Label>> {
    cx.scope().require(Permission::InventoryWrite)?;
    get(&cx, sim).await?;
    label::set(cx, Labelled::Sim, sim, set, remove).await
}
