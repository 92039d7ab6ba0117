//! `Device`.

use std::{collections::HashMap, sync::Arc};

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use domain::{
    Cx, Permission, device,
    id::{CustomerId, DeviceId},
    label, sim,
};
use schema::{
    device::{Connectivity, DeviceState},
    usage::UsageInput,
};

use crate::{
    connection::Wanted,
    error::IntoGraphql as _,
    loader::{CustomerKey, DeviceLabels, SimsOfDevice},
    request::{Request, loader},
    types::{
        customer::Customer,
        label::Label,
        sim::Sim,
        usage::{self, Usage},
    },
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

    /// What it is, for example `tracker`; empty when unknown.
    async fn kind(&self) -> &str {
        &self.device.kind
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
    async fn created_at(&self) -> DateTime<Utc> {
        self.device.created_at
    }

    /// When the record last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.device.updated_at
    }

    /// The customer it belongs to now, which is that of the SIM in it; null when unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        if let Some(customer) = &self.related.customer {
            return Ok(customer.clone());
        }
        let Some(id) = self.device.customer else {
            return Ok(None);
        };
        Ok(loader(ctx)?
            .load_one(CustomerKey(id))
            .await
            .gql()?
            .map(Into::into))
    }

    /// The SIMs that sit in it now, by ICCID.
    async fn sims(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Sim>>> {
        Request::of(ctx)?
            .scope()
            .require(Permission::SimsRead)
            .gql()?;
        let sims = match &self.related.sims {
            Some(sims) => sims.clone(),
            None => loader(ctx)?
                .load_one(SimsOfDevice(self.device.id))
                .await
                .gql()?
                .unwrap_or_default(),
        };
        Ok(Some(sims.into_iter().map(Into::into).collect()))
    }

    /// Labels, by key.
    async fn labels(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Arc<[Label]>>> {
        if let Some(labels) = &self.related.labels {
            return Ok(Some(labels.clone()));
        }
        let labels = loader(ctx)?
            .load_one(DeviceLabels(self.device.id))
            .await
            .gql()?
            .unwrap_or_default();
        Ok(Some(labels.into_iter().map(Into::into).collect()))
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

/// The relations of one page, each fetched by one statement and only if selected.
pub(crate) struct Prefetched {
    customers: Option<HashMap<CustomerId, Customer>>,
    labels: Option<HashMap<DeviceId, Vec<label::Label>>>,
    sims: Option<HashMap<DeviceId, Vec<sim::Sim>>>,
}

impl Prefetched {
    pub(crate) async fn load<'a>(
        cx: &Cx,
        devices: impl Iterator<Item = &'a device::Device> + Clone,
        wanted: &Wanted<'_>,
    ) -> domain::Result<Self> {
        let ids: Vec<_> = devices.clone().map(|device| device.id).collect();
        let mut prefetched = Self {
            customers: None,
            labels: None,
            sims: None,
        };
        if wanted.node("customer") {
            let customers = devices.filter_map(|device| device.customer);
            prefetched.customers = Some(Customer::by_ids(cx, customers).await?);
        }
        if wanted.node("labels") {
            prefetched.labels = Some(label::by_devices(cx, &ids).await?);
        }
        if wanted.node("sims") && cx.scope().may(Permission::SimsRead) {
            prefetched.sims = Some(sim::by_devices(cx, &ids).await?);
        }
        Ok(prefetched)
    }

    pub(crate) fn device(&self, device: device::Device) -> Device {
        let customer = self
            .customers
            .as_ref()
            .map(|customers| device.customer.and_then(|id| customers.get(&id)).cloned());
        let labels = self.labels.as_ref().map(|labels| {
            labels
                .get(&device.id)
                .into_iter()
                .flatten()
                .cloned()
                .map(Into::into)
                .collect()
        });
        let sims = self
            .sims
            .as_ref()
            .map(|sims| sims.get(&device.id).cloned().unwrap_or_default());
        Device {
            device,
            related: Related {
                customer,
                labels,
                sims,
            },
        }
    }
}
