//! Steps 6 and 7: the insert, and the note that it is counted.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use analytics::{
    System,
    cdr::{Attempt, Unapplied},
};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Error, Result,
    id::BatchId,
    journal,
    tenant::{Retentions, SessionRetentions},
};

use super::{Inner, Intake, Step, engine_clock::EngineClock};

/// An attempt that is over is due this much earlier than one whose end is not known; see [`super::settle`].
const OVER: TimeDelta = TimeDelta::seconds(5);

/// What this process knows of the engine.
#[derive(Default)]
pub(super) struct Engine {
    clock: EngineClock,
    accepted: Mutex<Option<Instant>>,
}

impl Engine {
    /// When the engine took an insert for the last time, as far as this process knows.
    pub(super) fn accepted(&self) -> Option<Instant> {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_accepted(&self) {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// A batch that the journal has.
pub(super) struct Journaled {
    pub(super) batch: BatchId,
    pub(super) rows: u64,
    pub(super) payload: Bytes,
    pub(super) apply_by: DateTime<Utc>,
    /// How long its rows are kept.
    pub(super) kept: Kept,
}

/// How long rows are kept, by what they are.
pub(super) enum Kept {
    /// Usage records.
    Records(Retentions),
    /// Rollups.
    Sessions(SessionRetentions),
}

impl Intake {
    /// Whether the usage store has room.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when it has not: what is delivered now waits in the journal and is answered 503. `UNAVAILABLE` when the
    /// usage store does not answer.
    pub async fn has_room(&self) -> Result<()> {
        if self.inner.store.has_room(&self.inner.system()).await? {
            return Ok(());
        }
        Err(Error::new(
            Code::LimitExceeded,
            "the disk of the usage store is full or nearly so: nothing is counted until there is room",
        ))
    }
}

impl Inner {
    pub(super) fn system(&self) -> System {
        System::new(self.db.clock().now())
    }

    /// The engine's time.
    pub(super) async fn engine_now(&self) -> Result<DateTime<Utc>> {
        self.engine.clock.now(&self.store, &self.system()).await
    }

    /// Until when an insert that is journaled now may begin, by the engine's clock in whole seconds.
    pub(super) async fn deadline(&self) -> Result<DateTime<Utc>> {
        let at = self.engine_now().await? + self.settings.takeover;
        Ok(DateTime::from_timestamp(at.timestamp() + 1, 0).unwrap_or(at))
    }

    /// How long Postgres waits for a process that holds a lock and says nothing.
    pub(super) fn patience(&self) -> Duration {
        const STATEMENT: Duration = Duration::from_secs(65);
        self.settings.takeover.to_std().unwrap_or_default() + STATEMENT
    }

    /// Steps 6 and 7. Whatever fails here is settled later.
    pub(super) async fn apply(&self, journaled: &Journaled) -> Result<()> {
        self.reached(Step::Committed)?;
        let _place = self.applies.acquire().await.map_err(Error::internal)?;
        let cx = self.db.system().await?;
        journal::hold_apply(&cx, self.patience()).await?;
        let Journaled {
            batch,
            rows,
            payload,
            apply_by,
            kept,
        } = journaled;
        let attempt = Attempt {
            batch: *batch,
            apply_by: *apply_by,
        };
        let applied = match kept {
            Kept::Records(retentions) => {
                let applied = self.store.apply(&attempt, *rows, payload, retentions);
                applied.await
            }
            Kept::Sessions(retentions) => {
                let applied = self
                    .store
                    .apply_sessions(&attempt, *rows, payload, retentions);
                applied.await
            }
        };
        if let Err(error) = applied {
            drop(cx);
            self.note_failure(&attempt, &error).await?;
            return Err(Error::internal(error));
        }
        self.engine.note_accepted();
        self.reached(Step::Applied)?;
        journal::mark_counted(&cx, &[*batch], cx.now()).await?;
        cx.commit().await?;
        self.reached(Step::Marked)
    }

    /// Writes down that an insert is over, so that settling need not wait for its deadline. One without an answer is not
    /// known to be over.
    pub(super) async fn note_failure(&self, attempt: &Attempt, error: &Unapplied) -> Result<()> {
        let reason = match error {
            Unapplied::Unknown(_) => return Ok(()),
            Unapplied::Late => None,
            Unapplied::Refused { reason, .. } => Some(reason.as_str()),
        };
        let over = self.engine_now().await? - OVER;
        let cx = self.db.system().await?;
        journal::end_attempt(&cx, attempt.batch, attempt.apply_by, over, reason).await?;
        cx.commit().await
    }
}
