//! One batch on its way through the steps of the pipeline.

use std::{collections::BTreeMap, sync::Arc};

use analytics::CdrRow;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Error, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{
        self, Claim, Content, NewBatch, NewRejection, RAW_BYTES, RejectionCode, Tally, Verdict,
    },
    sim::resolve::{Resolved, Resolver, Unresolved},
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::{NoContext, Timestamp, Uuid};

use super::{Inner, Rejected, Reply, Settings, Step};
use crate::{
    format::{self, Cdr, Refusal, Shape},
    read::{Flaw, Raw, Room},
};

/// Records decoded before other tasks get a turn.
const DECODED_AT_ONCE: usize = 1_000;

/// A batch and its place among the batches of its body.
pub(super) struct Work {
    pub(super) inner: Arc<Inner>,
    pub(super) tenant: TenantId,
    pub(super) shape: Shape,
    /// Reports that the batch before this one has claimed its records. None for the first.
    pub(super) turn: Option<oneshot::Receiver<()>>,
    /// Tells the next batch the same; dropped unsent, it stops it.
    pub(super) claimed: oneshot::Sender<()>,
    /// The body's place, kept until the batch is applied.
    pub(super) permit: Arc<OwnedSemaphorePermit>,
    /// The records' memory, kept as long.
    pub(super) room: Room,
}

/// A record, and what it became or why it is refused.
struct Item<T> {
    raw: Raw,
    outcome: Result<T, Box<Refusal>>,
}

/// A record whose SIM is known.
struct Attributed {
    cdr: Cdr,
    resolved: Resolved,
    identity: Uuid,
}

/// A batch that Postgres has.
struct Journaled {
    reply: Reply,
    rows: u64,
    batch: BatchId,
    payload: Bytes,
}

impl Work {
    /// Takes the batch through every step.
    pub(super) async fn run(self, records: Vec<Raw>) -> Result<Reply> {
        let items = decode(&self.shape, records).await;
        if self.turn.is_none() {
            readable(&items)?;
        }
        self.inner.reached(Step::Decoded)?;
        if let Some(turn) = self.turn {
            let stopped = |_| Error::new(Code::Unavailable, "an earlier part was not recorded");
            turn.await.map_err(stopped)?;
        }
        let Journaled {
            reply,
            rows,
            batch,
            payload,
        } = journal(&self.inner, self.tenant, items, self.claimed).await?;
        if rows > 0 {
            self.inner.apply(self.tenant, batch, rows, payload).await?;
        }
        drop((self.permit, self.room));
        Ok(reply)
    }
}

/// Step 1.
async fn decode(shape: &Shape, records: Vec<Raw>) -> Vec<Item<Cdr>> {
    let flawed = |message: &str| {
        let mut refusal = Refusal::unreadable(message);
        shape.source().clone_into(&mut refusal.source);
        Err(Box::new(refusal))
    };
    let mut items = Vec::with_capacity(records.len());
    for (n, raw) in records.into_iter().enumerate() {
        if n % DECODED_AT_ONCE == DECODED_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let outcome = match &raw.flaw {
            None => format::decode(shape, &raw.bytes),
            Some(Flaw::TooLong) => flawed("the record is too long"),
            Some(Flaw::Rest { why, .. }) => flawed(why),
        };
        items.push(Item { raw, outcome });
    }
    items
}

/// A body that begins with a batch of nothing but noise is refused as a whole, before anything is recorded.
fn readable(items: &[Item<Cdr>]) -> Result<()> {
    let mut first = None;
    for item in items {
        match &item.outcome {
            Err(refusal) if refusal.unreadable => {
                let code = match item.raw.flaw {
                    Some(Flaw::Rest { code, .. }) => code,
                    Some(Flaw::TooLong) => Code::LimitExceeded,
                    None => Code::InvalidInput,
                };
                first.get_or_insert((code, &refusal.message));
            }
            _ => return Ok(()),
        }
    }
    match first {
        Some((code, message)) => {
            let text = format!("nothing of the body could be read: {message}");
            Err(Error::new(code, text))
        }
        None => Ok(()),
    }
}

