//! Queries about customers.

use async_graphql::{Context, Object};
use domain::customer;
use schema::customer::{CustomerBy, CustomerFilter, CustomerOrder};

use super::Customer;
use crate::{connection::list_query, error::IntoGraphql as _, request::session};

list_query! {
    /// Customers that the caller may see.
    CustomerList: customers(CustomerFilter, CustomerOrder) -> Customer
}

/// Queries about customers.
#[derive(Default)]
pub(crate) struct CustomerQuery;

#[Object]
impl CustomerQuery {
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
