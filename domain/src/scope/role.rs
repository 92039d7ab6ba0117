//! Roles and what each of them permits.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumMessage, EnumString, VariantArray};

use super::Area;
use crate::Error;

/// A named set of permissions.
#[derive(AsRefStr, Display, EnumMessage, EnumString, VariantArray)]
#[strum(
    serialize_all = "snake_case",
    parse_err_ty = Error,
    parse_err_fn = unknown_role
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Staff of the platform inside the tenant its token names; every crossing is audited.
    PlatformAdmin,
    /// Everything inside one tenant.
    TenantAdmin,
    /// Reads the whole tenant.
    Support,
    /// Reads assigned segments.
    Viewer,
    /// A tenant's customer, behind the customer's visibility switches.
    CustomerUser,
    /// A machine that may only deliver usage records and rollups of sessions.
    Ingest,
}

impl Role {
    /// Every role, in order of power.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The permissions of this role.
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::PlatformAdmin | Self::TenantAdmin => P::VARIANTS,
            Self::Support => &[
                P::TenantRead,
                P::CustomersRead,
                P::SimsRead,
                P::DevicesRead,
                P::LabelsRead,
                P::NetworksRead,
                P::UsageRead,
                P::SessionsRead,
                P::IngestRead,
                P::SavedFiltersRead,
                P::ExportsWrite,
            ],
            Self::Viewer | Self::CustomerUser => &[
                P::TenantRead,
                P::CustomersRead,
                P::SimsRead,
                P::DevicesRead,
                P::LabelsRead,
                P::NetworksRead,
                P::UsageRead,
                P::SessionsRead,
                P::ExportsWrite,
            ],
            Self::Ingest => &[P::CdrsWrite, P::SessionsWrite],
        }
    }
}

fn unknown_role(_: &str) -> Error {
    let known: Vec<&str> = Role::VARIANTS.iter().map(AsRef::as_ref).collect();
    Error::invalid(format!("unknown role; one of {}", known.join(", ")))
}

/// What an operation needs.
#[derive(AsRefStr, Display, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// The tenant's own record.
    TenantRead,
    /// Customers within the caller's segments.
    CustomersRead,
    /// Customers, their visibility switches, and segment grants.
    CustomersWrite,
    /// SIMs within the caller's segments.
    SimsRead,
    /// Devices within the caller's segments.
    DevicesRead,
    /// Fleet import, labels on SIMs and devices.
    InventoryWrite,
    /// Label definitions.
    LabelsRead,
    /// The network dictionary.
    NetworksRead,
    /// Usage cubes.
    UsageRead,
    /// Live sessions and the log of sessions of SIMs within the caller's segments.
    SessionsRead,
    /// Delivering usage records.
    CdrsWrite,
    /// Delivering rollups of sessions.
    SessionsWrite,
    /// Accounting and rejections of intake.
    IngestRead,
    /// Saved filters, by whoever sees the whole tenant.
    SavedFiltersRead,
    /// Saving, changing and deleting filters.
    SavedFiltersWrite,
    /// Files of what the caller may read: asking for them, and one's own.
    ExportsWrite,
    /// Everybody's exports of the tenant: listing and cancelling them.
    ExportsManage,
    /// The audit log.
    AuditRead,
}

impl Permission {
    /// The areas whose visibility switches also decide: all of them must be open.
    pub(super) const fn areas(self) -> &'static [Area] {
        match self {
            Self::SimsRead => &[Area::Sims],
            Self::DevicesRead => &[Area::Devices],
            Self::UsageRead => &[Area::Usage],
            // A session is a SIM's, and says so.
            Self::SessionsRead => &[Area::Sessions, Area::Sims],
            _ => &[],
        }
    }
}
