//! Tenants: the companies whose fleets live here side by side.

pub(crate) mod entity;
mod error;
mod model;
mod store;

pub use error::TenantError;
pub use model::{NewTenant, Tenant};

use serde_json::json;
use uuid::Uuid;

use crate::{Permission, ReadCx, Result, SystemCx, audit, id::TenantId, text::is_slug};

/// Creates a tenant and writes it to the audit log, in the caller's transaction.
///
/// # Errors
/// `INVALID_INPUT` for a bad slug or name, `CONFLICT` when either is taken.
pub async fn create(cx: &SystemCx, new: NewTenant) -> Result<Tenant> {
    new.check()?;
    let tenant = Tenant {
        id: TenantId::new(Uuid::now_v7()),
        slug: new.slug,
        name: new.name,
        simulated: new.simulated,
        created_at: cx.now(),
    };
    store::insert(cx, &tenant).await?;
    let entry = audit::Entry {
        action: "tenant.create",
        subject: tenant.id.to_string(),
        detail: json!({ "slug": tenant.slug }),
    };
    audit::record_platform(cx, tenant.id, "command line", &entry).await?;
    Ok(tenant)
}

/// The tenant with this slug, for the platform itself.
pub async fn find(cx: &SystemCx, slug: &str) -> Result<Option<Tenant>> {
    if !is_slug(slug) {
        return Ok(None);
    }
    store::by_slug(cx, slug).await
}

/// Every tenant, by slug, for the platform itself.
pub async fn list(cx: &SystemCx) -> Result<Vec<Tenant>> {
    store::all(cx).await
}

/// The caller's tenant.
///
/// # Errors
/// `FORBIDDEN` without `TENANT_READ`, `NOT_FOUND` when it was removed since the token was resolved.
pub async fn get(cx: &ReadCx) -> Result<Tenant> {
    cx.scope().require(Permission::TenantRead)?;
    let tenant = store::of_caller(cx).await?;
    tenant.ok_or_else(|| TenantError::NotFound.into())
}
