//! What SIMs and devices have in common.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Object, OutputType};
use domain::{
    id::{CustomerId, DeviceId, SimId},
    list::Listing,
};
use schema::scalar::DateTime;
use service::{Asked, InventoryId, Session, Wants};

use crate::{
    assignment::{self, Assignment},
    connection::Wanted,
    customer::Customer,
    device::Device,
    label::{Label, shared},
    loader::{AssignmentsOf, CounterpartOf, CustomerKey, LabelsOf},
    request::load,
    sim::Sim,
    written::{Selected, Step, Written, columns, list, within},
};

/// The id of a SIM or a device, and what shows what it leads to.
pub(crate) trait Inventory: InventoryId {
    /// Shows what a SIM sits in, or what sits in a device.
    type Shown: Clone + Send + Sync + 'static;

    /// Shows it.
    fn show(counterpart: Self::Counterpart) -> Self::Shown;
}

impl Inventory for SimId {
    type Shown = Device;

    fn show(device: Self::Counterpart) -> Device {
        device.into()
    }
}

impl Inventory for DeviceId {
    type Shown = Vec<Sim>;

    fn show(sims: Self::Counterpart) -> Vec<Sim> {
        sims.into_iter().map(Into::into).collect()
    }
}

/// A SIM or a device as far as they are alike.
#[derive(Clone)]
pub(crate) struct Item<I: Inventory> {
    pub(crate) id: I,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) record: Record,
    pub(crate) fetched: Fetched<I>,
}

/// The record of a SIM or a device.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) simulated: bool,
    pub(crate) created_at: DateTime,
    pub(crate) updated_at: DateTime,
}

columns! {
    RecordColumns of Record {
        /// True: made by the simulator.
        simulated: bool = |record| record.simulated;
        /// When the record was made.
        created_at: DateTime = |record| record.created_at;
        /// When the record last changed.
        updated_at: DateTime = |record| record.updated_at;
    }
}

/// What a list fetched for all its rows at once; `None` was not fetched and is loaded on demand.
#[derive(Clone)]
pub(crate) struct Fetched<I: Inventory> {
    customer: Option<Option<Customer>>,
    counterpart: Option<Option<Arc<I::Shown>>>,
    labels: Option<Arc<[Label]>>,
}

impl<I: Inventory> Default for Fetched<I> {
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
impl<I: Inventory> Item<I> {
    #[graphql(flatten)]
    async fn record(&self) -> RecordColumns<'_> {
        RecordColumns(&self.record)
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
        Ok(Some(shared(labels.unwrap_or_default())))
    }
}

impl<I: Inventory> Written for Item<I>
where
    Self: OutputType,
{
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "labels" => list(field, |item: &Self| item.fetched.labels.as_deref()),
            _ => Some(within(RecordColumns::step(field)?, |item: &Self| {
                &item.record
            })),
        }
    }
}

impl<I: Inventory> Item<I> {
    /// The item of a list that fetched `related`.
    pub(crate) fn fetched(mut self, related: &Related<I>) -> Self {
        let customer = related.customers.as_ref().map(|found| {
            let customer = self.customer.and_then(|id| found.get(&id));
            customer.cloned()
        });
        let counterparts = related.counterparts.as_ref();
        let labels = related.labels.as_ref();
        self.fetched = Fetched {
            customer,
            counterpart: counterparts.map(|found| found.get(&self.id).cloned()),
            labels: labels.map(|found| found.get(&self.id).cloned().unwrap_or_default()),
        };
        self
    }

    /// The customer that it belongs to now.
    pub(crate) async fn owner(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        match (self.owner_at_hand(), self.customer) {
            (Some(customer), _) => Ok(customer.cloned()),
            (None, Some(id)) => load(ctx, CustomerKey(id)).await,
            (None, None) => Ok(None),
        }
    }

    /// The same, if it was fetched.
    pub(crate) fn owner_at_hand(&self) -> Option<Option<&Customer>> {
        self.fetched.customer.as_ref().map(Option::as_ref)
    }

    /// What it sits in now, or what sits in it.
    pub(crate) async fn counterpart(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<I::Shown>> {
        if let Some(counterpart) = self.counterpart_at_hand() {
            return Ok(counterpart.cloned());
        }
        let counterpart: Option<I::Counterpart> = load(ctx, CounterpartOf(self.id)).await?;
        Ok(counterpart.map(I::show))
    }

    /// The same, if it was fetched.
    pub(crate) fn counterpart_at_hand(&self) -> Option<Option<&I::Shown>> {
        self.fetched.counterpart.as_ref().map(Option::as_deref)
    }
}

/// Relations of SIMs or devices, as they are shown; none of those that were not fetched.
pub(crate) struct Related<I: Inventory> {
    customers: Option<HashMap<CustomerId, Customer>>,
    counterparts: Option<HashMap<I, Arc<I::Shown>>>,
    labels: Option<HashMap<I, Arc<[Label]>>>,
}

impl<I: Inventory> Related<I> {
    /// Fetches a page, and what is selected of its rows. `counterpart` is the field that shows what each sits in, or what sits in
    /// it.
    pub(crate) async fn page(
        session: &Session,
        question: &Asked<I>,
        wanted: &Wanted<'_>,
        counterpart: &str,
    ) -> domain::Result<(Listing<I::Row>, Self)> {
        let wants = Wants {
            customer: wanted.node("customer"),
            counterpart: wanted.node(counterpart),
            labels: wanted.node("labels"),
        };
        let (listing, found) = service::inventory(session, question, wants).await?;
        let related = Self {
            customers: found.customers.map(|found| shown(found, Into::into)),
            counterparts: found
                .counterparts
                .map(|found| shown(found, |it| Arc::new(I::show(it)))),
            labels: found.labels.map(|found| shown(found, shared)),
        };
        Ok((listing, related))
    }
}

/// Values as they are shown.
fn shown<K: Eq + std::hash::Hash, V, S>(
    found: HashMap<K, V>,
    show: impl Fn(V) -> S,
) -> HashMap<K, S> {
    let found = found.into_iter();
    found.map(|(key, value)| (key, show(value))).collect()
}
