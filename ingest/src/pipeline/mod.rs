//! Exactly once, from a body to the cubes. Delivery is at least once, in any order, cut into any batches; the effect
//! is exactly once, because of what each step guarantees:
//!
//! 1. **Decode** ([`crate::format`]): every piece of the body becomes a record or a refusal; nothing disappears.
//! 2. **Resolve**: SIM, customer and device as of event time. Until the commit no assignment with effect in the past can
//!    be made, so what is baked in is what was valid.
//! 3. **Claim** identities: of all deliveries of a record, ever, one is accepted.
//! 4. **Encode** the accepted rows. From now on these bytes are the batch; every repetition sends the same ones.
//! 5. **Record** batch, rejections and accounting in the transaction of the claim, and **commit**: a batch is known with
//!    all its identities, or not at all. A crash before leaves nothing; the sender's retry counts. A crash after leaves
//!    a batch that steps 6 and 7 will be repeated for.
//! 6. **Apply**: one insert with the batch's id as its token, which the cubes remember: repeating it changes nothing, and
//!    finishes what a crash left half done.
//! 7. **Mark** the batch as applied. A crash before means step 6 is repeated.
//! 8. **Reply**, only now.
//!
//! Repeating is safe only while the cubes remember the token, so intake stops ([`Code::Unavailable`]) when a batch
//! stays unapplied while others pass it by; [`Intake::maintain`] keeps repeating, for other processes on the same
//! stores too, and [`Intake::recover`] does it before a process is ready.
//!
//! Batches of one body are claimed in order, one after the other; decoding, recording and applying of different batches
//! overlap ([`Settings::depth`]). A batch that fails after its claim does not stop the ones behind it: the sender gets an
//! error, repeats the body, and what was recorded is duplicate.

mod backlog;
mod batch;
mod recover;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use analytics::Store;
use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    Code, Db, Error, Permission, Result, Scope,
    journal::{Expected, RejectionCode, Verdict},
    sim::resolve::Resolver,
};
use futures::{Stream, StreamExt as _, stream::FuturesOrdered};
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
};

use crate::{
    admission::Admission,
    format::Format,
    read::{Batch, Encoding, Limits, Reader},
};
use backlog::Backlog;
use batch::Work;
pub use recover::Recovered;

/// What intake may use, and how far from now a record may be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Sizes of a body and its parts.
    pub limits: Limits,
    /// Bytes of memory for what is being received; half of it is what one tenant may use. See [`Admission`].
    pub memory_bytes: u64,
    /// Bodies read at the same time.
    pub bodies: usize,
    /// Batches of one body under way at the same time.
    pub depth: usize,
    /// Batches being applied at the same time. Each holds a connection to Postgres meanwhile, so this is less than the
    /// pool has.
    pub applies: usize,
    /// SIMs whose assignments are kept in memory, some 400 bytes each; see [`Resolver`].
    pub known_sims: u64,
    /// How long a body waits for its turn before it is turned away.
    pub admission: Duration,
    /// Refused rejections listed in a reply; the rest is counted.
    pub listed_rejections: usize,
    /// Records that start longer ago are too old. Shorter than what raw and identities are kept.
    pub past: TimeDelta,
    /// Records that start further ahead are in the future; clocks differ a little.
    pub future: TimeDelta,
    /// How long a batch may be lost to a power failure after it was applied: its payload is kept this long, and it is
    /// sent again at a start within it.
    pub keep: TimeDelta,
    /// After this time a batch that another process journaled and did not apply is taken over.
    pub takeover: TimeDelta,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            memory_bytes: 256 * 1024 * 1024,
            bodies: 8,
            depth: 3,
            applies: 4,
            known_sims: 200_000,
            admission: Duration::from_secs(2),
            listed_rejections: 1_000,
            past: TimeDelta::days(365),
            future: TimeDelta::hours(1),
            keep: TimeDelta::minutes(5),
            takeover: TimeDelta::seconds(30),
        }
    }
}

/// A moment of the pipeline at which a test, or an operator who tests recovery, can stop the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Records are decoded, nothing is written.
    Decoded,
    /// SIMs are known, nothing is written.
    Resolved,
    /// Identities are written, not committed.
    Claimed,
    /// Everything of the batch is written, not committed.
    Recorded,
    /// The journal has the batch, the cubes have not.
    Committed,
    /// The cubes have the batch, the journal does not know.
    Applied,
    /// All is done but the reply.
    Marked,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 7] = [
        Self::Decoded,
        Self::Resolved,
        Self::Claimed,
        Self::Recorded,
        Self::Committed,
        Self::Applied,
        Self::Marked,
    ];

    /// A word for flags and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Resolved => "resolved",
            Self::Claimed => "claimed",
            Self::Recorded => "recorded",
            Self::Committed => "committed",
            Self::Applied => "applied",
            Self::Marked => "marked",
        }
    }
}

/// Fails on purpose.
pub trait Fault: Send + Sync + 'static {
    /// Called when a batch reaches `step`. An error stops the batch there, as a crash would; a fault may also end the
    /// process.
    fn reached(&self, step: Step) -> Result<()>;
}

/// Production.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFault;

impl Fault for NoFault {
    fn reached(&self, _: Step) -> Result<()> {
        Ok(())
    }
}

/// What became of a body. `received = accepted + duplicate + rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Records in the body.
    pub received: u64,
    /// Counted now.
    pub accepted: u64,
    /// Counted before.
    pub duplicate: u64,
    /// Refused; stored, and listed by code.
    pub rejected: u64,
    /// The first of the refused, by position.
    pub rejections: Vec<Rejected>,
    /// Whether there are more than listed.
    pub rejections_truncated: bool,
}

