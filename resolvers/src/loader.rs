//! Batch loading of single objects (PLT-08). Lists prefetch by look-ahead instead, which is cheaper; both end in the
//! same `by_<key>s` functions of the domain.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use analytics::usage::{Dimension, Key, UsageAnswer, UsageQuery};
use async_graphql::dataloader::Loader;
use domain::{
    Error,
    customer::{self, Customer},
    device::{self, Device},
    id::{CustomerId, DeviceId, SimId},
    label::{self, Label},
    network::{self, Network},
    sim::{self, Sim, SimState},
};

use crate::request::Request;

/// Loads by key through the request's transaction.
pub(crate) struct Batch(pub(crate) Request);

/// A key: the field's name says what is loaded for the id.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident($id:ty) -> $value:ty = $load:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub(crate) struct $key(pub(crate) $id);

        impl Loader<$key> for Batch {
            type Value = $value;
            type Error = Arc<Error>;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, $value>, Arc<Error>> {
                let ids: Vec<$id> = keys.iter().map(|key| key.0.clone()).collect();
                let cx = self.0.cx().await?;
                let found = $load(cx, &ids).await?;
                Ok(found.into_iter().map(|(id, value)| ($key(id), value)).collect())
            }
        }
    )*};
}

keys! {
    /// A customer.
    CustomerKey(CustomerId) -> Customer = customer::by_ids;
    /// A customer's SIMs by state.
    SimCountsKey(CustomerId) -> Vec<(SimState, u64)> = customer::sim_counts;
    /// A device.
    DeviceKey(DeviceId) -> Device = device::by_ids;
    /// The device that a SIM sits in.
    DeviceOfSim(SimId) -> Device = device::by_sims;
    /// The labels of a device.
    DeviceLabels(DeviceId) -> Vec<Label> = label::by_devices;
    /// A network.
    NetworkKey(String) -> Network = network::by_plmns;
    /// A SIM.
    SimKey(SimId) -> Sim = sim::by_ids;
    /// The labels of a SIM.
    SimLabels(SimId) -> Vec<Label> = label::by_sims;
    /// The SIMs in a device.
    SimsOfDevice(DeviceId) -> Vec<Sim> = sim::by_devices;
}

/// A question about one object.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UsageKey {
    parent: Dimension,
    id: Key,
    query: Arc<UsageQuery>,
}

impl UsageKey {
    pub(crate) fn new(parent: Dimension, id: Key, query: UsageQuery) -> Self {
        Self {
            parent,
            id,
            query: Arc::new(query),
        }
    }
}

impl Hash for UsageKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Requests ask few different questions about many objects: the object tells keys apart well enough.
        (self.parent, &self.id).hash(state);
    }
}

impl Loader<UsageKey> for Batch {
    type Value = UsageAnswer;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[UsageKey]) -> Result<HashMap<UsageKey, UsageAnswer>, Arc<Error>> {
        let mut questions: Vec<(&UsageKey, Vec<Key>)> = Vec::new();
        for key in keys {
            let same = |(asked, _): &&mut (&UsageKey, _)| {
                asked.parent == key.parent && asked.query == key.query
            };
            match questions.iter_mut().find(same) {
                Some((_, ids)) => ids.push(key.id.clone()),
                None => questions.push((key, vec![key.id.clone()])),
            }
        }
        let mut answers = HashMap::new();
        for (key, ids) in questions {
            let found = self
                .0
                .store()
                .usage_by(self.0.scope(), &key.query, key.parent, &ids)
                .await?;
            answers.extend(found.into_iter().map(|(id, answer)| {
                (
                    UsageKey {
                        parent: key.parent,
                        id,
                        query: key.query.clone(),
                    },
                    answer,
                )
            }));
        }
        Ok(answers)
    }
}
