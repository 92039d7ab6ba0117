//! The signal to stop, in its two steps.

use tokio_util::sync::CancellationToken;

/// Shared by all that is to stop together: listener and requests, or the jobs of a worker.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: CancellationToken,
    cut: CancellationToken,
}

impl Stop {
    /// No new work; what is in flight may finish.
    pub fn ask(&self) {
        self.asked.cancel();
    }

    /// The grace period is over: what is still in flight is given up.
    pub fn cut(&self) {
        self.ask();
        self.cut.cancel();
    }

    /// Whether stopping began.
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Waits until stopping begins.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Waits until what is still in flight is given up.
    pub(crate) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }
}
