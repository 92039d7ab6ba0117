//! Which part of a fleet a caller may see.

use std::collections::BTreeSet;

use crate::id::{CustomerId, DeviceId, SimId};

/// The part of the tenant's fleet that a caller may see.
///
/// A row is visible when it belongs to `within` (if set) and, if anything was granted, to a granted customer or
/// a granted pool. Unassigned rows belong to no customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// Nothing was assigned: nothing is visible (default deny).
    pub fn is_empty(&self) -> bool {
        self.within.is_none() && !self.has_grants()
    }
}

/// Which rows of the tenant are visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segments {
    /// The whole tenant.
    All,
    /// Only this part.
    Part(Segment),
}

impl Segments {
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
