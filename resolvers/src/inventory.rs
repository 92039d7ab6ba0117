//! What SIMs and devices have in common.

use std::sync::Arc;

use async_graphql::{Context, Object};
use domain::id::{CustomerId, DeviceId, SimId};
use schema::scalar::DateTime;
use service::{InventoryId, Relations, Session, Wants};

use crate::{
    assignment::{self, Assignment},
    connection::Wanted,
    customer::Customer,
    label::{Label, shared},
    loader::{AssignmentsOf, CounterpartOf, CustomerKey, LabelsOf},
    request::load,
};

/// A SIM or a device as far as they are alike.
#[derive(Clone)]
pub(crate) struct Item<I: InventoryId> {
    pub(crate) id: I,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) simulated: bool,
    pub(crate) created_at: DateTime,
    pub(crate) updated_at: DateTime,
    pub(crate) fetched: Fetched<I>,
}

/// What a list fetched for all its rows at once; `None` was not fetched and is loaded on demand.
#[derive(Clone)]
pub(crate) struct Fetched<I: InventoryId> {
    customer: Option<Option<Customer>>,
    counterpart: Option<Option<I::Counterpart>>,
    labels: Option<Arc<[Label]>>,
}

impl<I: InventoryId> Default for Fetched<I> {
    fn default() -> Self {
        Self {
            customer: None,
            counterpart: None,
            labels: None,
        }
    }
}

/// Fields that `Sim` and `Device` take over; the type itself is not in the contract.
#[Object(
    concrete(name = "SimItem", params(SimId)),
    concrete(name = "DeviceItem", params(DeviceId))
)]
impl<I: InventoryId> Item<I> {
    /// True: made by the simulator.
    async fn simulated(&self) -> bool {
        self.simulated
    }

    /// When the record was made.
    async fn created_at(&self) -> DateTime {
        self.created_at
    }

    /// When the record last changed.
    async fn updated_at(&self) -> DateTime {
        self.updated_at
    }

    /// The customers that it belonged to, oldest first. Callers who see a part of the fleet are shown their own.
    async fn assignments(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<Vec<Assignment>>> {
        let found = load(ctx, AssignmentsOf(self.id)).await?;
        Ok(Some(assignment::shown(found)))
    }

    /// Labels, by key.
    async fn labels(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Arc<[Label]>>> {
        if let Some(labels) = &self.fetched.labels {
            return Ok(Some(labels.clone()));
        }
        let labels: Option<Vec<domain::label::Label>> = load(ctx, LabelsOf(self.id)).await?;
        Ok(Some(shared(labels.as_ref())))
    }
}

impl<I: InventoryId> Item<I> {
    /// The item of a list that fetched `related`.
    pub(crate) fn fetched(mut self, related: &Relations<I>) -> Self {
        let customer = related.customers.as_ref().map(|found| {
            let customer = self.customer.and_then(|id| found.get(&id));
            customer.cloned().map(Into::into)
        });
        let counterparts = related.counterparts.as_ref();
        let labels = related.labels.as_ref();
        self.fetched = Fetched {
            customer,
            counterpart: counterparts.map(|found| found.get(&self.id).cloned()),
            labels: labels.map(|found| shared(found.get(&self.id))),
        };
        self
    }

    /// The customer that it belongs to now.
    pub(crate) async fn owner(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        match (&self.fetched.customer, self.customer) {
            (Some(customer), _) => Ok(customer.clone()),
            (None, Some(id)) => load(ctx, CustomerKey(id)).await,
            (None, None) => Ok(None),
        }
    }

    /// What it sits in now, or what sits in it.
    pub(crate) async fn counterpart(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<I::Counterpart>> {
        match &self.fetched.counterpart {
            Some(counterpart) => Ok(counterpart.clone()),
            None => load(ctx, CounterpartOf(self.id)).await,
        }
    }
}

/// Fetches what is selected of a list's `rows`, given as ids with the customers that they belong to. `counterpart` is the
/// field that shows what each sits in, or what sits in it.
pub(crate) async fn related<I: InventoryId>(
    session: &Session,
    rows: Vec<(I, Option<CustomerId>)>,
    wanted: &Wanted<'_>,
    counterpart: &str,
) -> domain::Result<Relations<I>> {
    let wants = Wants {
        customer: wanted.node("customer"),
        counterpart: wanted.node(counterpart),
        labels: wanted.node("labels"),
    };
    Relations::load(session, &rows, wants).await
}
