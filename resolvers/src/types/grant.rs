//! `SegmentGrant`.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use domain::grant::{Grant, Target};

use crate::{
    error::IntoGraphql as _,
    loader::{CustomerKey, DeviceKey, SimKey},
    request::loader,
    types::{customer::Customer, device::Device, sim::Sim},
};

/// What one subject may see beyond its token: exactly one of customer, SIM or device.
pub(crate) struct SegmentGrant(pub(crate) Grant);

/// What one subject may see beyond its token: exactly one of customer, SIM or device.
#[Object]
impl SegmentGrant {
    /// Global id.
    async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Subject (`sub`) of the tokens that are meant.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The customer that is opened.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        let Target::Customer(id) = self.0.target else {
            return Ok(None);
        };
        Ok(loader(ctx)?
            .load_one(CustomerKey(id))
            .await
            .gql()?
            .map(Into::into))
    }

    /// The SIM that is opened.
    async fn sim(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Sim>> {
        let Target::Sim(id) = self.0.target else {
            return Ok(None);
        };
        Ok(loader(ctx)?
            .load_one(SimKey(id))
            .await
            .gql()?
            .map(Into::into))
    }

    /// The device that is opened.
    async fn device(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Device>> {
        let Target::Device(id) = self.0.target else {
            return Ok(None);
        };
        Ok(loader(ctx)?
            .load_one(DeviceKey(id))
            .await
            .gql()?
            .map(Into::into))
    }

    /// When it was given.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}
