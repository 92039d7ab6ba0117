//! Words about devices.

use async_graphql::{ID, InputObject};
use domain::{
    device::{self, DeviceCondition},
    saved_filter::Clause,
};

use crate::{
    filter::conditions, label::LabelFilter, order::order, parse_id, parse_ids, text, texts,
    word::word, words,
};

word! {
    /// Lifecycle state of a device; independent of any SIM inside and of whether it is online.
    DeviceState = device::DeviceState
}

word! {
    /// A way in which a device can communicate.
    Connectivity = device::Connectivity
}

/// Which devices. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct DeviceFilter {
    /// All of these hold.
    pub and: Option<Vec<DeviceFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<DeviceFilter>>,
    /// This does not hold.
    pub not: Option<Box<DeviceFilter>>,
    /// Part of the name or kind, in any case.
    pub search: Option<String>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// With one of these names.
    pub names: Option<Vec<String>>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<String>>,
    /// In one of these states.
    pub states: Option<Vec<DeviceState>>,
    /// Belonging now to one of these customers.
    pub customers: Option<Vec<ID>>,
    /// True: belonging to no customer. False: belonging to one.
    pub unassigned: Option<bool>,
    /// Able to communicate in one of these ways.
    pub connectivity: Option<Vec<Connectivity>>,
    /// Carrying this label.
    pub label: Option<LabelFilter>,
    /// True: made by the simulator. False: real.
    pub simulated: Option<bool>,
    /// Meeting this saved filter of devices, as it is now. Needs `SAVED_FILTERS_READ`.
    pub saved: Option<ID>,
}

conditions!(DeviceFilter => Clause<DeviceCondition> {
    search: |part| text(part).map(DeviceCondition::Search),
    ids: |ids: Vec<ID>| parse_ids(&ids).map(DeviceCondition::Ids),
    names: |names| texts(names).map(DeviceCondition::Names),
    kinds: |kinds| texts(kinds).map(DeviceCondition::Kinds),
    states: |states: Vec<DeviceState>| words(states).map(DeviceCondition::States),
    customers: |ids: Vec<ID>| parse_ids(&ids).map(DeviceCondition::Customers),
    unassigned: |yes| Ok(DeviceCondition::Unassigned(yes)),
    connectivity: |ways: Vec<Connectivity>| words(ways).map(DeviceCondition::Connectivity),
    label: |label: LabelFilter| label.try_into().map(DeviceCondition::Label),
    simulated: |yes| Ok(DeviceCondition::Simulated(yes)),
    saved: |id: ID| Ok(Clause::<DeviceCondition>::Saved(parse_id(&id)?)),
});

word! {
    /// What devices can be sorted by.
    DeviceOrderField = device::DeviceOrderField, Default
}

order! {
    /// Sort of a device list; ties are broken by id.
    DeviceOrder by DeviceOrderField, Asc
}
