//! Queries about networks.

use async_graphql::{Context, Object};
use schema::network::{NetworkFilter, NetworkOrder};

use super::Network;
use crate::connection::{Connection, filter, paginate};

/// Queries about networks.
#[derive(Default)]
pub(crate) struct NetworkQuery;

#[Object]
impl NetworkQuery {
    /// The network dictionary.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn networks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.", name = "filter")] which: Option<NetworkFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: NetworkOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Network>>> {
        paginate(ctx, filter(which), order_by, (first, after, last, before)).await
    }
}
