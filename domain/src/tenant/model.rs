//! What a tenant is.

use chrono::{DateTime, Utc};

use super::{Settings, TenantError};
use crate::{id::TenantId, text::is_slug};

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Short name in tokens and on the command line.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Whether the fleet is made up by the simulator.
    pub simulated: bool,
    /// When it was created, UTC.
    pub created_at: DateTime<Utc>,
    /// What it has otherwise than the installation.
    pub settings: Settings,
}

/// What is needed to create a tenant.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// 1 to 63 of `a-z`, `0-9` and `-`, not beginning with `-`.
    pub slug: String,
    /// 1 to 200 characters.
    pub name: String,
    /// Whether the fleet is made up by the simulator.
    pub simulated: bool,
}

impl NewTenant {
    pub(super) fn check(&self) -> Result<(), TenantError> {
        if !is_slug(&self.slug) {
            return Err(TenantError::Slug);
        }
        let named = (1..=200).contains(&self.name.chars().count()) && !self.name.contains('\0');
        named.then_some(()).ok_or(TenantError::Name)
    }
}
