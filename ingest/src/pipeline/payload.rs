//! Payloads of counted batches are kept until their rows were seen in the records.

use analytics::{CdrRow, SessionRow, verify::Count};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    Code, Result,
    id::BatchId,
    journal::{self, BatchState, Kind, Pending, ledger},
};

use super::{Inner, Intake};
use crate::{
    kind::{KINDS, Retained, Row, family_of},
    verify,
};

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
}

impl Inner {
    /// Those of which the records do not have what the ledger has. Of a batch of which a part was put back, the payload says
    /// less than the ledger, and of an old one some may have expired: there its own rows are looked up.
    async fn broken(&self, pending: &[Pending]) -> Result<Vec<BatchId>> {
        let mut broken = Vec::new();
        for kind in KINDS {
            let of_kind = pending.iter().filter(|pending| pending.kind == kind);
            let of_kind: Vec<&Pending> = of_kind.collect();
            if !of_kind.is_empty() {
                broken.extend(self.broken_of(kind, &of_kind).await?);
            }
        }
        Ok(broken)
    }

    async fn broken_of(&self, kind: Kind, pending: &[&Pending]) -> Result<Vec<BatchId>> {
        let batches: Vec<BatchId> = pending.iter().map(|pending| pending.batch).collect();
        let cx = self.db.system().await?;
        let expected = ledger::sums_of(&cx, &batches).await?;
        let retained = Retained::read(&cx).await?;
        drop(cx);
        let now = self.system().now();
        // Of all tenants: there are few batches as old as this.
        let whole_from = retained.all_whole_from(kind, now);
        let holds_all = |pending: &&Pending| {
            let known = expected.get(&pending.batch);
            known.is_none_or(|(sums, _)| i64::try_from(pending.rows) == Ok(sums.rows))
        };
        let (pending, put_back): (Vec<&Pending>, Vec<&Pending>) =
            pending.iter().copied().partition(holds_all);
        let batches: Vec<BatchId> = pending.iter().map(|pending| pending.batch).collect();
        let spans = Spans::of(&pending);
        let found = self
            .store
            .count_batches(
                &self.system(),
                family_of(kind),
                &batches,
                spans.received,
                spans.started,
            )
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
            let has_rows = match kind {
                Kind::Cdr => self.has_rows::<CdrRow>(pending.batch, &retained).await?,
                Kind::Session => {
                    self.has_rows::<SessionRow>(pending.batch, &retained)
                        .await?
                }
            };
            if !has_rows {
                broken.push(pending);
            }
        }
        Ok(broken.into_iter().map(|pending| pending.batch).collect())
    }

    /// Whether each row of a payload is in the records, once, but for those that may have expired.
    async fn has_rows<R: Row>(&self, batch: BatchId, retained: &Retained) -> Result<bool> {
        let cx = self.db.system().await?;
        let payload = journal::payload(&cx, batch).await;
        drop(cx);
        let rows = match payload {
            // Somebody else has seen them.
            Ok(None) => return Ok(true),
            Ok(Some(payload)) => R::decode(payload.encoding, Bytes::from(payload.bytes)),
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
            let row = &rows[*at];
            row.at() >= retained.whole_from(R::KIND, row.tenant(), system.now())
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
