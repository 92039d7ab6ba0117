//! `Customer`.

use std::sync::Arc;

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object, SimpleObject};
use domain::customer;
use schema::{
    device::{DeviceFilter, DeviceOrder},
    scalar::DateTime,
    scalar::int,
    sim::{SimFilter, SimOrder, SimState},
    usage::UsageInput,
};

use super::visibility::Visibility;
use crate::{
    connection::{Connection, filter, nested, plain, question},
    device::Device,
    error::IntoGraphql as _,
    loader::{DevicesOf, SimCountsKey, SimsOf},
    request::load,
    sim::Sim,
    usage::{self, Usage},
};

/// A customer of the tenant (sub-customer). Simcube never invoices it: the tenant does.
#[derive(Clone)]
pub(crate) struct Customer(Arc<customer::Customer>);

/// How many SIMs of a customer are in one state.
#[derive(SimpleObject)]
pub(crate) struct SimCount {
    /// State.
    state: SimState,
    /// SIMs in it now, fewer than 2^31.
    count: i32,
}

/// A customer of the tenant (sub-customer). Simcube never invoices it: the tenant does.
#[Object]
impl Customer {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Short name used in tokens, files and on the command line.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Organisation name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Contact's first name.
    async fn first_name(&self) -> Option<&str> {
        self.0.first_name.as_deref()
    }

    /// Contact's last name.
    async fn last_name(&self) -> Option<&str> {
        self.0.last_name.as_deref()
    }

    /// Contact's mail address.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// Contact's phone number.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// What the customer's own users may see.
    async fn visibility(&self) -> Visibility {
        self.0.visibility.into()
    }

    /// When the record was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Since when it is archived; null when it is not.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(Into::into)
    }

    /// How many visible SIMs it has now, by state; states without SIMs are left out.
    async fn sim_counts(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<SimCount>>> {
        let counts: Option<Vec<_>> = load(ctx, SimCountsKey(self.0.id)).await?;
        let counts = counts
            .unwrap_or_default()
            .into_iter()
            .map(|(state, count)| SimCount {
                state: state.into(),
                count: int(count),
            });
        Ok(Some(counts.collect()))
    }

    /// Its SIMs now, as far as the caller may see them.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn sims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.", name = "filter")] which: Option<SimFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: SimOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Sim>>> {
        let page = (first, after, last, before);
        let question = question(ctx, filter(which), order_by, page).gql()?.into();
        let customer = self.0.id;
        nested(ctx, SimsOf { customer, question }).await
    }

    /// Its devices now, as far as the caller may see them.
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
        let page = (first, after, last, before);
        let question = question(ctx, filter(which), order_by, page).gql()?.into();
        let customer = self.0.id;
        nested(ctx, DevicesOf { customer, question }).await
    }

    /// Usage of SIMs while they belonged to this customer, within what the caller may see.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        usage::nested(ctx, Dimension::Customer, self.0.id.into(), input)
            .await
            .map(Some)
    }
}

impl From<customer::Customer> for Customer {
    fn from(customer: customer::Customer) -> Self {
        Self(Arc::new(customer))
    }
}

plain!(Customer: customer::Customer);
