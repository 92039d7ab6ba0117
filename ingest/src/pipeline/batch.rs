//! Steps 3 to 7: what a batch of deliveries goes through.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::{
    Code, Error, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, Claim, Content, Expected, Month, NewBatch, RejectionCode, Verdict, identity},
    sim::resolve::{self, Resolved, Unresolved},
};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use uuid::{NoContext, Timestamp, Uuid};

use super::{
    Inner, Step,
    apply::Journaled,
    books::{Books, Horizon, refusal},
    counted::{Committed, late},
    decode::Item,
    gather::Queued,
};
use crate::format::{Cdr, Refusal};

/// Batches in a row in which all was new, after which the next one is expected to be all new, too: a wrong guess costs
/// time.
const ALL_NEW_STREAK: u32 = 20;
/// How long a batch waits for what another one holds and has not committed: the next batch waits with it.
const TOGETHER: Duration = Duration::from_secs(1);
/// How long the pieces of a batch wait that waited for too long.
const APART: Duration = Duration::from_millis(100);

/// What earlier batches let expect of the next one.
#[derive(Default)]
pub(super) struct Guesses {
    all_new: AtomicU32,
    /// Sources that are taken down.
    sources: Mutex<HashMap<TenantId, HashSet<String>>>,
}

impl Guesses {
    fn expected(&self) -> Expected {
        if self.all_new.load(Ordering::Relaxed) < ALL_NEW_STREAK {
            Expected::SomeKnown
        } else {
            Expected::AllNew
        }
    }

    fn learn(&self, verdicts: &[Verdict]) {
        if verdicts.iter().all(|verdict| *verdict == Verdict::Accepted) {
            self.all_new.fetch_add(1, Ordering::Relaxed);
        } else {
            self.all_new.store(0, Ordering::Relaxed);
        }
    }

    fn knows(&self, tenant: TenantId, named: &BTreeSet<&str>) -> bool {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sources.get(&tenant);
        known.is_some_and(|known| named.iter().all(|source| known.contains(*source)))
    }

    fn learn_sources(&self, committed: Vec<(TenantId, HashSet<String>)>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for (tenant, known) in committed {
            sources.entry(tenant).or_default().extend(known);
        }
    }
}

/// The place of a batch among the batches of this process.
pub(super) struct Turn {
    /// Reports that the batch before this one has claimed its records, or given up.
    before: Option<oneshot::Receiver<()>>,
    /// Tells the next batch the same, also by being dropped.
    claimed: Option<oneshot::Sender<()>>,
}

impl Turn {
    /// A record that two batches of one sender hold is the first one's.
    async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // An error says that it gave up.
            before.await.ok();
        }
    }

    fn pass(&mut self) {
        if let Some(claimed) = self.claimed.take() {
            claimed.send(()).ok();
        }
    }
}

/// A record whose SIM is known.
pub(super) struct Attributed {
    pub(super) cdr: Cdr,
    pub(super) resolved: Resolved,
    pub(super) identity: Uuid,
}

/// What one tenant has in a batch on its way.
struct Share<T> {
    tenant: TenantId,
    part: i64,
    /// Each with the place of its delivery.
    items: Vec<(usize, Item<T>)>,
}

/// Takes deliveries through the journal into the cubes. Returns those that have to wait: because the assignments of their
/// tenant are being changed, or because another process, which may have been stopped, holds what they need.
pub(super) async fn run(
    inner: &Arc<Inner>,
    deliveries: Vec<Queued>,
    before: Option<oneshot::Receiver<()>>,
    claimed: oneshot::Sender<()>,
) -> Vec<Queued> {
    let mut turn = Turn {
        before,
        claimed: Some(claimed),
    };
    // Before a connection is taken: whoever waits for its turn with one keeps it from those whose turn it is.
    turn.come().await;
    let (mut left, deliveries): (Vec<_>, Vec<_>) = deliveries
        .into_iter()
        .partition(|queued| inner.sitting_out.has(queued.tenant));
    let mut tries = VecDeque::from([(deliveries, TOGETHER)]);
    while let Some((deliveries, patience)) = tries.pop_front() {
        if deliveries.is_empty() {
            continue;
        }
        let outcome = journal_and_apply(inner, deliveries, patience, &mut turn).await;
        let Failed { deliveries, error } = match outcome {
            Ok(frozen) => {
                left.extend(frozen);
                continue;
            }
            Err(failed) => failed,
        };
        let waited = error.is_lock_timeout();
        if waited {
            turn.pass();
        }
        let groups = groups(deliveries, &error);
        let cause = error.cause();
        if groups.len() > 1 {
            // What is wrong with one of them must not be held against the others.
            tracing::warn!(cause, "a batch cannot be journaled; it is tried in pieces");
            tries.extend(groups.into_iter().map(|group| (group, APART)));
        } else if waited {
            for queued in groups.into_iter().flatten() {
                let tenant = queued.tenant;
                tracing::warn!(%tenant, cause, "another process holds what a delivery needs");
                inner.sitting_out.send(tenant);
                left.push(queued);
            }
        } else {
            tell(&error, groups);
        }
    }
    left
}

