//! What a saved filter is.

use chrono::{DateTime, Utc};
use serde::Serialize;
use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

use crate::{device::filter::DeviceFilter, id::SavedFilterId, sim::filter::SimFilter};

/// What is filtered.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, EnumString, VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SavedFilterKind {
    /// SIMs.
    Sim,
    /// Devices.
    Device,
}

impl std::fmt::Display for SavedFilterKind {
    /// As people call them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sim => "SIMs",
            Self::Device => "devices",
        })
    }
}

/// A filter of SIMs or of devices. As JSON it is spelt as the contract's input of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum InventoryFilter {
    /// Which SIMs.
    Sim(SimFilter),
    /// Which devices.
    Device(DeviceFilter),
}

impl InventoryFilter {
    /// What it filters.
    pub const fn kind(&self) -> SavedFilterKind {
        match self {
            Self::Sim(_) => SavedFilterKind::Sim,
            Self::Device(_) => SavedFilterKind::Device,
        }
    }

    /// The same filter without what changes nothing, so that what is read and saved again stays as it is.
    pub(super) fn simplified(self) -> Self {
        match self {
            Self::Sim(filter) => Self::Sim(filter.simplified()),
            Self::Device(filter) => Self::Device(filter.simplified()),
        }
    }
}

/// A filter that the tenant keeps under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFilter {
    /// Identifier.
    pub id: SavedFilterId,
    /// Name, unique among those of its kind in the tenant.
    pub name: String,
    /// What is saved.
    pub filter: InventoryFilter,
    /// The subject who saved it.
    pub created_by: String,
    /// When it was saved first.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}
