//! Tenants: the companies whose fleets live here side by side.

pub(crate) mod entity;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Code, Error, Permission, ReadCx, Result, SystemCx, audit,
    db::on_constraint,
    id::TenantId,
    row::{Columns, Decode},
};

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

impl Decode for Tenant {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            slug: row.get()?,
            name: row.get()?,
            simulated: row.get()?,
            created_at: row.get()?,
        })
    }
}

const SELECT: &str = "SELECT tenant_id, slug, name, simulated, created_at FROM tenant";

/// Whether `text` may be the slug of a tenant or a customer.
pub fn is_slug(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(known) && !text.starts_with('-')
}

/// Creates a tenant and writes it to the audit log, in the caller's transaction.
///
/// # Errors
/// `INVALID_INPUT` for a bad slug or name, `CONFLICT` when either is taken.
pub async fn create(cx: &SystemCx, new: NewTenant) -> Result<Tenant> {
    if !is_slug(&new.slug) {
        return Err(Error::invalid(
            "a slug has 1 to 63 of a-z, 0-9 and -, and does not begin with -",
        ));
    }
    let named = (1..=200).contains(&new.name.chars().count()) && !new.name.contains('\0');
    if !named {
        return Err(Error::invalid("a tenant's name has 1 to 200 characters"));
    }
    let id = TenantId::new(Uuid::now_v7());
    let at = cx.now();
    let row = entity::ActiveModel {
        tenant_id: Set(id.uuid()),
        slug: Set(new.slug.clone()),
        name: Set(new.name.clone()),
        simulated: Set(new.simulated),
        created_at: Set(at),
        ..entity::ActiveModel::default()
    };
    cx.insert(row).await.map_err(taken)?;
    let entry = audit::Entry {
        action: "tenant.create",
        subject: id.to_string(),
        detail: json!({ "slug": new.slug }),
    };
    audit::record_platform(cx, id, "command line", &entry).await?;
    Ok(Tenant {
        id,
        slug: new.slug,
        name: new.name,
        simulated: new.simulated,
        created_at: at,
    })
}

fn taken(error: impl Into<Error>) -> Error {
    on_constraint(
        error,
        &[
            ("tenant_slug_key", || {
                Error::new(Code::Conflict, "a tenant with this slug exists")
            }),
            ("tenant_name_key", || {
                Error::new(Code::Conflict, "a tenant with this name exists")
            }),
        ],
    )
}

/// The tenant with this slug, for the platform itself.
pub async fn find(cx: &SystemCx, slug: &str) -> Result<Option<Tenant>> {
    if !is_slug(slug) {
        return Ok(None);
    }
    let sql = format!("{SELECT} WHERE slug = $1");
    cx.one(&sql, [slug.into()]).await
}

/// Every tenant, by slug, for the platform itself.
pub async fn list(cx: &SystemCx) -> Result<Vec<Tenant>> {
    cx.all(&format!("{SELECT} ORDER BY slug"), []).await
}

/// The caller's tenant.
///
/// # Errors
/// `FORBIDDEN` without `TENANT_READ`, `NOT_FOUND` when it was removed since the token was resolved.
pub async fn get(cx: &ReadCx) -> Result<Tenant> {
    cx.scope().require(Permission::TenantRead)?;
    let sql = format!("{SELECT} WHERE tenant_id = $1");
    let tenant = cx.one(&sql, [cx.scope().tenant().uuid().into()]).await?;
    tenant.ok_or_else(|| Error::not_found("tenant"))
}

#[cfg(test)]
mod tests {
    use super::is_slug;

    #[test]
    fn a_slug_is_plain_lower_case() {
        for good in ["a", "alpha", "3m", "a-b"] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "-a", "A", "a b", "a\0", "é", &"a".repeat(64)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }
}
