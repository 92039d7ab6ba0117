//! The mark that the last server to stop in order leaves in both stores.

use domain::{
    Result,
    journal::{self, BatchState},
};
use uuid::Uuid;

use super::Inner;

/// What the marks of both stores say.
pub(super) struct Marks {
    /// Whether the last server had stopped in order and neither store was restored since.
    pub(super) clean: bool,
    /// Whether the stores are of different moments: one of them was restored to an earlier state.
    pub(super) apart: bool,
}

impl Inner {
    /// Whether both stores have the mark of the last stop in order.
    pub(super) async fn compare_marks(&self) -> Result<Marks> {
        let cx = self.db.system().await?;
        let ours = journal::mark(&cx).await?;
        drop(cx);
        let theirs = self.store.mark(&self.system()).await?;
        let apart = !ours.goes_with(theirs);
        if apart {
            tracing::error!(
                "the journal and the usage store are of different moments: one of them was restored. \
                 Run `simcube verify`"
            );
        }
        Ok(Marks {
            clean: ours.clean && !apart,
            apart,
        })
    }

    /// Leaves a new mark in both stores. The journal says first which one it will be, so that this may end anywhere. The mark
    /// is clean only if nothing is journaled, or about to be.
    pub(super) async fn set_mark(&self, clean: bool) -> Result<()> {
        let system = self.system();
        let held = self.db.system().await?;
        journal::hold_marks(&held).await?;
        let theirs = self.store.mark(&system).await?;
        let unique = Uuid::now_v7().as_u64_pair().1;
        let next = journal::mark(&held).await?.next(theirs, unique);
        let cx = self.db.system().await?;
        journal::announce_mark(&cx, theirs, next).await?;
        cx.commit().await?;
        self.store.set_mark(&system, next).await?;
        let clean = clean
            && journal::try_freeze_claims(&held).await?
            && journal::count(&held, BatchState::Journaled).await? == 0;
        journal::confirm_mark(&held, next, clean).await?;
        held.commit().await
    }
}
