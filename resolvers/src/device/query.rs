//! Queries about devices.

use async_graphql::{Context, ID, Object};
use domain::device;
use schema::{
    device::{DeviceFilter, DeviceOrder},
    parse_id_in,
};

use super::Device;
use crate::{connection::list_query, error::IntoGraphql as _, request::session};

list_query! {
    /// Devices that the caller may see.
    DeviceList: devices(DeviceFilter, DeviceOrder) -> Device
}

/// Queries about devices.
#[derive(Default)]
pub(crate) struct DeviceQuery;

#[Object]
impl DeviceQuery {
    /// One device.
    async fn device(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id.")] id: ID,
    ) -> async_graphql::Result<Option<Device>> {
        let cx = session(ctx)?.read().await.gql()?;
        let device = device::get(&cx, parse_id_in("id", &id).gql()?)
            .await
            .gql()?;
        Ok(Some(device.into()))
    }
}
