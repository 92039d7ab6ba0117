//! SIMs: the record, its states, and the lists over it.
//!
//! What a SIM did is usage (analytics); where it sits and how it is used are links and labels. Nothing here reads or
//! writes a device's state.

mod error;
mod filter;
mod model;
pub mod resolve;
mod store;

use std::collections::HashMap;

pub use error::SimError;
pub use filter::{SimCondition, SimFilter, SimOrderField};
pub use model::{Sim, SimBy, SimState};

use crate::{
    ReadCx, Result,
    id::{CustomerId, DeviceId, SimId},
    identifier::Iccid,
    list::{self, Listing, Question},
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
    question: &Question<SimCondition, SimOrderField>,
) -> Result<HashMap<CustomerId, Result<Listing<Sim>>>> {
    list::by_parents(cx, "sim.customer_id", customers, question).await
}