/// Steps 2 to 5: everything that Postgres does for a batch, in one transaction.
async fn journal(
    inner: &Inner,
    tenant: TenantId,
    items: Vec<Item<Cdr>>,
    claimed: oneshot::Sender<()>,
) -> Result<Journaled> {
    let cx = inner.db.system().await?;
    journal::hold_attribution(&cx, tenant).await?;
    // Whole milliseconds, as the cubes keep them.
    let now = DateTime::from_timestamp_millis(cx.now().timestamp_millis()).unwrap_or_default();
    let horizon = Horizon::new(&inner.settings, now);
    let items = attribute(&inner.resolver, &cx, tenant, &horizon, items).await?;
    inner.reached(Step::Resolved)?;
    let batch = batch_id(now);
    let claims: Vec<Claim> = items
        .iter()
        .filter_map(|item| item.outcome.as_ref().ok().map(claim_of))
        .collect();
    let verdicts = journal::claim(&cx, tenant, batch, &claims, inner.expected()).await?;
    inner.learn(&verdicts);
    inner.reached(Step::Claimed)?;
    // A record of this batch that comes again in the next one waits there for the commit. Nobody listens after the last.
    let _ = claimed.send(());
    let mut books = Books::new(tenant, batch, horizon, claims.len());
    let mut verdicts = verdicts.into_iter();
    for item in items {
        match item.outcome {
            Ok(attributed) => books.settle(&item.raw, attributed, verdicts.next())?,
            Err(refusal) => books.refuse(&item.raw, *refusal),
        }
    }
    let rows = books.rows.len() as u64;
    let payload = analytics::cdr::encode(&books.rows);
    let new = (rows > 0).then(|| NewBatch {
        id: batch,
        source: books.only_source(),
        rows,
        payload: &payload,
    });
    journal::record(&cx, tenant, new, &books.tallies(), &books.rejections, now).await?;
    inner.reached(Step::Recorded)?;
    cx.commit().await?;
    Ok(Journaled {
        reply: books.reply(inner.settings.listed_rejections),
        rows,
        batch,
        payload,
    })
}

/// An id that sorts by the time of the transaction's clock.
fn batch_id(now: DateTime<Utc>) -> BatchId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let time = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
    BatchId::new(Uuid::new_v7(time))
}

/// Step 2.
async fn attribute(
    resolver: &Resolver,
    cx: &SystemCx,
    tenant: TenantId,
    horizon: &Horizon,
    items: Vec<Item<Cdr>>,
) -> Result<Vec<Item<Attributed>>> {
    let decoded = items.iter().filter_map(|item| item.outcome.as_ref().ok());
    let wanted: Vec<_> = decoded.map(|cdr| (&cdr.iccid, cdr.start)).collect();
    let mut outcomes = resolver.resolve(cx, tenant, &wanted).await?.into_iter();
    let mut attributed = Vec::with_capacity(items.len());
    for Item { raw, outcome } in items {
        let outcome = match outcome {
            Ok(cdr) => {
                let found = outcomes.next();
                let found = found.ok_or_else(|| Error::internal("a record was not resolved"))?;
                attributed_to(found, cdr, horizon)
            }
            Err(refusal) => Err(refusal),
        };
        attributed.push(Item { raw, outcome });
    }
    Ok(attributed)
}

fn attributed_to(
    found: Result<Resolved, Unresolved>,
    cdr: Cdr,
    horizon: &Horizon,
) -> Result<Attributed, Box<Refusal>> {
    let resolved = horizon
        .check(cdr.start)
        .and_then(|()| found.map_err(unresolved));
    match resolved {
        Ok(resolved) => Ok(Attributed {
            identity: journal::identity(&cdr.source, &cdr.record_id),
            cdr,
            resolved,
        }),
        Err((code, message)) => Err(Box::new(refusal(cdr, code, message))),
    }
}

/// An unknown ICCID and another tenant's read the same.
fn unresolved(reason: Unresolved) -> (RejectionCode, &'static str) {
    match reason {
        Unresolved::Unknown => (
            RejectionCode::UnknownIccid,
            "no SIM of this tenant has this ICCID",
        ),
        Unresolved::Ambiguous => (
            RejectionCode::AmbiguousIccid,
            "several SIMs begin with these 19 digits: send all 20",
        ),
    }
}

