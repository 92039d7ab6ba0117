//! Who asks, and what they may see: the one policy of the product.
//!
//! Every read, filter, sort, group-by, count and error goes through a [`Scope`]: the tenant, the segments of
//! the fleet and the areas (SIMs, usage, …) that are open. Both stores ask the same object, so a rule is written
//! once (HOUSE rule 2; TEN-07, 08, 11, 12, 15, 19).

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    Code, Error, Result,
    id::{CustomerId, DeviceId, SimId, TenantId},
};

/// A named set of permissions (C-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Staff of the platform; crosses into the tenant its token names, and every crossing is audited.
    PlatformAdmin,
    /// Everything inside one tenant.
    TenantAdmin,
    /// Reads the whole tenant; changes nothing of the system.
    Support,
    /// Reads assigned segments.
    Viewer,
    /// A tenant's customer: assigned SIMs and devices, behind the customer's visibility switches.
    CustomerUser,
    /// A machine that may only deliver usage records.
    Ingest,
}

impl Role {
    /// Every role, in order of power.
    pub const ALL: [Self; 6] = [
        Self::PlatformAdmin,
        Self::TenantAdmin,
        Self::Support,
        Self::Viewer,
        Self::CustomerUser,
        Self::Ingest,
    ];

    /// The word used in tokens and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform_admin",
            Self::TenantAdmin => "tenant_admin",
            Self::Support => "support",
            Self::Viewer => "viewer",
            Self::CustomerUser => "customer_user",
            Self::Ingest => "ingest",
        }
    }

    /// The permissions of this role: the whole matrix of TEN-19 in one place.
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::PlatformAdmin | Self::TenantAdmin => &P::ALL,
            Self::Support => &[
                P::TenantRead,
                P::CustomersRead,
                P::SimsRead,
                P::DevicesRead,
                P::LabelsRead,
                P::NetworksRead,
                P::UsageRead,
                P::IngestRead,
            ],
            Self::Viewer | Self::CustomerUser => &[
                P::TenantRead,
                P::CustomersRead,
                P::SimsRead,
                P::DevicesRead,
                P::LabelsRead,
                P::NetworksRead,
                P::UsageRead,
            ],
            Self::Ingest => &[P::CdrsWrite],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|role| role.as_str()).collect();
                Error::invalid(format!("unknown role; one of {}", known.join(", ")))
            })
    }
}

/// What an operation needs (TEN-19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// The tenant's own record.
    TenantRead,
    /// Customers within the caller's segments.
    CustomersRead,
    /// Visibility switches and grants.
    CustomersWrite,
    /// SIMs within the caller's segments.
    SimsRead,
    /// Devices within the caller's segments.
    DevicesRead,
    /// Fleet import: SIMs, devices, customers, labels, assignments.
    InventoryWrite,
    /// Label definitions.
    LabelsRead,
    /// The network dictionary.
    NetworksRead,
    /// Usage cubes.
    UsageRead,
    /// Delivering usage records.
    CdrsWrite,
    /// Accounting and rejections of intake.
    IngestRead,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 11] = [
        Self::TenantRead,
        Self::CustomersRead,
        Self::CustomersWrite,
        Self::SimsRead,
        Self::DevicesRead,
        Self::InventoryWrite,
        Self::LabelsRead,
        Self::NetworksRead,
        Self::UsageRead,
        Self::CdrsWrite,
        Self::IngestRead,
    ];

    /// The public name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenantRead => "TENANT_READ",
            Self::CustomersRead => "CUSTOMERS_READ",
            Self::CustomersWrite => "CUSTOMERS_WRITE",
            Self::SimsRead => "SIMS_READ",
            Self::DevicesRead => "DEVICES_READ",
            Self::InventoryWrite => "INVENTORY_WRITE",
            Self::LabelsRead => "LABELS_READ",
            Self::NetworksRead => "NETWORKS_READ",
            Self::UsageRead => "USAGE_READ",
            Self::CdrsWrite => "CDRS_WRITE",
            Self::IngestRead => "INGEST_READ",
        }
    }

    /// The area whose visibility switch also decides, if any.
    const fn area(self) -> Option<Area> {
        match self {
            Self::SimsRead => Some(Area::Sims),
            Self::DevicesRead => Some(Area::Devices),
            Self::UsageRead => Some(Area::Usage),
            _ => None,
        }
    }
}

