//! Step 8: batches whose fate is uncertain are looked up, and what is wrong is mended by evidence.
//!
//! A batch is uncertain when its insert got no clean answer, when its process is gone, or when a start follows anything but
//! a stop in order. For such a batch, in this order:
//!
//! 1. Wait until no insert of it can write any more: its deadline has passed by the engine's clock, so that none begins,
//!    and the engine shows none that has begun.
//! 2. Hold back every insert of every process ([`StandStill`]), and be the only one to settle.
//! 3. Look its rows up by their keys and take surplus copies out.
//! 4. Where ledger and records would not agree even with the missing rows, stop: the cubes may be all that is left of other
//!    records, and nobody can tell whether they have these rows. The batch is quarantined with that reason, without the rows
//!    of other tenants, which become a batch of their own.
//! 5. Insert what is missing, with a deadline that the journal knows first.
//! 6. Compare the cells that its rows touch, hours with records, each coarser cube with the next finer one, and enter the
//!    differences as signed rows.
//! 7. Mark it as counted.
//!
//! Each step finds out for itself what there is to do, so settling may be cut off anywhere and be done again, and costs what
//! was in flight. A batch that the engine refuses, in the records or in a cube, leaves nothing behind: its rows are taken out
//! and it is cut into pieces, by tenant and then by halves, until what remains is quarantined with the engine's reason; the
//! rest is counted.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use analytics::{
    CdrRow,
    cdr::{self, Attempt, Unapplied},
    cube::Level,
    settle::Found,
    verify::{Area, Count},
};
use bytes::Bytes;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use domain::{
    Code, Error, Period, Result, SystemCx,
    id::{BatchId, SimId, TenantId},
    journal::{self, NewBatch, Part, Pending, Piece, ledger},
};

use super::{Inner, Intake, batch::batch_id};
use crate::{
    standstill::{MARGIN, StandStill},
    verify,
};

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
    /// Rows that are not in the records, by their places.
    missing: Vec<usize>,
    /// What is inserted again has at least this deadline: later than anything that was taken out.
    not_before: DateTime<Utc>,
}

/// What became of the missing rows of a case.
enum Verdict {
    Whole,
    /// The engine refuses them.
    Refused {
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
        let pending = journal::journaled_by_turns(&cx, PAGE).await?;
        let is_left_behind = journal::correction(&cx).await?.is_some();
        drop(cx);
        let all = pending.len() as u64;
        let (due, waiting) = self.due(pending).await?;
        if due.is_empty() && !is_left_behind {
            return Ok(Settled {
                waiting,
                ..Settled::default()
            });
        }
        let cx = self.db.system().await?;
        if !journal::try_settle(&cx).await? {
            return Ok(Settled {
                waiting: all,
                ..Settled::default()
            });
        }
        let still = StandStill::take(cx, &self.db, &self.store, FREEZE).await?;
        // Under the lock, because some may have been marked meanwhile, or be at it after all.
        let pending = journal::journaled_by_turns(still.cx(), PAGE).await?;
        let (due, waiting) = self.due(pending).await?;
        let mut settled = self.settle_cases(&still, due).await?;
        settled.waiting += waiting;
        still.end().await?;
        Ok(settled)
    }

