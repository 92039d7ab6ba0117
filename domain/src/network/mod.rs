//! The network dictionary: names and countries of mobile networks (ITU-T E.212). Reference data without a tenant.

mod error;
mod filter;
mod model;
mod set;
mod store;

use std::collections::HashMap;

pub use error::NetworkError;
pub use filter::{NetworkCondition, NetworkFilter, NetworkOrderField};
pub use model::Network;
pub use set::{SetNetwork, set};

use crate::{ReadCx, Result, SystemCx, identifier::Plmn};

/// The network with this code.
///
/// # Errors
/// `NOT_FOUND` when the dictionary has no such network.
pub async fn get(cx: &ReadCx, plmn: &Plmn) -> Result<Network> {
    let key = plmn.as_str().to_owned();
    let found = by_plmns(cx, std::slice::from_ref(&key)).await?.remove(&key);
    found.ok_or_else(|| NetworkError::NotFound.into())
}

/// The known ones among `plmns`.
pub async fn by_plmns(cx: &ReadCx, plmns: &[String]) -> Result<HashMap<String, Network>> {
    store::by_plmns(cx, plmns).await
}

/// The whole dictionary, by code.
pub async fn all(cx: &SystemCx) -> Result<Vec<Network>> {
    store::all(cx).await
}
