//! Words about networks.

use async_graphql::{ID, InputObject};
use domain::{
    Result,
    identifier::Plmn,
    network::{self, NetworkCondition},
};

use crate::{bounded, filter::conditions, order::order, text, texts, word::word};

/// Which networks. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct NetworkFilter {
    /// All of these hold.
    pub and: Option<Vec<NetworkFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<NetworkFilter>>,
    /// This does not hold.
    pub not: Option<Box<NetworkFilter>>,
    /// Part of the name or operator, in any case.
    pub search: Option<String>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// One of these, as `MCC-MNC`.
    pub codes: Option<Vec<String>>,
    /// In one of these countries, ISO 3166-1 alpha-2.
    pub countries: Option<Vec<String>>,
}

conditions!(NetworkFilter => NetworkCondition {
    search: |part| text(part).map(NetworkCondition::Search),
    ids: |ids: Vec<ID>| {
        bounded(ids.len())?;
        let codes = ids.iter().map(|id| Plmn::of_id(id));
        Ok(NetworkCondition::Codes(codes.collect::<Result<_>>()?))
    },
    codes: |codes: Vec<String>| {
        bounded(codes.len())?;
        let codes = codes.iter().map(|text| Plmn::parse(text));
        Ok(NetworkCondition::Codes(codes.collect::<Result<_>>()?))
    },
    countries: |codes| {
        let codes = texts(codes)?.into_iter().map(|code| code.to_uppercase());
        Ok(NetworkCondition::Countries(codes.collect()))
    },
});

word! {
    /// What networks can be sorted by.
    NetworkOrderField = network::NetworkOrderField, Default
}

order! {
    /// Sort of a network list.
    NetworkOrder by NetworkOrderField, Asc
}
