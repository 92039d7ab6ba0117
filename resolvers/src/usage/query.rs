//! Queries of the usage cube.

use async_graphql::{Context, Object};
use domain::Permission;
use schema::usage::{TopNetworksInput, UsageInput};

use super::{Usage, catalog::CubeCatalog, question, root, top::TopNetworks};
use crate::{error::IntoGraphql as _, request::session};

/// Queries of the usage cube.
#[derive(Default)]
pub(crate) struct UsageQuery;

#[Object]
impl UsageQuery {
    /// Usage of everything the caller may see, from the cubes. The answer says which cube it comes from and how fresh
    /// it is.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        root(ctx, input).await.map(Some)
    }

    /// The networks with the most traffic, of everything the caller may see, and what each is of the whole.
    async fn top_networks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: TopNetworksInput,
    ) -> async_graphql::Result<Option<TopNetworks>> {
        let (query, n) = question::top_networks(input).gql()?;
        let top = session(ctx)?.top_networks(query, n).await;
        top.map_err(question::located)
            .map(|top| Some(top.into()))
            .gql()
    }

    /// What the caller may ask of the cubes: quantities, dimensions, widths of time and tables.
    async fn cube_catalog(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<CubeCatalog>> {
        let scope = session(ctx)?.scope();
        scope.require(Permission::UsageRead).gql()?;
        Ok(Some(CubeCatalog::of(scope)))
    }
}
