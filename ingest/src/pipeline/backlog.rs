//! Batches that are journaled and not yet applied, in this process.
//!
//! The cubes remember the tokens of a number of parts. Each batch pushes older ones out, so a batch must not stay
//! unapplied while too many others pass it by.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Error, Result, id::BatchId, journal::PARTS_PER_BATCH};
use tokio::sync::Notify;

/// Parts that the cubes remember.
const WINDOW_PARTS: u32 = analytics::cdr::RESEND_WINDOW * PARTS_PER_BATCH;
/// Parts that may pass an unapplied batch by: a third of what is remembered, so that three processes may share it.
const MAX_LAG: u64 = WINDOW_PARTS as u64 / 3;
/// Parts that may be sent again at a start.
pub(super) const RESEND_PARTS: u32 = WINDOW_PARTS / 2;

/// See the module.
pub(super) struct Backlog {
    state: Mutex<State>,
    wake: Arc<Notify>,
}

#[derive(Default)]
struct State {
    /// Parts sent since the process started.
    sent: u64,
    open: HashMap<BatchId, Open>,
}

struct Open {
    /// `sent` when the batch was journaled.
    since: u64,
    in_flight: bool,
}

impl Backlog {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        Self {
            state: Mutex::default(),
            wake,
        }
    }

    /// The state is a set of counters: a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// `UNAVAILABLE` while a batch waits too long to be applied.
    pub(super) fn admit(&self) -> Result<()> {
        let state = self.lock();
        let oldest = state.open.values().map(|open| open.since).min();
        if oldest.is_some_and(|since| state.sent - since > MAX_LAG) {
            return Err(Error::unavailable(
                "intake waits for earlier records to be counted, try again",
                "a batch stays unapplied",
            ));
        }
        Ok(())
    }

    /// Notes that a batch is journaled and that this process is about to apply it. None when it is already doing so.
    pub(super) fn open(self: &Arc<Self>, batch: BatchId, rows: u64) -> Option<Flight> {
        let mut state = self.lock();
        let since = state.sent;
        let open = state.open.entry(batch).or_insert(Open {
            since,
            in_flight: false,
        });
        if std::mem::replace(&mut open.in_flight, true) {
            return None;
        }
        state.sent += rows.min(PARTS_PER_BATCH.into());
        Some(Flight {
            backlog: self.clone(),
            batch,
            landed: false,
        })
    }

    /// Whether this process failed to apply the batch.
    pub(super) fn waits(&self, batch: BatchId) -> bool {
        self.lock()
            .open
            .get(&batch)
            .is_some_and(|open| !open.in_flight)
    }

    /// Every batch that this process failed to apply.
    pub(super) fn waiting(&self) -> Vec<BatchId> {
        let state = self.lock();
        let waiting = state.open.iter().filter(|(_, open)| !open.in_flight);
        waiting.map(|(batch, _)| *batch).collect()
    }

    /// Removes batches that are known to be applied, unless they are in flight.
    pub(super) fn forget(&self, applied: impl IntoIterator<Item = BatchId>) {
        let mut state = self.lock();
        for batch in applied {
            if state.open.get(&batch).is_some_and(|open| !open.in_flight) {
                state.open.remove(&batch);
            }
        }
    }
}

/// A batch on its way to the cubes. Dropped before it landed, it is left for [`super::Intake::maintain`].
pub(super) struct Flight {
    backlog: Arc<Backlog>,
    batch: BatchId,
    landed: bool,
}

impl Flight {
    pub(super) fn land(mut self) {
        self.landed = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.backlog.lock();
        if self.landed {
            state.open.remove(&self.batch);
        } else if let Some(open) = state.open.get_mut(&self.batch) {
            open.in_flight = false;
            self.backlog.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(n: u64) -> BatchId {
        BatchId::new(uuid::Uuid::from_u128(u128::from(n)))
    }

    #[test]
    fn intake_stops_when_a_batch_is_left_behind_and_goes_on_when_it_landed() {
        let backlog = Arc::new(Backlog::new(Arc::default()));
        drop(backlog.open(batch(0), 1));
        for n in 1..=MAX_LAG {
            assert!(backlog.admit().is_ok());
            backlog.open(batch(n), 1).expect("not in flight").land();
        }
        backlog
            .open(batch(u64::MAX), 1)
            .expect("not in flight")
            .land();
        assert!(backlog.admit().is_err());
        backlog.open(batch(0), 1).expect("not in flight").land();
        assert!(backlog.admit().is_ok());
    }

    #[test]
    fn a_batch_is_applied_by_one_at_a_time() {
        let backlog = Arc::new(Backlog::new(Arc::default()));
        let flight = backlog.open(batch(1), 1);
        assert!(flight.is_some() && backlog.open(batch(1), 1).is_none());
        drop(flight);
        assert_eq!(backlog.waiting(), [batch(1)]);
        assert!(backlog.waits(batch(1)) && backlog.open(batch(1), 1).is_some());
        backlog.forget([batch(1)]);
        assert!(backlog.waiting().is_empty());
    }
}
