//! `Network`.

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use domain::{identifier::Plmn, network};
use schema::usage::UsageInput;

use crate::{
    connection::plain,
    usage::{self, Usage},
    written::{Selected, Step, Written, columns, leaf},
};

/// The global id of the network with this code.
pub(crate) fn network_id(code: &str) -> ID {
    format!("{}_{code}", Plmn::PREFIX).into()
}

/// A mobile network (ITU-T E.212).
#[derive(Clone)]
pub(crate) struct Network(pub(crate) network::Network);

/// A mobile network (ITU-T E.212).
#[Object]
impl Network {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        network_id(&self.0.plmn)
    }

    /// Usage on this network, within what the caller may see.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        usage::nested(ctx, Dimension::Network, self.0.plmn.as_str().into(), input)
            .await
            .map(Some)
    }

    #[graphql(flatten)]
    async fn columns(&self) -> NetworkColumns<'_> {
        NetworkColumns(self)
    }
}

columns! {
    NetworkColumns of Network {
        /// `MCC-MNC`, as usage names it.
        code: &str = |network| &network.0.plmn;
        /// Mobile country code, three digits.
        mcc: &str = |network| network.0.plmn.split_once('-').map_or("", |(mcc, _)| mcc);
        /// Mobile network code, two or three digits; leading zeros count.
        mnc: &str = |network| network.0.plmn.split_once('-').map_or("", |(_, mnc)| mnc);
        /// Name shown to people.
        name: &str = |network| &network.0.name;
        /// Operating company.
        operator: Option<&str> = |network| network.0.operator.as_deref();
        /// Country, ISO 3166-1 alpha-2; null for international networks.
        country_code: Option<&str> = |network| network.0.country_code.as_deref();
        /// Country's name.
        country: Option<&str> = |network| network.0.country.as_deref();
        /// Where this dictionary entry comes from, with its version.
        source: String = |network| format!("{} {}", network.0.source, network.0.source_version);
    }
}

impl Written for Network {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(leaf(|network: &Self| network_id(&network.0.plmn))),
            _ => NetworkColumns::step(field),
        }
    }
}

impl From<network::Network> for Network {
    fn from(network: network::Network) -> Self {
        Self(network)
    }
}

plain!(Network: network::Network);
