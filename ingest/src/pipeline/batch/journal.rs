//! Steps 3 to 5, in one transaction: resolve, claim and record.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use analytics::{CdrRow, cdr};
use chrono::{DateTime, Utc};
use domain::{
    Error, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, Claim, Kind, Month, NewBatch, Verdict},
    sim::resolve,
    tenant::{self, Retentions},
    topic::Passage,
};
use uuid::{NoContext, Timestamp, Uuid};

use super::{
    super::{
        Inner, Step,
        apply::{Journaled, Kept},
        books::Books,
        decode::Item,
        horizon::Horizon,
        queue::Queued,
    },
    attribute::{Attributed, Share, attribute, claims_of, with_known_source},
    order::ClaimOrder,
    passage,
    record::Record,
};
use crate::format::Cdr;

/// Steps 3 to 5, with copies of the deliveries: when they fail, the deliveries are tried again.
pub(super) async fn journal<T: Record>(
    inner: &Inner,
    deliveries: &[Queued<T>],
    patience: Duration,
    order: &mut ClaimOrder,
) -> Result<Written> {
    let tenants: BTreeSet<TenantId> = deliveries.iter().flat_map(Queued::tenants).collect();
    let tenants: Vec<TenantId> = tenants.into_iter().collect();
    let begun = begin(inner, &tenants, patience).await?;
    let stands_still = |tenant: TenantId| begun.parts.contains_key(&tenant);
    let place = |queued: &Queued<T>| {
        if queued.tenants().all(stands_still) {
            Place::Held
        } else {
            Place::Waits
        }
    };
    let mut places: Vec<Place> = deliveries.iter().map(place).collect();
    passage::pass(&begun.cx, deliveries, &mut places).await?;
    let mut by_tenant: BTreeMap<TenantId, Vec<(usize, Item<T>)>> = BTreeMap::new();
    for (place, queued) in deliveries
        .iter()
        .enumerate()
        .filter(|(at, _)| places[*at] == Place::Held)
    {
        for (tenant, items) in &queued.shares {
            let share = by_tenant.entry(*tenant).or_default();
            share.extend(items.items.iter().map(|item| (place, item.clone())));
        }
    }
    let share = |(tenant, items)| Share {
        tenant,
        part: begun.parts.get(&tenant).copied().unwrap_or_default(),
        items,
    };
    let shares = by_tenant.into_iter().map(share).collect();
    let held = Held { deliveries, places };
    T::write(inner, begun, held, shares, order).await
}

/// Deliveries, and what becomes of each.
pub(in crate::pipeline) struct Held<'a, T> {
    pub(super) deliveries: &'a [Queued<T>],
    pub(super) places: Vec<Place>,
}

impl<T> Held<'_, T> {
    /// The topic that each delivery came through, if it did.
    pub(super) fn topics(&self) -> Vec<Option<Arc<str>>> {
        let passages = self.deliveries.iter().map(|queued| queued.passage.as_ref());
        let topic = |passage: Option<&Passage>| passage.map(|it| it.partition.topic.clone());
        passages.map(topic).collect()
    }
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The batch holds it: all of its tenants' assignments stand still, and its messages were not read before.
    Held,
    /// It waits for an assignment.
    Waits,
    /// Somebody else read its messages.
    Stale,
}

/// A transaction that has begun to journal.
pub(in crate::pipeline) struct Begun {
    pub(super) cx: SystemCx,
    pub(super) month: Month,
    /// Numbers of the parts of those tenants whose assignments stand still.
    pub(super) parts: BTreeMap<TenantId, i64>,
    pub(super) versions: HashMap<TenantId, i64>,
    /// How long their records are kept.
    pub(super) retentions: Retentions,
    pub(super) apply_by: DateTime<Utc>,
}

impl Begun {
    /// Now in whole milliseconds, as the cubes keep them.
    pub(super) fn now(&self) -> DateTime<Utc> {
        let now = self.cx.now().timestamp_millis();
        DateTime::from_timestamp_millis(now).unwrap_or_default()
    }
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
        let (versions, retentions) = tokio::try_join!(
            resolve::fleet_versions(&cx, &held),
            tenant::retentions_of(&cx, &held)
        )?;
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
            retentions,
            apply_by,
        });
    }
}

/// What the transaction came to.
pub(in crate::pipeline) struct Written {
    /// What became of each delivery.
    pub(super) places: Vec<Place>,
    pub(super) books: Books,
    pub(super) batch: Option<Journaled>,
    /// Parts that are repeated and not known to be counted.
    pub(super) open: HashSet<i64>,
}

