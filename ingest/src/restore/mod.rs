//! A month that the usage store lost is put back: what the ledger has as accepted, from whoever still has the bytes.
//!
//! The journal keeps payloads for minutes, topics keep messages for days. Rows of topics are decoded again, attributed as of when they began,
//! and looked up in the ledger, which says whether they are what was accepted, in which batch and when it was received. They go into the
//! journal, and settling does the rest: it inserts what is missing and corrects every cube, so nothing depends on what exactly was lost.
//!
//! A topic may have a part of what a batch lost, and what the records still have besides: each row that it has is looked up. What of a batch is
//! missing and was found comes back, and the rest is on its way for nobody, so that hours may lack it while this is settled.
//!
//! **Rollups** have no identities in the ledger, and what they count depends on what came before. So batches of them are made again in their
//! order, and a tenant's part of one is put back if it comes to the ledger's part exactly, and not at all otherwise (`rollups`).
//!
//! **What nobody has.** What was delivered over HTTP is in the journal for minutes only, and sessions that some came to are not made again. It
//! is listed. What else the tenant lost is put back all the same, where the cube of hours lost
//! as much as the records; where it has more, it may be all that is left of them, and the tenant's month stays as it is.

mod pile;
mod records;
mod rollups;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use analytics::{CdrRow, SessionRow, Store, System};
use chrono::{DateTime, Utc};
use domain::{
    Code, Db, Error, Period, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, Kind, KnownPart},
    tenant,
};

use crate::{
    kind::{KINDS, Retained, Row, family_of},
    pipeline::{Intake, Settled},
    topic::Settings,
    verify,
};

/// Parts that the records are asked about together.
const PARTS: usize = 10_000;
/// How long settling what was put back may wait for an engine or another process.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// What was put back of a month.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Records that topics had.
    pub from_topics: u64,
    /// Records that the journal had.
    pub from_journal: u64,
    /// What settling did with them.
    pub settled: Settled,
    /// What was not put back.
    pub left: Vec<Left>,
}

/// What a tenant lost in a batch and nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Short name of the tenant.
    pub tenant: String,
    /// What its records are.
    pub kind: Kind,
    /// The batch.
    pub batch: BatchId,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Records that are missing.
    pub records: u64,
    /// Why.
    pub why: &'static str,
}

/// A part of which records are missing.
struct Lost {
    known: KnownPart,
    kind: Kind,
    records: u64,
    /// Those of them that topics or the journal have.
    found: u64,
    /// Rows of it that were put back: what topics had of it, missing or not.
    put_back: u64,
}

impl Lost {
    fn tenant(&self) -> TenantId {
        self.known.part.tenant
    }

    /// Whether a topic of its kind is asked for it.
    fn is_of_topic(&self, kind: Kind) -> bool {
        self.kind == kind && !self.known.is_kept
    }

    /// Whether all of it can be put back.
    fn is_there(&self) -> bool {
        self.found >= self.records
    }

    fn left(&self, names: &BTreeMap<TenantId, String>, records: u64, why: &'static str) -> Left {
        Left {
            tenant: names.get(&self.tenant()).cloned().unwrap_or_default(),
            kind: self.kind,
            batch: self.known.part.batch,
            received_at: self.known.received_at,
            records,
            why,
        }
    }
}

