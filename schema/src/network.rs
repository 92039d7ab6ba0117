//! Words about networks.

use async_graphql::InputObject;
use domain::{Error, Result, network};

use crate::{bounded, text};

/// Which networks. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct NetworkFilter {
    /// Part of the name or operator, in any case.
    pub search: Option<String>,
    /// In any of these countries, ISO 3166-1 alpha-2.
    pub countries: Option<Vec<String>>,
}

impl TryFrom<NetworkFilter> for network::NetworkFilter {
    type Error = Error;

    fn try_from(filter: NetworkFilter) -> Result<Self> {
        let countries = filter
            .countries
            .map(|countries| {
                bounded(countries.len())?;
                countries
                    .into_iter()
                    .map(|code| Ok(text(code)?.to_uppercase()))
                    .collect::<Result<_>>()
            })
            .transpose()?;
        Ok(Self {
            search: filter.search.map(text).transpose()?,
            countries,
        })
    }
}
