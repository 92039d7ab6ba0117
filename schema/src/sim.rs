//! Words about SIMs.

use async_graphql::{ID, InputObject, OneofObject};
use domain::{
    Result,
    identifier::Iccid,
    saved_filter::Clause,
    sim::{self, SimCondition},
};

use crate::{
    bounded, filter::conditions, label::LabelFilter, order::order, parse_id, parse_id_in,
    parse_ids, text, word::word, words,
};

word! {
    /// State of a SIM. Where it lies and what it is used for are labels, not states.
    SimState = sim::SimState
}

/// What names a SIM.
#[derive(OneofObject, Clone, Debug)]
pub enum SimBy {
    /// Global id.
    Id(ID),
    /// Serial number, with or without its check digit.
    Iccid(String),
}

impl TryFrom<SimBy> for sim::SimBy {
    type Error = domain::Error;

    fn try_from(by: SimBy) -> Result<Self> {
        Ok(match by {
            SimBy::Id(id) => Self::Id(parse_id_in("id", &id)?),
            SimBy::Iccid(text) => {
                Self::Iccid(Iccid::parse(&text).map_err(|error| error.at("iccid"))?)
            }
        })
    }
}

/// Which SIMs. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SimFilter {
    /// All of these hold.
    pub and: Option<Vec<SimFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<SimFilter>>,
    /// This does not hold.
    pub not: Option<Box<SimFilter>>,
    /// Part of the ICCID or MSISDN.
    pub search: Option<String>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// With one of these ICCIDs, with or without the check digit.
    pub iccids: Option<Vec<String>>,
    /// In one of these states.
    pub states: Option<Vec<SimState>>,
    /// Assigned now to one of these customers.
    pub customers: Option<Vec<ID>>,
    /// True: assigned to no customer. False: assigned to one.
    pub unassigned: Option<bool>,
    /// Carrying this label.
    pub label: Option<LabelFilter>,
    /// True: made by the simulator. False: real.
    pub simulated: Option<bool>,
    /// Meeting this saved filter of SIMs, as it is now. Needs `SAVED_FILTERS_READ`.
    pub saved: Option<ID>,
}

conditions!(SimFilter => Clause<SimCondition> {
    search: |part| text(part).map(SimCondition::Search),
    ids: |ids: Vec<ID>| parse_ids(&ids).map(SimCondition::Ids),
    iccids: |iccids: Vec<String>| {
        bounded(iccids.len())?;
        let iccids = iccids.iter().map(|text| Iccid::parse(text));
        Ok(SimCondition::Iccids(iccids.collect::<Result<_>>()?))
    },
    states: |states: Vec<SimState>| words(states).map(SimCondition::States),
    customers: |ids: Vec<ID>| parse_ids(&ids).map(SimCondition::Customers),
    unassigned: |yes| Ok(SimCondition::Unassigned(yes)),
    label: |label: LabelFilter| label.try_into().map(SimCondition::Label),
    simulated: |yes| Ok(SimCondition::Simulated(yes)),
    saved: |id: ID| Ok(Clause::<SimCondition>::Saved(parse_id(&id)?)),
});

word! {
    /// What SIMs are counted by.
    SimDimension = sim::SimDimension
}

/// By what SIMs are grouped.
#[derive(OneofObject, Clone, Debug)]
pub enum SimGroup {
    /// By this property.
    Dimension(SimDimension),
    /// By the value of the label with this key.
    Label(String),
}

impl TryFrom<SimGroup> for sim::SimGrouping {
    type Error = domain::Error;

    fn try_from(group: SimGroup) -> Result<Self> {
        Ok(match group {
            SimGroup::Dimension(dimension) => Self::Dimension(dimension.into()),
            SimGroup::Label(key) => Self::Label(text(key).map_err(|error| error.at("label"))?),
        })
    }
}

word! {
    /// What SIMs can be sorted by.
    SimOrderField = sim::SimOrderField, Default
}

order! {
    /// Sort of a SIM list; ties are broken by id.
    SimOrder by SimOrderField, Asc
}
