//! What a start, a stop and the time between them do for batches whose request did not see their end.

use std::{collections::HashSet, time::Duration};

use analytics::{cdr, verify::Count};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    Code, Error, Result,
    id::BatchId,
    journal::{self, BatchState, Pending, ledger},
};
use uuid::Uuid;

use super::{Inner, Intake, Settled};
use crate::verify::{self, RecordsFromJournal};

/// Batches looked at together.
const PAGE: u32 = 500;
/// How often the journal is looked at when nothing happens.
const REST: Duration = Duration::from_secs(1);
/// How often payloads are looked through, and filters and months.
const SWEEP: Duration = Duration::from_mins(1);
/// How long a start waits for batches that were journaled right before it.
const START: Duration = Duration::from_mins(1);
/// Between two looks of a start.
const PAUSE: Duration = Duration::from_millis(200);

/// What a start found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whether the last server had stopped in order and neither store was put back since.
    pub clean: bool,
    /// Whether the stores are of different moments: one of them was put back to an earlier state.
    pub apart: bool,
    /// Batches whose rows were looked for.
    pub looked_at: u64,
    /// What settling did.
    pub settled: Settled,
}

/// Which payloads are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All that are kept.
    All,
    /// Those that have been kept long enough ([`super::Settings::keep`]).
    Old,
}

