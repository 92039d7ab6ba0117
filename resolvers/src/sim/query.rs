//! Queries about SIMs.

use async_graphql::{Context, Object};
use domain::sim;
use schema::sim::{SimBy, SimFilter, SimOrder};

use super::Sim;
use crate::{connection::list_query, error::IntoGraphql as _, request::session};

list_query! {
    /// SIMs that the caller may see.
    SimList: sims(SimFilter, SimOrder) -> Sim
}

/// Queries about SIMs.
#[derive(Default)]
pub(crate) struct SimQuery;

#[Object]
impl SimQuery {
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