fn refusal(cdr: Cdr, code: RejectionCode, message: &str) -> Refusal {
    Refusal {
        code,
        message: message.to_owned(),
        source: cdr.source,
        record_id: Some(cdr.record_id),
        event_at: Some(cdr.start),
        unreadable: false,
    }
}

fn claim_of(attributed: &Attributed) -> Claim {
    let cdr = &attributed.cdr;
    let content = Content {
        sim: attributed.resolved.sim,
        network: &cdr.network,
        rat: &cdr.rat,
        service: cdr.service.as_str(),
        start: cdr.start,
        end: cdr.end,
        bytes_up: cdr.bytes_up,
        bytes_down: cdr.bytes_down,
        units: cdr.units,
    };
    Claim {
        place: journal::place(&cdr.record_id),
        identity: attributed.identity,
        content: content.hash(),
        event_at: cdr.start,
    }
}

/// The event times that are taken.
#[derive(Clone, Copy)]
struct Horizon {
    now: DateTime<Utc>,
    past: TimeDelta,
    future: TimeDelta,
}

impl Horizon {
    fn new(settings: &Settings, now: DateTime<Utc>) -> Self {
        Self {
            now,
            past: settings.past,
            future: settings.future,
        }
    }

    fn check(&self, start: DateTime<Utc>) -> Result<(), (RejectionCode, &'static str)> {
        if start < self.now - self.past {
            Err((
                RejectionCode::TooOld,
                "the record starts before the horizon",
            ))
        } else if start > self.now + self.future {
            Err((RejectionCode::InFuture, "the record starts in the future"))
        } else {
            Ok(())
        }
    }

    /// The hour that a record counts in. Without a believable event time that is the hour of receipt, so that no sender
    /// can open accounts in any hour of history.
    fn hour(&self, event_at: Option<DateTime<Utc>>) -> DateTime<Utc> {
        let believable = event_at.filter(|at| self.check(*at).is_ok());
        journal::hour_of(believable.unwrap_or(self.now))
    }
}

/// What a batch adds up to.
struct Books {
    tenant: TenantId,
    batch: BatchId,
    horizon: Horizon,
    rows: Vec<CdrRow>,
    rejections: Vec<NewRejection>,
    listed: Vec<Rejected>,
    by_source: BTreeMap<String, BTreeMap<DateTime<Utc>, Tally>>,
}

impl Books {
    /// The books of a batch of at most so many accepted `records`.
    fn new(tenant: TenantId, batch: BatchId, horizon: Horizon, records: usize) -> Self {
        Self {
            tenant,
            batch,
            horizon,
            rows: Vec::with_capacity(records),
            rejections: Vec::new(),
            listed: Vec::new(),
            by_source: BTreeMap::new(),
        }
    }

    /// Counts a record as received and hands out its account.
    fn receive(&mut self, source: &str, event_at: Option<DateTime<Utc>>) -> &mut Tally {
        let event_hour = self.horizon.hour(event_at);
        let new = || Tally {
            source: source.to_owned(),
            event_hour,
            received: 0,
            accepted: 0,
            duplicate: 0,
            rejected: 0,
            bytes_up: 0,
            bytes_down: 0,
        };
        let hours = self.by_source.entry(source.to_owned()).or_default();
        let tally = hours.entry(event_hour).or_insert_with(new);
        tally.received += 1;
        tally
    }

    /// Enters a claimed record by its verdict.
    fn settle(
        &mut self,
        raw: &Raw,
        attributed: Attributed,
        verdict: Option<Verdict>,
    ) -> Result<()> {
        let cdr = &attributed.cdr;
        let verdict = verdict.ok_or_else(|| Error::internal("a claim has no verdict"))?;
        if verdict == Verdict::Conflict {
            let message = "a record with this id and other billing fields was accepted before";
            let refused = refusal(attributed.cdr, RejectionCode::Conflict, message);
            self.refuse(raw, refused);
            return Ok(());
        }
        let tally = self.receive(&cdr.source, Some(cdr.start));
        if verdict == Verdict::Duplicate {
            tally.duplicate += 1;
            return Ok(());
        }
        tally.accepted += 1;
        tally.bytes_up += u128::from(cdr.bytes_up);
        tally.bytes_down += u128::from(cdr.bytes_down);
        self.rows.push(self.row(attributed));
        Ok(())
    }

