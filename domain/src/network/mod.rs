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

/// What people are shown of these networks, by their codes: the name, or `Unknown (262/99)` of one that the dictionary lacks.
///
/// # Errors
/// `UNAVAILABLE` when the store does not answer.
pub async fn names(cx: &ReadCx, plmns: &[String]) -> Result<HashMap<String, String>> {
    let known = by_plmns(cx, plmns).await?;
    let name = |plmn: &String| {
        let known = known.get(plmn).map(|network| network.name.clone());
        known.unwrap_or_else(|| unknown(plmn))
    };
    Ok(plmns
        .iter()
        .map(|plmn| (plmn.clone(), name(plmn)))
        .collect())
}

/// What people are shown of a network that the dictionary lacks: `Unknown (262/99)`.
pub fn unknown(plmn: &str) -> String {
    format!("Unknown ({})", plmn.replace('-', "/"))
}

/// The known ones among `plmns`.
pub async fn by_plmns(cx: &ReadCx, plmns: &[String]) -> Result<HashMap<String, Network>> {
    store::by_plmns(cx, plmns).await
}

/// The whole dictionary, by code.
pub async fn all(cx: &SystemCx) -> Result<Vec<Network>> {
    store::all(cx).await
}
