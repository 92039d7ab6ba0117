//! The one way in.

use analytics::Store;
use domain::{
    Db, Permission, Result, Scope, audit,
    id::TenantId,
    identity::{self, VerifiedClaims},
};

use crate::Session;

/// A caller who was let in to deliver usage records; nothing else makes one.
#[derive(Clone, Copy, Debug)]
pub struct Deliverer {
    tenant: TenantId,
}

impl Deliverer {
    /// Whose the records are.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}

/// Where callers become sessions.
#[derive(Clone)]
pub struct Entry {
    db: Db,
    store: Store,
}

impl Entry {
    /// An entry to these stores.
    pub fn new(db: Db, store: Store) -> Self {
        Self { db, store }
    }

    /// Who the caller of a verified token is, now.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the token names a tenant or customer that does not exist.
    pub async fn identify(&self, claims: &VerifiedClaims) -> Result<Scope> {
        identity::resolve(&self.db, claims).await
    }

    /// Who the person at the server's terminal is: an administrator of the tenant with this slug, called `actor` in the
    /// audit log.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such tenant.
    pub async fn identify_operator(&self, slug: &str, actor: &str) -> Result<Scope> {
        identity::operator(&self.db, slug, actor).await
    }

    /// Lets a caller in to do `operation`. Staff of the platform leave a trace first.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the trace cannot be written: then nothing may be done.
    pub async fn enter(&self, scope: Scope, operation: &str) -> Result<Session> {
        audit::crossing(&self.db, &scope, operation).await?;
        Ok(Session::new(scope, self.db.clone(), self.store.clone()))
    }

    /// Lets a caller in who delivers usage records. Staff of the platform leave a trace first.
    ///
    /// # Errors
    /// `FORBIDDEN` without `CDRS_WRITE`, and those of [`Entry::enter`].
    pub async fn enter_to_deliver(&self, scope: &Scope, operation: &str) -> Result<Deliverer> {
        scope.require(Permission::CdrsWrite)?;
        audit::crossing(&self.db, scope, operation).await?;
        Ok(Deliverer {
            tenant: scope.tenant(),
        })
    }
}
