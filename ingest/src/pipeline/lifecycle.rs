//! The life of an intake: a start that brings the cubes up to the journal, the proof that all agrees, and a stop in order.

use std::{
    collections::HashSet,
    sync::PoisonError,
    time::{Duration, Instant},
};

use domain::{
    Error, Result,
    id::BatchId,
    journal::{self, BatchState},
};
use uuid::Uuid;

use super::{Inner, Intake, Of, Settled, settle::records};
use crate::verify::{RecordsFromJournal, Repaired, Verifier};

/// Batches looked at together.
const PAGE: u32 = 500;
/// How long a start waits for batches that were journaled right before it.
const START: Duration = Duration::from_mins(1);
/// Between two looks of a start.
const PAUSE: Duration = Duration::from_millis(200);

/// What is known of ledger, records and cubes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// The journal is not settled yet: no usage is to be taken in.
    #[default]
    Starting,
    /// What was in flight is settled; that all the rest agrees is to be proved.
    Unproved,
    /// All agree but for what intake did since.
    Sound,
    /// Something differs that could not be repaired.
    Differs,
}

/// What a start found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whether the last server had stopped in order and neither store was restored since.
    pub clean: bool,
    /// Whether the stores are of different moments: one of them was restored to an earlier state.
    pub apart: bool,
    /// Batches whose rows were looked for.
    pub looked_at: u64,
    /// What settling did.
    pub settled: Settled,
}

/// A server that takes usage in. Stopped in order, the next start has nothing to look for.
pub struct Running {
    running: journal::Running,
}

impl Intake {
    /// What is known of ledger, records and cubes.
    pub fn standing(&self) -> Standing {
        *self
            .inner
            .standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn stands(&self, standing: Standing) {
        *self
            .inner
            .standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// Brings the cubes up to the journal. To be called before a process is ready. After a stop in order there is nothing
    /// to do; after anything else every batch whose payload is kept is looked for, and settled unless it is whole, and
    /// [`Intake::prove`] is to be called then.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer; call again.
    pub async fn recover(&self) -> Result<(Running, Recovered)> {
        let inner = &self.inner;
        let running = journal::Running::start(&inner.db).await?;
        let marks = inner.compare_marks().await?;
        let mut recovered = Recovered {
            clean: marks.clean,
            apart: marks.apart,
            ..Recovered::default()
        };
        if !recovered.clean {
            recovered.looked_at = self.look_for(Of::All).await?;
        }
        // What other servers journal from now on is their business.
        let mut left: HashSet<BatchId> = inner.journaled().await?;
        let begun = Instant::now();
        loop {
            recovered.settled.add(self.settle().await?);
            let open = inner.journaled().await?;
            left.retain(|batch| open.contains(batch));
            if left.is_empty() || begun.elapsed() > START {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        inner.set_mark(false).await?;
        self.stands(if recovered.clean {
            Standing::Sound
        } else {
            Standing::Unproved
        });
        Ok((Running { running }, recovered))
    }

    /// Compares everything with everything and repairs what can be repaired. To be called after a start that did not follow
    /// a stop in order: the marks of this process's own stop are clean only when all agrees.
    ///
    /// # Errors
    /// `CONFLICT` when somebody else verifies, `UNAVAILABLE` when an engine does not answer; call again.
    pub async fn prove(&self) -> Result<Repaired> {
        let verifier = Verifier::new(self.inner.store.clone(), self.inner.db.clone());
        let repaired = verifier.repair(Uuid::new_v4(), self).await?;
        self.stands(if repaired.report.count() == 0 {
            Standing::Sound
        } else {
            Standing::Differs
        });
        Ok(repaired)
    }

    /// Ends the taking in: waits for batches under way, and leaves a mark if no other server runs and the stores are known
    /// to be sound.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer; the next start looks for batches then.
    pub async fn stop(&self, running: Running) -> Result<()> {
        let inner = &self.inner;
        let all = u32::try_from(inner.settings.batches.max(1)).map_err(Error::internal)?;
        let idle = inner.batches.acquire_many(all).await;
        let idle = idle.map_err(Error::internal)?;
        // Held until the mark is left: a server that starts meanwhile comes after it.
        let last = running.running.stop(&inner.db).await?;
        if last.is_some() && self.standing() == Standing::Sound {
            inner.set_mark(true).await?;
        }
        drop((last, idle));
        Ok(())
    }

    /// Waits until something is left to be settled.
    pub async fn left_behind(&self) {
        self.inner.wake.notified().await;
    }
}

impl RecordsFromJournal for Intake {
    async fn settle_all(&self) -> Result<u64> {
        self.release().await?;
        self.look_for(Of::All).await?;
        let mut changed = 0;
        let begun = Instant::now();
        loop {
            let settled = self.settle().await?;
            changed += settled.counted;
            if settled.waiting == 0 || begun.elapsed() > START {
                return Ok(changed);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Inner {
    /// Batches that are journaled and not known to be counted.
    async fn journaled(&self) -> Result<HashSet<BatchId>> {
        let cx = self.db.system().await?;
        let pending = journal::pending(&cx, BatchState::Journaled, None, PAGE).await?;
        let pending = records(pending).into_iter();
        Ok(pending.map(|pending| pending.batch).collect())
    }
}
