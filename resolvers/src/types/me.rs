//! `Me`.

use async_graphql::{Context, Enum, Object};
use domain::{Permission, scope};

use crate::{
    error::IntoGraphql as _,
    request::Request,
    types::{customer::Customer, tenant::Tenant, visibility::Visibility},
};

/// A role: a named set of permissions.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "scope::Role")]
pub(crate) enum Role {
    /// Staff of the platform inside the tenant its token names; every crossing is audited.
    PlatformAdmin,
    /// Everything inside one tenant.
    TenantAdmin,
    /// Reads the whole tenant.
    Support,
    /// Reads assigned segments.
    Viewer,
    /// A tenant's customer, behind the customer's visibility switches.
    CustomerUser,
    /// A machine that may only deliver usage records.
    Ingest,
}

/// The caller.
pub(crate) struct Me;

/// The caller.
#[Object]
impl Me {
    /// Subject of the token.
    async fn subject<'a>(&self, ctx: &Context<'a>) -> async_graphql::Result<&'a str> {
        Ok(Request::of(ctx)?.scope().actor())
    }

    /// Role in the tenant.
    async fn role(&self, ctx: &Context<'_>) -> async_graphql::Result<Role> {
        Ok(Request::of(ctx)?.scope().role().into())
    }

    /// What the caller may do now, as `noun:verb`; visibility switches are already applied.
    async fn permissions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<&'static str>> {
        let scope = Request::of(ctx)?.scope();
        let open = Permission::ALL
            .into_iter()
            .filter(|permission| scope.may(*permission));
        Ok(open.map(Permission::as_str).collect())
    }

    /// The open areas.
    async fn visibility(&self, ctx: &Context<'_>) -> async_graphql::Result<Visibility> {
        Ok(Request::of(ctx)?.scope().visibility().into())
    }

    /// The tenant.
    async fn tenant(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Tenant>> {
        Tenant::load(ctx).await.map(Some)
    }

    /// The customer that the token is bound to.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        let request = Request::of(ctx)?;
        let scope::Segments::Part(segment) = request.scope().segments() else {
            return Ok(None);
        };
        let Some(id) = segment.within else {
            return Ok(None);
        };
        let cx = request.cx().await.gql()?;
        Ok(Some(domain::customer::get(cx, id).await.gql()?.into()))
    }
}
