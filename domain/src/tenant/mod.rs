//! Tenants: the companies whose fleets live here side by side.

pub(crate) mod entity;
mod error;
mod model;
mod retention;
mod settings;
mod store;

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

pub use error::TenantError;
pub use model::{NewTenant, Tenant};
pub use retention::{Retention, Retentions, SessionRetention, SessionRetentions};
pub use settings::{SetSettings, Settings};
pub(crate) use store::settings_columns;

use crate::{Permission, ReadCx, Result, SystemCx, audit, id::TenantId, text::is_slug};

/// How long a retention that was read may still be used by somebody who inserts records: far longer than an insert takes to begin.
const STALE: TimeDelta = TimeDelta::minutes(10);

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
        settings: Settings::default(),
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

/// Gives a tenant other settings, and writes that to the audit log, in the caller's transaction. Those of records hold for what is
/// accepted from now on; for records that are there the usage store is told of them ([`unapplied`]).
///
/// # Errors
/// `NOT_FOUND` when there is no such tenant, `INVALID_INPUT` for values that no tenant may have.
pub async fn set(cx: &SystemCx, slug: &str, set: SetSettings) -> Result<Tenant> {
    set.check()?;
    let tenant = find(cx, slug).await?.ok_or(TenantError::NotFound)?;
    let before = store::locked_settings(cx, tenant.id).await?;
    let after = before.with(set, cx.now());
    store::set(cx, tenant.id, &after).await?;
    let entry = audit::Entry {
        action: "tenant.set",
        subject: tenant.id.to_string(),
        detail: json!({ "before": before.json(), "after": after.json() }),
    };
    audit::record_platform(cx, tenant.id, "command line", &entry).await?;
    Ok(Tenant {
        settings: after.settings,
        ..tenant
    })
}

/// How long records of these tenants are kept.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn retentions_of(cx: &SystemCx, tenants: &[TenantId]) -> Result<Retentions> {
    store::retentions_of(cx, tenants).await
}

/// How long the logs of sessions of these tenants are kept.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn session_retentions_of(
    cx: &SystemCx,
    tenants: &[TenantId],
) -> Result<SessionRetentions> {
    store::session_retentions_of(cx, tenants).await
}

/// How long logs of sessions are kept, of every tenant.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn session_retentions(cx: &SystemCx) -> Result<SessionRetentions> {
    store::session_retentions(cx).await
}

/// How long records are kept, of every tenant.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn retentions(cx: &SystemCx) -> Result<Retentions> {
    store::retentions(cx).await
}

/// A retention of which the usage store may not know everywhere yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unapplied {
    /// Whose.
    pub tenant: TenantId,
    /// What it is.
    pub retention: Retention,
    /// When it was set.
    pub set_at: chrono::DateTime<chrono::Utc>,
}

/// Retentions that were changed, until the usage store has been told of them, and once more after everybody has forgotten what was
/// before.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn unapplied(cx: &SystemCx) -> Result<Vec<Unapplied>> {
    store::unapplied(cx, STALE).await
}

/// The usage store has this retention everywhere. Of one that was changed meanwhile, nothing is noted.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn applied(cx: &SystemCx, unapplied: &Unapplied) -> Result<()> {
    store::applied(cx, unapplied).await
}
