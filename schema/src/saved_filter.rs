//! Words about saved filters.

use async_graphql::{ID, InputObject, OneofObject};
use domain::{
    Error, Result,
    saved_filter::{self, SavedFilterCondition, SavedFilterPatch},
};

use crate::{
    device::DeviceFilter, filter::conditions, order::order, parse_ids, sim::SimFilter, text, texts,
    word::word, words,
};

word! {
    /// What a saved filter is about.
    SavedFilterKind = saved_filter::SavedFilterKind
}

/// Which saved filters. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SavedFilterFilter {
    /// All of these hold.
    pub and: Option<Vec<SavedFilterFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<SavedFilterFilter>>,
    /// This does not hold.
    pub not: Option<Box<SavedFilterFilter>>,
    /// Part of the name, in any case.
    pub search: Option<String>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<SavedFilterKind>>,
    /// Saved by one of these subjects.
    pub created_by: Option<Vec<String>>,
}

conditions!(SavedFilterFilter => SavedFilterCondition {
    search: |part| text(part).map(SavedFilterCondition::Search),
    ids: |ids: Vec<ID>| parse_ids(&ids).map(SavedFilterCondition::Ids),
    kinds: |kinds: Vec<SavedFilterKind>| words(kinds).map(SavedFilterCondition::Kinds),
    created_by: |subjects| texts(subjects).map(SavedFilterCondition::CreatedBy),
});

word! {
    /// What saved filters can be sorted by.
    SavedFilterOrderField = saved_filter::SavedFilterOrderField, Default
}

order! {
    /// Sort of a list of saved filters.
    SavedFilterOrder by SavedFilterOrderField, Asc
}

/// A filter of SIMs or of devices. It names no saved one.
#[derive(OneofObject, Clone, Debug)]
pub enum InventoryFilter {
    /// Which SIMs.
    Sim(SimFilter),
    /// Which devices.
    Device(DeviceFilter),
}

impl TryFrom<InventoryFilter> for saved_filter::InventoryFilter {
    type Error = Error;

    fn try_from(filter: InventoryFilter) -> Result<Self> {
        match filter {
            InventoryFilter::Sim(filter) => filter
                .try_into()
                .and_then(|filter| saved_filter::plain(&filter))
                .map(Self::Sim)
                .map_err(|error| error.at("sim")),
            InventoryFilter::Device(filter) => filter
                .try_into()
                .and_then(|filter| saved_filter::plain(&filter))
                .map(Self::Device)
                .map_err(|error| error.at("device")),
        }
    }
}

/// A filter that is to be saved.
#[derive(InputObject, Clone, Debug)]
pub struct CreateSavedFilterInput {
    /// Name, 1 to 100 characters, unique among the tenant's saved filters of its kind.
    pub name: String,
    /// What is saved, at most 32,768 bytes.
    pub filter: InventoryFilter,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What changes of a saved filter. What is left out stays.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateSavedFilterInput {
    /// The saved filter.
    pub saved_filter_id: ID,
    /// Name, 1 to 100 characters, unique among the tenant's saved filters of its kind.
    pub name: Option<String>,
    /// What is saved, of the same kind, at most 32,768 bytes.
    pub filter: Option<InventoryFilter>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl UpdateSavedFilterInput {
    /// What changes.
    ///
    /// # Errors
    /// What the filter is refused for.
    pub fn patch(self) -> Result<SavedFilterPatch> {
        let filter = self.filter.map(TryInto::try_into).transpose();
        Ok(SavedFilterPatch {
            name: self.name,
            filter: filter.map_err(|error: Error| error.at("filter"))?,
        })
    }
}

/// A saved filter that is to go.
#[derive(InputObject, Clone, Debug)]
pub struct DeleteSavedFilterInput {
    /// The saved filter.
    pub saved_filter_id: ID,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}