/// One refused record in a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Position in the body, from 0.
    pub index: u64,
    /// Why.
    pub code: RejectionCode,
    /// Why, for people.
    pub message: String,
}

/// The way in for usage records. Cloning is cheap.
#[derive(Clone)]
pub struct Intake {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    db: Db,
    settings: Settings,
    fault: Box<dyn Fault>,
    admission: Admission,
    bodies: Arc<Semaphore>,
    applies: Semaphore,
    backlog: Arc<Backlog>,
    resolver: Resolver,
    /// Batches in a row in which every record was new.
    all_new: AtomicU32,
    wake: Arc<Notify>,
}

/// Batches in a row after which the next one is expected to be all new, too: a wrong guess costs time.
const ALL_NEW_STREAK: u32 = 20;

impl Inner {
    fn reached(&self, step: Step) -> Result<()> {
        self.fault.reached(step)
    }

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
}

type Running = FuturesOrdered<JoinHandle<Result<Reply>>>;

impl Intake {
    /// Seconds after which a sender who was turned away may try again.
    pub const RETRY_AFTER_SECONDS: u64 = 5;

    /// An intake into `store`, journaled in `db`, whose clock it uses.
    pub fn new(store: Store, db: Db, settings: Settings, fault: impl Fault) -> Self {
        let wake = Arc::new(Notify::new());
        Self {
            inner: Arc::new(Inner {
                store,
                db,
                settings,
                fault: Box::new(fault),
                admission: Admission::new(settings.memory_bytes, settings.admission),
                bodies: Arc::new(Semaphore::new(settings.bodies.max(1))),
                applies: Semaphore::new(settings.applies.max(1)),
                backlog: Arc::new(Backlog::new(wake.clone())),
                resolver: Resolver::new(settings.known_sims),
                all_new: AtomicU32::new(0),
                wake,
            }),
        }
    }

    /// Takes a body of usage records of the caller's tenant.
    ///
    /// # Errors
    /// `FORBIDDEN` without `cdrs:write`. `THROTTLED` when too many bodies are being read. `INVALID_INPUT` or
    /// `LIMIT_EXCEEDED` when nothing of the body could be read; nothing is recorded then. Other errors may come after a
    /// part was recorded: the sender repeats the body, and that part is duplicate. `UNAVAILABLE` when an engine does not
    /// answer.
    pub async fn submit<E>(
        &self,
        scope: &Scope,
        format: &Format,
        encoding: Encoding,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    ) -> Result<Reply>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        scope.require(Permission::CdrsWrite)?;
        let settings = self.inner.settings;
        let admission = self.inner.bodies.clone().acquire_owned();
        let permit = tokio::time::timeout(settings.admission, admission)
            .await
            .map_err(|_| Error::new(Code::Throttled, "too many deliveries at once, try again"))?
            .map_err(Error::internal)?;
        // Batches that outlive a caller who went away still hold their place.
        let permit = Arc::new(permit);
        let place = self.inner.admission.place(scope.tenant());
        let mut reader = Reader::new(body, format.framing, encoding, settings.limits, place);
        let mut running: Running = FuturesOrdered::new();
        let mut reply = Reply::default();
        let mut turn: Option<oneshot::Receiver<()>> = None;
        while let Some(Batch { records, room }) =
            self.read(&mut reader, &mut running, &mut reply).await?
        {
            self.inner.backlog.admit()?;
            let (claimed, next_turn) = oneshot::channel();
            let work = Work {
                inner: self.inner.clone(),
                tenant: scope.tenant(),
                shape: format.shape.clone(),
                turn: turn.replace(next_turn),
                claimed,
                permit: permit.clone(),
                room,
            };
            running.push_back(tokio::spawn(work.run(records)));
            while running.len() >= settings.depth.max(1) {
                self.collect(&mut running, &mut reply).await?;
            }
        }
        while !running.is_empty() {
            self.collect(&mut running, &mut reply).await?;
        }
        Ok(reply)
    }

    /// Reads a batch and, while the sender is slow, notices what running batches report.
    async fn read(
        &self,
        reader: &mut Reader,
        running: &mut Running,
        reply: &mut Reply,
    ) -> Result<Option<Batch>> {
        let reading = reader.next_batch();
        tokio::pin!(reading);
        loop {
            tokio::select! {
                biased;
                Some(finished) = running.next() => self.add(reply, finished)?,
                batch = &mut reading => return batch,
            }
        }
    }

    async fn collect(&self, running: &mut Running, reply: &mut Reply) -> Result<()> {
        match running.next().await {
            Some(finished) => self.add(reply, finished),
            None => Ok(()),
        }
    }

    fn add(
        &self,
        reply: &mut Reply,
        finished: Result<Result<Reply>, tokio::task::JoinError>,
    ) -> Result<()> {
        let batch = finished.map_err(Error::internal)??;
        reply.received += batch.received;
        reply.accepted += batch.accepted;
        reply.duplicate += batch.duplicate;
        reply.rejected += batch.rejected;
        let room = self
            .inner
            .settings
            .listed_rejections
            .saturating_sub(reply.rejections.len());
        reply.rejections_truncated |= batch.rejections_truncated || batch.rejections.len() > room;
        reply
            .rejections
            .extend(batch.rejections.into_iter().take(room));
        Ok(())
    }
}
