//! Batches of this process claim their records in the order in which they were gathered.

use tokio::sync::oneshot;

/// The place of a batch in that order.
pub(in crate::pipeline) struct ClaimOrder {
    /// Reports that the batch before this one has claimed its records, or given up.
    before: Option<oneshot::Receiver<()>>,
    /// Reports the same to the next batch, also by being dropped.
    claimed: Option<oneshot::Sender<()>>,
}

impl ClaimOrder {
    pub(super) fn new(before: Option<oneshot::Receiver<()>>, claimed: oneshot::Sender<()>) -> Self {
        Self {
            before,
            claimed: Some(claimed),
        }
    }

    /// Waits for the batch before: a record that two batches of one sender hold is the first one's.
    pub(super) async fn wait(&mut self) {
        if let Some(before) = self.before.take() {
            // An error says that it gave up.
            before.await.ok();
        }
    }

    /// Lets the next batch claim.
    pub(super) fn release(&mut self) {
        if let Some(claimed) = self.claimed.take() {
            claimed.send(()).ok();
        }
    }
}
