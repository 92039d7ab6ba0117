//! The jobs of exports: files are made, and go when their time has come.

use std::time::Duration;

use domain::Result;
use exports::Exports;
use futures::future::join_all;
use tokio::sync::Notify;

use super::{Job, Worker};
use crate::stop::Stop;

/// The jobs that readiness shows, each with what is said while it fails.
pub const JOBS: [(&str, &str); 3] = [
    (Making::NAME, Making::PROBLEM),
    (Scheduling::NAME, Scheduling::PROBLEM),
    (Sweeping::NAME, Sweeping::PROBLEM),
];

/// Makes files, so many at the same time, until `stop` is asked: what is under way then is given back, for other servers to begin it
/// while this one still answers requests.
pub async fn look_after(worker: &Worker, exports: &Exports, at_once: usize, stop: &Stop) {
    let more = Notify::new();
    let making = (0..at_once).map(|_| {
        let more = &more;
        worker.repeat(Making {
            exports,
            more,
            stop,
        })
    });
    let more = &more;
    tokio::join!(
        join_all(making),
        worker.repeat(Scheduling { exports, more }),
        worker.repeat(Sweeping(exports)),
    );
}

/// The next file that somebody asked for.
struct Making<'a> {
    exports: &'a Exports,
    /// That there may be more to do.
    more: &'a Notify,
    stop: &'a Stop,
}

impl Job for Making<'_> {
    const NAME: &'static str = "exports";
    const INTERVAL: Duration = Duration::from_secs(1);
    type Output = ();

    async fn run(&self) -> Result<()> {
        if !self.stop.is_asked() && self.exports.work(self.stop.asked()).await? {
            self.more.notify_one();
        }
        Ok(())
    }

    async fn woken(&self) {
        self.more.notified().await;
    }
}

/// Files of months that have ended.
struct Scheduling<'a> {
    exports: &'a Exports,
    /// That there may be more to do.
    more: &'a Notify,
}

impl Job for Scheduling<'_> {
    const NAME: &'static str = "schedules";
    const INTERVAL: Duration = Duration::from_mins(1);
    type Output = ();

    async fn run(&self) -> Result<()> {
        let asked = self.exports.ask_for_months().await?;
        if asked > 0 {
            tracing::info!(asked, "asked for the exports of months that have ended");
            self.more.notify_one();
        }
        Ok(())
    }
}

/// Files that expired, and what processes that ended left behind.
struct Sweeping<'a>(&'a Exports);

impl Job for Sweeping<'_> {
    const NAME: &'static str = "exports_swept";
    const INTERVAL: Duration = Duration::from_mins(10);
    type Output = ();

    async fn run(&self) -> Result<()> {
        let swept = self.0.sweep().await?;
        if swept > 0 {
            tracing::info!(swept, "removed files of exports");
        }
        Ok(())
    }
}
