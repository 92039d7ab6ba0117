//! `TopNetworks`: the networks with the most traffic.

use async_graphql::SimpleObject;
use schema::scalar::{BigInt, Decimal};
use service::Share;

use super::{key::UsageNetworkKey, period::Period, provenance::Provenance};

/// The networks with the most traffic, and their shares of all traffic.
#[derive(SimpleObject)]
pub(crate) struct TopNetworks {
    /// The period that was meant.
    period: Period,
    /// The largest first; networks with equal traffic are sorted by code.
    rows: Vec<TopNetwork>,
    /// All others together; null when there are none.
    others: Option<TrafficShare>,
    /// Bytes of all networks.
    total: BigInt,
    /// Where the answer comes from and how fresh it is.
    provenance: Provenance,
}

/// A network and its traffic.
#[derive(SimpleObject)]
pub(crate) struct TopNetwork {
    /// The network.
    network: UsageNetworkKey,
    /// Its traffic.
    #[graphql(flatten)]
    traffic: TrafficShare,
}

/// Traffic, and its share of all traffic.
#[derive(SimpleObject)]
pub(crate) struct TrafficShare {
    /// Bytes of both directions.
    bytes: BigInt,
    /// Percent of all traffic with two decimal places, rounded so that the shares of all rows and of all others add up to exactly
    /// 100.00 (largest remainder method). Null when there is no traffic.
    share: Option<Decimal>,
}

impl From<Share> for TrafficShare {
    fn from(share: Share) -> Self {
        Self {
            bytes: BigInt(share.bytes),
            share: share
                .hundredths
                .map(|hundredths| Decimal::new(hundredths.into(), 2)),
        }
    }
}

impl From<Share> for TopNetwork {
    fn from(share: Share) -> Self {
        Self {
            network: UsageNetworkKey::of(&share.network),
            traffic: share.into(),
        }
    }
}

impl From<service::TopNetworks> for TopNetworks {
    fn from(top: service::TopNetworks) -> Self {
        Self {
            period: top.period.into(),
            rows: top.networks.into_iter().map(Into::into).collect(),
            others: top.others.map(Into::into),
            total: BigInt(top.total),
            provenance: top.provenance.into(),
        }
    }
}
