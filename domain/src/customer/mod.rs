//! A tenant's customers (sub-customers): who a SIM or device is assigned to, and what that customer may see.

pub(crate) mod entity;
mod error;
mod filter;
mod model;
mod store;
mod write;

use std::{collections::HashMap, sync::Arc};

pub use error::CustomerError;
pub use filter::{CustomerCondition, CustomerFilter, CustomerOrderField};
pub use model::{Customer, CustomerBy};
pub use write::{ContactPatch, CustomerPatch, NewCustomer, archive, create, update};

use crate::{
    Permission, ReadCx, Result, WriteCx, change::Change, id::CustomerId, list, scope::Visibility,
    sim::SimState,
};

/// The customer with this id.
///
/// # Errors
/// `NOT_FOUND` when the caller cannot see such a customer.
pub async fn get(cx: &ReadCx, id: CustomerId) -> Result<Customer> {
    list::get(cx, id).await
}

/// The customer with this short name.
///
/// # Errors
/// `NOT_FOUND` when the caller cannot see such a customer.
pub async fn get_by_slug(cx: &ReadCx, slug: &str) -> Result<Customer> {
    store::by_slug(cx, slug).await
}

/// The visible ones among `ids`.
pub async fn by_ids(cx: &ReadCx, ids: &[CustomerId]) -> Result<HashMap<CustomerId, Arc<Customer>>> {
    store::by_ids(cx, ids).await
}

/// How many visible SIMs each customer has now, by state.
///
/// # Errors
/// `FORBIDDEN` when SIMs are closed to the caller.
pub async fn sim_counts(
    cx: &ReadCx,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, Vec<(SimState, u64)>>> {
    store::sim_counts(cx, customers).await
}

/// Sets what the users of a customer may see.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `NOT_FOUND` for a customer out of reach.
pub async fn set_visibility(
    cx: WriteCx,
    id: CustomerId,
    visibility: Visibility,
) -> Result<Customer> {
    cx.scope().require(Permission::CustomersWrite)?;
    if let Some(()) = cx.earlier().await? {
        return get(&cx, id).await;
    }
    store::lock(&cx, id).await?;
    let before = get(&cx, id).await?;
    store::set_visibility(&cx, id, visibility).await?;
    cx.commit(Change::VisibilitySet {
        customer: id,
        before: before.visibility,
        after: visibility,
    })
    .await?;
    Ok(Customer {
        visibility,
        ..before
    })
}