    fn row(&self, attributed: Attributed) -> CdrRow {
        let Attributed {
            cdr,
            resolved,
            identity,
        } = attributed;
        CdrRow {
            tenant: self.tenant,
            customer: resolved.customer,
            sim: resolved.sim,
            device: resolved.device,
            network: cdr.network,
            rat: cdr.rat,
            service: cdr.service.as_str().to_owned(),
            source: cdr.source,
            record_id: cdr.record_id,
            identity,
            start: cdr.start,
            end: cdr.end,
            bytes_up: cdr.bytes_up,
            bytes_down: cdr.bytes_down,
            units: cdr.units,
            sign: 1,
            batch: self.batch,
            received_at: self.horizon.now,
        }
    }

    /// Enters a refused record.
    fn refuse(&mut self, raw: &Raw, refusal: Refusal) {
        self.receive(&refusal.source, refusal.event_at).rejected += 1;
        self.listed.push(Rejected {
            index: raw.index,
            code: refusal.code,
            message: refusal.message.clone(),
        });
        let identity = refusal
            .record_id
            .as_ref()
            .map(|record_id| journal::identity(&refusal.source, record_id));
        self.rejections.push(NewRejection {
            source: refusal.source,
            identity,
            record_id: refusal.record_id,
            code: refusal.code,
            message: refusal.message,
            raw: stored(&raw.bytes),
        });
    }

    /// The one source of all rows, empty when there are several.
    fn only_source(&self) -> &str {
        let mut sources = self.rows.iter().map(|row| row.source.as_str());
        let first = sources.next().unwrap_or_default();
        if sources.all(|source| source == first) {
            first
        } else {
            ""
        }
    }

    fn tallies(&self) -> Vec<Tally> {
        let hours = self.by_source.values().flat_map(BTreeMap::values);
        hours.cloned().collect()
    }

    fn reply(mut self, listed: usize) -> Reply {
        let sum = |of: fn(&Tally) -> u64| -> u64 {
            let hours = self.by_source.values().flat_map(BTreeMap::values);
            hours.map(of).sum()
        };
        let (received, accepted) = (sum(|t| t.received), sum(|t| t.accepted));
        let (duplicate, rejected) = (sum(|t| t.duplicate), sum(|t| t.rejected));
        let rejections_truncated = self.listed.len() > listed;
        self.listed.truncate(listed);
        Reply {
            received,
            accepted,
            duplicate,
            rejected,
            rejections: self.listed,
            rejections_truncated,
        }
    }
}

/// A refused record as it is kept: its beginning, as text that Postgres takes.
fn stored(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(RAW_BYTES)];
    let mut text = String::from_utf8_lossy(head).replace('\0', "");
    // A replacement character is longer than the byte it replaces.
    text.truncate(text.floor_char_boundary(RAW_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_a_refused_record_is_short_text_without_nul() {
        assert_eq!(stored(b"a\0b\xff"), "ab\u{fffd}");
        let long = stored(&vec![0xff; 1_000_000]);
        assert!(long.len() <= RAW_BYTES && long.len() > RAW_BYTES - 3);
    }

    #[test]
    fn unbelievable_times_count_in_the_hour_of_receipt() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let horizon = Horizon::new(&Settings::default(), now);
        let hour = |days: i64| horizon.hour(Some(now + TimeDelta::days(days)));
        assert_eq!(hour(-1), journal::hour_of(now - TimeDelta::days(1)));
        for unbelievable in [-366, 1, 60_000] {
            assert_eq!(hour(unbelievable), journal::hour_of(now));
        }
        assert_eq!(horizon.hour(None), journal::hour_of(now));
    }
}
