//! The relations of a page's rows, each fetched by one statement for the whole page and only if wanted.
//!
//! A relation that is closed to the caller is not fetched: whoever asks for it meets the refusal where it belongs, at the
//! row's field.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use domain::{
    Permission, ReadCx, Result,
    assignment::{self, Assignment},
    customer::{self, Customer},
    device::{self, Device},
    id::{CustomerId, DeviceId, SimId},
    label::{self, Label},
    sim::{self, Sim},
};
use futures::{FutureExt as _, future::try_join3};

use crate::Session;

/// The id of a SIM or a device, and what it leads to.
pub trait InventoryId: Copy + Eq + Hash + Send + Sync + 'static {
    /// What a SIM sits in, or what sits in a device.
    type Counterpart: Clone + Send + Sync + 'static;
    /// What it takes to see that.
    const COUNTERPART: Permission;

    /// The customers that each belonged to.
    ///
    /// # Errors
    /// `FORBIDDEN` when these are closed to the caller.
    fn assignments(
        cx: &ReadCx,
        ids: &[Self],
    ) -> impl Future<Output = Result<HashMap<Self, Vec<Assignment>>>> + Send;

    /// What each sits in, or what sits in each, at this moment.
    ///
    /// # Errors
    /// `FORBIDDEN` without [`Self::COUNTERPART`].
    fn counterparts(
        cx: &ReadCx,
        ids: &[Self],
    ) -> impl Future<Output = Result<HashMap<Self, Self::Counterpart>>> + Send;

    /// The labels of each.
    ///
    /// # Errors
    /// `FORBIDDEN` when these are closed to the caller.
    fn labels(
        cx: &ReadCx,
        ids: &[Self],
    ) -> impl Future<Output = Result<HashMap<Self, Vec<Label>>>> + Send;
}

impl InventoryId for SimId {
    type Counterpart = Device;
    const COUNTERPART: Permission = Permission::DevicesRead;

    async fn assignments(cx: &ReadCx, ids: &[Self]) -> Result<HashMap<Self, Vec<Assignment>>> {
        assignment::by_sims(cx, ids).await
    }

    async fn counterparts(cx: &ReadCx, ids: &[Self]) -> Result<HashMap<Self, Device>> {
        device::by_sims(cx, ids).await
    }

    async fn labels(cx: &ReadCx, ids: &[Self]) -> Result<HashMap<Self, Vec<Label>>> {
        label::by_sims(cx, ids).await
    }
}

impl InventoryId for DeviceId {
    type Counterpart = Vec<Sim>;
    const COUNTERPART: Permission = Permission::SimsRead;

    async fn assignments(cx: &ReadCx, ids: &[Self]) -> Result<HashMap<Self, Vec<Assignment>>> {
        assignment::by_devices(cx, ids).await
    }

    async fn counterparts(cx: &ReadCx, ids: &[Self]) -> Result<HashMap<Self, Vec<Sim>>> {
        sim::by_devices(cx, ids).await
    }

    async fn labels(cx: &ReadCx, ids: &[Self]) -> Result<HashMap<Self, Vec<Label>>> {
        label::by_devices(cx, ids).await
    }
}

/// Which relations of SIMs or devices are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    /// The customer that each belongs to now.
    pub customer: bool,
    /// What each sits in, or what sits in each, now.
    pub counterpart: bool,
    /// The labels of each.
    pub labels: bool,
}

/// Relations of SIMs or devices; none of those that were not fetched.
#[derive(Clone, Debug)]
pub struct Relations<I: InventoryId> {
    /// Customers by their ids.
    pub customers: Option<HashMap<CustomerId, Customer>>,
    /// What each sits in, or what sits in each.
    pub counterparts: Option<HashMap<I, I::Counterpart>>,
    /// Labels of each.
    pub labels: Option<HashMap<I, Vec<Label>>>,
}

impl<I: InventoryId> Relations<I> {
    /// Fetches what is wanted of `rows`, given as ids with the customers that they belong to.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn load(
        session: &Session,
        rows: &[(I, Option<CustomerId>)],
        wants: Wants,
    ) -> Result<Self> {
        let cx = session.read().await?;
        let ids: Vec<I> = rows.iter().map(|(id, _)| *id).collect();
        let counterparts = wants.counterpart && session.scope().may(I::COUNTERPART);
        let named = rows.iter().filter_map(|(_, customer)| *customer);
        // Boxed, because every list of the contract waits for it from deep within.
        let asked = try_join3(
            wanted(wants.customer, customers(&cx, named)),
            wanted(counterparts, I::counterparts(&cx, &ids)),
            wanted(wants.labels, I::labels(&cx, &ids)),
        );
        let (customers, counterparts, labels) = asked.boxed().await?;
        Ok(Self {
            customers,
            counterparts,
            labels,
        })
    }
}

/// What is wanted is fetched, together with what else is.
pub(crate) async fn wanted<T>(
    wanted: bool,
    fetch: impl Future<Output = Result<T>>,
) -> Result<Option<T>> {
    if wanted {
        fetch.await.map(Some)
    } else {
        Ok(None)
    }
}

async fn customers(
    cx: &ReadCx,
    ids: impl Iterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, Customer>> {
    let ids: BTreeSet<CustomerId> = ids.collect();
    customer::by_ids(cx, &ids.into_iter().collect::<Vec<_>>()).await
}
