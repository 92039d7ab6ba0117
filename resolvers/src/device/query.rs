//! Queries about devices.

use async_graphql::{Context, ID, Object};
use domain::device;
use schema::{
    device::{DeviceFilter, DeviceOrder},
    parse_id_in,
};

use super::Device;
use crate::{
    connection::{Connection, filter, paginate},
    error::IntoGraphql as _,
    request::session,
};

/// Queries about devices.
#[derive(Default)]
pub(crate) struct DeviceQuery;

#[Object]
impl DeviceQuery {
    /// Devices that the caller may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.", name = "filter")] which: Option<DeviceFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: DeviceOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Device>>> {
        paginate(ctx, filter(which), order_by, (first, after, last, before)).await
    }

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
