//! `Me`.

use async_graphql::{Context, Object};
use domain::customer::CustomerBy;
use schema::scope::{Permission, Role};

use super::Tenant;
use crate::{
    customer::{Customer, Visibility},
    error::IntoGraphql as _,
    request::session,
};

/// The caller.
pub(crate) struct Me;

/// The caller.
#[Object]
impl Me {
    /// Subject of the token.
    async fn subject<'a>(&self, ctx: &Context<'a>) -> async_graphql::Result<&'a str> {
        Ok(session(ctx)?.scope().actor())
    }

    /// Role in the tenant.
    async fn role(&self, ctx: &Context<'_>) -> async_graphql::Result<Role> {
        Ok(session(ctx)?.scope().role().into())
    }

    /// What the caller may do now; visibility switches are already applied.
    async fn permissions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Permission>> {
        let open = session(ctx)?.permissions();
        Ok(open.map(Into::into).collect())
    }

    /// The open areas.
    async fn visibility(&self, ctx: &Context<'_>) -> async_graphql::Result<Visibility> {
        Ok(session(ctx)?.scope().visibility().into())
    }

    /// The tenant.
    async fn tenant(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Tenant>> {
        Tenant::load(ctx).await.map(Some)
    }

    /// The customer that the token is bound to.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        let session = session(ctx)?;
        let Some(id) = session.customer() else {
            return Ok(None);
        };
        let customer = session.customer_by(CustomerBy::Id(id)).await.gql()?;
        Ok(Some(customer.into()))
    }
}
