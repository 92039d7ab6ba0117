//! Words about SIMs.

use async_graphql::{Enum, ID, InputObject};
use domain::{Error, Result, paging::Direction, sim};

use crate::{bounded, label::LabelFilter, order::OrderDirection, parse_ids, text};

/// State of a SIM. Where it lies and what it is used for are labels, not states.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "sim::SimState")]
pub enum SimState {
    /// Provisioned, not active.
    Inactive,
    /// Enabled for connectivity.
    Active,
    /// Temporarily disabled.
    Suspended,
    /// End of life; no way back.
    Terminated,
}

/// Which SIMs. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SimFilter {
    /// Part of the ICCID or MSISDN.
    pub search: Option<String>,
    /// In any of these states.
    pub states: Option<Vec<SimState>>,
    /// Assigned now to any of these customers.
    pub customers: Option<Vec<ID>>,
    /// True: assigned to no customer. False: assigned to one.
    pub unassigned: Option<bool>,
    /// Carrying all of these labels.
    pub labels: Option<Vec<LabelFilter>>,
    /// True: made by the simulator. False: real.
    pub simulated: Option<bool>,
}

impl TryFrom<SimFilter> for sim::SimFilter {
    type Error = Error;

    fn try_from(filter: SimFilter) -> Result<Self> {
        let states = filter.states.unwrap_or_default();
        bounded(states.len())?;
        Ok(Self {
            search: filter.search.map(text).transpose()?,
            states: states.into_iter().map(Into::into).collect(),
            customers: filter.customers.as_deref().map(parse_ids).transpose()?,
            unassigned: filter.unassigned,
            labels: crate::label::filters(filter.labels.unwrap_or_default())?,
            simulated: filter.simulated,
        })
    }
}

/// What SIMs can be sorted by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[graphql(remote = "sim::SimOrderField")]
pub enum SimOrderField {
    /// Serial number.
    #[default]
    Iccid,
    /// Time at which the record was made.
    CreatedAt,
}

/// Sort of a SIM list; ties are broken by id.
#[derive(InputObject, Clone, Copy, Debug, Default)]
pub struct SimOrder {
    /// Sorted by this.
    #[graphql(default)]
    pub field: SimOrderField,
    /// In this direction.
    #[graphql(default)]
    pub direction: OrderDirection,
}

impl From<SimOrder> for (sim::SimOrderField, Direction) {
    fn from(order: SimOrder) -> Self {
        (order.field.into(), order.direction.into())
    }
}
