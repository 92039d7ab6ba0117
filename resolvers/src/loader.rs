//! Batch loading of single objects. Lists prefetch by look-ahead instead, which is cheaper; both end in the
//! same `by_<key>s` functions of the domain.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use analytics::usage::{CubeQuery, Dimension, Key, Parents, UsageAnswer};
use async_graphql::dataloader::Loader;
use domain::{
    Error,
    assignment::Assignment,
    customer::{self, Customer},
    device::{self, Device, DeviceCondition, DeviceOrderField},
    id::{CustomerId, DeviceId, SimId},
    label::Label,
    list::{Listing, Question},
    network::{self, Network},
    paging::PageRequest,
    saved_filter::Clause,
    sim::{self, Sim, SimCondition, SimOrderField, SimState},
};
use futures::future::join_all;
use service::{InventoryId, LastSeen, LiveSession, Session, SessionLog};

use crate::usage::located;

/// Loads by key through the request's transaction.
pub(crate) struct Batch(pub(crate) Session);

/// A key: its name says what is loaded for the id.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident $(<$of:ident>)? ($id:ty) -> $value:ty = $load:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub(crate) struct $key $(<$of>)? (pub(crate) $id);

        impl $(<$of: InventoryId>)? Loader<$key $(<$of>)?> for Batch {
            type Value = $value;
            type Error = Arc<Error>;

            async fn load(
                &self,
                keys: &[$key $(<$of>)?],
            ) -> Result<HashMap<$key $(<$of>)?, $value>, Arc<Error>> {
                let ids: Vec<$id> = keys.iter().map(|key| key.0.clone()).collect();
                let cx = self.0.read().await?;
                let found = $load(&cx, &ids).await?;
                Ok(found.into_iter().map(|(id, value)| ($key(id), value)).collect())
            }
        }
    )*};
}

keys! {
    /// The assignments of a SIM or device.
    AssignmentsOf<I>(I) -> Vec<Assignment> = I::assignments;
    /// The device that a SIM sits in, or the SIMs in a device.
    CounterpartOf<I>(I) -> I::Counterpart = I::counterparts;
    /// A customer.
    CustomerKey(CustomerId) -> Arc<Customer> = customer::by_ids;
    /// A device.
    DeviceKey(DeviceId) -> Device = device::by_ids;
    /// The labels of a SIM or device.
    LabelsOf<I>(I) -> Vec<Label> = I::labels;
    /// A network.
    NetworkKey(String) -> Network = network::by_plmns;
    /// A customer's SIMs by state.
    SimCountsKey(CustomerId) -> Vec<(SimState, u64)> = customer::sim_counts;
    /// A SIM.
    SimKey(SimId) -> Sim = sim::by_ids;
}

/// A question about a list of one customer's.
macro_rules! lists {
    ($($(#[$doc:meta])* $key:ident($question:ty) -> $row:ty = $load:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub(crate) struct $key {
            pub(crate) customer: CustomerId,
            pub(crate) question: Arc<$question>,
        }

        impl Hash for $key {
            fn hash<H: Hasher>(&self, state: &mut H) {
                // Requests ask few different questions about many customers.
                self.customer.hash(state);
            }
        }

        impl Loader<$key> for Batch {
            type Value = Result<Listing<$row>, Arc<Error>>;
            type Error = Arc<Error>;

            async fn load(
                &self,
                keys: &[$key],
            ) -> Result<HashMap<$key, Self::Value>, Arc<Error>> {
                let cx = self.0.read().await?;
                let mut questions: HashMap<&$question, Vec<CustomerId>> = HashMap::new();
                for key in keys {
                    questions.entry(&key.question).or_default().push(key.customer);
                }
                let mut listings = HashMap::new();
                for (question, customers) in questions {
                    let question = Arc::new(question.clone());
                    for (customer, listing) in $load(&cx, &customers, &question).await? {
                        let question = question.clone();
                        listings.insert($key { customer, question }, listing.map_err(Arc::new));
                    }
                }
                Ok(listings)
            }
        }
    )*};
}

