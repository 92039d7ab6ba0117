//! Batches that the engine refuses permanently are kept in the journal until somebody lets them be tried again.

use domain::{
    Result,
    journal::{self, BatchState, Pending},
};

use super::Intake;

impl Intake {
    /// Quarantined batches, at most so many.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn quarantine(&self, most: u32) -> Result<Vec<Pending>> {
        let cx = self.inner.db.system().await?;
        journal::pending(&cx, BatchState::Quarantined, None, most).await
    }

    /// How many batches are quarantined.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn quarantined(&self) -> Result<u64> {
        let cx = self.inner.db.system().await?;
        journal::count(&cx, BatchState::Quarantined).await
    }

    /// Lets quarantined batches be tried again, and says how many.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn release(&self) -> Result<u64> {
        let cx = self.inner.db.system().await?;
        let released = journal::release(&cx).await?;
        cx.commit().await?;
        self.inner.wake.notify_one();
        Ok(released)
    }
}
