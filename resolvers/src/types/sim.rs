//! `Sim`.

use std::{collections::HashMap, sync::Arc};

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use domain::{
    Cx, Permission, device,
    id::{CustomerId, SimId},
    label, sim,
};
use schema::{sim::SimState, usage::UsageInput};

use crate::{
    connection::Wanted,
    error::IntoGraphql as _,
    loader::{CustomerKey, DeviceOfSim, SimLabels},
    request::{Request, loader},
    types::{
        customer::Customer,
        device::Device,
        label::Label,
        usage::{self, Usage},
    },
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
    async fn created_at(&self) -> DateTime<Utc> {
        self.sim.created_at
    }

    /// When the record last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.sim.updated_at
    }

    /// The customer it is assigned to now; null when unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        if let Some(customer) = &self.related.customer {
            return Ok(customer.clone());
        }
        let Some(id) = self.sim.customer else {
            return Ok(None);
        };
        Ok(loader(ctx)?
            .load_one(CustomerKey(id))
            .await
            .gql()?
            .map(Into::into))
    }

    /// The device it sits in now; null when there is none or it is not visible to the caller.
    async fn device(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Device>> {
        Request::of(ctx)?
            .scope()
            .require(Permission::DevicesRead)
            .gql()?;
        if let Some(device) = &self.related.device {
            return Ok(device.clone());
        }
        Ok(loader(ctx)?
            .load_one(DeviceOfSim(self.sim.id))
            .await
            .gql()?
            .map(Into::into))
    }

    /// Labels, by key.
    async fn labels(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Arc<[Label]>>> {
        if let Some(labels) = &self.related.labels {
            return Ok(Some(labels.clone()));
        }
        let labels = loader(ctx)?
            .load_one(SimLabels(self.sim.id))
            .await
            .gql()?
            .unwrap_or_default();
        Ok(Some(labels.into_iter().map(Into::into).collect()))
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

/// The relations of one page, each fetched by one statement and only if selected.
pub(crate) struct Prefetched {
    customers: Option<HashMap<CustomerId, Customer>>,
    devices: Option<HashMap<SimId, device::Device>>,
    labels: Option<HashMap<SimId, Vec<label::Label>>>,
}

impl Prefetched {
    pub(crate) async fn load<'a>(
        cx: &Cx,
        sims: impl Iterator<Item = &'a sim::Sim> + Clone,
        wanted: &Wanted<'_>,
    ) -> domain::Result<Self> {
        let ids: Vec<_> = sims.clone().map(|sim| sim.id).collect();
        let mut prefetched = Self {
            customers: None,
            devices: None,
            labels: None,
        };
        if wanted.node("customer") {
            let customers = sims.filter_map(|sim| sim.customer);
            prefetched.customers = Some(Customer::by_ids(cx, customers).await?);
        }
        if wanted.node("device") && cx.scope().may(Permission::DevicesRead) {
            prefetched.devices = Some(device::by_sims(cx, &ids).await?);
        }
        if wanted.node("labels") {
            prefetched.labels = Some(label::by_sims(cx, &ids).await?);
        }
        Ok(prefetched)
    }

    pub(crate) fn sim(&self, sim: sim::Sim) -> Sim {
        let customer = self
            .customers
            .as_ref()
            .map(|customers| sim.customer.and_then(|id| customers.get(&id)).cloned());
        let device = self
            .devices
            .as_ref()
            .map(|devices| devices.get(&sim.id).cloned().map(Into::into));
        let labels = self.labels.as_ref().map(|labels| {
            labels
                .get(&sim.id)
                .into_iter()
                .flatten()
                .cloned()
                .map(Into::into)
                .collect()
        });
        Sim {
            sim,
            related: Related {
                customer,
                device,
                labels,
            },
        }
    }
}