/// Deliveries that left nothing in the journal, and why.
struct Failed {
    deliveries: Vec<Queued>,
    error: Error,
}

/// Deliveries that are to be tried without each other after `error`.
fn groups(deliveries: Vec<Queued>, error: &Error) -> Vec<Vec<Queued>> {
    if error.is_lock_timeout() || error.code() == Code::NotFound {
        let mut by_tenant: BTreeMap<TenantId, Vec<Queued>> = BTreeMap::new();
        for queued in deliveries {
            by_tenant.entry(queued.tenant).or_default().push(queued);
        }
        by_tenant.into_values().collect()
    } else if error.code() == Code::Internal {
        deliveries.into_iter().map(|queued| vec![queued]).collect()
    } else {
        vec![deliveries]
    }
}

/// Tells senders that their deliveries left nothing in the journal.
fn tell(error: &Error, groups: Vec<Vec<Queued>>) {
    let cause = error.cause().unwrap_or_default();
    for queued in groups.into_iter().flatten() {
        let error = match error.code() {
            Code::Internal => Error::internal(cause.clone()),
            Code::Unavailable => Error::unavailable(error.to_string(), cause.clone()),
            code => Error::new(code, error.to_string()),
        };
        // Its sender may be gone.
        queued.reply.send(Err(error)).ok();
    }
}

/// Journals deliveries, tells their senders, and applies the batch. Returns those whose tenant's assignments are being
/// changed.
async fn journal_and_apply(
    inner: &Arc<Inner>,
    deliveries: Vec<Queued>,
    patience: Duration,
    turn: &mut Turn,
) -> Result<Vec<Queued>, Failed> {
    let written = match journal(inner, &deliveries, patience, turn).await {
        Ok(written) => written,
        Err(error) => return Err(Failed { deliveries, error }),
    };
    let mut frozen = Vec::new();
    let mut replies = Vec::with_capacity(deliveries.len());
    for queued in deliveries {
        if written.tenants.contains(&queued.tenant) {
            // What comes now holds no room.
            drop(queued.items.room);
            replies.push(Some(queued.reply));
        } else {
            frozen.push(queued);
            replies.push(None);
        }
    }
    finish(inner, written, replies).await;
    Ok(frozen)
}

type Replies = Vec<Option<oneshot::Sender<Result<Committed>>>>;

/// Steps 3 to 5, with copies of the deliveries: when they fail, the deliveries are tried again.
async fn journal(
    inner: &Inner,
    deliveries: &[Queued],
    patience: Duration,
    turn: &mut Turn,
) -> Result<Written> {
    let tenants: BTreeSet<TenantId> = deliveries.iter().map(|queued| queued.tenant).collect();
    let tenants: Vec<TenantId> = tenants.into_iter().collect();
    let begun = begin(inner, &tenants, patience).await?;
    let mut by_tenant: BTreeMap<TenantId, Vec<(usize, Item<Cdr>)>> = BTreeMap::new();
    for (place, queued) in deliveries.iter().enumerate() {
        if begun.parts.contains_key(&queued.tenant) {
            let line = by_tenant.entry(queued.tenant).or_default();
            line.extend(queued.items.items.iter().map(|item| (place, item.clone())));
        }
    }
    let share = |(tenant, items)| Share {
        tenant,
        part: begun.parts.get(&tenant).copied().unwrap_or_default(),
        items,
    };
    let shares = by_tenant.into_iter().map(share).collect();
    write(inner, begun, shares, deliveries.len(), turn).await
}

/// A transaction that has begun to journal.
struct Begun {
    cx: SystemCx,
    month: Month,
    /// Numbers of the parts of those tenants whose assignments stand still.
    parts: BTreeMap<TenantId, i64>,
    versions: HashMap<TenantId, i64>,
    apply_by: DateTime<Utc>,
}

