//! A retention that was changed holds for records that are there, too.

use domain::{Result, tenant, tenant::Retention};

use super::Intake;

impl Intake {
    /// Tells the usage store of retentions that were changed, until it has them everywhere. Says how many it does not have yet.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer.
    pub async fn keep_records(&self) -> Result<u64> {
        let inner = &self.inner;
        let changed = tenant::unapplied(&inner.db.system().await?).await?;
        let mut left = 0;
        for change in changed {
            // Before the look: what is noted must not be later than what was looked at.
            let cx = inner.db.system().await?;
            let at_least = change.set_at + Retention::GRACE;
            let kept = inner
                .store
                .keep(&inner.system(), change.tenant, change.retention, at_least)
                .await?;
            if kept {
                tenant::applied(&cx, &change).await?;
                cx.commit().await?;
            } else {
                left += 1;
            }
        }
        Ok(left)
    }
}
