//! Placeholder until the planner's types are in.
use analytics::usage::Dimension;
use async_graphql::{Context, SimpleObject};
use schema::usage::UsageInput;
/// Usage.
#[derive(SimpleObject)]
pub struct Usage {
    /// X.
    pub x: i32,
}
pub(crate) async fn nested(
    _c: &Context<'_>,
    _d: Dimension,
    _k: String,
    _i: UsageInput,
) -> async_graphql::Result<Usage> {
    Ok(Usage { x: 1 })
}
pub(crate) async fn root(_c: &Context<'_>, _i: UsageInput) -> async_graphql::Result<Usage> {
    Ok(Usage { x: 1 })
}
