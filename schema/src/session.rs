//! Words about sessions.

use async_graphql::{ID, InputObject};
use domain::{Period, Result, identifier, session};

use crate::{bounded, parse_ids, scalar::DateTime, word::word};

word! {
    /// Whether a session goes on.
    SessionStatus = session::SessionStatus
}

/// Which live sessions. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct LiveSessionFilter {
    /// Of the SIM with this ICCID, with or without the check digit.
    pub iccid: Option<String>,
    /// On the network with this code, `MCC-MNC` as `Network.code` says it.
    pub network: Option<String>,
    /// Of one of these customers, at the time of the newest rollup.
    pub customers: Option<Vec<ID>>,
    /// In one of these states.
    pub statuses: Option<Vec<SessionStatus>>,
}

/// Which rollups. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SessionHistoryFilter {
    /// Of the SIM with this ICCID, with or without the check digit.
    pub iccid: Option<String>,
    /// On the network with this code, `MCC-MNC` as `Network.code` says it.
    pub network: Option<String>,
    /// Of one of these customers, at the time of the rollup.
    pub customers: Option<Vec<ID>>,
    /// Made at or after this moment. What is not kept any more is left out, and `clamped` says so.
    pub from: Option<DateTime>,
    /// Made before this moment.
    pub to: Option<DateTime>,
}

/// The parts of a filter in the words of the domain.
#[derive(Clone, Debug, Default)]
pub struct SessionWords {
    /// The SIM's ICCID.
    pub iccid: Option<identifier::Iccid>,
    /// The network.
    pub network: Option<identifier::Plmn>,
    /// The customers.
    pub customers: Option<Vec<domain::id::CustomerId>>,
    /// The states.
    pub statuses: Option<Vec<session::SessionStatus>>,
    /// From when on.
    pub from: Option<chrono::DateTime<chrono::Utc>>,
    /// Until when.
    pub to: Option<chrono::DateTime<chrono::Utc>>,
}

fn words(
    iccid: Option<&str>,
    network: Option<&str>,
    customers: Option<&[ID]>,
) -> Result<SessionWords> {
    let iccid = iccid.map(identifier::Iccid::parse).transpose();
    let network = network.map(identifier::Plmn::parse).transpose();
    let customers = customers.map(parse_ids).transpose();
    Ok(SessionWords {
        iccid: iccid.map_err(|error| error.at("iccid"))?,
        network: network.map_err(|error| error.at("network"))?,
        customers: customers.map_err(|error| error.at("customers"))?,
        ..SessionWords::default()
    })
}

impl TryFrom<LiveSessionFilter> for SessionWords {
    type Error = domain::Error;

    fn try_from(filter: LiveSessionFilter) -> Result<Self> {
        let LiveSessionFilter {
            iccid,
            network,
            customers,
            statuses,
        } = filter;
        let statuses = statuses.map(|statuses| -> Result<Vec<_>> {
            bounded(statuses.len()).map_err(|error| error.at("statuses"))?;
            Ok(statuses.into_iter().map(Into::into).collect())
        });
        Ok(Self {
            statuses: statuses.transpose()?,
            ..words(iccid.as_deref(), network.as_deref(), customers.as_deref())?
        })
    }
}

impl TryFrom<SessionHistoryFilter> for SessionWords {
    type Error = domain::Error;

    fn try_from(filter: SessionHistoryFilter) -> Result<Self> {
        let SessionHistoryFilter {
            iccid,
            network,
            customers,
            from,
            to,
        } = filter;
        let (from, to) = (from.map(|from| from.0), to.map(|to| to.0));
        if let (Some(from), Some(to)) = (from, to) {
            Period::new(from, to)?;
        }
        Ok(Self {
            from,
            to,
            ..words(iccid.as_deref(), network.as_deref(), customers.as_deref())?
        })
    }
}
