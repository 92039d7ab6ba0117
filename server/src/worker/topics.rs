//! Topics are read, and dead letters sent, as long as the process takes usage in.

use std::time::Duration;

use domain::{Db, Result};
use ingest::{
    pipeline::Intake,
    topic::{Consumer, Seen, Settings, dead::DeadLetters},
};
use tokio::time::{sleep, timeout};

use super::{Job, Worker};

/// The job that readiness shows, with what is said while it fails.
pub const JOB: (&str, &str) = (Sending::NAME, Sending::PROBLEM);

/// How long leaving the group may take: it learns of a member that is silent, too.
const LEAVING: Duration = Duration::from_secs(3);

/// Before reading that ended by itself is begun again.
const AGAIN: Duration = Duration::from_secs(5);

/// Reads topics and sends dead letters until the worker is stopped.
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
    let sending = async {
        worker.repeat(Sending(letters)).await;
        Ok(())
    };
    tokio::try_join!(sending, read(worker, intake, db, settings, seen))?;
    Ok(())
}

/// Reads topics. What ended by itself is begun again: a process that reads nothing and looks well helps nobody.
async fn read(
    worker: &Worker,
    intake: &Intake,
    db: &Db,
    settings: &Settings,
    seen: &Seen,
) -> Result<()> {
    loop {
        let (intake, db) = (intake.clone(), db.clone());
        let mut consumer = Consumer::start(intake, db, settings.clone(), seen.clone())?;
        tokio::select! {
            () = consumer.ended() => tracing::error!("reading topics ended by itself"),
            () = worker.stop.asked() => {
                if timeout(LEAVING, consumer.stop()).await.is_err() {
                    tracing::warn!("the group of Kafka was not left in order");
                }
                return Ok(());
            }
        }
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = worker.stop.asked() => return Ok(()),
        }
    }
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
