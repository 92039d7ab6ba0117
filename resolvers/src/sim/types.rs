//! `Sim`.

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use domain::{id::SimId, list, sim};
use schema::{scalar::DateTime, sim::SimState, usage::UsageInput};
use service::Session;

use crate::{
    connection::{Asked, Listing, Wanted},
    customer::Customer,
    device::Device,
    inventory::{Fetched, Item, Record, Related},
    session::{self, LiveSession, SessionLogConnection},
    usage::{self, Usage},
    written::{Selected, Step, Written, columns, id, object, within},
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

    /// The customer it is assigned to now; null when unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        self.item.owner(ctx).await
    }

    /// The device it sits in now; null when there is none or it is not visible to the caller.
    async fn device(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Device>> {
        self.item.counterpart(ctx).await
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

    /// Its best session: one that goes on before one that ended, and then the newest. Null when it has none: it is offline.
    async fn live_session(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<LiveSession>> {
        session::live(ctx, self.sim.id).await
    }

    /// The log of its sessions, newest rollup first, as far back as the tenant keeps it.
    async fn session_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<SessionLogConnection>> {
        session::log(ctx, self.sim.id, (first, after, last, before)).await
    }

    /// When it was seen last, by its sessions; null when it never was.
    async fn last_activity_at(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DateTime>> {
        let seen = session::last_seen(ctx, self.sim.id).await?;
        Ok(seen.map(|seen| seen.event_at.into()))
    }

    /// Name of the network that it was seen on last, by its sessions; null when it never was.
    async fn current_network_name(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<String>> {
        let seen = session::last_seen(ctx, self.sim.id).await?;
        Ok(seen.and_then(|seen| seen.network))
    }

    #[graphql(flatten)]
    async fn item(&self) -> &Item<SimId> {
        &self.item
    }

    #[graphql(flatten)]
    async fn columns(&self) -> SimColumns<'_> {
        SimColumns(self)
    }
}

columns! {
    SimColumns of Sim {
        /// Serial number, 19 or 20 digits as it was given (ITU-T E.118).
        iccid: &str = |sim| &sim.sim.iccid;
        /// Subscriber identity (ITU-T E.212).
        imsi: Option<&str> = |sim| sim.sim.imsi.as_deref();
        /// Phone number without plus sign (ITU-T E.164).
        msisdn: Option<&str> = |sim| sim.sim.msisdn.as_deref();
        /// State.
        state: SimState = |sim| sim.sim.state.into();
    }
}

impl Written for Sim {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(id(|sim: &Self| sim.sim.id)),
            "customer" => object(field, |sim: &Self| sim.item.owner_at_hand()),
            "device" => object(field, |sim: &Self| sim.item.counterpart_at_hand()),
            _ => SimColumns::step(field)
                .or_else(|| Some(within(Item::step(field)?, |sim: &Self| &sim.item))),
        }
    }
}

impl From<sim::Sim> for Sim {
    fn from(sim: sim::Sim) -> Self {
        let item = Item {
            id: sim.id,
            customer: sim.customer,
            record: Record {
                simulated: sim.simulated,
                created_at: sim.created_at.into(),
                updated_at: sim.updated_at.into(),
            },
            fetched: Fetched::default(),
        };
        Self { sim, item }
    }
}

impl Listing for Sim {
    type Row = sim::Sim;
    type Related = Related<SimId>;

    async fn page(
        session: &Session,
        question: &Asked<Self>,
        wanted: &Wanted<'_>,
    ) -> domain::Result<(list::Listing<sim::Sim>, Self::Related)> {
        Related::page(session, question, wanted, "device").await
    }

    fn node(sim: sim::Sim, related: &Self::Related) -> Self {
        let Self { sim, item } = sim.into();
        let item = item.fetched(related);
        Self { sim, item }
    }
}