lists! {
    /// Devices of a customer.
    DevicesOf(Question<Clause<DeviceCondition>, DeviceOrderField>) -> Device = device::by_customers;
    /// SIMs of a customer.
    SimsOf(Question<Clause<SimCondition>, SimOrderField>) -> Sim = sim::by_customers;
}

/// What the usage store knows of the sessions of a SIM.
macro_rules! sessions {
    ($($(#[$doc:meta])* $key:ident -> $value:ty = $load:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) struct $key(pub(crate) SimId);

        impl Loader<$key> for Batch {
            type Value = $value;
            type Error = Arc<Error>;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, $value>, Arc<Error>> {
                let sims: Vec<SimId> = keys.iter().map(|key| key.0).collect();
                let found = self.0.$load(&sims).await?;
                Ok(found.into_iter().map(|(sim, value)| ($key(sim), value)).collect())
            }
        }
    )*};
}

sessions! {
    /// When and where a SIM was seen last.
    LastSeenOf -> LastSeen = last_seen;
    /// The best session of a SIM.
    LiveOf -> LiveSession = live_by_sims;
}

/// A page of the log of a SIM's sessions.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct LogOf {
    pub(crate) sim: SimId,
    pub(crate) page: PageRequest,
    pub(crate) with_total: bool,
}

impl Loader<LogOf> for Batch {
    /// A cursor of another SIM leaves the others alone.
    type Value = Result<SessionLog, Arc<Error>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LogOf]) -> Result<HashMap<LogOf, Self::Value>, Arc<Error>> {
        let mut questions: HashMap<(&PageRequest, bool), Vec<SimId>> = HashMap::new();
        for LogOf {
            sim,
            page,
            with_total,
        } in keys
        {
            let question = questions.entry((page, *with_total)).or_default();
            question.push(*sim);
        }
        let mut logs = HashMap::with_capacity(keys.len());
        for ((page, with_total), sims) in questions {
            for (sim, log) in self.0.session_logs(&sims, page, with_total).await? {
                let page = page.clone();
                let key = LogOf {
                    sim,
                    page,
                    with_total,
                };
                logs.insert(key, log.map_err(Arc::new));
            }
        }
        Ok(logs)
    }
}

/// A question about one object. How many rows it may have is no matter of what else is loaded with it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UsageKey {
    pub(crate) parent: Dimension,
    pub(crate) id: Key,
    pub(crate) query: Arc<CubeQuery>,
    pub(crate) rows: usize,
}

impl Hash for UsageKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Requests ask few different questions about many objects: the object tells keys apart well enough.
        (self.parent, &self.id).hash(state);
    }
}

impl Loader<UsageKey> for Batch {
    /// A question that is refused leaves the others alone.
    type Value = Result<UsageAnswer, Arc<Error>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[UsageKey]) -> Result<HashMap<UsageKey, Self::Value>, Arc<Error>> {
        let mut questions: Vec<(&UsageKey, Vec<Key>)> = Vec::new();
        for key in keys {
            let same = |(asked, _): &&mut (&UsageKey, _)| {
                (asked.parent, asked.rows) == (key.parent, key.rows) && asked.query == key.query
            };
            match questions.iter_mut().find(same) {
                Some((_, ids)) => ids.push(key.id.clone()),
                None => questions.push((key, vec![key.id.clone()])),
            }
        }
        let asked = questions.into_iter().map(async |(key, ids)| {
            let parents = Parents {
                dimension: key.parent,
                ids: &ids,
                rows: key.rows,
            };
            let found = self.0.usage_by(&key.query, parents).await;
            let mut found = found.map_err(|error| Arc::new(located(error)));
            let answer = |id: Key| {
                let answer = match &mut found {
                    Ok(found) => Ok(found.remove(&id)?),
                    Err(error) => Err(error.clone()),
                };
                Some((UsageKey { id, ..key.clone() }, answer))
            };
            ids.into_iter().filter_map(answer).collect::<Vec<_>>()
        });
        Ok(join_all(asked).await.into_iter().flatten().collect())
    }
}