/// Steps 3 to 5 for usage records, in the transaction that has begun.
pub(super) async fn write(
    inner: &Inner,
    begun: Begun,
    held: Held<'_, Cdr>,
    shares: Vec<Share<Cdr>>,
    order: &mut ClaimOrder,
) -> Result<Written> {
    let now = begun.now();
    let horizon = Horizon::new(&inner.settings, now, begun.retentions.clone());
    let mut sources = Vec::new();
    let mut attributed = Vec::with_capacity(shares.len());
    for share in shares {
        let version = begun.versions.get(&share.tenant).copied();
        let version = version.ok_or_else(|| Error::not_found("tenant"))?;
        let share = attribute(inner, &begun.cx, version, &horizon, share).await?;
        attributed.push(with_known_source(inner, &begun.cx, share, &mut sources).await?);
    }
    inner.reached(Step::Resolved)?;
    let elsewhere = passage::claim(inner, &begun, held.deliveries, &mut attributed).await?;
    let verdicts = claim(inner, &begun, &attributed).await?;
    // A record of this batch that comes again in the next one waits there for the commit.
    order.release();
    let mut books = Books::new(Kind::Cdr, batch_id(now), horizon, held.topics());
    let rows = enter(&mut books, attributed, verdicts)?;
    let batch = record(&begun, &books, &rows, now).await?;
    passage::record(&begun.cx, &held, &books, &elsewhere, now).await?;
    let open = open_parts(&begun.cx, &books).await?;
    inner.reached(Step::Recorded)?;
    begun.cx.commit().await?;
    inner.guesses.learn_sources(sources);
    Ok(Written {
        places: held.places,
        books,
        batch,
        open,
    })
}

/// Step 4.
async fn claim(inner: &Inner, begun: &Begun, shares: &[Share<Attributed>]) -> Result<Vec<Verdict>> {
    let claims: Vec<Claim> = shares.iter().flat_map(claims_of).collect();
    let expected = inner.guesses.expected();
    let verdicts = journal::claim(&begun.cx, begun.month, &claims, &inner.older, expected).await?;
    inner.guesses.learn(&verdicts);
    inner.reached(Step::Claimed)?;
    Ok(verdicts)
}

/// Enters every record by its verdict, or as rejected, and gives the rows of those that count.
fn enter(
    books: &mut Books,
    shares: Vec<Share<Attributed>>,
    verdicts: Vec<Verdict>,
) -> Result<Vec<CdrRow>> {
    let mut rows = Vec::with_capacity(verdicts.len());
    let mut verdicts = verdicts.into_iter();
    for share in shares {
        books.open(share.tenant, share.part);
        for (delivery, item) in share.items {
            match item.outcome {
                Ok(attributed) => {
                    let verdict = verdicts.next();
                    rows.extend(books.settle(delivery, &item.raw, attributed, verdict)?);
                }
                Err(_) => books.reject_item(delivery, item),
            }
        }
    }
    Ok(rows)
}

/// Step 5. Nothing is to be applied if nothing was accepted.
async fn record(
    begun: &Begun,
    books: &Books,
    rows: &[CdrRow],
    now: DateTime<Utc>,
) -> Result<Option<Journaled>> {
    let (parts, payload, rows) = (books.parts(), cdr::encode(rows), rows.len() as u64);
    let new = (rows > 0).then(|| NewBatch {
        id: books.batch(),
        rows,
        encoding: cdr::ENCODING,
        payload: &payload,
        apply_by: begun.apply_by,
        parts: &parts,
    });
    journal::record(
        &begun.cx,
        Kind::Cdr,
        new,
        &books.tallies(),
        books.rejections(),
        now,
    )
    .await?;
    Ok((rows > 0).then_some(Journaled {
        batch: books.batch(),
        rows,
        payload,
        apply_by: begun.apply_by,
        kept: Kept::Records(begun.retentions.clone()),
    }))
}

/// Parts of earlier batches that are repeated and not known to be counted.
pub(super) async fn open_parts(cx: &SystemCx, books: &Books) -> Result<HashSet<i64>> {
    let repeated = books.repeated();
    if repeated.is_empty() {
        return Ok(HashSet::new());
    }
    let open = journal::uncounted_parts(cx, &repeated).await?;
    Ok(open.into_iter().map(|(part, _)| part).collect())
}

/// An id that sorts by the time of the transaction's clock.
pub(in crate::pipeline) fn batch_id(now: DateTime<Utc>) -> BatchId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let time = Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos());
    BatchId::new(Uuid::new_v7(time))
}
