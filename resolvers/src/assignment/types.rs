//! `Assignment`.

use async_graphql::{Context, ID, Object};
use domain::assignment;
use schema::scalar::DateTime;

use crate::{customer::Customer, loader::CustomerKey, request::load};

/// A span in which a SIM or device belonged to one customer. Usage belongs to the customer of its time.
pub(crate) struct Assignment(assignment::Assignment);

/// A span in which a SIM or device belonged to one customer. Usage belongs to the customer of its time.
#[Object]
impl Assignment {
    /// The customer's global id.
    async fn customer_id(&self) -> ID {
        self.0.customer.to_string().into()
    }

    /// The customer.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        load(ctx, CustomerKey(self.0.customer)).await
    }

    /// Since when; null: always.
    async fn from(&self) -> Option<DateTime> {
        self.0.from.map(Into::into)
    }

    /// Until when, this moment excluded; null: still.
    async fn to(&self) -> Option<DateTime> {
        self.0.to.map(Into::into)
    }
}

/// What a loader found of one object.
pub(crate) fn shown(found: Option<Vec<assignment::Assignment>>) -> Vec<Assignment> {
    let found = found.unwrap_or_default();
    found.into_iter().map(Assignment).collect()
}
