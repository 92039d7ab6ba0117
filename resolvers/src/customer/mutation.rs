//! Changes of customers.

use async_graphql::{Context, Object, SimpleObject};
use domain::customer;
use schema::{
    customer::{
        ArchiveCustomerInput, CreateCustomerInput, SetCustomerVisibilityInput, UpdateCustomerInput,
    },
    parse_id_in,
};

use super::Customer;
use crate::{
    request::write,
    user_error::{UserError, outcome},
};

/// Changes of customers.
#[derive(Default)]
pub(crate) struct CustomerMutation;

/// What a change of a customer came to.
#[derive(SimpleObject)]
pub(crate) struct CustomerPayload {
    /// The customer after the change; null when it was not made.
    customer: Option<Customer>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

impl CustomerPayload {
    fn of(result: domain::Result<customer::Customer>) -> async_graphql::Result<Option<Self>> {
        let (customer, user_errors) = outcome(result)?;
        Ok(Some(Self {
            customer: customer.map(Into::into),
            user_errors,
        }))
    }
}

#[Object]
impl CustomerMutation {
    /// Creates a customer. Needs `CUSTOMERS_WRITE`.
    async fn create_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer.")] input: CreateCustomerInput,
    ) -> async_graphql::Result<Option<CustomerPayload>> {
        let change = async {
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            customer::create(cx, input.into()).await
        };
        CustomerPayload::of(change.await)
    }

    /// Changes a customer's name and contact. Needs `CUSTOMERS_WRITE`.
    async fn update_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateCustomerInput,
    ) -> async_graphql::Result<Option<CustomerPayload>> {
        let change = async {
            let id = parse_id_in("customer_id", &input.customer_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            customer::update(cx, id, input.into()).await
        };
        CustomerPayload::of(change.await)
    }

    /// Archives a customer: its users are not let in any more, and what it has stays its own. Or takes that back. Customers are
    /// not deleted, because usage, tokens and files name them. Needs `CUSTOMERS_WRITE`.
    async fn archive_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: ArchiveCustomerInput,
    ) -> async_graphql::Result<Option<CustomerPayload>> {
        let change = async {
            let id = parse_id_in("customer_id", &input.customer_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            customer::archive(cx, id, input.archived).await
        };
        CustomerPayload::of(change.await)
    }

    /// Opens or closes areas for one customer's users, from their next request on. Needs `CUSTOMERS_WRITE`.
    async fn set_customer_visibility(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: SetCustomerVisibilityInput,
    ) -> async_graphql::Result<Option<CustomerPayload>> {
        let change = async {
            let id = parse_id_in("customer_id", &input.customer_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            customer::set_visibility(cx, id, input.visibility.into()).await
        };
        CustomerPayload::of(change.await)
    }
}
