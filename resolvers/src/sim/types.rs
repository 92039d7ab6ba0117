//! `Sim`.

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use domain::{id::SimId, sim};
use schema::{sim::SimState, usage::UsageInput};
use service::{Relations, Session};

use crate::{
    connection::{Listing, Wanted},
    customer::Customer,
    device::Device,
    inventory::{self, Fetched, Item},
    usage::{self, Usage},
};

/// A SIM.
#[derive(Clone)]
pub(crate) struct Sim {
    sim: sim::Sim,
    item: Item<SimId>,
}

/// A SIM.
#[Object]
impl Sim {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.sim.id.to_string().into()
    }

    /// Serial number, 19 or 20 digits as it was given (ITU-T E.118).
    async fn iccid(&self) -> &str {
        &self.sim.iccid
    }

    /// Subscriber identity (ITU-T E.212).
    async fn imsi(&self) -> Option<&str> {
        self.sim.imsi.as_deref()
    }

    /// Phone number without plus sign (ITU-T E.164).
    async fn msisdn(&self) -> Option<&str> {
        self.sim.msisdn.as_deref()
    }

    /// State.
    async fn state(&self) -> SimState {
        self.sim.state.into()
    }

    /// The customer it is assigned to now; null when unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        self.item.owner(ctx).await
    }

    /// The device it sits in now; null when there is none or it is not visible to the caller.
    async fn device(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Device>> {
        let device = self.item.counterpart(ctx).await?;
        Ok(device.map(Into::into))
    }

    /// Usage of this SIM, within what the caller may see.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        usage::nested(ctx, Dimension::Sim, self.sim.id.into(), input)
            .await
            .map(Some)
    }

    #[graphql(flatten)]
    async fn item(&self) -> &Item<SimId> {
        &self.item
    }
}

impl From<sim::Sim> for Sim {
    fn from(sim: sim::Sim) -> Self {
        let item = Item {
            id: sim.id,
            customer: sim.customer,
            simulated: sim.simulated,
            created_at: sim.created_at.into(),
            updated_at: sim.updated_at.into(),
            fetched: Fetched::default(),
        };
        Self { sim, item }
    }
}

impl Listing for Sim {
    type Row = sim::Sim;
    type Related = Relations<SimId>;

    async fn related(
        session: &Session,
        rows: &[(String, sim::Sim)],
        wanted: &Wanted<'_>,
    ) -> domain::Result<Self::Related> {
        let rows = rows.iter().map(|(_, sim)| (sim.id, sim.customer));
        inventory::related(session, rows.collect(), wanted, "device").await
    }

    fn node(sim: sim::Sim, related: &Self::Related) -> Self {
        let Self { sim, item } = sim.into();
        let item = item.fetched(related);
        Self { sim, item }
    }
}
