//! `Node`: any object by its global id.

use async_graphql::{Context, ID, Interface, Object};
use domain::Code;
use service::Found;

use crate::{
    customer::Customer, device::Device, error::IntoGraphql as _, export::Export,
    grant::SegmentGrant, ingest::IngestBatch, label::LabelDefinition, network::Network,
    notification::Notification, request::session, saved_filter::SavedFilter,
    schedule::ExportSchedule, sim::Sim, tenant::Tenant,
};

/// An object with a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global id; its prefix names the kind."))]
pub(crate) enum Node {
    /// A customer.
    Customer(Customer),
    /// A device.
    Device(Device),
    /// An export.
    Export(Export),
    /// An export that is made every month.
    ExportSchedule(ExportSchedule),
    /// What the tenant has in an intake batch.
    IngestBatch(IngestBatch),
    /// A label definition.
    LabelDefinition(LabelDefinition),
    /// A network.
    Network(Network),
    /// What the caller is told.
    Notification(Notification),
    /// A saved filter.
    SavedFilter(SavedFilter),
    /// A segment grant.
    SegmentGrant(SegmentGrant),
    /// A SIM.
    Sim(Sim),
    /// The caller's tenant.
    Tenant(Tenant),
}

impl From<Found> for Node {
    fn from(found: Found) -> Self {
        match found {
            Found::Batch(part) => Self::IngestBatch(part.into()),
            Found::Customer(customer) => Self::Customer(customer.into()),
            Found::Device(device) => Self::Device(device.into()),
            Found::Job(job) => Self::Export((*job).into()),
            Found::Grant(grant) => Self::SegmentGrant(SegmentGrant(grant)),
            Found::LabelDefinition(definition) => Self::LabelDefinition(definition.into()),
            Found::Network(network) => Self::Network(network.into()),
            Found::Notification(notification) => Self::Notification(notification.into()),
            Found::SavedFilter(saved) => Self::SavedFilter(saved.into()),
            Found::Schedule(schedule) => Self::ExportSchedule((*schedule).into()),
            Found::Sim(sim) => Self::Sim(sim.into()),
            Found::Tenant(tenant) => Self::Tenant(tenant.into()),
        }
    }
}

/// Queries about objects of any kind.
#[derive(Default)]
pub(crate) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Any object by its global id.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id; its prefix names the kind.")] id: ID,
    ) -> async_graphql::Result<Option<Node>> {
        let found = session(ctx)?.object(&id).await;
        let found = found.map_err(|error| match error.code() {
            Code::InvalidInput => error.at("id"),
            _ => error,
        });
        let found = found.gql()?;
        Ok(Some(found.into()))
    }
}
