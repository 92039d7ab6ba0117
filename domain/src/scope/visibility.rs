//! What a tenant opens to each of its customers.

use serde::{Deserialize, Serialize};

/// A part of the product that a tenant opens or closes for each of its customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Devices.
    Devices,
    /// SIMs.
    Sims,
    /// Live sessions and the session log.
    Sessions,
    /// Usage.
    Usage,
    /// Costs and bills.
    Billing,
}

/// The five visibility switches of a customer. Staff roles see every area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Visibility {
    /// Devices are open.
    pub devices: bool,
    /// SIMs are open.
    pub sims: bool,
    /// Sessions are open.
    pub sessions: bool,
    /// Usage is open.
    pub usage: bool,
    /// Billing is open.
    pub billing: bool,
}

impl Visibility {
    /// Everything open: staff.
    pub const ALL: Self = Self {
        devices: true,
        sims: true,
        sessions: true,
        usage: true,
        billing: true,
    };
    /// The preset of a devices-only customer.
    pub const DEVICES_ONLY: Self = Self {
        devices: true,
        sims: false,
        sessions: false,
        usage: false,
        billing: false,
    };

    /// Whether every area that `then` opens is open.
    pub(super) const fn covers(self, then: Self) -> bool {
        (self.devices || !then.devices)
            && (self.sims || !then.sims)
            && (self.sessions || !then.sessions)
            && (self.usage || !then.usage)
            && (self.billing || !then.billing)
    }

    /// Whether `area` is open.
    pub const fn of(self, area: Area) -> bool {
        match area {
            Area::Devices => self.devices,
            Area::Sims => self.sims,
            Area::Sessions => self.sessions,
            Area::Usage => self.usage,
            Area::Billing => self.billing,
        }
    }
}
