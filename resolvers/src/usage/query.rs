//! Queries of the usage cube.

use async_graphql::{Context, Object};
use schema::usage::UsageInput;

use super::{Usage, root};

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
}
