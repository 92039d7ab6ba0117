//! `Device`.

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use domain::{device, id::DeviceId};
use schema::{
    device::{Connectivity, DeviceState},
    usage::UsageInput,
};
use service::{Relations, Session};

use crate::{
    connection::{Listing, Wanted},
    customer::Customer,
    inventory::{self, Fetched, Item},
    sim::Sim,
    usage::{self, Usage},
};

/// A device.
#[derive(Clone)]
pub(crate) struct Device {
    device: device::Device,
    item: Item<DeviceId>,
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

    /// The customer it belongs to now, which is that of the SIM in it; null when unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        self.item.owner(ctx).await
    }

    /// The SIMs that sit in it now, by ICCID.
    async fn sims(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Sim>>> {
        let sims = self.item.counterpart(ctx).await?.unwrap_or_default();
        Ok(Some(sims.into_iter().map(Into::into).collect()))
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

    #[graphql(flatten)]
    async fn item(&self) -> &Item<DeviceId> {
        &self.item
    }
}

impl From<device::Device> for Device {
    fn from(device: device::Device) -> Self {
        let item = Item {
            id: device.id,
            customer: device.customer,
            simulated: device.simulated,
            created_at: device.created_at.into(),
            updated_at: device.updated_at.into(),
            fetched: Fetched::default(),
        };
        Self { device, item }
    }
}

impl Listing for Device {
    type Row = device::Device;
    type Related = Relations<DeviceId>;

    async fn related(
        session: &Session,
        rows: &[(String, device::Device)],
        wanted: &Wanted<'_>,
    ) -> domain::Result<Self::Related> {
        let rows = rows.iter().map(|(_, device)| (device.id, device.customer));
        inventory::related(session, rows.collect(), wanted, "sims").await
    }

    fn node(device: device::Device, related: &Self::Related) -> Self {
        let Self { device, item } = device.into();
        let item = item.fetched(related);
        Self { device, item }
    }
}
