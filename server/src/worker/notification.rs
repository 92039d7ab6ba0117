//! Notifications go when they are old.

use std::time::Duration;

use domain::{Result, notification};
use service::Entry;

use super::{Job, Worker};

/// The job as readiness shows it, with what is said while it fails.
pub const JOB: (&str, &str) = (Sweeping::NAME, Sweeping::PROBLEM);

/// Removes old notifications now and then, until the worker is stopped.
pub async fn look_after(worker: &Worker, entry: &Entry) {
    worker.repeat(Sweeping(entry)).await;
}

/// Notifications that are old.
struct Sweeping<'a>(&'a Entry);

impl Job for Sweeping<'_> {
    const NAME: &'static str = "notifications_swept";
    const INTERVAL: Duration = Duration::from_hours(1);
    type Output = ();

    async fn run(&self) -> Result<()> {
        let swept = notification::sweep(self.0.system().await?).await?;
        if swept > 0 {
            tracing::info!(swept, "removed old notifications");
        }
        Ok(())
    }
}
