//! Which part of a fleet a caller may see.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{CustomerId, DeviceId, SimId};

/// The part of the tenant's fleet that a caller may see.
///
/// A row is visible when it belongs to `within` (if set) and, if anything was granted, to a granted customer or
/// a granted pool. Unassigned rows belong to no customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The one customer that the token names.
    pub within: Option<CustomerId>,
    /// Customers granted to the caller.
    pub customers: BTreeSet<CustomerId>,
    /// SIM pool granted to the caller.
    pub sims: BTreeSet<SimId>,
    /// Device pool granted to the caller.
    pub devices: BTreeSet<DeviceId>,
}

impl Segment {
    /// Whether anything narrower than `within` was granted.
    pub fn has_grants(&self) -> bool {
        !(self.customers.is_empty() && self.sims.is_empty() && self.devices.is_empty())
    }

    /// Whether everything that `then` shows is surely shown by this one, too. Which customers the granted SIMs and devices belong to is
    /// not looked up: a pool within a granted customer counts as another one.
    fn covers(&self, then: &Self) -> bool {
        if then.is_empty() {
            return true;
        }
        if self.within != then.within {
            return false;
        }
        match (self.has_grants(), then.has_grants()) {
            // Without grants the whole of a customer is visible.
            (false, _) => self.within.is_some(),
            (true, false) => false,
            (true, true) => {
                self.customers.is_superset(&then.customers)
                    && self.sims.is_superset(&then.sims)
                    && self.devices.is_superset(&then.devices)
            }
        }
    }

    /// Nothing was assigned: nothing is visible (default deny).
    pub fn is_empty(&self) -> bool {
        self.within.is_none() && !self.has_grants()
    }
}

/// Which rows of the tenant are visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segments {
    /// The whole tenant.
    All,
    /// Only this part.
    Part(Segment),
}

impl Segments {
    /// Whether everything that `then` shows is surely shown by these, too.
    pub(super) fn cover(&self, then: &Self) -> bool {
        match (self, then) {
            (Self::All, _) => true,
            (Self::Part(_), Self::All) => false,
            (Self::Part(now), Self::Part(then)) => now.covers(then),
        }
    }

    /// Whether a customer is visible. The one that a token names is to its own user, whatever pool narrows the fleet.
    pub fn show(&self, customer: CustomerId) -> bool {
        match self {
            Self::All => true,
            Self::Part(Segment {
                within: Some(within),
                ..
            }) => *within == customer,
            Self::Part(segment) => segment.customers.contains(&customer),
        }
    }
}
