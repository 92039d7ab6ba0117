//! Whether the issuer of tokens answers, before the first token of a caller comes in vain.

use std::time::Duration;

use domain::Result;

use super::{Job, Worker};
use crate::auth::Verifier;

/// The job as readiness shows it, with what is said while it fails.
pub const JOB: (&str, &str) = (Issuer::NAME, Issuer::PROBLEM);

/// Asks the issuer for its keys now and then, until the worker is stopped.
pub async fn look_after(worker: &Worker, verifier: &Verifier) {
    worker.repeat(Issuer(verifier)).await;
}

/// Its keys are known before they are needed, and serve for a while when it is away.
struct Issuer<'a>(&'a Verifier);

impl Job for Issuer<'_> {
    const NAME: &'static str = "issuer";
    const PROBLEM: &'static str =
        "The issuer of tokens does not answer: tokens that new keys have signed are refused.";
    const INTERVAL: Duration = Duration::from_secs(30);
    type Output = ();

    async fn run(&self) -> Result<()> {
        self.0.ask_issuer().await
    }
}
