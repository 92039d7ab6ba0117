//! What callers' filters are made of: a condition of a row, or all that is saved under an id.
//!
//! Only a [`Filter`] of conditions becomes a statement, and only such a one is saved: what is named is looked up before, in the
//! snapshot that answers, and no saved filter leads to another.

use std::collections::BTreeSet;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;

use super::{InventoryFilter, SavedFilter, SavedFilterError};
use crate::{
    ReadCx, Result,
    device::filter::DeviceCondition,
    filter::Filter,
    id::{CustomerId, SavedFilterId},
    list,
    scope::Segments,
    sim::filter::SimCondition,
};

/// A condition, or the name of a saved filter. As JSON it is spelt as in the contract, too: `{"saved": "fil_…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Clause<C> {
    /// What is saved under this id.
    Saved(SavedFilterId),
    /// A condition.
    #[serde(untagged)]
    Is(C),
}

impl<'de, C: DeserializeOwned> Deserialize<'de> for Clause<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = match value.get("saved") {
            Some(id) => SavedFilterId::deserialize(id).map(Self::Saved),
            None => C::deserialize(value).map(Self::Is),
        };
        read.map_err(D::Error::custom)
    }
}

impl<C> From<C> for Clause<C> {
    fn from(condition: C) -> Self {
        Self::Is(condition)
    }
}

/// Conditions of which filters can be saved.
pub trait Saved: Clone + Send + Sync {
    /// What is saved, if it is of this kind.
    fn of(saved: &InventoryFilter) -> Option<&Filter<Self>>;

    /// The condition without customers that the caller may not see: whose something is cannot be found out by asking for it.
    #[must_use]
    fn within(&self, segments: &Segments) -> Self;
}

fn shown(customers: &[CustomerId], segments: &Segments) -> Vec<CustomerId> {
    let shown = customers.iter().filter(|id| segments.show(**id));
    shown.copied().collect()
}

impl Saved for SimCondition {
    fn of(saved: &InventoryFilter) -> Option<&Filter<Self>> {
        match saved {
            InventoryFilter::Sim(filter) => Some(filter),
            InventoryFilter::Device(_) => None,
        }
    }

    fn within(&self, segments: &Segments) -> Self {
        match self {
            Self::Customers(ids) => Self::Customers(shown(ids, segments)),
            other => other.clone(),
        }
    }
}

impl Saved for DeviceCondition {
    fn of(saved: &InventoryFilter) -> Option<&Filter<Self>> {
        match saved {
            InventoryFilter::Device(filter) => Some(filter),
            InventoryFilter::Sim(_) => None,
        }
    }

    fn within(&self, segments: &Segments) -> Self {
        match self {
            Self::Customers(ids) => Self::Customers(shown(ids, segments)),
            other => other.clone(),
        }
    }
}

/// The filter with what is saved in the place of its name, and without what the caller may not see: one statement, and none where
/// nothing is named.
///
/// # Errors
/// `FORBIDDEN` when saved filters are named and closed to the caller, `NOT_FOUND` for one that is not there, `INVALID_INPUT` for
/// one of the other kind, `LIMIT_EXCEEDED` when there are more than [`crate::filter::MAX_CONDITIONS`] in all.
pub async fn resolve<C: Saved>(cx: &ReadCx, filter: &Filter<Clause<C>>) -> Result<Filter<C>> {
    let named: BTreeSet<SavedFilterId> = filter
        .conditions()
        .into_iter()
        .filter_map(|clause| match clause {
            Clause::Is(_) => None,
            Clause::Saved(id) => Some(*id),
        })
        .collect();
    let segments = cx.scope().segments();
    let within = |filter: Filter<C>| match segments {
        Segments::All => Ok(filter),
        Segments::Part(_) => filter.replace(&|condition| Ok(condition.within(segments).into())),
    };
    if named.is_empty() {
        return within(plain(filter)?);
    }
    let ids: Vec<SavedFilterId> = named.into_iter().collect();
    let found = list::by_ids::<SavedFilter, _>(cx, &ids).await?;
    let look_up = |clause: &Clause<C>| match clause {
        Clause::Is(condition) => Ok(Filter::Is(condition.clone())),
        Clause::Saved(id) => {
            let saved = found.get(id).ok_or(SavedFilterError::NotFound)?;
            let filter = C::of(&saved.filter);
            Ok(filter
                .ok_or(SavedFilterError::OtherKind(saved.filter.kind()))?
                .clone())
        }
    };
    let resolved = filter.replace(&look_up)?;
    resolved.check_size()?;
    within(resolved)
}

/// The filter, which may not name a saved one.
///
/// # Errors
/// `INVALID_INPUT` when it does.
pub fn plain<C: Clone>(filter: &Filter<Clause<C>>) -> Result<Filter<C>> {
    filter.replace(&|clause| match clause {
        Clause::Is(condition) => Ok(Filter::Is(condition.clone())),
        Clause::Saved(_) => Err(SavedFilterError::Nested.into()),
    })
}
