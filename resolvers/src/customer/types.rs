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
    written::{Selected, Step, Written, columns, id, made},
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

    /// What the customer's own users may see.
    async fn visibility(&self) -> Visibility {
        self.0.visibility.into()
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

    /// Usage of SIMs while they belonged to this customer, within what the caller may see; with `attribution: CURRENT`, of those that
    /// belong to it now.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question.")] input: UsageInput,
    ) -> async_graphql::Result<Option<Usage>> {
        usage::nested(ctx, Dimension::Customer, self.0.id.into(), input)
            .await
            .map(Some)
    }

    #[graphql(flatten)]
    async fn columns(&self) -> CustomerColumns<'_> {
        CustomerColumns(self)
    }
}

columns! {
    CustomerColumns of Customer {
        /// Short name used in tokens, files and on the command line.
        slug: &str = |customer| &customer.0.slug;
        /// Organisation name.
        name: &str = |customer| &customer.0.name;
        /// Contact's first name.
        first_name: Option<&str> = |customer| customer.0.first_name.as_deref();
        /// Contact's last name.
        last_name: Option<&str> = |customer| customer.0.last_name.as_deref();
        /// Contact's mail address.
        email: Option<&str> = |customer| customer.0.email.as_deref();
        /// Contact's phone number.
        phone: Option<&str> = |customer| customer.0.phone.as_deref();
        /// When the record was made.
        created_at: DateTime = |customer| customer.0.created_at.into();
        /// Since when it is archived; null when it is not.
        archived_at: Option<DateTime> = |customer| customer.0.archived_at.map(Into::into);
    }
}

impl Written for Customer {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(id(|customer: &Self| customer.0.id)),
            "visibility" => made(field, |customer: &Self| {
                Visibility::from(customer.0.visibility)
            }),
            _ => CustomerColumns::step(field),
        }
    }
}

impl From<customer::Customer> for Customer {
    fn from(customer: customer::Customer) -> Self {
        Arc::new(customer).into()
    }
}

impl From<Arc<customer::Customer>> for Customer {
    fn from(customer: Arc<customer::Customer>) -> Self {
        Self(customer)
    }
}

plain!(Customer: customer::Customer);
