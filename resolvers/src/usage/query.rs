//! Queries of the usage cube.

use async_graphql::{Context, Object};
use domain::Permission;
use schema::{
    scalar::DateTime,
    usage::{TopNetworksInput, UsageInput},
};

use super::{
    Usage, catalog::CubeCatalog, question, reconciliation::UsageReconciliation, root,
    top::TopNetworks,
};
use crate::{error::IntoGraphql as _, network::UnknownNetwork, request::session};

/// Queries of the usage cube.
#[derive(Default)]
pub(crate) struct UsageQuery;

#[Object]
impl UsageQuery {
    /// Usage of everything the caller may see. The answer is exact, and says which tables it comes from and how fresh it is.
    /// `NOT_EXACT` when no table answers the question exactly, `LIMIT_EXCEEDED` when it is too large, `THROTTLED` when the tenant asks
    /// more than four questions about usage at once and this one waited ten seconds for its turn. Errors of the question name its
    /// field.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        root(ctx, input).await.map(Some)
    }

    /// The networks with the most traffic, of everything the caller may see, and their shares of all traffic. Fails as `usage` does.
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

    /// Where usage records and sessions disagree about what SIMs used, by SIM and day (UTC). For staff. `LIMIT_EXCEEDED` when the period holds
    /// too much to be compared at once, and `THROTTLED` as `usage` is.
    async fn usage_reconciliation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In the first day that is compared.")] from: DateTime,
        #[graphql(desc = "The end of the last day that is compared, or in it.")] to: DateTime,
        #[graphql(desc = "Most rows, 200 at most.", default = 20)] first: i32,
        #[graphql(desc = "Rows to skip.", default)] offset: i32,
    ) -> async_graphql::Result<Option<UsageReconciliation>> {
        let asked = question::reconciling(from, to, first, offset).gql()?;
        let found = session(ctx)?.reconcile(asked).await.gql()?;
        Ok(Some(found.into()))
    }

    /// Networks that usage or sessions within what the caller may see were in, and the dictionary does not have: the first thousand by
    /// code. The operator names them.
    async fn unknown_networks(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<Vec<UnknownNetwork>>> {
        let codes = session(ctx)?.unknown_networks().await.gql()?;
        Ok(Some(codes.into_iter().map(UnknownNetwork::of).collect()))
    }

    /// What the caller may ask about usage: measures, dimensions, widths of time buckets, tables and limits.
    async fn cube_catalog(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<CubeCatalog>> {
        let scope = session(ctx)?.scope();
        scope.require(Permission::UsageRead).gql()?;
        Ok(Some(CubeCatalog::of(scope)))
    }
}
