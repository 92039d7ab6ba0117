//! `SegmentGrant`.

use async_graphql::{Context, ID, Object};
use domain::grant::{Grant, GrantTarget};
use schema::scalar::DateTime;

use crate::{
    customer::Customer,
    device::Device,
    loader::{CustomerKey, DeviceKey, SimKey},
    request::load,
    sim::Sim,
};

/// What one subject may see beyond its token: exactly one of customer, SIM or device.
pub(crate) struct SegmentGrant(pub(crate) Grant);

/// What one subject may see beyond its token: exactly one of customer, SIM or device.
#[Object]
impl SegmentGrant {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Subject (`sub`) of the tokens that are meant.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The customer that is opened.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        match self.0.target {
            GrantTarget::Customer(id) => load(ctx, CustomerKey(id)).await,
            _ => Ok(None),
        }
    }

    /// The SIM that is opened.
    async fn sim(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Sim>> {
        match self.0.target {
            GrantTarget::Sim(id) => load(ctx, SimKey(id)).await,
            _ => Ok(None),
        }
    }

    /// The device that is opened.
    async fn device(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Device>> {
        match self.0.target {
            GrantTarget::Device(id) => load(ctx, DeviceKey(id)).await,
            _ => Ok(None),
        }
    }

    /// When it was given.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}
