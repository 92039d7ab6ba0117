//! Queries about labels.

use async_graphql::{Context, Object};
use schema::label::{LabelDefinitionFilter, LabelDefinitionOrder};

use super::LabelDefinition;
use crate::connection::{Connection, filter, paginate};

/// Queries about labels.
#[derive(Default)]
pub(crate) struct LabelQuery;

#[Object]
impl LabelQuery {
    /// The label keys in use, with their menus. Callers who see a part of the fleet get those that occur on what they see.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn label_definitions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.", name = "filter")] which: Option<LabelDefinitionFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: LabelDefinitionOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<LabelDefinition>>> {
        paginate(ctx, filter(which), order_by, (first, after, last, before)).await
    }
}
