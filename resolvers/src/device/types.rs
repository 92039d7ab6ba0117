//! `Device`.

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object};
use domain::{device, id::DeviceId, list};
use schema::{
    device::{Connectivity, DeviceState},
    usage::UsageInput,
};
use service::Session;

use crate::{
    connection::{Asked, Listing, Wanted},
    customer::Customer,
    inventory::{Fetched, Item, Record, Related},
    sim::Sim,
    usage::{self, Usage},
    written::{Selected, Step, Written, columns, id, list as listed, object, within},
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

    /// The customer it belongs to now, which is that of the SIM in it; null when unassigned or not visible to the caller.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        self.item.owner(ctx).await
    }

    /// The SIMs that sit in it now, by ICCID.
    async fn sims(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<Sim>>> {
        let sims = self.item.counterpart(ctx).await?;
        Ok(Some(sims.unwrap_or_default()))
    }

    /// Usage of SIMs while they were in this device, within what the caller may see; with `attribution: CURRENT`, of those that are in
    /// it now.
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

    #[graphql(flatten)]
    async fn columns(&self) -> DeviceColumns<'_> {
        DeviceColumns(self)
    }
}

columns! {
    DeviceColumns of Device {
        /// Name, unique in the tenant.
        name: &str = |device| &device.device.name;
        /// What it is, for example `tracker`; null when unknown.
        kind: Option<&str> = |device| device.device.kind.as_deref();
        /// Lifecycle state; says nothing about the SIM inside.
        state: DeviceState = |device| device.device.state.into();
        /// How it can communicate.
        connectivity: Vec<Connectivity> = |device| {
            let ways = device.device.connectivity.iter();
            ways.copied().map(Into::into).collect()
        };
    }
}

impl Written for Device {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(id(|device: &Self| device.device.id)),
            "customer" => object(field, |device: &Self| device.item.owner_at_hand()),
            "sims" => listed(field, |device: &Self| {
                let sims = device.item.counterpart_at_hand()?;
                Some(sims.map_or(&[], Vec::as_slice))
            }),
            _ => DeviceColumns::step(field)
                .or_else(|| Some(within(Item::step(field)?, |device: &Self| &device.item))),
        }
    }
}

impl From<device::Device> for Device {
    fn from(device: device::Device) -> Self {
        let item = Item {
            id: device.id,
            customer: device.customer,
            record: Record {
                simulated: device.simulated,
                created_at: device.created_at.into(),
                updated_at: device.updated_at.into(),
            },
            fetched: Fetched::default(),
        };
        Self { device, item }
    }
}

impl Listing for Device {
    type Row = device::Device;
    type Related = Related<DeviceId>;

    async fn page(
        session: &Session,
        question: &Asked<Self>,
        wanted: &Wanted<'_>,
    ) -> domain::Result<(list::Listing<device::Device>, Self::Related)> {
        Related::page(session, question, wanted, "sims").await
    }

    fn node(device: device::Device, related: &Self::Related) -> Self {
        let Self { device, item } = device.into();
        let item = item.fetched(related);
        Self { device, item }
    }
}
