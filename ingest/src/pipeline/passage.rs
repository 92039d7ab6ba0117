//! The way in for messages of a topic: whose each of them is, and one delivery for all of them.
//!
//! A topic names no tenant, so the messages of a partition are shares of many tenants. They are one delivery all the same: the
//! ledger has them up to an offset, or not.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use domain::{
    Error, Result,
    id::TenantId,
    identifier::Iccid,
    journal::Kind,
    sim::{owner, resolve::Unresolved},
    topic::{Message, Partition, Passage, Quarantined, Reason, Way},
};
use tokio::task::JoinHandle;

use super::{
    Account, Intake, Step,
    batch::Record,
    counted,
    decode::{Item, Items},
    gather::Gatherer,
    queue::{Hearing, Line, Queued},
};
use crate::{
    format::{Keyed, Rejection, keyed},
    read::Raw,
};

/// Messages decoded before other tasks get a turn.
const DECODED_AT_ONCE: usize = 1_000;

/// A message as it was read.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Where it lies in its partition.
    pub offset: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// What it says; none of a tombstone.
    pub payload: Option<Bytes>,
}

impl Fetched {
    /// Bytes of key and payload.
    pub fn bytes(&self) -> usize {
        let parts = [&self.key, &self.payload];
        parts.into_iter().flatten().map(Bytes::len).sum()
    }
}

/// Messages that wait in line, and later for being counted.
pub struct Passing(JoinHandle<Result<Account>>);

impl Passing {
    /// Whether [`Self::outcome`] would not wait.
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// What became of the messages that are a tenant's, once all that was accepted is counted or known to be quarantined.
    ///
    /// # Errors
    /// `CONFLICT` when the passage was stale: somebody else moved the position, and nothing of it was recorded. After any other
    /// error the ledger knows whether it was.
    pub async fn outcome(self) -> Result<Account> {
        self.0.await.map_err(Error::internal)?
    }
}

#[cfg(test)]
impl Passing {
    /// One that waits for ever.
    pub(crate) fn endless() -> Self {
        Self(tokio::spawn(std::future::pending()))
    }
}

/// A record of a card, or why it is refused.
pub(super) struct Known<T> {
    message: Message,
    iccid: Iccid,
    outcome: Result<T, Box<Rejection>>,
}

impl Intake {
    /// Puts messages of a partition, which are of one kind, in line, in the order of their offsets. Those that come in line after each other are
    /// journaled in that order.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer or the intake is stopping: nothing of them is in line.
    pub async fn pass(
        &self,
        partition: &Partition,
        kind: Kind,
        way: Way,
        messages: Vec<Fetched>,
    ) -> Result<Passing> {
        let passage = Passage {
            partition: partition.clone(),
            kind,
            way,
            tombstones: 0,
            decoded: Vec::with_capacity(messages.len()),
            quarantined: Vec::new(),
        };
        match kind {
            Kind::Cdr => self.queue(&self.gatherer, passage, messages).await,
            Kind::Session => self.queue(&self.rollups, passage, messages).await,
        }
    }

    /// Puts a passage in line with the others of its kind.
    async fn queue<T: Record>(
        &self,
        gatherer: &Gatherer<T>,
        mut passage: Passage,
        messages: Vec<Fetched>,
    ) -> Result<Passing> {
        let known = self.decode(&mut passage, messages).await;
        let shares = self.shares(&mut passage, known).await?;
        self.inner.reached(Step::Decoded)?;
        let (queued, committed) = Queued::<T>::of_passage(passage, shares);
        gatherer.push(queued)?;
        let inner = self.inner.clone();
        Ok(Passing(tokio::spawn(async move {
            let stopping = "intake is stopping, try again";
            let committed = committed.await;
            let committed =
                committed.map_err(|_| Error::unavailable(stopping, "a passage was dropped"))??;
            // Messages that are not read are the back-pressure: nobody waits for an answer.
            counted::wait(&inner, committed, inner.settings.patience).await
        })))
    }

    /// Decodes messages, and leaves what is nobody's in the passage.
    pub(super) async fn decode<T: Record>(
        &self,
        passage: &mut Passage,
        messages: Vec<Fetched>,
    ) -> Vec<Known<T>> {
        let most = self.inner.settings.limits.record_bytes;
        let mut known = Vec::with_capacity(messages.len());
        for (n, fetched) in messages.into_iter().enumerate() {
            if n % DECODED_AT_ONCE == DECODED_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let Fetched {
                offset,
                key,
                payload,
            } = fetched;
            let Some(payload) = payload else {
                passage.tombstones += 1;
                continue;
            };
            let read = keyed::<T>(key.as_deref(), &payload, most);
            let message = Message {
                offset,
                key,
                payload,
            };
            match read {
                Keyed::Record { iccid, outcome } => known.push(Known {
                    message,
                    iccid,
                    outcome,
                }),
                Keyed::Nobodys { reason, text } => {
                    passage.quarantined.push(Quarantined {
                        message,
                        reason,
                        text,
                    });
                }
            }
        }
        known
    }

    /// Records by whose SIM they are about; those of nobody's stay in the passage.
    pub(super) async fn shares<T: Record>(
        &self,
        passage: &mut Passage,
        known: Vec<Known<T>>,
    ) -> Result<Vec<(TenantId, Items<T>)>> {
        let cards: HashSet<&Iccid> = known.iter().map(|it| &it.iccid).collect();
        let cards: Vec<&Iccid> = cards.into_iter().collect();
        let cx = self.inner.db.system().await?;
        let owners = owner::owners(&cx, &cards).await?;
        drop(cx);
        let cards = cards.into_iter().cloned();
        let owners: BTreeMap<Iccid, _> = cards.zip(owners).collect();
        let mut by_tenant: BTreeMap<TenantId, Vec<Item<T>>> = BTreeMap::new();
        for Known {
            message,
            iccid,
            outcome,
        } in known
        {
            let owner = owners.get(&iccid).copied();
            match owner.unwrap_or(Err(Unresolved::Unknown)) {
                Ok(tenant) => {
                    let raw = Raw {
                        index: message.offset.cast_unsigned(),
                        bytes: message.payload.clone(),
                        flaw: None,
                    };
                    let items = by_tenant.entry(tenant).or_default();
                    items.push(Item { raw, outcome });
                    passage.decoded.push(message);
                }
                Err(unresolved) => {
                    let (reason, text) = nobodys(unresolved);
                    passage.quarantined.push(Quarantined {
                        message,
                        reason,
                        text: text.to_owned(),
                    });
                }
            }
        }
        let shares = by_tenant.into_iter();
        Ok(shares
            .map(|(tenant, items)| (tenant, Items { items, _room: None }))
            .collect())
    }
}

fn nobodys(reason: Unresolved) -> (Reason, &'static str) {
    match reason {
        Unresolved::Unknown => (Reason::UnknownIccid, "no tenant has a SIM with this ICCID"),
        Unresolved::Ambiguous => (
            Reason::AmbiguousIccid,
            "several SIMs begin with these 19 digits: send all 20",
        ),
    }
}

impl<T> Queued<T> {
    /// What a passage delivers.
    fn of_passage(passage: Passage, shares: Vec<(TenantId, Items<T>)>) -> (Self, Hearing) {
        let line = Line::Partition(passage.partition.clone());
        let (mut queued, committed) = Self::new(line, shares);
        queued.passage = Some(passage);
        (queued, committed)
    }
}
