//! What a label is.

use chrono::{DateTime, Utc};

use crate::id::LabelId;

/// A label on a SIM or device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Key of the definition.
    pub key: String,
    /// Value on this object.
    pub value: String,
}

/// A key that the tenant uses, with its menu if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelDefinition {
    /// Identifier.
    pub id: LabelId,
    /// Key, unique in the tenant.
    pub key: String,
    /// Allowed values; `None` means free text.
    pub options: Option<Vec<String>>,
    /// When it was defined.
    pub created_at: DateTime<Utc>,
}

/// What can carry labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Labelled {
    /// SIMs.
    Sim,
    /// Devices.
    Device,
}

impl Labelled {
    /// Its table, which has a column `…_id` and labels in a table `…_label`.
    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Device => "device",
        }
    }
}
