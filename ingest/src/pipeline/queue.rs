//! Deliveries that wait, a line for each tenant and each partition of a topic.
//!
//! Lines take turns, a delivery each. A batch takes turns until it is full, so a line with one delivery is in the next
//! batch, or in the one after it, however many others wait elsewhere. As long as more than one line delivers, batches are
//! smaller, so that a tenant with little to say does not wait for what a tenant with much to say sent before.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{
    Error, Result,
    id::TenantId,
    topic::{Partition, Passage},
};
use tokio::sync::{Notify, oneshot};

use super::{counted::Committed, decode::Items};
use crate::format::Cdr;

/// A batch that lines share is this much smaller: the time that it takes is what those with little to say wait for.
const SHARED: usize = 4;
/// Lines share for as long as one of so many batches was not only one's own.
const RECENT: usize = 8;

/// Who stands in line: what comes from one sender keeps its order and takes one turn at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Line {
    /// All that a tenant delivers itself.
    Tenant(TenantId),
    /// What comes from a partition of a topic.
    Partition(Partition),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => tenant.fmt(f),
            Self::Partition(partition) => partition.fmt(f),
        }
    }
}

/// Where a sender hears of the commit of its delivery.
pub(super) type Hearing = oneshot::Receiver<Result<Committed>>;

/// A decoded delivery that waits for its batch. It is journaled as a whole or waits as a whole.
pub(super) struct Queued<T = Cdr> {
    pub(super) line: Line,
    /// Whose its records are, each tenant once.
    pub(super) shares: Vec<(TenantId, Items<T>)>,
    /// The messages that they are in.
    pub(super) passage: Option<Passage>,
    pub(super) reply: oneshot::Sender<Result<Committed>>,
}

impl<T> Queued<T> {
    /// A delivery, and where to hear of its commit.
    pub(super) fn new(line: Line, shares: Vec<(TenantId, Items<T>)>) -> (Self, Hearing) {
        let (reply, committed) = oneshot::channel();
        let queued = Self {
            line,
            shares,
            passage: None,
            reply,
        };
        (queued, committed)
    }

    pub(super) fn records(&self) -> usize {
        self.shares.iter().map(|(_, items)| items.items.len()).sum()
    }

    pub(super) fn tenants(&self) -> impl Iterator<Item = TenantId> {
        self.shares.iter().map(|(tenant, _)| *tenant)
    }
}

/// The lines in which deliveries wait.
pub(super) struct Lines<T = Cdr> {
    state: Mutex<State<T>>,
    /// A delivery has come.
    pub(super) changed: Notify,
}

struct State<T> {
    lines: HashMap<Line, VecDeque<Queued<T>>>,
    /// Lines with a delivery, the next one first.
    turns: VecDeque<Line>,
    /// Whose the last batches were; none of those that had several lines.
    recent: VecDeque<Option<Line>>,
    records: usize,
    closed: bool,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        let state = State {
            lines: HashMap::new(),
            turns: VecDeque::new(),
            recent: VecDeque::new(),
            records: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }
}