    /// Those of which no insert can write any more, as many as go together, and how many others there are.
    async fn due(&self, pending: Vec<Pending>) -> Result<(Vec<Pending>, u64)> {
        if pending.is_empty() {
            return Ok((Vec::new(), 0));
        }
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

    async fn settle_cases(
        self: &Arc<Self>,
        still: &StandStill,
        due: Vec<Pending>,
    ) -> Result<Settled> {
        let mut settled = Settled::default();
        let mut cases = Vec::new();
        let begun = Instant::now();
        // Others wait meanwhile; the rest comes after they had their turn.
        let is_over = |stages: u32| begun.elapsed() > AT_ONCE * stages;
        for pending in due {
            if is_over(1) {
                settled.waiting += 1;
                continue;
            }
            if let Some(rows) = self.load(still.cx(), &pending, &mut settled).await? {
                cases.push(self.look_up(still, pending, rows, &mut settled).await?);
            }
        }
        let cases = self.withhold(still, cases, &mut settled).await?;
        let mut whole = Vec::with_capacity(cases.len());
        for case in cases {
            if is_over(2) && (settled.moved() || !whole.is_empty()) {
                settled.waiting += 1;
                continue;
            }
            match self.complete(still.cx(), &case, &mut settled).await? {
                Verdict::Uncertain => settled.waiting += 1,
                Verdict::Whole => whole.push(case),
                Verdict::Refused { for_good, reason } => {
                    if for_good || self.is_hopeless(&case.pending) {
                        self.refuse(still, case, &reason, &mut settled).await?;
                    } else {
                        settled.waiting += 1;
                    }
                }
            }
        }
        let corrected = self.correct(still, &whole).await;
        match corrected {
            Ok(cells) => {
                settled.corrected += cells;
                self.mark(still.cx(), &whole, &mut settled).await?;
            }
            Err(error) if error.code() == Code::Internal => {
                tracing::warn!(
                    cause = error.cause(),
                    "a cube refuses a correction: one batch at a time"
                );
                self.settle_apart(still, whole, &mut settled).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(settled)
    }

    /// The rows of a batch; none of one that cannot be settled here.
    async fn load(
        &self,
        cx: &SystemCx,
        pending: &Pending,
        settled: &mut Settled,
    ) -> Result<Option<Vec<CdrRow>>> {
        let rows = match journal::payload(cx, pending.batch).await {
            Ok(None) => return Ok(None),
            // Written by a newer program, which will settle it.
            Ok(Some(payload)) if payload.encoding > cdr::ENCODING => {
                settled.waiting += 1;
                return Ok(None);
            }
            Ok(Some(payload)) => cdr::decode(payload.encoding, Bytes::from(payload.bytes)),
            Err(error) => Err(error),
        };
        match rows {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.code() != Code::Internal => Err(error),
            // It is damaged, and must not keep the others waiting.
            Err(error) => {
                let reason = error.cause().unwrap_or_default();
                tracing::error!(batch = %pending.batch, reason, "a batch is quarantined");
                journal::quarantine(cx, pending.batch, &reason).await?;
                settled.quarantined += 1;
                Ok(None)
            }
        }
    }

    /// Step 3.
    async fn look_up(
        &self,
        still: &StandStill,
        pending: Pending,
        rows: Vec<CdrRow>,
        settled: &mut Settled,
    ) -> Result<Case> {
        let Found {
            missing,
            surplus,
            apply_by,
        } = self.store.look_up(&still.system(), &rows).await?;
        let case = Case {
            pending,
            rows,
            missing,
            not_before: apply_by + TimeDelta::seconds(1),
        };
        if !surplus.is_empty() {
            self.take_out(still, &case, surplus.iter()).await?;
            settled.surplus += surplus.len() as u64;
        }
        Ok(case)
    }

    async fn take_out(
        &self,
        still: &StandStill,
        case: &Case,
        places: impl Iterator<Item = &usize>,
    ) -> Result<()> {
        let rows: Vec<&CdrRow> = places.map(|at| &case.rows[*at]).collect();
        self.store
            .take_out(&still.system(), &rows, case.not_before, still)
            .await
    }

    /// Step 4. Says which cases may go on.
    async fn withhold(
        &self,
        still: &StandStill,
        cases: Vec<Case>,
        settled: &mut Settled,
    ) -> Result<Vec<Case>> {
        let batches: Vec<BatchId> = cases.iter().map(|case| case.pending.batch).collect();
        let mut missing = Missing::default();
        for case in &cases {
            missing.add(case);
        }
        let mut unsound = Vec::new();
        for (tenant, period, _) in Touched::of(&cases).areas()? {
            let missing = missing.of(tenant);
            let hour = verify::unexplained_hour(
                still.cx(),
                &self.store,
                tenant,
                period,
                &missing,
                &batches,
            );
            unsound.extend(hour.await?.map(|hour| (tenant, period, hour)));
        }
        let mut sound = Vec::with_capacity(cases.len());
        for case in cases {
            let touched = |row: &CdrRow| {
                let area = unsound.iter().find(|(tenant, period, _)| {
                    row.tenant == *tenant && period.from() <= row.start && row.start < period.to()
                });
                area.map(|(tenant, _, hour)| (*tenant, *hour))
            };
            let touched: BTreeMap<TenantId, DateTime<Utc>> =
                case.rows.iter().filter_map(touched).collect();
            let Some((tenant, hour)) = touched.first_key_value() else {
                sound.push(case);
                continue;
            };
            let batch = case.pending.batch;
            // Other tenants' records have nothing to do with it.
            let is_kept = |row: &CdrRow| touched.contains_key(&row.tenant);
            let (kept, others): (Vec<CdrRow>, Vec<CdrRow>) =
                case.rows.iter().cloned().partition(is_kept);
            if !others.is_empty() && self.holds_all(still.cx(), &case).await? {
                let pieces = vec![(batch, kept), (piece_of(&case), others)];
                self.replace(still.cx(), &case, pieces).await?;
                settled.cut += 1;
            }
            let hour = hour.format("%Y-%m-%dT%H:00Z");
            tracing::error!(%batch, %tenant, %hour, "records are not those of the ledger: a batch is quarantined");
            let reason = format!(
                "the records of {hour} are not those that the ledger has, so nobody can tell whether the cubes have these \
                 rows: see simcube verify"
            );
            journal::quarantine(still.cx(), batch, &reason).await?;
            settled.quarantined += 1;
        }
        Ok(sound)
    }

    /// Step 5.
    async fn complete(&self, cx: &SystemCx, case: &Case, settled: &mut Settled) -> Result<Verdict> {
        if case.missing.is_empty() {
            return Ok(Verdict::Whole);
        }
        let missing: Vec<CdrRow> = case
            .missing
            .iter()
            .map(|at| case.rows[*at].clone())
            .collect();
        let batch = case.pending.batch;
        let apply_by = self.deadline().await?.max(case.not_before);
        journal::still_held(cx).await?;
        // Before the insert, and whatever becomes of the transaction that holds the locks.
        let other = self.db.system().await?;
        if !journal::begin_attempt(&other, batch, apply_by).await? {
            return Ok(Verdict::Uncertain);
        }
        other.commit().await?;
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
                    Unapplied::Refused { reason, for_good } => {
                        Verdict::Refused { for_good, reason }
                    }
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

    /// Takes out what there may be of a batch that the engine refuses for good, puts its cells right, and cuts it.
    async fn refuse(
        &self,
        still: &StandStill,
        mut case: Case,
        reason: &str,
        settled: &mut Settled,
    ) -> Result<()> {
        let system = still.system();
        let found = self.store.look_up(&system, &case.rows).await?;
        case.not_before = case.not_before.max(found.apply_by + TimeDelta::seconds(1));
        let all: Vec<usize> = (0..case.rows.len()).collect();
        if found.missing.len() < all.len() || !found.surplus.is_empty() {
            self.take_out(still, &case, all.iter()).await?;
        }
        settled.corrected += self.correct(still, std::slice::from_ref(&case)).await?;
        let (cx, batch) = (still.cx(), case.pending.batch);
        if case.rows.len() == 1 || !self.holds_all(cx, &case).await? {
            tracing::error!(%batch, reason, "what is left of a batch is quarantined");
            journal::quarantine(cx, batch, reason).await?;
            settled.quarantined += 1;
        } else {
            let halves = halves(case.rows.clone()).into_iter();
            let pieces = halves.map(|rows| (piece_of(&case), rows)).collect();
            self.replace(cx, &case, pieces).await?;
            settled.cut += 1;
        }
        self.refused.forget(&[batch]);
        Ok(())
    }

    /// Steps 6 and 7 for one case after the other: of those that touch what a cube refuses, the first goes and the others are
    /// tried again.
    async fn settle_apart(
        &self,
        still: &StandStill,
        mut cases: Vec<Case>,
        settled: &mut Settled,
    ) -> Result<()> {
        while !cases.is_empty() {
            let mut refused: Option<(Case, String)> = None;
            let mut again = Vec::new();
            for case in cases {
                match self.correct(still, std::slice::from_ref(&case)).await {
                    Ok(cells) => {
                        settled.corrected += cells;
                        self.mark(still.cx(), &[case], settled).await?;
                    }
                    Err(error) if error.code() != Code::Internal => return Err(error),
                    Err(error) if refused.is_none() => {
                        let reason = error.cause().unwrap_or_default();
                        refused = Some((case, reason));
                    }
                    Err(_) => again.push(case),
                }
            }
            if let Some((case, reason)) = refused {
                self.refuse(still, case, &reason, settled).await?;
            }
            cases = again;
        }
        Ok(())
    }

    async fn mark(&self, cx: &SystemCx, cases: &[Case], settled: &mut Settled) -> Result<()> {
        let counted: Vec<BatchId> = cases.iter().map(|case| case.pending.batch).collect();
        journal::mark_counted(cx, &counted, cx.now()).await?;
        self.refused.forget(&counted);
        settled.counted += counted.len() as u64;
        Ok(())
    }

    /// Whether the payload has every record of the batch, and not the part of it that was put back: the rest knows no other
    /// batch.
    async fn holds_all(&self, cx: &SystemCx, case: &Case) -> Result<bool> {
        let batch = case.pending.batch;
        let sums = ledger::sums_of(cx, &[batch]).await?;
        let known = sums.get(&batch).map(|(sums, _)| sums.rows);
        Ok(known == i64::try_from(case.rows.len()).ok())
    }

    /// Puts pieces in the place of a batch. Rows that are in the records stay there, in the piece that has its id; those of
    /// the others are taken out and inserted again when these are settled.
    async fn replace(
        &self,
        cx: &SystemCx,
        case: &Case,
        pieces: Vec<(BatchId, Vec<CdrRow>)>,
    ) -> Result<()> {
        // No insert of a piece has begun.
        let over = case.pending.apply_by;
        let months = journal::months_of(cx, case.pending.batch).await?;
        let mut drafts = Vec::new();
        for (id, mut rows) in pieces {
            for row in &mut rows {
                row.batch = id;
            }
            drafts.push(Draft::new(cx, id, rows, &months).await?);
        }
        let pieces: Vec<Piece<'_>> = drafts
            .iter()
            .map(|draft| draft.piece(over, case.pending.created_at))
            .collect();
        journal::replace(cx, case.pending.batch, &pieces).await
    }

    /// Step 6. Says how many cells it took.
    async fn correct(&self, still: &StandStill, cases: &[Case]) -> Result<u64> {
        let areas = Touched::of(cases).areas()?;
        let system = still.system();
        let mut corrected = 0;
        for level in Level::ALL {
            for (tenant, period, sims) in &areas {
                let area = Area {
                    tenant: *tenant,
                    period: *period,
                    sims: Some(sims.clone()),
                };
                let outcome = self.store.correct(&system, level, &area, still).await?;
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

/// An id for a piece of a batch.
fn piece_of(case: &Case) -> BatchId {
    batch_id(case.pending.created_at)
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

/// What is missing in the records, by source and hour, as the accounting has it.
#[derive(Default)]
struct Missing {
    by_tenant: BTreeMap<TenantId, BTreeMap<(String, DateTime<Utc>), Count>>,
}

impl Missing {
    fn add(&mut self, case: &Case) {
        for row in case.missing.iter().map(|at| &case.rows[*at]) {
            let hours = self.by_tenant.entry(row.tenant).or_default();
            let hour = (row.source.clone(), journal::hour_of(row.start));
            *hours.entry(hour).or_default() += Count {
                records: 1,
                bytes_up: row.bytes_up.into(),
                bytes_down: row.bytes_down.into(),
                units: 0,
            };
        }
    }

    fn of(&self, tenant: TenantId) -> BTreeMap<(String, DateTime<Utc>), Count> {
        self.by_tenant.get(&tenant).cloned().unwrap_or_default()
    }
}

/// SIMs and days whose cells may be wrong.
#[derive(Default)]
struct Touched {
    by_tenant: BTreeMap<TenantId, BTreeMap<DateTime<Utc>, BTreeSet<SimId>>>,
}

impl Touched {
    fn of(cases: &[Case]) -> Self {
        let mut touched = Self::default();
        for row in cases.iter().flat_map(|case| &case.rows) {
            let days = touched.by_tenant.entry(row.tenant).or_default();
            days.entry(day_of(row.start)).or_default().insert(row.sim);
        }
        touched
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
