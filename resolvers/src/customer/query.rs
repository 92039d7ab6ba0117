//! Queries about customers.

use async_graphql::{Context, Object};
use domain::customer;
use schema::customer::{CustomerBy, CustomerFilter, CustomerOrder};

use super::Customer;
use crate::{
    connection::{Connection, filter, paginate},
    error::IntoGraphql as _,
    request::session,
};

/// Queries about customers.
#[derive(Default)]
pub(crate) struct CustomerQuery;

#[Object]
impl CustomerQuery {
    /// Customers that the caller may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn customers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.", name = "filter")] which: Option<CustomerFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: CustomerOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<Customer>>> {
        paginate(ctx, filter(which), order_by, (first, after, last, before)).await
    }

    /// One customer.
    async fn customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What names it.")] by: CustomerBy,
    ) -> async_graphql::Result<Option<Customer>> {
        let by = customer::CustomerBy::try_from(by)
            .map_err(|error| error.at("by"))
            .gql()?;
        let customer = session(ctx)?.customer_by(by).await.gql()?;
        Ok(Some(customer.into()))
    }
}
