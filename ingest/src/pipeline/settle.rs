//! Step 8: batches whose fate is uncertain are looked up, and what is wrong is mended by evidence.
//!
//! A batch is uncertain when its insert got no clean answer, when its process is gone, or when a start follows anything but
//! a stop in order. For such a batch, in this order:
//!
//! 1. Wait until no insert of it can write any more: its deadline has passed by the engine's clock, so that none begins,
//!    and the engine shows none that has begun.
//! 2. Hold back every insert of every process (the apply lock), and be the only one to settle.
//! 3. Look its rows up by their keys. Surplus copies are taken out; what is missing is inserted, with a deadline that the
//!    journal knows first.
//! 4. Compare the cells that its rows touch, hours with records, each coarser cube with the next finer one, and enter the
//!    differences as signed rows.
//! 5. Mark it as counted.
//!
//! Each step finds out for itself what there is to do, so settling may be cut off anywhere and be done again, and costs what
//! was in flight. A batch that the engine refuses is cut into pieces, by tenant and then by halves, until what remains
//! is quarantined with the engine's reason; the rest is counted.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use analytics::{
    CdrRow,
    cdr::{self, Attempt, Unapplied},
    cube::Level,
    verify::Area,
};
use bytes::Bytes;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use domain::{
    Error, Period, Result, SystemCx,
    id::{BatchId, SimId, TenantId},
    journal::{self, BatchState, NewBatch, Part, Pending, Piece},
};

use super::{Inner, Intake, batch::batch_id};
use crate::verify;

/// A deadline has passed when the engine's clock, read to whole seconds in its own check, is beyond it.
const MARGIN: TimeDelta = TimeDelta::seconds(2);
/// Batches looked at together.
const PAGE: u32 = 500;
/// Rows settled in one go, while inserts wait; at least one batch.
const ROWS_AT_ONCE: u64 = 50_000;
/// How long batches are settled while inserts wait.
const AT_ONCE: Duration = Duration::from_millis(700);
/// How long settling tries to make intake stand still.
const FREEZE: Duration = Duration::from_secs(30);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Inserts that the engine refuses before a batch is cut, if no code says earlier that the rows are at fault.
const TRIES: u16 = 5;

/// What settling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Batches that are counted now.
    pub counted: u64,
    /// Rows that had to be inserted.
    pub inserted: u64,
    /// Rows of which there were several, or another one.
    pub surplus: u64,
    /// Cells of cubes that were corrected.
    pub corrected: u64,
    /// Batches that were cut into pieces.
    pub cut: u64,
    /// Batches that were quarantined.
    pub quarantined: u64,
    /// Batches that wait: for their deadline, or for the engine.
    pub waiting: u64,
}

impl Settled {
    pub(super) fn add(&mut self, other: Self) {
        self.counted += other.counted;
        self.inserted += other.inserted;
        self.surplus += other.surplus;
        self.corrected += other.corrected;
        self.cut += other.cut;
        self.quarantined += other.quarantined;
        self.waiting = other.waiting;
    }

    /// Whether anything was done that may let more be done.
    fn moved(self) -> bool {
        self.counted + self.cut + self.quarantined > 0
    }
}

/// When batches were refused for the first time, as far as this process knows.
#[derive(Default)]
pub(super) struct Refused(Mutex<HashMap<BatchId, Instant>>);

impl Refused {
    fn first(&self, batch: BatchId) -> Instant {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(batch).or_insert_with(Instant::now)
    }

    fn forget(&self, batches: &[BatchId]) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|batch, _| !batches.contains(batch));
    }
}

/// A batch that is being settled.
struct Case {
    pending: Pending,
    rows: Vec<CdrRow>,
}

/// What became of the rows of a case.
enum Verdict {
    Whole,
    /// The engine refused the missing rows.
    Refused {
        missing: Vec<usize>,
        for_good: bool,
        reason: String,
    },
    /// It may still be at it.
    Uncertain,
}

