//! Sessions that were silent for long leave the journal.

use domain::{Result, session, tenant};

use super::Intake;

/// Sessions dropped together.
const AT_ONCE: u32 = 5_000;

impl Intake {
    /// Drops sessions of which whatever comes next begins another one, and says how many.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn drop_silent_sessions(&self) -> Result<u64> {
        let mut dropped = 0;
        loop {
            let cx = self.inner.db.system().await?;
            let retentions = tenant::session_retentions(&cx).await?;
            let gone = session::drop_silent(&cx, &retentions, AT_ONCE).await?;
            cx.commit().await?;
            dropped += gone;
            if gone < AT_ONCE.into() {
                return Ok(dropped);
            }
        }
    }
}
