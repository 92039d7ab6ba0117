//! `Sim`.

use std::sync::Arc;

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use domain::{label, sim};
use schema::scalar::DateTime;
use schema::{sim::SimState, usage::UsageInput};
use service::{Session, SimRelations, SimWants};

use crate::{
    assignment::{self, Assignment},
    connection::{Listing, Wanted},
    customer::Customer,
    device::Device,
    label::{Label, shared},
    loader::{AssignmentsOfSim, CustomerKey, DeviceOfSim, SimLabels},
    request::load,
    usage::{self, Usage},
};

/// A SIM.
#[derive(Clone)]
pub(crate) struct Sim {
    sim: sim::Sim,
    related: Related,
}

/// What a list fetched for all its rows at once; `None` was not fetched and is loaded on demand.
#[derive(Clone, Default)]
struct Related {
    customer: Option<Option<Customer>>,
    device: Option<Option<Device>>,
    labels: Option<Arc<[Label]>>,
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

    /// True: made by the simulator.
    async fn simulated(&self) -> bool {
        self.sim.simulated
    }

    /// When the record was made.
    async fn created_at(&self) -> DateTime {
        self.sim.created_at.into()
    }

    /// When the record last changed.
    async fn updated_at(&self) -> DateTime {
        self.sim.updated_at.into()
    }

    /// The customer it is assigned to now; null when unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        if let Some(customer) = &self.related.customer {
            return Ok(customer.clone());
        }
        match self.sim.customer {
            Some(id) => load(ctx, CustomerKey(id)).await,
            None => Ok(None),
        }
    }

    /// The device it sits in now; null when there is none or it is not visible to the caller.
    async fn device(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Device>> {
        if let Some(device) = &self.related.device {
            return Ok(device.clone());
        }
        load(ctx, DeviceOfSim(self.sim.id)).await
    }

    /// The customers that it belonged to, oldest first. Callers who see a part of the fleet are shown their own.
    async fn assignments(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<Vec<Assignment>>> {
        let found = load(ctx, AssignmentsOfSim(self.sim.id)).await?;
        Ok(Some(assignment::shown(found)))
    }

    /// Labels, by key.
    async fn labels(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Arc<[Label]>>> {
        if let Some(labels) = &self.related.labels {
            return Ok(Some(labels.clone()));
        }
        let labels: Option<Vec<label::Label>> = load(ctx, SimLabels(self.sim.id)).await?;
        Ok(Some(shared(labels.as_ref())))
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
}

impl From<sim::Sim> for Sim {
    fn from(sim: sim::Sim) -> Self {
        Self {
            sim,
            related: Related::default(),
        }
    }
}

impl Listing for Sim {
    type Row = sim::Sim;
    type Related = SimRelations;

    async fn related(
        session: &Session,
        rows: &[(String, sim::Sim)],
        wanted: &Wanted<'_>,
    ) -> domain::Result<SimRelations> {
        let wants = SimWants {
            customer: wanted.node("customer"),
            device: wanted.node("device"),
            labels: wanted.node("labels"),
        };
        SimRelations::load(session, rows.iter().map(|(_, sim)| sim), wants).await
    }

    fn node(sim: sim::Sim, related: &SimRelations) -> Self {
        let customer = related.customers.as_ref().map(|customers| {
            let customer = sim.customer.and_then(|id| customers.get(&id));
            customer.cloned().map(Into::into)
        });
        let device = related.devices.as_ref();
        let labels = related.labels.as_ref();
        Self {
            related: Related {
                customer,
                device: device.map(|devices| devices.get(&sim.id).cloned().map(Into::into)),
                labels: labels.map(|labels| shared(labels.get(&sim.id))),
            },
            sim,
        }
    }
}
