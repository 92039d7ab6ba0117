//! Payloads of counted batches are kept until their rows were seen in the records.

use analytics::{cdr, verify::Count};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    Code, Result,
    id::BatchId,
    journal::{self, BatchState, Pending, ledger},
    tenant::{self, Retention, Retentions},
};

use super::{Inner, Intake, settle::records};
use crate::verify;

/// Batches looked at together.
const PAGE: u32 = 500;

/// Which payloads are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All that are kept.
    All,
    /// Those that have been kept long enough ([`super::Settings::keep`]).
    Old,
}

impl Intake {
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
            let looked = pending
                .iter()
                .filter(|pending| of == Of::All || is_old(pending))
                .cloned()
                .collect();
            let looked = records(looked);
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
}

impl Inner {
    /// Those of which the records do not have what the ledger has. Of a batch of which a part was put back, the payload says
    /// less than the ledger, and of an old one some may have expired: there its own rows are looked up.
    async fn broken(&self, pending: &[Pending]) -> Result<Vec<BatchId>> {
        let batches: Vec<BatchId> = pending.iter().map(|pending| pending.batch).collect();
        let cx = self.db.system().await?;
        let expected = ledger::sums_of(&cx, &batches).await?;
        let retentions = tenant::retentions(&cx).await?;
        drop(cx);
        let now = self.system().now();
        let own = retentions.own().map(|(_, retention)| retention);
        let all = own.chain([Retention::default()]);
        // Of all tenants: there are few batches as old as this.
        let whole_from = all.map(|retention| retention.whole_days_from(now)).max();
        let whole_from = whole_from.unwrap_or(now);
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
        let short = pending.into_iter().filter(|it| !is_whole(&it.batch));
        let (expiring, mut broken): (Vec<&Pending>, Vec<&Pending>) =
            short.partition(|pending| pending.first_at < whole_from);
        for pending in put_back.into_iter().chain(expiring) {
            if !self.has_rows(pending.batch, &retentions).await? {
                broken.push(pending);
            }
        }
        Ok(broken.into_iter().map(|pending| pending.batch).collect())
    }

    /// Whether each row of a payload is in the records, once, but for those that may have expired.
    async fn has_rows(&self, batch: BatchId, retentions: &Retentions) -> Result<bool> {
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
        let system = self.system();
        let found = self.store.look_up(&system, &rows).await?;
        let must_be_there = |at: &usize| {
            let kept = retentions.of(rows[*at].tenant);
            rows[*at].start >= kept.whole_days_from(system.now())
        };
        Ok(!found.missing.iter().any(must_be_there))
    }

    /// Lets batches that are marked as counted be settled as if they were not.
    async fn reopen(&self, batches: &[BatchId]) -> Result<()> {
        let cx = self.db.system().await?;
        journal::reopen(&cx, batches).await?;
        cx.commit().await
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
