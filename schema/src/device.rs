//! Words about devices.

use async_graphql::{Enum, ID, InputObject};
use domain::{Error, Result, device, paging::Direction};

use crate::{bounded, label::LabelFilter, order::OrderDirection, parse_ids, text};

/// Lifecycle state of a device; independent of any SIM inside and of whether it is online.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "device::DeviceState")]
pub enum DeviceState {
    /// Known, not in service yet.
    Registered,
    /// In service.
    Active,
    /// Out of service for a while.
    Disabled,
    /// End of life; no way back.
    Retired,
}

/// A way in which a device can communicate.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "device::Connectivity")]
pub enum Connectivity {
    /// Through a SIM.
    Cellular,
    /// Through a wireless LAN.
    Wifi,
    /// Through a long-range (LoRa) gateway.
    Lora,
}

/// Which devices. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct DeviceFilter {
    /// Part of the name or kind, in any case.
    pub search: Option<String>,
    /// In any of these states.
    pub states: Option<Vec<DeviceState>>,
    /// Assigned now to any of these customers.
    pub customers: Option<Vec<ID>>,
    /// True: assigned to no customer. False: assigned to one.
    pub unassigned: Option<bool>,
    /// Able to communicate in all of these ways.
    pub connectivity: Option<Vec<Connectivity>>,
    /// Carrying all of these labels.
    pub labels: Option<Vec<LabelFilter>>,
}

impl TryFrom<DeviceFilter> for device::DeviceFilter {
    type Error = Error;

    fn try_from(filter: DeviceFilter) -> Result<Self> {
        let (states, ways) = (
            filter.states.unwrap_or_default(),
            filter.connectivity.unwrap_or_default(),
        );
        bounded(states.len())?;
        bounded(ways.len())?;
        Ok(Self {
            search: filter.search.map(text).transpose()?,
            states: states.into_iter().map(Into::into).collect(),
            customers: filter.customers.as_deref().map(parse_ids).transpose()?,
            unassigned: filter.unassigned,
            connectivity: ways.into_iter().map(Into::into).collect(),
            labels: crate::label::filters(filter.labels.unwrap_or_default())?,
        })
    }
}

/// What devices can be sorted by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[graphql(remote = "device::DeviceOrderField")]
pub enum DeviceOrderField {
    /// Name.
    #[default]
    Name,
    /// Time at which the record was made.
    CreatedAt,
}

/// Sort of a device list; ties are broken by id.
#[derive(InputObject, Clone, Copy, Debug, Default)]
pub struct DeviceOrder {
    /// Sorted by this.
    #[graphql(default)]
    pub field: DeviceOrderField,
    /// In this direction.
    #[graphql(default)]
    pub direction: OrderDirection,
}

impl From<DeviceOrder> for (device::DeviceOrderField, Direction) {
    fn from(order: DeviceOrder) -> Self {
        (order.field.into(), order.direction.into())
    }
}
