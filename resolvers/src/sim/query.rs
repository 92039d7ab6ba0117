//! Queries about SIMs.

use async_graphql::{Context, Object};
use domain::sim;
use schema::sim::{SimBy, SimFilter, SimOrder};

use super::Sim;
use crate::{
    connection::{Connection, filter, paginate},
    error::IntoGraphql as _,
    request::session,
};

/// Queries about SIMs.
#[derive(Default)]
pub(crate) struct SimQuery;

#[Object]
impl SimQuery {
    /// SIMs that the caller may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn sims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.", name = "filter")] which: Option<SimFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: SimOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Sim>>> {
        paginate(ctx, filter(which), order_by, (first, after, last, before)).await
    }

    /// One SIM.
    async fn sim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What names it.")] by: SimBy,
    ) -> async_graphql::Result<Option<Sim>> {
        let by = sim::SimBy::try_from(by)
            .map_err(|error| error.at("by"))
            .gql()?;
        let sim = session(ctx)?.sim(by).await.gql()?;
        Ok(Some(sim.into()))
    }
}