/// Puts a month back. `topics` says where Kafka is, if it is anywhere.
///
/// # Errors
/// `UNAVAILABLE` when an engine or the broker does not answer; done again, it begins again.
pub async fn month(
    intake: &Intake,
    store: &Store,
    db: &Db,
    topics: Option<&Settings>,
    month: Period,
) -> Result<Restored> {
    let cx = db.system().await?;
    journal::forget_restore(&cx).await?;
    cx.commit().await?;
    let names = names(db).await?;
    let mut restored = Restored::default();
    let mut lost = lost(store, db, month, &names, &mut restored.left).await?;
    if let Some(settings) = topics {
        records::read(intake, db, settings, month, &mut lost).await?;
        rollups::read(intake, db, settings, &mut lost).await?;
    }
    find(store, db, &mut lost).await?;
    let spared = spared(store, db, month, &lost).await?;
    let (spared, lost): (Vec<Lost>, Vec<Lost>) =
        (lost.into_iter()).partition(|it| spared.contains(&(it.kind, it.tenant())));
    // Where topics have nothing that is missing, what they have is of no use.
    let useless = lost.iter().filter(|it| it.found == 0);
    drop_rows(db, spared.iter().chain(useless)).await?;
    let why = "not all of the month can be put back, and the cubes may have more of it";
    let left = spared.iter().map(|it| it.left(&names, it.records, why));
    restored.left.extend(left);
    let gone = lost.iter().filter(|it| !it.is_there());
    restored.left.extend(gone.map(|it| {
        let why = match it.kind {
            _ if it.known.is_kept => "the journal has a part of the batch, and no topic is asked until it has forgotten it",
            Kind::Cdr => "no topic has them",
            Kind::Session => "its topic does not have all of it",
        };
        it.left(&names, it.records - it.found, why)
    }));
    let found = |is_kept| {
        let of_one = lost.iter().filter(move |it| it.known.is_kept == is_kept);
        of_one.map(|it| it.found).sum()
    };
    (restored.from_topics, restored.from_journal) = (found(false), found(true));
    restored.settled = settle(intake, db, &lost).await?;
    Ok(restored)
}

/// Short names of all tenants.
async fn names(db: &Db) -> Result<BTreeMap<TenantId, String>> {
    let cx = db.system().await?;
    let tenants = tenant::list(&cx).await?.into_iter();
    Ok(tenants.map(|tenant| (tenant.id, tenant.slug)).collect())
}

/// What the records lack of what the ledger has. What is so old that records may have expired is not put back.
async fn lost(
    store: &Store,
    db: &Db,
    month: Period,
    names: &BTreeMap<TenantId, String>,
    left: &mut Vec<Left>,
) -> Result<Vec<Lost>> {
    let cx = db.system().await?;
    let retained = Retained::read(&cx).await?;
    let system = System::new(cx.now());
    let tables = store.tables(&system);
    let mut lost = Vec::new();
    for (tenant, kind) in names.keys().flat_map(|it| KINDS.map(|kind| (*it, kind))) {
        let whole_from = retained.whole_from(kind, tenant, cx.now());
        let parts = journal::parts_within(&cx, kind, tenant, month).await?;
        for parts in parts.chunks(PARTS) {
            let batches: Vec<BatchId> = parts.iter().map(|it| it.part.batch).collect();
            let tables = tables.of(family_of(kind));
            let found = tables.batches_of(&system, tenant, &batches).await?;
            let found: HashMap<BatchId, i64> = (found.into_iter())
                .map(|it| (it.batch, it.count.records))
                .collect();
            for known in parts {
                let there = found.get(&known.part.batch).copied().unwrap_or_default();
                let Ok(records @ 1..) = u64::try_from(known.part.sums.rows - there) else {
                    continue;
                };
                let it = Lost {
                    known: known.clone(),
                    kind,
                    records,
                    found: 0,
                    put_back: 0,
                };
                if known.part.first_at < whole_from {
                    left.push(it.left(names, records, "they are older than they are kept"));
                } else {
                    lost.push(it);
                }
            }
        }
    }
    Ok(lost)
}

/// Counts what can be put back of what is missing.
async fn find(store: &Store, db: &Db, lost: &mut [Lost]) -> Result<()> {
    let cx = db.system().await?;
    for it in lost {
        if !it.known.is_kept && it.put_back == 0 {
            continue;
        }
        it.found = match it.kind {
            Kind::Cdr => found_of::<CdrRow>(store, &cx, it).await?,
            Kind::Session => found_of::<SessionRow>(store, &cx, it).await?,
        };
    }
    Ok(())
}

