//! `Device`.

use std::sync::Arc;

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use domain::{device, label, sim};
use schema::{
    device::{Connectivity, DeviceState},
    scalar::DateTime,
    usage::UsageInput,
};
use service::{DeviceRelations, DeviceWants, Session};

use crate::{
    assignment::{self, Assignment},
    connection::{Listing, Wanted},
    customer::Customer,
    label::{Label, shared},
    loader::{AssignmentsOfDevice, CustomerKey, DeviceLabels, SimsOfDevice},
    request::load,
    sim::Sim,
    usage::{self, Usage},
};

/// A device.
#[derive(Clone)]
pub(crate) struct Device {
    device: device::Device,
    related: Related,
}

/// What a list fetched for all its rows at once; `None` was not fetched and is loaded on demand.
#[derive(Clone, Default)]
struct Related {
    customer: Option<Option<Customer>>,
    labels: Option<Arc<[Label]>>,
    sims: Option<Vec<sim::Sim>>,
}

/// A device.
#[Object]
impl Device {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.device.id.to_string().into()
    }

    /// Name, unique in the tenant.
    async fn name(&self) -> &str {
        &self.device.name
    }

    /// What it is, for example `tracker`; null when unknown.
    async fn kind(&self) -> Option<&str> {
        self.device.kind.as_deref()
    }

    /// Lifecycle state; says nothing about the SIM inside.
    async fn state(&self) -> DeviceState {
        self.device.state.into()
    }

    /// How it can communicate.
    async fn connectivity(&self) -> Vec<Connectivity> {
        self.device
            .connectivity
            .iter()
            .copied()
            .map(Into::into)
            .collect()
    }

    /// True: made by the simulator.
    async fn simulated(&self) -> bool {
        self.device.simulated
    }

    /// When the record was made.
    async fn created_at(&self) -> DateTime {
        self.device.created_at.into()
    }

    /// When the record last changed.
    async fn updated_at(&self) -> DateTime {
        self.device.updated_at.into()
    }

    /// The customer it belongs to now, which is that of the SIM in it; null when unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        if let Some(customer) = &self.related.customer {
            return Ok(customer.clone());
        }
        match self.device.customer {
            Some(id) => load(ctx, CustomerKey(id)).await,
            None => Ok(None),
        }
    }

    /// The SIMs that sit in it now, by ICCID.
    async fn sims(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Sim>>> {
        let sims: Vec<sim::Sim> = match &self.related.sims {
            Some(sims) => sims.clone(),
            None => load(ctx, SimsOfDevice(self.device.id))
                .await?
                .unwrap_or_default(),
        };
        Ok(Some(sims.into_iter().map(Into::into).collect()))
    }

    /// The customers that it belonged to, oldest first. Callers who see a part of the fleet are shown their own.
    async fn assignments(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<Vec<Assignment>>> {
        let found = load(ctx, AssignmentsOfDevice(self.device.id)).await?;
        Ok(Some(assignment::shown(found)))
    }

    /// Labels, by key.
    async fn labels(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Arc<[Label]>>> {
        if let Some(labels) = &self.related.labels {
            return Ok(Some(labels.clone()));
        }
        let labels: Option<Vec<label::Label>> = load(ctx, DeviceLabels(self.device.id)).await?;
        Ok(Some(shared(labels.as_ref())))
    }

    /// Usage of the SIMs in this device while they sat in it, within what the caller may see.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        usage::nested(ctx, Dimension::Device, self.device.id.into(), input)
            .await
            .map(Some)
    }
}

impl From<device::Device> for Device {
    fn from(device: device::Device) -> Self {
        Self {
            device,
            related: Related::default(),
        }
    }
}

impl Listing for Device {
    type Row = device::Device;
    type Related = DeviceRelations;

    async fn related(
        session: &Session,
        rows: &[(String, device::Device)],
        wanted: &Wanted<'_>,
    ) -> domain::Result<DeviceRelations> {
        let wants = DeviceWants {
            customer: wanted.node("customer"),
            sims: wanted.node("sims"),
            labels: wanted.node("labels"),
        };
        DeviceRelations::load(session, rows.iter().map(|(_, device)| device), wants).await
    }

    fn node(device: device::Device, related: &DeviceRelations) -> Self {
        let customer = related.customers.as_ref().map(|customers| {
            let customer = device.customer.and_then(|id| customers.get(&id));
            customer.cloned().map(Into::into)
        });
        let sims = related.sims.as_ref();
        let labels = related.labels.as_ref();
        Self {
            related: Related {
                customer,
                sims: sims.map(|sims| sims.get(&device.id).cloned().unwrap_or_default()),
                labels: labels.map(|labels| shared(labels.get(&device.id))),
            },
            device,
        }
    }
}
