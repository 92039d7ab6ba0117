//! The moment in which no insert runs, in any process: what changes records or cubes beside an insert needs it.
//!
//! The exclusive apply lock is Postgres', and goes with its session; a statement that ClickHouse was sent goes on without it.
//! So before each statement it is written to the journal until when that may begin, in a transaction of its own. The note goes with
//! the lock when all is done. Whoever finds one that was left behind, under the lock, waits until that statement can
//! neither begin nor be running; until then nothing is applied.

use std::time::{Duration, Instant};

use analytics::{Store, System, verify::Permit};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Db, Error, Result, SystemCx,
    id::TenantId,
    journal::{self, Kind},
};
use tokio::time::sleep;

use crate::kind::Retained;

/// How long after the lock was seen a statement may begin; Postgres keeps the lock longer.
const BEGIN_WITHIN: TimeDelta = TimeDelta::seconds(5);
/// A deadline has passed when the engine's clock, read to whole seconds in its own check, is beyond it by this much.
pub(crate) const MARGIN: TimeDelta = TimeDelta::seconds(2);
/// Between two tries to hold intake back, and between two looks at what was left behind.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a statement that was left behind may go on before the engine is asked to break it off.
const GOES_ON: Duration = Duration::from_secs(10);
/// How long that may take.
const ENDS: Duration = Duration::from_secs(30);

/// Nothing is applied until this is ended or dropped.
pub(crate) struct StandStill {
    cx: SystemCx,
    db: Db,
    store: Store,
    since: Instant,
    retained: Retained,
}

impl StandStill {
    /// Holds intake back with the transaction `cx`, tried for 200 ms at a time so that intake goes on between the tries.
    ///
    /// # Errors
    /// `UNAVAILABLE` when no moment was found within `patience` in which no batch is being applied, or when a correction that
    /// was left behind still runs.
    pub(crate) async fn take(
        cx: SystemCx,
        db: &Db,
        store: &Store,
        patience: Duration,
    ) -> Result<Self> {
        let begun = Instant::now();
        loop {
            let since = Instant::now();
            if journal::try_freeze_apply(&cx).await? {
                let still = Self {
                    retained: Retained::read(&cx).await?,
                    cx,
                    db: db.clone(),
                    store: store.clone(),
                    since,
                };
                still.outlast().await?;
                store.catch_up(&still.system()).await?;
                return Ok(still);
            }
            if begun.elapsed() > patience {
                return Err(Error::unavailable(
                    "no moment was found in which no batch is being applied; try again",
                    "the apply lock",
                ));
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits until what a process that has ended has sent is over.
    async fn outlast(&self) -> Result<()> {
        let Some(begin_by) = journal::correction(&self.cx).await? else {
            return Ok(());
        };
        let system = self.system();
        let begun = Instant::now();
        tracing::warn!("a correction was left behind: waiting until it is over");
        while self.store.now(&system).await? < begin_by + MARGIN
            || self.store.is_correcting(&system).await?
        {
            if begun.elapsed() > GOES_ON {
                self.store.stop_correcting(&system).await?;
            }
            if begun.elapsed() > ENDS {
                return Err(Error::unavailable(
                    "the usage store is being corrected, try again",
                    "a correction that was left behind does not end",
                ));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    pub(crate) fn cx(&self) -> &SystemCx {
        &self.cx
    }

    pub(crate) fn system(&self) -> System {
        System::new(self.cx.now())
    }

    /// How long rows are kept.
    pub(crate) fn retained(&self) -> &Retained {
        &self.retained
    }

    /// From when on every row of a tenant is there.
    pub(crate) fn whole_from(&self, kind: Kind, tenant: TenantId) -> DateTime<Utc> {
        self.retained.whole_from(kind, tenant, self.cx.now())
    }

    /// When intake was held back.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Lets intake go on, and commits what was done in the transaction. To be called when every statement was answered:
    /// otherwise it is dropped, and the next one finds the note.
    pub(crate) async fn end(self) -> Result<()> {
        journal::end_correction(&self.cx).await?;
        self.cx.commit().await
    }
}

impl Permit for StandStill {
    async fn begin_by(&self) -> Result<DateTime<Utc>> {
        let begin_by = self.store.now(&self.system()).await? + BEGIN_WITHIN;
        journal::begin_correction(&self.db, begin_by).await?;
        // After the clock was read.
        journal::still_held(&self.cx).await?;
        Ok(begin_by)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::SystemClock;

    use super::*;

    #[tokio::test]
    async fn whoever_has_lost_the_lock_begins_nothing() {
        let engines = tokio::task::spawn_blocking(|| (testkit::postgres(), testkit::clickhouse()));
        let (postgres, clickhouse) = engines.await.expect("engines");
        let db = Db::connect(postgres.url(), 3, Arc::new(SystemClock)).await;
        let db = db.expect("connected");
        let store = Store::remote(clickhouse.url()).expect("a URL");
        let store = store.with_database(clickhouse.database());
        let taken = async |patience| {
            let cx = db.system().await.expect("system");
            StandStill::take(cx, &db, &store, patience).await
        };
        let still = taken(ENDS).await.expect("nothing is applied");
        let begin_by = still.begin_by().await.expect("held");
        let now = store.now(&still.system()).await.expect("a time");
        assert!(begin_by > now && begin_by <= now + BEGIN_WITHIN);
        // One at a time, and nobody waits for ever.
        let other = taken(Duration::ZERO).await.err().map(|error| error.code());
        assert_eq!(other, Some(domain::Code::Unavailable));
        let lost = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        postgres.run(lost);
        assert!(still.begin_by().await.is_err());
        assert!(still.end().await.is_err());
        // What it may have begun is outlasted.
        let next = taken(ENDS).await.expect("nobody holds it");
        assert!(store.now(&next.system()).await.expect("a time") > begin_by);
        next.end().await.expect("ended");
    }
}
