//! Work beside serving: every job has one shape, and this is the only place that repeats one.
//!
//! A job runs, rests for its interval or until it is woken, and runs again. A run that fails is logged, and is tried
//! again after the same rest; until a run succeeds, readiness says `degraded` under the job's name. Stopping lets the runs
//! under way finish for some seconds, then gives them up.

pub mod exports;
pub mod intake;
pub mod issuer;
pub mod notification;
pub mod topics;

use std::{
    collections::BTreeSet,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{Code, Error, Result};
use tokio::{task::JoinHandle, time::timeout};

use crate::stop::Stop;

/// How long the runs under way may take after a stop was asked for. A correction that is given up holds up the next start.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something to do beside serving.
trait Job: Sync {
    /// A noun for the log and for readiness.
    const NAME: &'static str;
    /// What readiness says while its last run failed.
    const PROBLEM: &'static str =
        "This work in the background fails and is repeated; the log says why.";
    /// The rest between two runs.
    const INTERVAL: Duration;
    /// What a run comes to.
    type Output: Send;

    /// Does it once.
    fn run(&self) -> impl Future<Output = Result<Self::Output>> + Send;

    /// Waits for a reason to run before the interval is over.
    fn woken(&self) -> impl Future<Output = ()> + Send {
        pending()
    }
}

/// Runs jobs, and knows which ones fail. Cloning is cheap.
#[derive(Clone, Default)]
pub struct Worker {
    stop: Stop,
    failing: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Worker {
    /// Whether the last run of the job with this name failed.
    pub fn is_failing(&self, name: &str) -> bool {
        self.failing().contains(name)
    }

    /// A set of names: a panic elsewhere leaves it whole.
    fn failing(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the jobs that run in `task` and returns what it came to, or nothing if they had to be given up.
    pub async fn finish<T>(&self, task: JoinHandle<Option<T>>) -> Option<T> {
        self.finish_within(PATIENCE, task).await
    }

    async fn finish_within<T>(
        &self,
        patience: Duration,
        mut task: JoinHandle<Option<T>>,
    ) -> Option<T> {
        self.stop.ask();
        let ended = if let Ok(ended) = timeout(patience, &mut task).await {
            ended
        } else {
            self.stop.cut();
            task.await
        };
        // A panic in it was logged.
        ended.ok().flatten()
    }

    /// Runs a job until it succeeds once; nothing when the worker is stopped before.
    async fn complete<J: Job>(&self, job: J) -> Option<J::Output> {
        while !self.stop.is_asked() {
            if let Some(output) = self.attempt(&job).await {
                return Some(output);
            }
            self.rest(&job).await;
        }
        None
    }

    /// Runs a job until the worker is stopped.
    async fn repeat<J: Job>(&self, job: J) {
        while !self.stop.is_asked() {
            self.attempt(&job).await;
            self.rest(&job).await;
        }
    }

    async fn attempt<J: Job>(&self, job: &J) -> Option<J::Output> {
        let outcome = tokio::select! {
            outcome = job.run() => outcome,
            () = self.stop.is_cut() => return None,
        };
        match outcome {
            Ok(output) => {
                self.failing().remove(J::NAME);
                Some(output)
            }
            Err(error) => {
                self.failing().insert(J::NAME);
                log(J::NAME, &error);
                None
            }
        }
    }

    async fn rest<J: Job>(&self, job: &J) {
        tokio::select! {
            () = tokio::time::sleep(J::INTERVAL) => {}
            () = job.woken() => {}
            () = self.stop.asked() => {}
        }
    }
}

fn log(job: &str, error: &Error) {
    let cause = error.cause();
    match error.code() {
        Code::Unavailable | Code::Conflict => tracing::warn!(cause, %error, "{job} has to wait"),
        _ => tracing::error!(cause, %error, "{job} failed"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Fails until it has run that often.
    struct Flaky {
        runs: AtomicU32,
        fails: u32,
    }

    impl Job for Flaky {
        const NAME: &'static str = "flaky";
        const INTERVAL: Duration = Duration::from_millis(1);
        type Output = u32;

        async fn run(&self) -> Result<u32> {
            let runs = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
            if runs <= self.fails {
                return Err(Error::unavailable("not yet", "a test"));
            }
            Ok(runs)
        }
    }

    /// Rests or runs for ever.
    struct Endless {
        rests: bool,
    }

    impl Job for Endless {
        const NAME: &'static str = "endless";
        const INTERVAL: Duration = Duration::from_hours(1);
        type Output = ();

        async fn run(&self) -> Result<()> {
            if self.rests { Ok(()) } else { pending().await }
        }
    }

    fn flaky(fails: u32) -> Flaky {
        Flaky {
            runs: AtomicU32::new(0),
            fails,
        }
    }

    #[tokio::test]
    async fn a_job_that_fails_is_tried_again_and_said_to_fail_until_it_succeeds() {
        let worker = Worker::default();
        let job = flaky(2);
        assert!(worker.attempt(&job).await.is_none());
        assert!(worker.is_failing(Flaky::NAME));
        assert_eq!(worker.complete(job).await, Some(3));
        assert!(!worker.is_failing(Flaky::NAME));
    }

    #[tokio::test]
    async fn a_stop_ends_the_rest_at_once_and_gives_up_a_run_that_does_not_end() {
        let worker = Worker::default();
        let running = worker.clone();
        let task = tokio::spawn(async move {
            let resting = running.repeat(Endless { rests: true });
            tokio::join!(resting, running.complete(Endless { rests: false }));
            Some(())
        });
        tokio::task::yield_now().await;
        let ended = worker.finish_within(Duration::from_millis(10), task).await;
        assert_eq!(ended, Some(()));
    }
}
