//! What a grant is.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::id::{CustomerId, DeviceId, GrantId, SimId};

/// What a grant opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantTarget {
    /// Everything of one customer.
    Customer(CustomerId),
    /// One SIM.
    Sim(SimId),
    /// One device.
    Device(DeviceId),
}

impl fmt::Display for GrantTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => id.fmt(f),
            Self::Sim(id) => id.fmt(f),
            Self::Device(id) => id.fmt(f),
        }
    }
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Identifier.
    pub id: GrantId,
    /// The token subject it is given to.
    pub subject: String,
    /// What it opens.
    pub target: GrantTarget,
    /// When it was given.
    pub created_at: DateTime<Utc>,
}
