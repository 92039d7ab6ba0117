//! `Customer`.

use std::{collections::HashMap, sync::Arc};

use analytics::usage::Dimension;
use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{Cx, Permission, customer, id::CustomerId};
use schema::{sim::SimState, usage::UsageInput};

use crate::{
    error::IntoGraphql as _,
    loader::SimCountsKey,
    request::{Request, loader},
    types::{
        usage::{self, Usage},
        visibility::Visibility,
    },
};

/// A customer of the tenant (sub-customer). Simcube never invoices it: the tenant does.
#[derive(Clone)]
pub(crate) struct Customer(Arc<customer::Customer>);

/// How many SIMs of a customer are in one state.
#[derive(SimpleObject)]
pub(crate) struct SimCount {
    /// State.
    state: SimState,
    /// SIMs in it now.
    count: u64,
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
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// How many visible SIMs it has now, by state; states without SIMs are left out.
    async fn sim_counts(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<SimCount>>> {
        Request::of(ctx)?
            .scope()
            .require(Permission::SimsRead)
            .gql()?;
        let counts = loader(ctx)?
            .load_one(SimCountsKey(self.0.id))
            .await
            .gql()?
            .unwrap_or_default();
        let counts = counts.into_iter().map(|(state, count)| SimCount {
            state: state.into(),
            count,
        });
        Ok(Some(counts.collect()))
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

impl Customer {
    /// The visible ones among the customers that the rows of a page name, by one statement.
    pub(crate) async fn by_ids(
        cx: &Cx,
        ids: impl Iterator<Item = CustomerId>,
    ) -> domain::Result<HashMap<CustomerId, Self>> {
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let found = customer::by_ids(cx, &ids).await?;
        Ok(found
            .into_iter()
            .map(|(id, customer)| (id, customer.into()))
            .collect())
    }
}

impl From<customer::Customer> for Customer {
    fn from(customer: customer::Customer) -> Self {
        Self(Arc::new(customer))
    }
}