async fn begin(inner: &Inner, tenants: &[TenantId], patience: Duration) -> Result<Begun> {
    let apply_by = inner.deadline().await?;
    loop {
        let cx = inner.db.system().await?;
        let held = journal::hold_attribution(&cx, tenants, inner.patience()).await?;
        let now = cx.now();
        let Some(month) = journal::hold_month(&cx)
            .await?
            .filter(|month| *month >= Month::of(now))
        else {
            drop(cx);
            journal::open_month(&inner.db, now).await?;
            continue;
        };
        journal::bound_waits(&cx, patience).await?;
        let held: Vec<TenantId> = tenants
            .iter()
            .copied()
            .filter(|tenant| held.contains(tenant))
            .collect();
        let versions = resolve::fleet_versions(&cx, &held).await?;
        let sequences = journal::part_sequences(&cx, held.len()).await?;
        let parts = held
            .into_iter()
            .zip(sequences)
            .map(|(tenant, sequence)| (tenant, month.part(sequence)));
        return Ok(Begun {
            parts: parts.collect(),
            cx,
            month,
            versions,
            apply_by,
        });
    }
}

/// What the transaction came to.
struct Written {
    /// Those whose deliveries it holds.
    tenants: BTreeSet<TenantId>,
    books: Books,
    batch: Option<Journaled>,
    /// Parts that are repeated and not known to be counted.
    open: HashSet<i64>,
}

/// Steps 3 to 5, in the transaction that has begun.
async fn write(
    inner: &Inner,
    begun: Begun,
    shares: Vec<Share<Cdr>>,
    deliveries: usize,
    turn: &mut Turn,
) -> Result<Written> {
    let cx = &begun.cx;
    // Whole milliseconds, as the cubes keep them.
    let now = DateTime::from_timestamp_millis(cx.now().timestamp_millis()).unwrap_or_default();
    let horizon = Horizon::new(&inner.settings, now);
    let mut attributed = Vec::with_capacity(shares.len());
    let mut sources = Vec::new();
    for share in shares {
        let share = attribute(inner, &begun, &horizon, share).await?;
        attributed.push(with_known_source(inner, cx, share, &mut sources).await?);
    }
    inner.reached(Step::Resolved)?;
    let claims: Vec<Claim> = attributed.iter().flat_map(claims_of).collect();
    let verdicts = journal::claim(
        cx,
        begun.month,
        &claims,
        &inner.older,
        inner.guesses.expected(),
    )
    .await?;
    inner.guesses.learn(&verdicts);
    inner.reached(Step::Claimed)?;
    // A record of this batch that comes again in the next one waits there for the commit.
    turn.pass();
    let id = batch_id(now);
    let mut books = Books::new(id, horizon, deliveries, claims.len());
    let mut verdicts = verdicts.into_iter();
    for share in attributed {
        books.open(share.tenant, share.part);
        for (delivery, item) in share.items {
            match item.outcome {
                Ok(attributed) => books.settle(delivery, &item.raw, attributed, verdicts.next())?,
                Err(_) => books.refuse_item(delivery, item),
            }
        }
    }
    let (parts, payload) = (books.parts(), books.payload());
    let rows = books.rows();
    let new = (rows > 0).then(|| NewBatch {
        id,
        rows,
        encoding: analytics::cdr::ENCODING,
        payload: &payload,
        apply_by: begun.apply_by,
        parts: &parts,
    });
    journal::record(cx, new, &books.tallies(), books.rejections(), now).await?;
    let repeated = books.repeated();
    let open = if repeated.is_empty() {
        HashSet::new()
    } else {
        let open = journal::uncounted_parts(cx, &repeated).await?;
        open.into_iter().map(|(part, _)| part).collect()
    };
    inner.reached(Step::Recorded)?;
    begun.cx.commit().await?;
    inner.guesses.learn_sources(sources);
    let batch = (rows > 0).then_some(Journaled {
        batch: id,
        rows,
        payload,
        apply_by: begun.apply_by,
    });
    Ok(Written {
        tenants: begun.parts.into_keys().collect(),
        books,
        batch,
        open,
    })
}

