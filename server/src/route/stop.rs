//! The signal to stop, in its two steps.

use tokio_util::sync::CancellationToken;

/// Shared by the listener and every request.
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

    /// The grace period is over: what is still in flight is answered 503.
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

    /// Waits until requests in flight are given up.
    pub(super) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }
}
