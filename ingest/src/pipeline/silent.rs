//! Sessions that were silent for long leave the journal, and so does what is remembered of batches of rollups.

use chrono::TimeDelta;
use domain::{
    Result, session,
    tenant::{self, SessionRetention, SessionRetentions},
    topic,
};

use super::Intake;

/// Sessions dropped together.
const AT_ONCE: u32 = 5_000;
/// What is kept of a log is made again from what is older by this much at most: the slack of the log, and as much for what stands before.
const BEFORE: TimeDelta = TimeDelta::days(2);

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

    /// Forgets which messages batches of rollups were made of whose rows no log keeps any more, and says of how many passages.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn forget_passages(&self) -> Result<u64> {
        let cx = self.inner.db.system().await?;
        let retentions = tenant::session_retentions(&cx).await?;
        let before = cx.now() - longest(&retentions) - BEFORE;
        let forgotten = topic::forget_passed(&cx, before).await?;
        cx.commit().await?;
        Ok(forgotten)
    }
}

/// The longest time for which the log of any tenant is kept.
fn longest(retentions: &SessionRetentions) -> TimeDelta {
    let own = retentions.own().map(|(_, own)| own.days());
    let days = own.fold(SessionRetention::DAYS, u16::max);
    TimeDelta::days(days.into())
}