/// Tells every sender what was journaled, then applies it.
async fn finish(inner: &Arc<Inner>, written: Written, replies: Replies) {
    let Written {
        mut books,
        batch,
        open,
        ..
    } = written;
    let (counted, applied) = watch::channel(None);
    let at = Instant::now();
    let listed = inner.settings.listed_rejections;
    for (delivery, reply) in replies.into_iter().enumerate() {
        let Some(reply) = reply else { continue };
        let (account, own, mut waits_for) = books.account(delivery, listed);
        waits_for.retain(|part, _| Some(*part) == own || open.contains(part));
        let committed = Committed {
            account,
            waits_for,
            own,
            applied: applied.clone(),
            at,
        };
        // Its sender may be gone; what was journaled is counted all the same.
        reply.send(Ok(committed)).ok();
    }
    let Some(batch) = batch else { return };
    let outcome = inner.apply(&batch).await;
    if let Err(error) = &outcome {
        let error = late(error.cause().unwrap_or_else(|| error.to_string()));
        tracing::warn!(batch = %batch.batch, cause = error.cause(), "a batch is left to be settled");
        inner.wake.notify_one();
    }
    // Whether anybody still waits does not matter.
    counted.send(Some(outcome.is_ok())).ok();
}

/// An id that sorts by the time of the transaction's clock.
pub(super) fn batch_id(now: DateTime<Utc>) -> BatchId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let time = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
    BatchId::new(Uuid::new_v7(time))
}

/// Step 3.
async fn attribute(
    inner: &Inner,
    begun: &Begun,
    horizon: &Horizon,
    share: Share<Cdr>,
) -> Result<Share<Attributed>> {
    let Share {
        tenant,
        part,
        items,
    } = share;
    let version = begun.versions.get(&tenant).copied();
    let version = version.ok_or_else(|| Error::not_found("tenant"))?;
    let decoded = items
        .iter()
        .filter_map(|(_, item)| item.outcome.as_ref().ok());
    let wanted: Vec<_> = decoded.map(|cdr| (&cdr.iccid, cdr.start)).collect();
    let outcomes = inner.resolver.resolve(&begun.cx, tenant, version, &wanted);
    let mut outcomes = outcomes.await?.into_iter();
    let mut attributed = Vec::with_capacity(items.len());
    for (delivery, Item { raw, outcome }) in items {
        let outcome = match outcome {
            Ok(cdr) => {
                let found = outcomes.next();
                let found = found.ok_or_else(|| Error::internal("a record was not resolved"))?;
                attributed_to(tenant, found, cdr, horizon)
            }
            Err(refusal) => Err(refusal),
        };
        attributed.push((delivery, Item { raw, outcome }));
    }
    Ok(Share {
        tenant,
        part,
        items: attributed,
    })
}

fn attributed_to(
    tenant: TenantId,
    found: Result<Resolved, Unresolved>,
    cdr: Cdr,
    horizon: &Horizon,
) -> Result<Attributed, Box<Refusal>> {
    let resolved = horizon
        .check(cdr.start)
        .and_then(|()| found.map_err(unresolved));
    match resolved {
        Ok(resolved) => Ok(Attributed {
            identity: identity(tenant, &cdr.source, &cdr.record_id),
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

/// Refuses records, also those that are refused already, that name a source for which the tenant has no room.
async fn with_known_source(
    inner: &Inner,
    cx: &SystemCx,
    mut share: Share<Attributed>,
    learned: &mut Vec<(TenantId, HashSet<String>)>,
) -> Result<Share<Attributed>> {
    let named: BTreeSet<&str> = share
        .items
        .iter()
        .map(|(_, item)| source_of(item))
        .filter(|source| !source.is_empty())
        .collect();
    if inner.guesses.knows(share.tenant, &named) {
        return Ok(share);
    }
    let known = journal::known_sources(cx, share.tenant, &named, inner.settings.sources).await?;
    for (_, item) in &mut share.items {
        let source = source_of(item);
        if source.is_empty() || known.contains(source) {
            continue;
        }
        let unreadable = item.outcome.as_ref().is_err_and(|it| it.unreadable);
        item.outcome = Err(Box::new(Refusal {
            code: RejectionCode::TooManySources,
            message: "the tenant has no room for another source".to_owned(),
            source: String::new(),
            record_id: None,
            event_at: None,
            unreadable,
        }));
    }
    learned.push((share.tenant, known));
    Ok(share)
}

fn source_of(item: &Item<Attributed>) -> &str {
    match &item.outcome {
        Ok(attributed) => &attributed.cdr.source,
        Err(refusal) => &refusal.source,
    }
}

fn claims_of(share: &Share<Attributed>) -> impl Iterator<Item = Claim> {
    let attributed = share
        .items
        .iter()
        .filter_map(|(_, item)| item.outcome.as_ref().ok());
    attributed.map(|attributed| {
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
            identity: attributed.identity,
            content: content.hash(),
            part: share.part,
            event_at: cdr.start,
        }
    })
}
