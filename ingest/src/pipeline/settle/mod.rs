//! Step 8: batches whose fate is uncertain are looked up, and what is wrong is repaired by evidence.
//!
//! A batch is uncertain when its insert got no clean answer, when its process has ended, or when a start follows anything but
//! a stop in order. For such a batch, in this order:
//!
//! 1. Wait until no insert of it can write any more: its deadline has passed by the engine's clock, so that none begins,
//!    and the engine shows none that has begun.
//! 2. Hold back every insert of every process ([`StandStill`]), and be the only one to settle.
//! 3. Look its rows up by their keys and take surplus copies out.
//! 4. Rows that are missing and may have expired are held against the cube of hours, which tells whether they were counted.
//! 5. Where ledger and records would not agree even with the missing rows, stop: the cubes may be all that is left of other
//!    records, and nobody can tell whether they have these rows. The batch is quarantined with that reason, without the rows
//!    of other tenants, which become a batch of their own.
//! 6. Insert what is missing, with a deadline that the journal knows first.
//! 7. Compare the cells that its rows touch, hours with records, each coarser cube with the next finer one, and enter the
//!    differences as signed rows.
//! 8. Mark it as counted.
//!
//! Each step finds out for itself what there is to do, so settling may be cut off anywhere and be done again, and costs what
//! was in flight. A batch that the engine refuses, in the records or in a cube, leaves nothing behind: its rows are removed
//! and it is cut into pieces, by tenant and then by halves, until what remains is quarantined with the engine's reason; the
//! rest is counted.

mod case;
mod correct;
mod cut;
mod expired;
mod insert;
mod withhold;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{
    Code, Result, SystemCx,
    id::BatchId,
    journal::{self, Kind, Pending},
};

use super::{Inner, Intake};
use analytics::{CdrRow, SessionRow};

use crate::{
    kind::Row,
    standstill::{MARGIN, StandStill},
};
use case::Case;
pub(super) use insert::RefusedBatches;
use insert::Verdict;

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
    pub(crate) fn add(&mut self, other: Self) {
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
        let mut settled = self.settle_kinds(&still, due).await?;
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

    /// Batches of each kind among themselves: none has to do with tables of the other.
    async fn settle_kinds(
        self: &Arc<Self>,
        still: &StandStill,
        due: Vec<Pending>,
    ) -> Result<Settled> {
        let (records, rollups): (Vec<Pending>, Vec<Pending>) = due
            .into_iter()
            .partition(|pending| pending.kind == Kind::Cdr);
        let begun = Instant::now();
        let mut settled = self.settle_cases::<CdrRow>(still, records, begun).await?;
        let rollups = self
            .settle_cases::<SessionRow>(still, rollups, begun)
            .await?;
        settled.waiting += rollups.waiting;
        let waiting = settled.waiting;
        settled.add(Settled { waiting, ..rollups });
        Ok(settled)
    }

    async fn settle_cases<R: Row>(
        self: &Arc<Self>,
        still: &StandStill,
        due: Vec<Pending>,
        begun: Instant,
    ) -> Result<Settled> {
        let mut settled = Settled::default();
        let mut cases: Vec<Case<R>> = Vec::new();
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
        let cases = self.tell_expired(still, cases, &mut settled).await?;
        let cases = self.withhold(still, cases, &mut settled).await?;
        let mut whole = Vec::with_capacity(cases.len());
        for case in cases {
            if is_over(2) && (settled.moved() || !whole.is_empty()) {
                settled.waiting += 1;
                continue;
            }
            match self.complete(still, &case, &mut settled).await? {
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

    /// Steps 7 and 8 for one case after the other: of those that touch what a cube refuses, the first goes and the others are
    /// tried again.
    async fn settle_apart<R: Row>(
        &self,
        still: &StandStill,
        mut cases: Vec<Case<R>>,
        settled: &mut Settled,
    ) -> Result<()> {
        while !cases.is_empty() {
            let mut refused: Option<(Case<R>, String)> = None;
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

    async fn mark<R: Row>(
        &self,
        cx: &SystemCx,
        cases: &[Case<R>],
        settled: &mut Settled,
    ) -> Result<()> {
        let counted: Vec<BatchId> = cases.iter().map(|case| case.pending.batch).collect();
        journal::mark_counted(cx, &counted, cx.now()).await?;
        self.refused.forget(&counted);
        settled.counted += counted.len() as u64;
        Ok(())
    }
}
