//! Missing rows are inserted, and what it means when the engine refuses them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use analytics::cdr::{Attempt, Unapplied};
use domain::{
    Result,
    id::BatchId,
    journal::{self, Pending},
};

use super::{super::Inner, Settled, case::Case};
use crate::{kind::Row, standstill::StandStill};

/// Inserts that the engine refuses before a batch is cut, if no code says earlier that the rows are at fault.
const TRIES: u16 = 5;

/// When batches were refused for the first time, as far as this process knows.
#[derive(Default)]
pub(in crate::pipeline) struct RefusedBatches(Mutex<HashMap<BatchId, Instant>>);

impl RefusedBatches {
    fn first(&self, batch: BatchId) -> Instant {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(batch).or_insert_with(Instant::now)
    }

    pub(super) fn forget(&self, batches: &[BatchId]) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|batch, _| !batches.contains(batch));
    }
}

/// What became of the missing rows of a case.
pub(super) enum Verdict {
    Whole,
    /// The engine refuses them.
    Refused {
        for_good: bool,
        reason: String,
    },
    /// It may still be at it.
    Uncertain,
}

impl Inner {
    /// Step 6.
    pub(super) async fn complete<R: Row>(
        &self,
        still: &StandStill,
        case: &Case<R>,
        settled: &mut Settled,
    ) -> Result<Verdict> {
        if case.missing.is_empty() {
            return Ok(Verdict::Whole);
        }
        let missing: Vec<R> = case
            .missing
            .iter()
            .map(|at| case.rows[*at].clone())
            .collect();
        let batch = case.pending.batch;
        let apply_by = self.deadline().await?.max(case.not_before);
        journal::still_held(still.cx()).await?;
        // Before the insert, and whatever becomes of the transaction that holds the locks.
        let other = self.db.system().await?;
        if !journal::begin_attempt(&other, batch, apply_by).await? {
            return Ok(Verdict::Uncertain);
        }
        other.commit().await?;
        let attempt = Attempt { batch, apply_by };
        let rows = missing.len() as u64;
        let payload = R::encode(&missing);
        let kept = R::retentions(still.retained());
        let applied = R::apply(&self.store, &attempt, rows, &payload, kept);
        match applied.await {
            Ok(()) => {
                self.engine.note_accepted();
                settled.inserted += rows;
                Ok(Verdict::Whole)
            }
            Err(error) => {
                self.note_failure(&attempt, &error).await?;
                tracing::warn!(%batch, %error, "a batch is refused");
                Ok(match error {
                    Unapplied::Refused { reason, for_good } => {
                        Verdict::Refused { for_good, reason }
                    }
                    Unapplied::Late | Unapplied::Unknown(_) => Verdict::Uncertain,
                })
            }
        }
    }

    /// Whether the engine keeps refusing a batch while it takes others.
    pub(super) fn is_hopeless(&self, pending: &Pending) -> bool {
        let first = self.refused.first(pending.batch);
        let takes_others = self.engine.accepted().is_some_and(|at| at > first);
        pending.attempts + 1 >= TRIES && takes_others
    }
}