impl<T> Lines<T> {
    /// The state is queues and a sum that change together under the lock: a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a delivery at the end of its line.
    pub(super) fn push(&self, queued: Queued<T>) -> Result<()> {
        let mut state = self.lock();
        if state.closed {
            let cause = "nothing is gathered any more";
            return Err(Error::unavailable("intake is stopping, try again", cause));
        }
        state.enter(queued, VecDeque::push_back);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Puts deliveries that were taken too early back where they were.
    pub(super) fn put_back(&self, queued: Vec<Queued<T>>) {
        let mut state = self.lock();
        for queued in queued.into_iter().rev() {
            state.enter(queued, VecDeque::push_front);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Takes deliveries by turns until they have `records`, or a part of that where lines share. The last one may go beyond
    /// it.
    pub(super) fn take(&self, records: usize) -> Vec<Queued<T>> {
        let mut state = self.lock();
        let records = if state.is_shared() {
            records / SHARED
        } else {
            records
        };
        let mut taken = Vec::new();
        let mut sum = 0;
        while sum < records.max(1)
            && let Some(next) = state.next()
        {
            sum += next.records();
            taken.push(next);
        }
        state.remember(&taken);
        taken
    }

    pub(super) fn records(&self) -> usize {
        self.lock().records
    }

    /// Whether all that waits is in one line while others deliver, too.
    pub(super) fn has_one_of_several(&self) -> bool {
        let state = self.lock();
        state.turns.len() == 1 && state.is_shared()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().turns.is_empty()
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Their senders hear that nothing became of them, because what would answer them is dropped.
        state.lines.clear();
        state.turns.clear();
    }
}

impl<T> State<T> {
    fn enter(&mut self, queued: Queued<T>, at: fn(&mut VecDeque<Queued<T>>, Queued<T>)) {
        self.records += queued.records();
        let waiting = self.lines.entry(queued.line.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(queued.line.clone());
        }
        at(waiting, queued);
    }

    fn next(&mut self) -> Option<Queued<T>> {
        let line = self.turns.pop_front()?;
        let waiting = self.lines.get_mut(&line)?;
        let queued = waiting.pop_front()?;
        if waiting.is_empty() {
            self.lines.remove(&line);
        } else {
            self.turns.push_back(line);
        }
        self.records -= queued.records();
        Some(queued)
    }

    fn is_shared(&self) -> bool {
        let Some(first) = self.turns.front() else {
            return false;
        };
        self.turns.len() > 1 || self.recent.iter().any(|only| only.as_ref() != Some(first))
    }

    fn remember(&mut self, batch: &[Queued<T>]) {
        let Some(first) = batch.first() else { return };
        let is_alone = batch.iter().all(|queued| queued.line == first.line);
        self.recent.push_back(is_alone.then(|| first.line.clone()));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{format::Rejection, pipeline::decode::Item, read::Raw};

    #[derive(Clone, Debug)]
    enum Event {
        Arrives(u128),
        /// A batch of so many records.
        Leaves(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            3 => (0..4_u128).prop_map(Event::Arrives),
            1 => (1..6_usize).prop_map(Event::Leaves),
        ]
    }

    /// A delivery of one record, which carries a number.
    fn delivery(tenant: u128, number: u64) -> Queued {
        let raw = Raw {
            index: number,
            bytes: Bytes::new(),
            flaw: None,
        };
        let outcome = Err(Box::new(Rejection::unreadable("not looked at")));
        let items = Items {
            items: vec![Item { raw, outcome }],
            _room: None,
        };
        let tenant = TenantId::new(Uuid::from_u128(tenant + 1));
        Queued::new(Line::Tenant(tenant), vec![(tenant, items)]).0
    }

    fn number(queued: &Queued) -> u64 {
        queued.shares[0].1.items[0].raw.index
    }

    proptest! {
        #[test]
        fn nobody_waits_for_more_than_one_turn_of_the_others(events in proptest::collection::vec(event(), 1..120)) {
            let lines = Lines::<Cdr>::default();
            let mut left: Vec<Queued> = Vec::new();
            // How many of the same tenant were in line before it, and how many had left.
            let mut arrived: Vec<(usize, usize)> = Vec::new();
            for event in events.into_iter().chain([Event::Leaves(usize::MAX)]) {
                match event {
                    Event::Leaves(records) => left.extend(lines.take(records)),
                    Event::Arrives(tenant) => {
                        let queued = delivery(tenant, arrived.len() as u64);
                        let before = lines.lock().lines.get(&queued.line).map_or(0, VecDeque::len);
                        arrived.push((before, left.len()));
                        lines.push(queued).expect("open");
                    }
                }
            }
            prop_assert_eq!(left.len(), arrived.len());
            prop_assert_eq!(lines.records(), 0);
            for (at, queued) in left.iter().enumerate() {
                let (before, since) = arrived[usize::try_from(number(queued)).expect("small")];
                let meanwhile = &left[since..at];
                let of = |line: &Line| meanwhile.iter().filter(|other| other.line == *line).count();
                prop_assert_eq!(of(&queued.line), before);
                for other in meanwhile.iter().filter(|other| other.line != queued.line) {
                    prop_assert!(of(&other.line) <= before + 1);
                }
            }
        }

        #[test]
        fn batches_are_smaller_while_others_deliver(tenants in proptest::collection::vec(0..3_u128, 1..60)) {
            let lines = Lines::<Cdr>::default();
            let mut taken: Vec<u128> = Vec::new();
            for tenant in tenants {
                for number in 0..12 {
                    lines.push(delivery(tenant, number)).expect("open");
                }
                let others = taken.iter().rev().take(RECENT).any(|other| *other != tenant);
                prop_assert_eq!(lines.has_one_of_several(), others);
                let batch = lines.take(8);
                prop_assert_eq!(batch.len(), if others { 8 / SHARED } else { 8 });
                taken.push(tenant);
                // The rest of it leaves without being a batch.
                let mut state = lines.lock();
                while state.next().is_some() {}
            }
        }

        #[test]
        fn what_is_put_back_leaves_before_what_came_later(tenants in proptest::collection::vec(0..3_u128, 2..40), early in 1..10_usize) {
            let lines = Lines::<Cdr>::default();
            let (first, later) = tenants.split_at(tenants.len() / 2);
            let enter = |tenants: &[u128], from: usize| {
                for (number, tenant) in (from as u64..).zip(tenants) {
                    lines.push(delivery(*tenant, number)).expect("open");
                }
            };
            enter(first, 0);
            let taken = lines.take(early);
            enter(later, first.len());
            lines.put_back(taken);
            let left = lines.take(usize::MAX);
            prop_assert_eq!(left.len(), tenants.len());
            for tenant in 0..3 {
                let line = Line::Tenant(TenantId::new(Uuid::from_u128(tenant + 1)));
                let numbers = left.iter().filter(|queued| queued.line == line).map(number);
                prop_assert!(numbers.is_sorted());
            }
        }
    }
}
