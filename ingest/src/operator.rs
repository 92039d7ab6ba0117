//! What an operator asks for from the command line, beside running servers or while none runs.

use std::time::{Duration, Instant};

use analytics::Store;
use domain::{Code, Db, Result, journal::Pending};
use uuid::Uuid;

use crate::{
    pipeline::{Intake, NoFault, Settings, Settled},
    verify::{RecordsFromJournal as _, Repaired, Report, Verifier},
};

/// How long another verification is waited for.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether a server takes usage in meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// A server does, or may; it does what is left to be done.
    Servers,
    /// None does: what a server would do is done here.
    Nobody,
}

/// What became of quarantined batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retried {
    /// Batches that are tried again.
    pub released: u64,
    /// What settling did with them; none where a server does that.
    pub settled: Option<Settled>,
}

/// Looks after the intake of one installation.
pub struct Operator {
    intake: Intake,
    verifier: Verifier,
    beside: Beside,
}

impl Operator {
    /// An operator of these stores. Must be called on a Tokio runtime.
    pub fn new(store: Store, db: Db, settings: Settings, beside: Beside) -> Self {
        Self {
            verifier: Verifier::new(store.clone(), db.clone()),
            intake: Intake::new(store, db, settings, NoFault),
            beside,
        }
    }

    /// Compares everything. While no server runs, what a crash left in the journal is counted first, as a start would.
    ///
    /// # Errors
    /// As [`Verifier::look`]; another verification is waited for.
    pub async fn verify(&self) -> Result<Report> {
        if self.beside == Beside::Nobody {
            self.intake.settle_all().await?;
        }
        patiently(|| self.verifier.look(run())).await
    }

    /// Repairs what can be repaired and compares everything.
    ///
    /// # Errors
    /// As [`Verifier::repair`]; another verification is waited for.
    pub async fn repair(&self) -> Result<Repaired> {
        patiently(|| self.verifier.repair(run(), &self.intake)).await
    }

    /// Quarantined batches, at most so many.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn quarantine(&self, most: u32) -> Result<Vec<Pending>> {
        self.intake.quarantine(most).await
    }

    /// Lets all quarantined batches be tried again, by a server within seconds or else at once.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer.
    pub async fn retry(&self) -> Result<Retried> {
        let released = self.intake.release().await?;
        let settled = match self.beside {
            Beside::Servers => None,
            Beside::Nobody => Some(self.intake.settle().await?),
        };
        Ok(Retried { released, settled })
    }
}

/// A table's name and a hash's salt: nothing that anybody could have foreseen.
fn run() -> Uuid {
    Uuid::new_v4()
}

/// Waits for a verification that is under way elsewhere: a server verifies after a start that follows no stop in order.
async fn patiently<T, F>(verify: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let started = Instant::now();
    loop {
        match verify().await {
            Err(error) if error.code() == Code::Conflict && started.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}
