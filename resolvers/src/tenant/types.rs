//! `Tenant`.

use async_graphql::{Context, ID, Object};
use domain::tenant;
use schema::scalar::DateTime;
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
