//! What is done for batches whose request did not finish: steps 6 and 7, again and from elsewhere.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use domain::{
    Error, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, Pending},
};

use super::{Inner, Intake, Step, backlog::RESEND_PARTS};

/// Batches looked at together.
const PAGE: u32 = 500;
/// How often the journal is looked at when nothing happens.
const REST: Duration = Duration::from_secs(5);
/// How often old payloads are dropped, in rests.
const RESTS_PER_SWEEP: u32 = 12;

/// What a start had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Batches that were journaled and not known to be applied.
    pub completed: u64,
    /// Batches sent again in case a power failure took them.
    pub repeated: u64,
}

impl Inner {
    /// Steps 6 and 7. Does nothing when another task of this process is applying the batch.
    pub(super) async fn apply(
        &self,
        tenant: TenantId,
        batch: BatchId,
        rows: u64,
        payload: Bytes,
    ) -> Result<()> {
        let Some(flight) = self.backlog.open(batch, rows) else {
            return Ok(());
        };
        self.reached(Step::Committed)?;
        let cx = self.insert(batch, rows, payload).await.map_err(late)?;
        self.reached(Step::Applied)?;
        journal::mark_applied(&cx, tenant, batch, cx.now())
            .await
            .map_err(late)?;
        cx.commit().await.map_err(late)?;
        flight.land();
        self.reached(Step::Marked)
    }

    /// Step 6. The transaction holds the apply lock.
    async fn insert(&self, batch: BatchId, rows: u64, payload: Bytes) -> Result<SystemCx> {
        let _place = self.applies.acquire().await.map_err(Error::internal)?;
        let cx = self.db.system().await?;
        journal::hold_apply(&cx).await?;
        self.store.apply(batch, rows, payload).await?;
        Ok(cx)
    }

    /// Whether the batch still has a payload; sends it if so.
    async fn apply_from_journal(&self, pending: &Pending) -> Result<bool> {
        match self.payload(pending).await? {
            Some(payload) => {
                self.apply(pending.tenant, pending.batch, pending.rows, payload)
                    .await?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn payload(&self, pending: &Pending) -> Result<Option<Bytes>> {
        let cx = self.db.system().await?;
        let payload = journal::payload(&cx, pending.tenant, pending.batch).await?;
        Ok(payload.map(Bytes::from))
    }
}

/// The batch is safe in the journal; only its counting is late.
fn late(error: Error) -> Error {
    let message = "the records are kept and will be counted; send them again to be sure";
    Error::unavailable(message, error)
}

impl Intake {
    /// Brings the cubes up to the journal: sends again what was applied lately (a power failure may have taken it), then
    /// what was never known to be applied. To be called before a process is ready.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer; call again.
    pub async fn recover(&self) -> Result<Recovered> {
        let inner = &self.inner;
        let cx = inner.db.system().await?;
        let since = cx.now() - inner.settings.keep;
        let recent = journal::recently_applied(&cx, since, RESEND_PARTS).await?;
        drop(cx);
        let mut recovered = Recovered::default();
        for pending in &recent {
            if let Some(payload) = inner.payload(pending).await? {
                inner.insert(pending.batch, pending.rows, payload).await?;
                recovered.repeated += 1;
            }
        }
        loop {
            let cx = inner.db.system().await?;
            let page = journal::unapplied(&cx, cx.now(), PAGE).await?;
            drop(cx);
            if page.is_empty() {
                return Ok(recovered);
            }
            for pending in &page {
                recovered.completed += u64::from(inner.apply_from_journal(pending).await?);
            }
        }
    }

    /// Applies what was left behind: at once if this process journaled it, after [`super::Settings::takeover`] if
    /// another one did. Says how many batches it applied.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer.
    pub async fn complete(&self) -> Result<u64> {
        let inner = &self.inner;
        let waiting = inner.backlog.waiting();
        let cx = inner.db.system().await?;
        let now = cx.now();
        let pending = journal::unapplied(&cx, now, PAGE).await?;
        drop(cx);
        if pending.len() < PAGE as usize {
            // Another process took over what is not in the list any more.
            let open: HashSet<BatchId> = pending.iter().map(|pending| pending.batch).collect();
            inner
                .backlog
                .forget(waiting.into_iter().filter(|batch| !open.contains(batch)));
        }
        let mut completed = 0;
        for pending in &pending {
            let is_left = pending.created_at + inner.settings.takeover <= now;
            if is_left || inner.backlog.waits(pending.batch) {
                completed += u64::from(inner.apply_from_journal(pending).await?);
            }
        }
        Ok(completed)
    }

    /// Drops payloads that are out of reach of a power failure, and says how many.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn sweep(&self) -> Result<u64> {
        let mut swept = 0;
        loop {
            let cx = self.inner.db.system().await?;
            let before = cx.now() - self.inner.settings.keep;
            let dropped = journal::drop_payloads(&cx, before, PAGE).await?;
            cx.commit().await?;
            swept += dropped;
            if dropped < u64::from(PAGE) {
                return Ok(swept);
            }
        }
    }

    /// Keeps doing both until dropped. One task per process.
    pub async fn maintain(&self) {
        let mut rests = 0;
        loop {
            tokio::select! {
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep(REST) => rests += 1,
            }
            if let Err(error) = self.complete().await {
                tracing::warn!(cause = error.cause(), "applying journaled batches failed");
                tokio::time::sleep(REST).await;
            }
            if rests >= RESTS_PER_SWEEP {
                rests = 0;
                match self.sweep().await {
                    Ok(0) => {}
                    Ok(payloads) => tracing::debug!(payloads, "dropped payloads of old batches"),
                    Err(error) => tracing::warn!(cause = error.cause(), "the sweep failed"),
                }
            }
        }
    }
}
