//! Topics are read, and dead letters sent, as long as the process takes usage in.

use std::time::Duration;

use domain::{Db, Result};
use ingest::{
    pipeline::Intake,
    topic::{Consumer, Seen, Settings, dead::DeadLetters},
};
use tokio::time::timeout;

use super::{Job, Worker};

/// The job that readiness shows, with what is said while it fails.
pub const JOB: (&str, &str) = (Sending::NAME, Sending::PROBLEM);

/// How long leaving the group may take: it learns of a member that is silent, too.
const LEAVING: Duration = Duration::from_secs(3);

/// Reads topics until the worker is stopped.
///
/// # Errors
/// `INVALID_INPUT` when the settings are none for a client.
pub async fn look_after(
    worker: &Worker,
    intake: &Intake,
    db: &Db,
    settings: &Settings,
    seen: &Seen,
) -> Result<()> {
    let letters = DeadLetters::new(settings, db.clone())?;
    let consumer = Consumer::start(intake.clone(), db.clone(), settings.clone(), seen.clone())?;
    worker.repeat(Sending(letters)).await;
    if timeout(LEAVING, consumer.stop()).await.is_err() {
        tracing::warn!("the group of Kafka was not left in order");
    }
    Ok(())
}

/// Dead letters that were not sent yet.
struct Sending(DeadLetters);

impl Job for Sending {
    const NAME: &'static str = "dead_letters";
    const PROBLEM: &'static str = "Dead letters of topics are not sent: is Kafka there, and are its topics (`simcube topics check`)?";
    const INTERVAL: Duration = Duration::from_secs(2);
    type Output = ();

    async fn run(&self) -> Result<()> {
        let sent = self.0.send().await?;
        if sent > 0 {
            tracing::info!(sent, "sent dead letters");
        }
        Ok(())
    }
}