/// How many of the missing rows of a part its batch has in the journal. Where it has not all of the part, each is looked up: a topic, and what a
/// restore put back of it, may have what the records still have, and not what they lack.
async fn found_of<R: Row>(store: &Store, cx: &SystemCx, lost: &Lost) -> Result<u64> {
    let is_whole = |rows: u64| i64::try_from(rows).is_ok_and(|it| it == lost.known.part.sums.rows);
    if is_whole(lost.put_back) {
        return Ok(lost.records);
    }
    let Some(payload) = journal::payload(cx, lost.known.part.batch).await? else {
        return Ok(0);
    };
    let mut rows = match R::decode(payload.encoding, payload.bytes.into()) {
        // It is damaged, or a newer program's: nobody can tell what it has.
        Err(error) if error.code() == Code::Internal => return Ok(0),
        rows => rows?,
    };
    rows.retain(|row| row.tenant() == lost.tenant());
    if is_whole(rows.len() as u64) {
        return Ok(lost.records);
    }
    let found = store.look_up(&System::new(cx.now()), &rows).await?;
    // What is there twice, or as another one, is not among those that the records are short of.
    let missing = (found.missing.iter()).filter(|at| !found.surplus.contains(at));
    Ok(missing.count() as u64)
}

/// Whose month stays as it is: of those who lost what nobody has, those of whom the cube of hours has something else than the records.
async fn spared(
    store: &Store,
    db: &Db,
    month: Period,
    lost: &[Lost],
) -> Result<BTreeSet<(Kind, TenantId)>> {
    let cx = db.system().await?;
    let short = lost.iter().filter(|it| !it.is_there());
    let short: BTreeSet<(Kind, TenantId)> = short.map(|it| (it.kind, it.tenant())).collect();
    let mut spared = BTreeSet::new();
    for (kind, tenant) in short {
        if !verify::are_alike(&cx, store, kind, tenant, month).await? {
            spared.insert((kind, tenant));
        }
    }
    Ok(spared)
}

/// Takes what was put back of some parts out of the journal again.
async fn drop_rows<'l>(db: &Db, parts: impl Iterator<Item = &'l Lost>) -> Result<()> {
    let cx = db.system().await?;
    for it in parts.filter(|it| it.put_back > 0) {
        match it.kind {
            Kind::Cdr => pile::drop_rows::<CdrRow>(&cx, it).await?,
            Kind::Session => pile::drop_rows::<SessionRow>(&cx, it).await?,
        }
    }
    cx.commit().await
}

/// Has everything settled that is in the journal of these parts. What of them nobody has is on its way meanwhile, so that hours may lack it;
/// whatever becomes of this, it counts as it did afterwards.
async fn settle(intake: &Intake, db: &Db, lost: &[Lost]) -> Result<Settled> {
    let back = lost.iter().filter(|it| it.found > 0);
    let batches: BTreeSet<BatchId> = back.map(|it| it.known.part.batch).collect();
    if batches.is_empty() {
        return Ok(Settled::default());
    }
    let batches: Vec<BatchId> = batches.into_iter().collect();
    let gone = lost.iter().filter(|it| !it.is_there());
    let gone: Vec<(TenantId, i64)> = gone.map(|it| (it.tenant(), it.known.number)).collect();
    let cx = db.system().await?;
    journal::retry_restored(&cx, &batches, &gone).await?;
    cx.commit().await?;
    let settled = settle_these(intake, db, &batches).await;
    let cx = db.system().await?;
    journal::forget_restore(&cx).await?;
    cx.commit().await?;
    settled
}

/// Settles until none of these batches waits, whatever others do.
async fn settle_these(intake: &Intake, db: &Db, batches: &[BatchId]) -> Result<Settled> {
    let mut settled = Settled::default();
    let begun = Instant::now();
    loop {
        settled.add(intake.settle().await?);
        let cx = db.system().await?;
        if !journal::is_any_journaled(&cx, batches).await? {
            return Ok(settled);
        }
        drop(cx);
        if begun.elapsed() > PATIENCE {
            let text = "what was put back waits to be counted: a server counts it";
            return Err(Error::unavailable(text, "settling takes too long"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