impl Intake {
    /// Settles every batch that can be settled now, of every process, and says what it did. Batches whose deadline has
    /// not passed are left alone.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer, or when another process settles.
    pub async fn settle(&self) -> Result<Settled> {
        let mut settled = Settled::default();
        loop {
            let step = self.inner.settle_some().await?;
            settled.add(step);
            if !step.moved() {
                return Ok(settled);
            }
            // Whoever waits for the cubes comes first.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Inner {
    /// Settles as many of the due batches as go together.
    async fn settle_some(self: &Arc<Self>) -> Result<Settled> {
        let cx = self.db.system().await?;
        let pending = journal::pending(&cx, BatchState::Journaled, PAGE).await?;
        if pending.is_empty() {
            return Ok(Settled::default());
        }
        let all = pending.len() as u64;
        let (due, waiting) = self.due(pending).await?;
        if due.is_empty() {
            return Ok(Settled {
                waiting,
                ..Settled::default()
            });
        }
        drop(cx);
        let cx = self.db.system().await?;
        if !journal::try_settle(&cx).await? {
            return Ok(Settled {
                waiting: all,
                ..Settled::default()
            });
        }
        let begun = Instant::now();
        while !journal::try_freeze_apply(&cx).await? {
            if begun.elapsed() > FREEZE {
                return Err(Error::unavailable(
                    "intake does not stand still",
                    "the apply lock",
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.store.catch_up(&self.system()).await?;
        // Under the lock, because some may have been marked meanwhile, or be at it after all.
        let pending = journal::pending(&cx, BatchState::Journaled, PAGE).await?;
        let (due, waiting) = self.due(pending).await?;
        let mut settled = self.settle_cases(&cx, due).await?;
        settled.waiting += waiting;
        cx.commit().await?;
        Ok(settled)
    }

    /// Those of which no insert can write any more, as many as go together, and how many others there are.
    async fn due(&self, pending: Vec<Pending>) -> Result<(Vec<Pending>, u64)> {
        let system = self.system();
        let now = self.store.now(&system).await?;
        let all = pending.len();
        let passed: Vec<Pending> = pending
            .into_iter()
            .filter(|pending| pending.apply_by + MARGIN < now)
            .collect();
        let batches: Vec<BatchId> = passed.iter().map(|pending| pending.batch).collect();
        let running = self.store.applying(&system, &batches).await?;
        let mut rows = 0;
        let due: Vec<Pending> = passed
            .into_iter()
            .filter(|pending| !running.contains(&pending.batch))
            .take_while(|pending| {
                let first = rows == 0;
                rows += pending.rows;
                first || rows <= ROWS_AT_ONCE
            })
            .collect();
        let waiting = (all - due.len()) as u64;
        Ok((due, waiting))
    }

    async fn settle_cases(self: &Arc<Self>, cx: &SystemCx, due: Vec<Pending>) -> Result<Settled> {
        let mut settled = Settled::default();
        let mut counted = Vec::new();
        let mut touched = Touched::default();
        let begun = Instant::now();
        for pending in due {
            // Others wait meanwhile; the rest comes after they had their turn.
            if begun.elapsed() > AT_ONCE {
                settled.waiting += 1;
                continue;
            }
            let Some(payload) = journal::payload(cx, pending.batch).await? else {
                continue;
            };
            let rows = match cdr::decode(payload.encoding, Bytes::from(payload.bytes)) {
                Ok(rows) => rows,
                // Written by a newer program, which will settle it.
                Err(_) if payload.encoding > cdr::ENCODING => {
                    settled.waiting += 1;
                    continue;
                }
                Err(error) => {
                    let reason = error.cause().unwrap_or_default();
                    tracing::error!(batch = %pending.batch, reason, "a batch is quarantined");
                    journal::quarantine(cx, pending.batch, &reason).await?;
                    settled.quarantined += 1;
                    continue;
                }
            };
            let case = Case { pending, rows };
            let verdict = self.complete(cx, &case, &mut settled).await?;
            match verdict {
                Verdict::Uncertain => settled.waiting += 1,
                Verdict::Whole => {
                    touched.add(&case.rows);
                    counted.push(case.pending.batch);
                }
                Verdict::Refused {
                    missing,
                    for_good,
                    reason,
                } => {
                    // Parts of it may be in some tables all the same.
                    touched.add(&case.rows);
                    let for_good = for_good || self.is_hopeless(&case.pending);
                    self.refused(&case, &missing, for_good, &reason, &mut settled)
                        .await?;
                }
            }
        }
        settled.corrected += self.correct(cx, &touched, &counted).await?;
        settled.counted += counted.len() as u64;
        journal::mark_counted(cx, &counted, cx.now()).await?;
        self.refused.forget(&counted);
        Ok(settled)
    }

    /// Step 3: looks the rows up, takes surplus ones out and inserts the missing.
    async fn complete(&self, cx: &SystemCx, case: &Case, settled: &mut Settled) -> Result<Verdict> {
        let system = self.system();
        let found = self.store.look_up(&system, &case.rows).await?;
        // What is inserted again has a later deadline than anything that is taken out.
        let before = found.apply_by + TimeDelta::seconds(1);
        if !found.surplus.is_empty() {
            let surplus: Vec<&CdrRow> = found.surplus.iter().map(|at| &case.rows[*at]).collect();
            journal::still_held(cx).await?;
            self.store.take_out(&system, &surplus, before).await?;
            settled.surplus += surplus.len() as u64;
        }
        if found.missing.is_empty() {
            return Ok(Verdict::Whole);
        }
        let missing: Vec<CdrRow> = found
            .missing
            .iter()
            .map(|at| case.rows[*at].clone())
            .collect();
        let batch = case.pending.batch;
        let apply_by = self.deadline().await?.max(before);
        journal::still_held(cx).await?;
        // Before the insert, and whatever becomes of the transaction that holds the locks.
        let cx = self.db.system().await?;
        journal::begin_attempt(&cx, &[batch], apply_by).await?;
        cx.commit().await?;
        let attempt = Attempt { batch, apply_by };
        let rows = missing.len() as u64;
        let payload = cdr::encode(&missing);
        match self.store.apply(&attempt, rows, &payload).await {
            Ok(()) => {
                self.engine.note_accepted();
                settled.inserted += rows;
                Ok(Verdict::Whole)
            }
            Err(error) => {
                self.note_failure(&attempt, &error).await?;
                tracing::warn!(%batch, %error, "a batch is refused");
                Ok(match error {
                    Unapplied::Refused { reason, for_good } => Verdict::Refused {
                        missing: found.missing,
                        for_good,
                        reason,
                    },
                    Unapplied::Late | Unapplied::Unknown(_) => Verdict::Uncertain,
                })
            }
        }
    }

    /// Whether the engine keeps refusing a batch while it takes others.
    fn is_hopeless(&self, pending: &Pending) -> bool {
        let first = self.refused.first(pending.batch);
        let takes_others = self.engine.accepted().is_some_and(|at| at > first);
        pending.attempts + 1 >= TRIES && takes_others
    }

    /// What becomes of a batch some of whose rows the engine does not take.
    async fn refused(
        &self,
        case: &Case,
        missing: &[usize],
        for_good: bool,
        reason: &str,
        settled: &mut Settled,
    ) -> Result<()> {
        if !for_good {
            settled.waiting += 1;
            return Ok(());
        }
        let cx = self.db.system().await?;
        let batch = case.pending.batch;
        if case.rows.len() == 1 {
            tracing::error!(%batch, reason, "a record is quarantined");
            journal::quarantine(&cx, batch, reason).await?;
            settled.quarantined += 1;
        } else {
            self.cut(&cx, case, missing).await?;
            settled.cut += 1;
        }
        cx.commit().await?;
        self.refused.forget(&[batch]);
        Ok(())
    }

    /// Puts pieces in the place of a batch: the rows that are there, and the missing ones by tenant or by halves.
    async fn cut(&self, cx: &SystemCx, case: &Case, missing: &[usize]) -> Result<()> {
        let over = case.pending.apply_by;
        let missing: BTreeSet<usize> = missing.iter().copied().collect();
        let (out, present): (Vec<_>, Vec<_>) = case
            .rows
            .iter()
            .cloned()
            .enumerate()
            .partition(|(at, _)| missing.contains(at));
        let bare = |rows: Vec<(usize, CdrRow)>| rows.into_iter().map(|(_, row)| row).collect();
        let (out, present): (Vec<CdrRow>, Vec<CdrRow>) = (bare(out), bare(present));
        let mut rows_of: Vec<(BatchId, Vec<CdrRow>)> = Vec::new();
        if !present.is_empty() {
            // What is in the records says that it is of this batch.
            rows_of.push((case.pending.batch, present));
        }
        for mut rows in halves(out) {
            let id = batch_id(case.pending.created_at);
            for row in &mut rows {
                row.batch = id;
            }
            rows_of.push((id, rows));
        }
        let months = journal::months_of(cx, case.pending.batch).await?;
        let mut drafts = Vec::with_capacity(rows_of.len());
        for (id, rows) in rows_of {
            drafts.push(Draft::new(cx, id, rows, &months).await?);
        }
        let pieces: Vec<Piece<'_>> = drafts
            .iter()
            .map(|draft| draft.piece(over, case.pending.created_at))
            .collect();
        journal::replace(cx, case.pending.batch, &pieces).await
    }

    /// Step 4. Where the ledger says that the records are short, the cubes may be all that is left of them: nothing is
    /// corrected there.
    async fn correct(&self, cx: &SystemCx, touched: &Touched, settled: &[BatchId]) -> Result<u64> {
        let system = self.system();
        let mut areas = Vec::new();
        for (tenant, period, sims) in touched.areas()? {
            if let Some(hour) = verify::short_hour(cx, &self.store, tenant, period, settled).await?
            {
                tracing::error!(
                    %tenant, %hour,
                    "records that were counted are missing: the cubes are left as they are. Run `simcube verify`"
                );
            } else {
                areas.push((tenant, period, sims));
            }
        }
        let mut corrected = 0;
        for level in Level::ALL {
            for (tenant, period, sims) in &areas {
                let area = Area {
                    tenant: *tenant,
                    period: *period,
                    sims: Some(sims.clone()),
                    begin_by: verify::begin_by(cx, &self.store).await?,
                };
                let outcome = self.store.correct(&system, level, &area).await?;
                corrected += outcome.cells;
            }
        }
        Ok(corrected)
    }

    /// Lets batches that are marked as counted be settled as if they were not.
    pub(super) async fn reopen(&self, batches: &[BatchId]) -> Result<()> {
        let cx = self.db.system().await?;
        journal::reopen(&cx, batches).await?;
        cx.commit().await
    }
}

/// Rows of one tenant stand alone, and so does either half of them.
fn halves(rows: Vec<CdrRow>) -> Vec<Vec<CdrRow>> {
    let mut by_tenant: BTreeMap<TenantId, Vec<CdrRow>> = BTreeMap::new();
    for row in rows {
        by_tenant.entry(row.tenant).or_default().push(row);
    }
    let mut parts: Vec<Vec<CdrRow>> = by_tenant.into_values().collect();
    if let [only] = parts.as_mut_slice()
        && only.len() > 1
    {
        let second = only.split_off(only.len() / 2);
        parts.push(second);
    }
    parts
}

/// A piece of a batch in the making.
struct Draft {
    id: BatchId,
    rows: u64,
    payload: Bytes,
    parts: Vec<Part>,
    identities: Vec<(uuid::Uuid, i64)>,
}

impl Draft {
    async fn new(
        cx: &SystemCx,
        id: BatchId,
        rows: Vec<CdrRow>,
        months: &HashMap<TenantId, journal::Month>,
    ) -> Result<Self> {
        let mut parts: BTreeMap<TenantId, Part> = BTreeMap::new();
        let tenants: BTreeSet<TenantId> = rows.iter().map(|row| row.tenant).collect();
        let sequences = journal::part_sequences(cx, tenants.len()).await?;
        for (tenant, sequence) in tenants.into_iter().zip(sequences) {
            let month = months.get(&tenant);
            let month = month.ok_or_else(|| Error::internal("a batch without a tenant's part"))?;
            parts.insert(tenant, Part::new(tenant, month.part(sequence)));
        }
        let mut identities = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(part) = parts.get_mut(&row.tenant) {
                part.add(
                    row.identity,
                    row.start,
                    [row.bytes_up, row.bytes_down, row.units],
                );
                identities.push((row.identity, part.number));
            }
        }
        Ok(Self {
            id,
            rows: rows.len() as u64,
            payload: cdr::encode(&rows),
            parts: parts.into_values().collect(),
            identities,
        })
    }

    fn piece(&self, apply_by: DateTime<Utc>, received_at: DateTime<Utc>) -> Piece<'_> {
        Piece {
            batch: NewBatch {
                id: self.id,
                rows: self.rows,
                encoding: cdr::ENCODING,
                payload: &self.payload,
                apply_by,
                parts: &self.parts,
            },
            identities: self.identities.clone(),
            received_at,
        }
    }
}

/// SIMs and days whose cells may be wrong.
#[derive(Default)]
struct Touched {
    by_tenant: BTreeMap<TenantId, BTreeMap<DateTime<Utc>, BTreeSet<SimId>>>,
}

impl Touched {
    fn add(&mut self, rows: &[CdrRow]) {
        for row in rows {
            let days = self.by_tenant.entry(row.tenant).or_default();
            days.entry(day_of(row.start)).or_default().insert(row.sim);
        }
    }

    /// What a level has to be looked at for: at most a month at a time, from the first to the last day touched in it. Levels
    /// above it take in the whole of their periods.
    fn areas(&self) -> Result<Vec<(TenantId, Period, Vec<SimId>)>> {
        let mut months: BTreeMap<(TenantId, i32, u32), (Period, BTreeSet<SimId>)> = BTreeMap::new();
        for (tenant, days) in &self.by_tenant {
            for (day, sims) in days {
                let end = *day + TimeDelta::days(1);
                let month = (*tenant, day.year(), day.month());
                let (period, known) = match months.remove(&month) {
                    Some((period, known)) => (Period::new(period.from(), end)?, known),
                    None => (Period::new(*day, end)?, BTreeSet::new()),
                };
                let known = known.into_iter().chain(sims.iter().copied()).collect();
                months.insert(month, (period, known));
            }
        }
        let areas = months.into_iter();
        Ok(areas
            .map(|((tenant, ..), (period, sims))| (tenant, period, sims.into_iter().collect()))
            .collect())
    }
}

fn day_of(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = at.timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(86_400), 0).unwrap_or(at)
}
