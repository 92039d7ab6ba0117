//! Who asks, and what they may see: the one policy of the product.
//!
//! Every read, filter, sort, group-by, count and error goes through a [`Scope`]: the tenant, the segments of
//! the fleet and the areas (SIMs, usage, …) that are open. Both stores ask the same object, so a rule is written
//! once.

mod rights;
mod role;
mod segment;
pub(crate) mod visibility;

use strum::VariantArray as _;

pub use rights::Rights;
pub use role::{Permission, Role};
pub use segment::{Segment, Segments};
pub use visibility::{Area, Visibility};

use crate::{
    Code, Error, Result, id::TenantId, identity::claims::VerifiedClaims, tenant::Settings,
};

/// One caller in one tenant. Fields are private: a scope is made from verified parts and never changed.
#[derive(Clone, Debug)]
pub struct Scope {
    tenant: TenantId,
    actor: String,
    role: Role,
    segments: Segments,
    visibility: Visibility,
    /// What the tenant has otherwise than the installation.
    settings: Settings,
    /// Of what it was made from, if that is stored.
    version: Option<u128>,
}

impl Scope {
    /// The scope of a verified token, with what is stored about its subject and its customer. Called by
    /// [`crate::identity`] and by tests only: the house test looks for others.
    pub fn of_token(
        tenant: TenantId,
        claims: &VerifiedClaims,
        segment: Segment,
        visibility: Visibility,
    ) -> Self {
        let role = claims.role();
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
            actor: claims.subject().to_owned(),
            role,
            segments,
            visibility,
            settings: Settings::default(),
            version: None,
        }
    }

    /// In a tenant with these settings.
    #[must_use]
    pub fn under(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Says what version of access it was made from.
    pub(crate) fn made_under(self, version: u128) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }

    /// The version of access that it was made from.
    pub(crate) fn version(&self) -> Option<u128> {
        self.version
    }

    /// The scope of the person at the terminal of the server: an administrator of the tenant.
    pub(crate) fn of_operator(tenant: TenantId, actor: &str) -> Self {
        Self {
            tenant,
            actor: actor.to_owned(),
            role: Role::TenantAdmin,
            segments: Segments::All,
            visibility: Visibility::ALL,
            settings: Settings::default(),
            version: None,
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

    /// What the tenant has otherwise than the installation.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Whether the caller may do this: role and visibility switch together.
    pub fn may(&self, permission: Permission) -> bool {
        self.role.permissions().contains(&permission)
            && permission
                .areas()
                .iter()
                .all(|area| self.visibility.of(*area))
    }

    /// What the caller may do.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        let all = Permission::VARIANTS.iter().copied();
        all.filter(|permission| self.may(*permission))
    }

    /// # Errors
    /// `FORBIDDEN` unless the caller is staff of the platform.
    pub fn require_platform(&self) -> Result<()> {
        if self.role == Role::PlatformAdmin {
            Ok(())
        } else {
            Err(Error::forbidden("this is for staff of the platform"))
        }
    }

    /// # Errors
    /// `FORBIDDEN`, naming the permission, when the caller may not.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) {
            Ok(())
        } else {
            Err(Error::new(
                Code::Forbidden,
                format!("this needs the permission {permission}"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(role: Role, visibility: Visibility) -> Scope {
        let customer = (role == Role::CustomerUser).then(|| "bosch".into());
        let claims = VerifiedClaims::new("test".into(), "alpha".into(), role, customer);
        let tenant = TenantId::new(uuid::Uuid::nil());
        Scope::of_token(
            tenant,
            &claims.expect("claims"),
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
    fn sessions_need_sims_too() {
        let all = Visibility::ALL;
        let simless = Visibility { sims: false, ..all };
        let sessionless = Visibility {
            sessions: false,
            ..all
        };
        for (switches, open) in [(all, true), (simless, false), (sessionless, false)] {
            let scope = scope(Role::CustomerUser, switches);
            assert_eq!(scope.may(Permission::SessionsRead), open, "{switches:?}");
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
        let open: Vec<_> = scope.permissions().collect();
        assert_eq!(open, [Permission::CdrsWrite, Permission::SessionsWrite]);
    }

    #[test]
    fn nothing_assigned_is_nothing_visible() {
        assert!(matches!(
            scope(Role::Viewer, Visibility::ALL).segments(),
            Segments::Part(segment) if segment.is_empty()
        ));
    }
}
