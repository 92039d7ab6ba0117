//! The relations of a page's rows, each fetched by one statement for the whole page and only if wanted.
//!
//! A relation that is closed to the caller is not fetched: whoever asks for it meets the refusal where it belongs, at the
//! row's field.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use domain::{
    Permission, ReadCx, Result,
    assignment::{self, Assignment},
    customer::{self, Customer},
    device::{self, Device},
    id::{CustomerId, DeviceId, SimId},
    label::{self, Label},
    list::{List, Listing, Question},
    sim::{self, Sim},
};
use futures::{
    FutureExt as _,
    future::{try_join, try_join3},
};

use crate::{Session, list::listing};

/// The id of a SIM or a device, and what it leads to.
pub trait InventoryId: Copy + Eq + Hash + Send + Sync + 'static {
    /// The SIM or the device.
    type Row: List;
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

    /// The labels of a page's rows, asked for before these are there; `None` where that costs too much.
    ///
    /// # Errors
    /// `FORBIDDEN` when these are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
    fn labels_of_page(
        cx: &ReadCx,
        question: &Resolved<Self>,
    ) -> impl Future<Output = Result<Option<HashMap<Self, Vec<Label>>>>> + Send;

    /// Which one a row is, and the customer that it belongs to.
    fn of(row: &Self::Row) -> (Self, Option<CustomerId>);
}

/// A question about a list of SIMs or devices, as a caller asks it.
pub type Asked<I> =
    Question<<<I as InventoryId>::Row as List>::Clause, <<I as InventoryId>::Row as List>::Field>;

/// The same question without names that are to be looked up.
pub type Resolved<I> = Question<
    <<I as InventoryId>::Row as List>::Condition,
    <<I as InventoryId>::Row as List>::Field,
>;

impl InventoryId for SimId {
    type Row = Sim;
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

    async fn labels_of_page(
        cx: &ReadCx,
        question: &Resolved<Self>,
    ) -> Result<Option<HashMap<Self, Vec<Label>>>> {
        sim::labels_of_page(cx, question).await
    }

    fn of(sim: &Sim) -> (Self, Option<CustomerId>) {
        (sim.id, sim.customer)
    }
}

impl InventoryId for DeviceId {
    type Row = Device;
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

    async fn labels_of_page(
        cx: &ReadCx,
        question: &Resolved<Self>,
    ) -> Result<Option<HashMap<Self, Vec<Label>>>> {
        device::labels_of_page(cx, question).await
    }

    fn of(device: &Device) -> (Self, Option<CustomerId>) {
        (device.id, device.customer)
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
    pub customers: Option<HashMap<CustomerId, Arc<Customer>>>,
    /// What each sits in, or what sits in each.
    pub counterparts: Option<HashMap<I, I::Counterpart>>,
    /// Labels of each.
    pub labels: Option<HashMap<I, Vec<Label>>>,
}

/// One page of SIMs or devices, with its rows' relations as far as they are wanted.
///
/// # Errors
/// `FORBIDDEN` when the rows are closed to the caller, `INVALID_CURSOR` for a cursor of another question, and those of looking up
/// what the filter names.
pub async fn inventory<I: InventoryId>(
    session: &Session,
    question: &Asked<I>,
    wants: Wants,
) -> Result<(Listing<I::Row>, Relations<I>)> {
    let cx = session.read().await?;
    let filter = I::Row::resolve(&cx, &question.filter).await?;
    let question = &question.with(filter);
    // Boxed, because every list of the contract waits for it from deep within.
    let (listing, labels) = try_join(
        listing(&cx, question),
        wanted(wants.labels, I::labels_of_page(&cx, question)),
    )
    .boxed()
    .await?;
    let (ids, customers): (Vec<I>, Vec<_>) = (listing.page.rows.iter())
        .map(|(_, row)| I::of(row))
        .unzip();
    let customers: Vec<CustomerId> = customers.into_iter().flatten().collect();
    let labels = labels.flatten();
    let labels_wanted = wants.labels && labels.is_none();
    let counterparts = wants.counterpart && session.scope().may(I::COUNTERPART);
    let (customers, counterparts, late) = try_join3(
        wanted(wants.customer, customer::by_ids(&cx, &customers)),
        wanted(counterparts, I::counterparts(&cx, &ids)),
        wanted(labels_wanted, I::labels(&cx, &ids)),
    )
    .boxed()
    .await?;
    let relations = Relations {
        customers,
        counterparts,
        labels: labels.or(late),
    };
    Ok((listing, relations))
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
