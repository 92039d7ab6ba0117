//! The jobs of the intake: what they do is its business, when they do it is said here.

use std::time::Duration;

use domain::{Code, Result};
use ingest::{
    pipeline::{Intake, Of, Running, Settled, Standing},
    verify::Repaired,
};

use super::{Job, Worker};

/// The jobs that readiness shows, each with what is said while it fails.
pub const JOBS: [(&str, &str); 8] = [
    (Proof::NAME, Proof::PROBLEM),
    (Settling::NAME, Settling::PROBLEM),
    (Payloads::NAME, Payloads::PROBLEM),
    (Months::NAME, Months::PROBLEM),
    (Expiry::NAME, Expiry::PROBLEM),
    (Filters::NAME, Filters::PROBLEM),
    (Silent::NAME, Silent::PROBLEM),
    (Disk::NAME, Disk::PROBLEM),
];

const MINUTE: Duration = Duration::from_mins(1);

/// Brings the cubes up to the journal; nothing if the worker is stopped before. Usage may be taken in afterwards.
pub async fn recover(worker: &Worker, intake: &Intake) -> Option<Running> {
    worker.complete(Recovery(intake)).await
}

/// Proves what a start found, and looks after journal and cubes until the worker is stopped.
pub async fn look_after(worker: &Worker, intake: &Intake) {
    tokio::join!(
        worker.complete(Proof(intake)),
        worker.repeat(Settling(intake)),
        worker.repeat(Payloads(intake)),
        worker.repeat(Months(intake)),
        worker.repeat(Expiry(intake)),
        worker.repeat(Filters(intake)),
        worker.repeat(Silent(intake)),
        worker.repeat(Disk(intake)),
    );
}

/// What was in flight when the last process ended.
struct Recovery<'a>(&'a Intake);

impl Job for Recovery<'_> {
    const NAME: &'static str = "recovery";
    const INTERVAL: Duration = Duration::from_secs(2);
    type Output = Running;

    async fn run(&self) -> Result<Running> {
        let (running, recovered) = self.0.recover().await?;
        tracing::info!(?recovered, "the journal is settled");
        Ok(running)
    }
}

/// After a start that did not follow a stop in order, everything is compared with everything.
struct Proof<'a>(&'a Intake);

impl Job for Proof<'_> {
    const NAME: &'static str = "proof";
    const INTERVAL: Duration = Duration::from_secs(10);
    type Output = ();

    async fn run(&self) -> Result<()> {
        if self.0.standing() == Standing::Unproved {
            log(&self.0.prove().await?);
        }
        Ok(())
    }
}

fn log(repaired: &Repaired) {
    for sentence in &repaired.done {
        tracing::warn!("repaired after a start that did not follow a stop in order: {sentence}");
    }
    for sentence in &repaired.refused {
        tracing::error!("not repaired: {sentence}");
    }
    match repaired.report.count() {
        0 => tracing::info!("ledger, records and every cube agree"),
        differences => tracing::error!(
            differences,
            "ledger, records and cubes differ: see `simcube verify`"
        ),
    }
}

/// Batches that are not counted when they should be.
struct Settling<'a>(&'a Intake);

impl Job for Settling<'_> {
    const NAME: &'static str = "settling";
    const INTERVAL: Duration = Duration::from_secs(1);
    type Output = ();

    async fn run(&self) -> Result<()> {
        let settled = self.0.settle().await?;
        let nothing = Settled {
            waiting: settled.waiting,
            ..Settled::default()
        };
        if settled != nothing {
            tracing::info!(?settled, "settled batches");
        }
        Ok(())
    }

    async fn woken(&self) {
        self.0.left_behind().await;
    }
}

/// Payloads that have been kept long enough.
struct Payloads<'a>(&'a Intake);

impl Job for Payloads<'_> {
    const NAME: &'static str = "payloads";
    const INTERVAL: Duration = MINUTE;
    type Output = ();

    async fn run(&self) -> Result<()> {
        self.0.look_for(Of::Old).await.map(|_| ())
    }
}

/// Months of identities: the next one is opened, old ones go.
struct Months<'a>(&'a Intake);

impl Job for Months<'_> {
    const NAME: &'static str = "months";
    const INTERVAL: Duration = MINUTE;
    type Output = ();

    async fn run(&self) -> Result<()> {
        self.0.keep_months().await
    }
}

/// Retentions of records that were changed: the usage store is told.
struct Expiry<'a>(&'a Intake);

impl Job for Expiry<'_> {
    const NAME: &'static str = "expiry";
    const INTERVAL: Duration = MINUTE;
    type Output = ();

    async fn run(&self) -> Result<()> {
        self.0.keep_records().await.map(|_| ())
    }
}

/// Filters over the identities of earlier months.
struct Filters<'a>(&'a Intake);

impl Job for Filters<'_> {
    const NAME: &'static str = "filters";
    const INTERVAL: Duration = MINUTE;
    type Output = ();

    async fn run(&self) -> Result<()> {
        self.0.refresh_filters().await
    }
}

/// Sessions that were silent for long leave, and what is remembered of batches of rollups that no log has any more.
struct Silent<'a>(&'a Intake);

impl Job for Silent<'_> {
    const NAME: &'static str = "sessions";
    const INTERVAL: Duration = Duration::from_hours(1);
    type Output = ();

    async fn run(&self) -> Result<()> {
        self.0.drop_silent_sessions().await?;
        self.0.forget_passages().await.map(|_| ())
    }
}

/// Room for what is taken in: without it deliveries are answered 503, and somebody has to make some.
struct Disk<'a>(&'a Intake);

impl Job for Disk<'_> {
    const NAME: &'static str = "disk";
    const PROBLEM: &'static str = "The usage store has no room: free space on the disk of the data folder. Deliveries are answered 503.";
    const INTERVAL: Duration = Duration::from_secs(5);
    type Output = ();

    async fn run(&self) -> Result<()> {
        match self.0.has_room().await {
            // Whether it answers is what another check says.
            Err(error) if error.code() == Code::Unavailable => Ok(()),
            outcome => outcome,
        }
    }
}
