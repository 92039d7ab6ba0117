//! How tenants are read and written.

use sea_orm::ActiveValue::Set;

use super::{Tenant, TenantError, entity::ActiveModel};
use crate::{
    Error, ReadCx, Result, SystemCx,
    db::on_constraint,
    row::{Columns, Decode},
};

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

pub(super) async fn by_slug(cx: &SystemCx, slug: &str) -> Result<Option<Tenant>> {
    let sql = format!("{SELECT} WHERE slug = $1");
    cx.one(&sql, [slug.into()]).await
}

pub(super) async fn all(cx: &SystemCx) -> Result<Vec<Tenant>> {
    cx.all(&format!("{SELECT} ORDER BY slug"), []).await
}

pub(super) async fn of_caller(cx: &ReadCx) -> Result<Option<Tenant>> {
    let sql = format!("{SELECT} WHERE tenant_id = $1");
    cx.one(&sql, [cx.scope().tenant().uuid().into()]).await
}

pub(super) async fn insert(cx: &SystemCx, tenant: &Tenant) -> Result<()> {
    let row = ActiveModel {
        tenant_id: Set(tenant.id.uuid()),
        slug: Set(tenant.slug.clone()),
        name: Set(tenant.name.clone()),
        simulated: Set(tenant.simulated),
        created_at: Set(tenant.created_at),
        ..ActiveModel::default()
    };
    cx.insert(row).await.map_err(taken)
}

fn taken(error: impl Into<Error>) -> Error {
    on_constraint(
        error,
        &[
            ("tenant_slug_key", || TenantError::SlugTaken.into()),
            ("tenant_name_key", || TenantError::NameTaken.into()),
        ],
    )
}
