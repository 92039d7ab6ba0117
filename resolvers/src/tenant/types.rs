//! `Tenant`.

use async_graphql::{Context, ID, Object};
use domain::{Permission, tenant};
use exports::Exports;
use schema::scalar::{BigInt, DateTime};
use schema::usage::UsageInput;

use crate::{
    error::IntoGraphql as _,
    request::session,
    usage::{self, Usage},
};

/// A tenant: our customer, to whom the fleet belongs.
pub(crate) struct Tenant(tenant::Tenant);

/// A tenant: our customer, to whom the fleet belongs.
#[Object]
impl Tenant {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Short name used in tokens and on the command line.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// True: made by the simulator.
    async fn simulated(&self) -> bool {
        self.0.simulated
    }

    /// When the tenant was created.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Days that usage records are kept one by one, at least; the operator sets it. Sums of them are kept for ever.
    async fn record_retention_days(&self) -> i32 {
        self.0.settings.records.days().into()
    }

    /// Days that files of exports are kept; another setting holds for files that are made after it. The operator sets it.
    async fn export_retention_days(&self, ctx: &Context<'_>) -> async_graphql::Result<i32> {
        let settings = ctx.data::<Exports>()?.settings();
        let days = settings.retention(&self.0.settings).num_days();
        Ok(days.try_into().unwrap_or(i32::MAX))
    }

    /// Bytes of files of exports that the tenant keeps at most; the operator sets it. Needs `EXPORTS_MANAGE`.
    async fn export_quota_bytes(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<BigInt>> {
        let scope = session(ctx)?.scope();
        scope.require(Permission::ExportsManage).gql()?;
        let settings = ctx.data::<Exports>()?.settings();
        Ok(Some(BigInt(settings.quota(&self.0.settings).into())))
    }

    /// Usage of the tenant, within what the caller may see.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        usage::root(ctx, input).await.map(Some)
    }
}

impl Tenant {
    /// The caller's tenant.
    pub(crate) async fn load(ctx: &Context<'_>) -> async_graphql::Result<Self> {
        let cx = session(ctx)?.read().await.gql()?;
        Ok(Self(tenant::get(&cx).await.gql()?))
    }
}

impl From<tenant::Tenant> for Tenant {
    fn from(tenant: tenant::Tenant) -> Self {
        Self(tenant)
    }
}
