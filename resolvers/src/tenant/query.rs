//! Queries about the tenant and the caller.

use async_graphql::{Context, Object};

use super::{Me, Tenant};

/// Queries about the tenant and the caller.
#[derive(Default)]
pub(crate) struct TenantQuery;

#[Object]
impl TenantQuery {
    /// The caller: role, permissions, open areas.
    async fn me(&self) -> Me {
        Me
    }

    /// The caller's tenant.
    async fn tenant(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Tenant>> {
        Tenant::load(ctx).await.map(Some)
    }
}