impl RecordsFromJournal for Intake {
    async fn settle_all(&self) -> Result<u64> {
        self.release().await?;
        self.look_for(Of::All).await?;
        let mut changed = 0;
        let begun = std::time::Instant::now();
        loop {
            let settled = self.settle().await?;
            changed += settled.counted;
            if settled.waiting == 0 || begun.elapsed() > START {
                return Ok(changed);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A server that takes usage in. Stopped in order, the next start has nothing to look for.
pub struct Running {
    running: journal::Running,
}

impl Intake {
    /// Brings the cubes up to the journal. To be called before a process is ready. After a stop in order there is nothing
    /// to do; after anything else every batch whose payload is kept is looked for, and settled unless it is whole.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer; call again.
    pub async fn recover(&self) -> Result<(Running, Recovered)> {
        let inner = &self.inner;
        let running = journal::Running::start(&inner.db).await?;
        let mut recovered = self.inner.compare_marks().await?;
        if !recovered.clean {
            recovered.looked_at = self.look_for(Of::All).await?;
        }
        // What other servers journal from now on is their business.
        let mut left: HashSet<BatchId> = inner.journaled().await?;
        let begun = std::time::Instant::now();
        loop {
            recovered.settled.add(self.settle().await?);
            let open = inner.journaled().await?;
            left.retain(|batch| open.contains(batch));
            if left.is_empty() || begun.elapsed() > START {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        inner.set_mark(false).await?;
        Ok((Running { running }, recovered))
    }

    /// Ends the taking in: waits for batches under way, and leaves a mark if no other server runs and the stores are known
    /// to be `sound`.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer; the next start looks for batches then.
    pub async fn stop(&self, running: Running, sound: bool) -> Result<()> {
        let inner = &self.inner;
        let all = u32::try_from(inner.settings.batches.max(1)).map_err(Error::internal)?;
        let idle = inner.batches.acquire_many(all).await;
        let idle = idle.map_err(Error::internal)?;
        // Held until the mark is left: a server that starts meanwhile comes after it.
        let last = running.running.stop(&inner.db).await?;
        if last.is_some() && sound {
            inner.set_mark(true).await?;
        }
        drop((last, idle));
        Ok(())
    }

    /// Looks through the payloads of counted batches, holding sums and checksums of their identities against the records. Those
    /// that are not whole are left to be settled; whole ones that have been kept long enough are dropped. Says how many it
    /// looked at.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer.
    pub async fn look_for(&self, of: Of) -> Result<u64> {
        let inner = &self.inner;
        let mut looked_at = 0;
        let mut after = None;
        loop {
            let cx = inner.db.system().await?;
            let old = cx.now() - inner.settings.keep;
            let pending = journal::pending(&cx, BatchState::Counted, after, PAGE).await?;
            let Some(last) = pending.last() else {
                return Ok(looked_at);
            };
            after = Some(last.sequence);
            let is_old = |pending: &&Pending| pending.created_at <= old;
            let looked: Vec<Pending> = pending
                .iter()
                .filter(|pending| of == Of::All || is_old(pending))
                .cloned()
                .collect();
            let broken = inner.broken(&looked).await?;
            if !broken.is_empty() {
                let batches = broken.len();
                tracing::error!(
                    batches,
                    "counted batches are not whole in the usage store: settling them"
                );
                inner.reopen(&broken).await?;
            }
            let done: Vec<BatchId> = looked
                .iter()
                .filter(is_old)
                .map(|pending| pending.batch)
                .filter(|batch| !broken.contains(batch))
                .collect();
            let cx = inner.db.system().await?;
            journal::forget(&cx, &done).await?;
            cx.commit().await?;
            looked_at += looked.len() as u64;
        }
    }

    /// Lets quarantined batches be tried again, and says how many.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn release(&self) -> Result<u64> {
        let cx = self.inner.db.system().await?;
        let released = journal::release(&cx).await?;
        cx.commit().await?;
        self.inner.wake.notify_one();
        Ok(released)
    }

    /// How many batches are quarantined.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn quarantined(&self) -> Result<u64> {
        let cx = self.inner.db.system().await?;
        journal::count(&cx, BatchState::Quarantined).await
    }

    /// Keeps settling, sweeping and opening months until dropped. One task per process.
    pub async fn maintain(&self) {
        let mut swept = tokio::time::Instant::now();
        loop {
            tokio::select! {
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep(REST) => {}
            }
            match self.settle().await {
                Ok(settled)
                    if settled
                        == Settled {
                            waiting: settled.waiting,
                            ..Settled::default()
                        } => {}
                Ok(settled) => tracing::info!(?settled, "settled batches"),
                Err(error) => complain("settling", &error),
            }
            if swept.elapsed() >= SWEEP {
                swept = tokio::time::Instant::now();
                if let Err(error) = self.sweep().await {
                    complain("the sweep", &error);
                }
            }
        }
    }

    /// What is done every minute: payloads are looked through, the month is opened, old months go, and filters are fetched.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer.
    pub async fn sweep(&self) -> Result<()> {
        let inner = &self.inner;
        let settings = inner.settings;
        self.look_for(Of::Old).await?;
        let now = inner.db.clock().now();
        journal::open_month(&inner.db, now).await?;
        journal::drop_months(&inner.db, now, settings.past, settings.future).await?;
        inner.older.refresh(&inner.db).await?;
        Ok(())
    }
}

impl Inner {
    /// Batches that are journaled and not known to be counted.
    async fn journaled(&self) -> Result<HashSet<BatchId>> {
        let cx = self.db.system().await?;
        let pending = journal::pending(&cx, BatchState::Journaled, None, PAGE).await?;
        Ok(pending.into_iter().map(|pending| pending.batch).collect())
    }

    /// Those of which the records do not have what the ledger has. Of a batch of which a part was put back, the payload says
    /// less than the ledger: its own rows are looked up.
    async fn broken(&self, pending: &[Pending]) -> Result<Vec<BatchId>> {
        let batches: Vec<BatchId> = pending.iter().map(|pending| pending.batch).collect();
        let cx = self.db.system().await?;
        let expected = ledger::sums_of(&cx, &batches).await?;
        drop(cx);
        let holds_all = |pending: &&Pending| {
            let known = expected.get(&pending.batch);
            known.is_none_or(|(sums, _)| i64::try_from(pending.rows) == Ok(sums.rows))
        };
        let (pending, put_back): (Vec<&Pending>, Vec<&Pending>) =
            pending.iter().partition(holds_all);
        let batches: Vec<BatchId> = pending.iter().map(|pending| pending.batch).collect();
        let spans = Spans::of(&pending);
        let found = self
            .store
            .count_batches(&self.system(), &batches, spans.received, spans.started)
            .await?;
        let is_whole = |batch: &BatchId| {
            let found: (Count, i64) = found.get(batch).copied().unwrap_or_default();
            let expected = expected.get(batch).copied();
            expected.is_some_and(|(sums, checksum)| (verify::count(sums), checksum) == found)
        };
        let mut broken: Vec<BatchId> = batches
            .into_iter()
            .filter(|batch| !is_whole(batch))
            .collect();
        for pending in put_back {
            if !self.has_rows(pending.batch).await? {
                broken.push(pending.batch);
            }
        }
        Ok(broken)
    }

    /// Whether each row of a payload is in the records, once.
    async fn has_rows(&self, batch: BatchId) -> Result<bool> {
        let cx = self.db.system().await?;
        let payload = journal::payload(&cx, batch).await;
        drop(cx);
        let rows = match payload {
            // Somebody else has seen them.
            Ok(None) => return Ok(true),
            Ok(Some(payload)) => cdr::decode(payload.encoding, Bytes::from(payload.bytes)),
            Err(error) => Err(error),
        };
        let rows = match rows {
            Ok(rows) => rows,
            // Settling says what is wrong with it.
            Err(error) if error.code() == Code::Internal => return Ok(false),
            Err(error) => return Err(error),
        };
        let found = self.store.look_up(&self.system(), &rows).await?;
        Ok(found.missing.is_empty())
    }

    /// Whether both stores have the mark of the last stop in order.
    async fn compare_marks(&self) -> Result<Recovered> {
        let cx = self.db.system().await?;
        let ours = journal::mark(&cx).await?;
        drop(cx);
        let system = self.system();
        let theirs = self.store.mark(&system).await?;
        let apart = !ours.goes_with(theirs);
        if apart {
            tracing::error!(
                "the journal and the usage store are of different moments: one of them was put back. \
                 Run `simcube verify`"
            );
        }
        Ok(Recovered {
            clean: ours.clean && !apart,
            apart,
            ..Recovered::default()
        })
    }

    /// Leaves a new mark in both stores. The journal says first which one it will be, so that this may end anywhere. The mark
    /// is clean only if nothing is journaled, or about to be.
    async fn set_mark(&self, clean: bool) -> Result<()> {
        let system = self.system();
        let held = self.db.system().await?;
        journal::hold_marks(&held).await?;
        let theirs = self.store.mark(&system).await?;
        let unique = Uuid::now_v7().as_u64_pair().1;
        let next = journal::mark(&held).await?.next(theirs, unique);
        let cx = self.db.system().await?;
        journal::announce_mark(&cx, theirs, next).await?;
        cx.commit().await?;
        self.store.set_mark(&system, next).await?;
        let clean = clean
            && journal::try_freeze_claims(&held).await?
            && journal::count(&held, BatchState::Journaled).await? == 0;
        journal::confirm_mark(&held, next, clean).await?;
        held.commit().await
    }
}

/// What bounds batches in the records.
struct Spans {
    received: [DateTime<Utc>; 2],
    started: [DateTime<Utc>; 2],
}

impl Spans {
    fn of(pending: &[&Pending]) -> Self {
        let bounds = |first: fn(&Pending) -> DateTime<Utc>, last: fn(&Pending) -> DateTime<Utc>| {
            let first = pending.iter().map(|pending| first(pending)).min();
            let last = pending.iter().map(|pending| last(pending)).max();
            [first.unwrap_or_default(), last.unwrap_or_default()]
        };
        Self {
            received: bounds(|it| it.created_at, |it| it.created_at),
            started: bounds(|it| it.first_at, |it| it.last_at),
        }
    }
}

fn complain(what: &str, error: &Error) {
    let cause = error.cause();
    if error.code() == Code::Unavailable {
        tracing::warn!(cause, "{what} has to wait");
    } else {
        tracing::error!(cause, "{what} failed");
    }
}
