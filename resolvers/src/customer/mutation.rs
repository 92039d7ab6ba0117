//! Changes of customers.

use async_graphql::{Context, Object, SimpleObject};
use domain::customer;
use schema::{customer::SetCustomerVisibilityInput, parse_id};

use super::Customer;
use crate::{
    request::session,
    user_error::{UserError, outcome},
};

/// Changes of customers.
#[derive(Default)]
pub(crate) struct CustomerMutation;

/// Result of `setCustomerVisibility`.
#[derive(SimpleObject)]
pub(crate) struct SetCustomerVisibilityPayload {
    /// The customer after the change; null when it was not made.
    customer: Option<Customer>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

#[Object]
impl CustomerMutation {
    /// Opens or closes areas for one customer's users, from their next request on. Needs `CUSTOMERS_WRITE`.
    async fn set_customer_visibility(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: SetCustomerVisibilityInput,
    ) -> async_graphql::Result<Option<SetCustomerVisibilityPayload>> {
        let session = session(ctx)?;
        let change = async {
            let id = parse_id(&input.customer_id).map_err(|error| error.at("customer_id"))?;
            customer::set_visibility(session.write().await?, id, input.visibility.into()).await
        };
        let (customer, user_errors) = outcome(change.await)?;
        Ok(Some(SetCustomerVisibilityPayload {
            customer: customer.map(Into::into),
            user_errors,
        }))
    }
}
