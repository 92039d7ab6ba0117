//! What is small and rarely changes, kept between requests: each value under the version of its subject, which every snapshot comes
//! with, so that a change counts from the next request on. Whether a caller may see a value is decided each time it is read.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use moka::sync::Cache;

use crate::{
    ReadCx, Result,
    customer::Customer,
    id::{CustomerId, LabelId, TenantId},
    network::Network,
    version::Subject,
};

/// Bytes that kept values of one kind take together, about; those that were not read for longest go first.
const BOUND: u64 = 8 << 20;
/// Bytes of an entry besides its texts, about.
const ENTRY: usize = 256;

/// Everything that is kept.
pub(crate) struct Kept {
    /// Customers.
    pub(crate) customers: Values<CustomerId, Arc<Customer>>,
    /// Keys of labels.
    pub(crate) labels: Values<LabelId, Arc<str>>,
    /// Networks, by their codes. They have no tenant; their versions and who may see them have.
    pub(crate) networks: Values<String, Network>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            customers: Values::new(Subject::Customer, |customer| of_customer(customer)),
            labels: Values::new(Subject::Label, |key| key.len()),
            networks: Values::new(Subject::Access, of_network),
        }
    }
}

/// Bytes of a customer's texts.
fn of_customer(customer: &Customer) -> usize {
    let Customer {
        slug,
        name,
        first_name,
        last_name,
        email,
        phone,
        ..
    } = customer;
    let contact = [first_name, last_name, email, phone];
    let contact = contact.into_iter().flatten().map(String::len);
    slug.len() + name.len() + contact.sum::<usize>()
}

/// Bytes of a network's texts, its code as the key included.
fn of_network(network: &Network) -> usize {
    let Network {
        plmn,
        name,
        operator,
        country_code,
        country,
        source,
        source_version,
    } = network;
    let known = [operator, country_code, country];
    let known = known
        .into_iter()
        .flatten()
        .chain([name, source, source_version]);
    2 * plmn.len() + known.map(String::len).sum::<usize>()
}

/// Values of one kind, by tenant and id.
pub(crate) struct Values<I, V> {
    subject: Subject,
    values: Cache<(TenantId, I), Versioned<V>>,
}

/// A value, and the version of its subject that it was read in.
#[derive(Clone)]
struct Versioned<V> {
    version: u128,
    value: V,
}

impl<I: Clone + Eq + Hash + Send + Sync + 'static, V: Clone + Send + Sync + 'static> Values<I, V> {
    /// None yet, of a subject; `texts` is how many bytes a value's texts have.
    fn new(subject: Subject, texts: fn(&V) -> usize) -> Self {
        let weigh = move |_: &_, Versioned { value, .. }: &Versioned<V>| {
            u32::try_from(ENTRY + texts(value)).unwrap_or(u32::MAX)
        };
        let values = Cache::builder().weigher(weigh).max_capacity(BOUND).build();
        Self { subject, values }
    }

    /// The values of these ids in the caller's tenant, whoever may see them: those that are kept, and the others as `read` finds
    /// them. Within a change nothing is kept.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) async fn get(
        &self,
        cx: &ReadCx,
        ids: impl IntoIterator<Item = I>,
        read: impl AsyncFnOnce(&[I]) -> Result<Vec<(I, V)>>,
    ) -> Result<HashMap<I, V>> {
        let (tenant, version) = (cx.scope().tenant(), cx.version(self.subject));
        let mut found = HashMap::new();
        let mut others = Vec::new();
        for id in ids {
            if found.contains_key(&id) {
                continue;
            }
            let kept = self.values.get(&(tenant, id.clone()));
            match kept.filter(|kept| Some(kept.version) == version) {
                Some(kept) => drop(found.insert(id, kept.value)),
                None => others.push(id),
            }
        }
        if !others.is_empty() {
            for (id, value) in read(&others).await? {
                if let Some(version) = version {
                    let value = value.clone();
                    self.values
                        .insert((tenant, id.clone()), Versioned { version, value });
                }
                found.insert(id, value);
            }
        }
        Ok(found)
    }

    /// Bytes that the kept values take now, about.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.values.run_pending_tasks();
        self.values.weighted_size()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn values_stay_within_their_bound() {
        let kept = Kept::default();
        let tenant = TenantId::new(Uuid::nil());
        for n in 0..100_000 {
            let (version, value) = (1, Arc::from("a key of some length"));
            let id = LabelId::new(Uuid::from_u128(n));
            let value = Versioned { version, value };
            kept.labels.values.insert((tenant, id), value);
        }
        let bytes = kept.labels.bytes();
        assert!((BOUND / 2..=BOUND).contains(&bytes), "{bytes}");
    }
}