/// A part of the product that a tenant opens or closes for each of its customers (TEN-12).
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent switches is what TEN-12 asks for"
)]
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
    /// The preset of a devices-only customer (TEN-11).
    pub const DEVICES_ONLY: Self = Self {
        devices: true,
        sims: false,
        sessions: false,
        usage: false,
        billing: false,
    };

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

/// One caller in one tenant. Fields are private: a scope is made from verified parts and never changed.
#[derive(Clone, Debug)]
pub struct Scope {
    tenant: TenantId,
    actor: String,
    role: Role,
    segments: Segments,
    visibility: Visibility,
}

impl Scope {
    /// Makes a scope from what a verified token and the stored grants say. Called by [`crate::identity`] only
    /// (and by tests).
    pub fn verified(
        tenant: TenantId,
        actor: String,
        role: Role,
        segment: Segment,
        visibility: Visibility,
    ) -> Self {
        let (segments, visibility) = match role {
            Role::PlatformAdmin | Role::TenantAdmin | Role::Support => {
                (Segments::All, Visibility::ALL)
            }
            Role::Viewer => (Segments::Part(segment), Visibility::ALL),
            Role::CustomerUser => (Segments::Part(segment), visibility),
            Role::Ingest => (Segments::Part(Segment::default()), Visibility::default()),
        };
        Self {
            tenant,
            actor,
            role,
            segments,
            visibility,
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The token's subject, as written to the audit log.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The visible part of the fleet.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// The open areas.
    pub fn visibility(&self) -> Visibility {
        self.visibility
    }

    /// Whether the caller may do this: role and visibility switch together.
    pub fn may(&self, permission: Permission) -> bool {
        self.role.permissions().contains(&permission)
            && permission
                .area()
                .is_none_or(|area| self.visibility.of(area))
    }

    /// # Errors
    /// `FORBIDDEN`, naming the permission, when the caller may not.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) {
            Ok(())
        } else {
            Err(Error::new(
                Code::Forbidden,
                format!("this needs the permission {}", permission.as_str()),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(role: Role, visibility: Visibility) -> Scope {
        Scope::verified(
            TenantId::new(uuid::Uuid::nil()),
            "test".into(),
            role,
            Segment::default(),
            visibility,
        )
    }

    #[test]
    fn a_devices_only_customer_may_read_devices_alone() {
        let scope = scope(Role::CustomerUser, Visibility::DEVICES_ONLY);
        assert!(scope.may(Permission::DevicesRead));
        for closed in [
            Permission::SimsRead,
            Permission::UsageRead,
            Permission::InventoryWrite,
        ] {
            assert_eq!(
                scope.require(closed).map_err(|e| e.code()),
                Err(Code::Forbidden)
            );
        }
    }

    #[test]
    fn switches_bind_customers_and_not_staff() {
        assert!(scope(Role::Support, Visibility::default()).may(Permission::UsageRead));
        assert!(!scope(Role::CustomerUser, Visibility::default()).may(Permission::DevicesRead));
    }

    #[test]
    fn ingest_can_only_write() {
        let scope = scope(Role::Ingest, Visibility::ALL);
        let open: Vec<_> = Permission::ALL
            .into_iter()
            .filter(|p| scope.may(*p))
            .collect();
        assert_eq!(open, [Permission::CdrsWrite]);
    }

    #[test]
    fn nothing_assigned_is_nothing_visible() {
        assert!(matches!(
            scope(Role::Viewer, Visibility::ALL).segments(),
            Segments::Part(segment) if segment.is_empty()
        ));
    }
}
