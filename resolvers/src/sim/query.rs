//! Queries about SIMs.

use async_graphql::{Context, Object};
use domain::sim;
use schema::sim::{SimBy, SimFilter, SimGroup, SimOrder};

use super::{
    Sim,
    counts::{SimCounts, counts},
};
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

    /// How many SIMs there are now, of those that the caller may see: all of them, or in groups by up to two properties. Terminated
    /// SIMs are counted in a state of their own, and left out by a filter only. Available SIMs, which could be given to a customer,
    /// are inactive and unassigned: `filter: { states: [INACTIVE], unassigned: true }`.
    async fn sim_counts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Grouped by these, at most two.", default)] group_by: Vec<SimGroup>,
        #[graphql(desc = "Which ones.")] filter: Option<SimFilter>,
    ) -> async_graphql::Result<Option<SimCounts>> {
        counts(ctx, group_by, filter).await.map(Some).gql()
    }
}
