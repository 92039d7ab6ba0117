//! Exactly once, from a delivery to the cubes. Delivery is at least once, in any order, cut into any pieces; the effect is
//! exactly once, because of what each step guarantees:
//!
//! 1. **Decode** ([`crate::format`]): every piece of the body becomes a record or a refusal; nothing disappears.
//! 2. **Gather**: deliveries of all senders and tenants wait for each other for some milliseconds, and for none when
//!    nothing is under way. Tenants take turns, so nobody waits for more than one turn of the others.
//! 3. **Resolve**: SIM, customer and device as of event time. Until the commit no assignment that reaches over usage can be
//!    made, so what is baked in is what was valid.
//! 4. **Claim** identities: of all deliveries of a record, ever, one is accepted.
//! 5. **Record** batch, rejections and accounting in the transaction of the claim, and **commit**: a batch is known with all
//!    its identities, or not at all. A crash before leaves nothing; the sender's retry counts. A crash after leaves a
//!    journaled batch that step 8 is for.
//! 6. **Apply**: one insert, which begins before the deadline that the journal has, or never.
//! 7. **Mark** the batch as counted, if the insert was answered well. It is then in the records and in every cube, on disk.
//! 8. **Settle** (`settle`) whatever is not marked after its deadline: look up what is there, and mend by evidence.
//! 9. **Reply**: a record is answered as accepted or duplicate when it is counted, and not before.
//!
//! Memory is bounded by [`Settings::memory`] for what is read and waits, and by [`Settings::batches`] under way of at most
//! two times [`Limits::batch_records`] records each.

mod account;
mod apply;
mod batch;
mod books;
mod counted;
mod decode;
mod engine_clock;
mod gather;
mod recover;
mod settle;
mod sitting_out;

use std::{sync::Arc, time::Duration};

use analytics::Store;
use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    Db, Error, Permission, Result, Scope, id::TenantId, journal::Older, sim::resolve::Resolver,
};
use futures::{Stream, StreamExt as _, stream::FuturesOrdered};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};

use crate::{
    admission::Admission,
    format::{Format, Shape},
    read::{Batch as Records, Encoding, Limits, Reader},
};
pub use account::{Account, Rejected};
use apply::Engine;
use batch::Guesses;
use gather::{Gatherer, Queued};
pub use recover::{Of, Recovered, Running};
use settle::Refused;
pub use settle::Settled;
use sitting_out::SittingOut;

/// What intake may use, and how far from now a record may be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Sizes of a body and its parts.
    pub limits: Limits,
    /// Bytes of bodies that are read or wait, of all tenants; each tenant has a share.
    pub memory: u64,
    /// Deliveries of one body under way at the same time.
    pub depth: usize,
    /// Batches under way at the same time.
    pub batches: usize,
    /// Batches being applied at the same time. Each holds a connection to Postgres meanwhile, so this is less than the
    /// pool has.
    pub applies: usize,
    /// How long a delivery waits for others while a batch is under way.
    pub linger: Duration,
    /// SIMs whose assignments are kept in memory, some 400 bytes each; see [`Resolver`].
    pub known_sims: u64,
    /// Bytes of filters over identities of earlier months that are kept in memory; see [`Older`].
    pub filter_bytes: u64,
    /// How long a body waits for room before it is turned away.
    pub admission: Duration,
    /// How long a reply waits for its records to be journaled.
    pub journal: Duration,
    /// How long a reply waits, from its commit, for its records to be counted.
    pub answer: Duration,
    /// Refused rejections listed in a reply; the rest is counted.
    pub listed_rejections: usize,
    /// Sources that one tenant may name, ever.
    pub sources: u32,
    /// Records that start longer ago are too old. Shorter than what raw and identities are kept.
    pub past: TimeDelta,
    /// Records that start further ahead are in the future; clocks differ a little.
    pub future: TimeDelta,
    /// How long a payload is kept after its batch was received, at least. Then its rows are looked up, and it is dropped if
    /// they are all there.
    pub keep: TimeDelta,
    /// How long an insert may take to begin. After it a batch that is not counted is settled, by any process.
    pub takeover: TimeDelta,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            memory: 256 << 20,
            depth: 3,
            batches: 3,
            applies: 3,
            linger: Duration::from_millis(10),
            known_sims: 200_000,
            filter_bytes: 256 << 20,
            admission: Duration::from_secs(2),
            journal: Duration::from_secs(15),
            answer: Duration::from_secs(5),
            listed_rejections: 1_000,
            sources: 1_000,
            past: TimeDelta::days(365),
            future: TimeDelta::hours(1),
            keep: TimeDelta::minutes(5),
            takeover: TimeDelta::seconds(4),
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

/// Records that someone hands over, to get an account of them.
pub struct Delivery {
    /// Whose they are.
    pub tenant: TenantId,
    /// What they look like.
    pub shape: Shape,
    /// The records.
    pub records: Records,
}

/// The way in for usage records. Cloning is cheap; when the last clone is gone, nothing is gathered any more.
#[derive(Clone)]
pub struct Intake {
    inner: Arc<Inner>,
    gatherer: Arc<Gatherer>,
}

struct Inner {
    store: Store,
    db: Db,
    settings: Settings,
    fault: Box<dyn Fault>,
    admission: Admission,
    batches: Arc<Semaphore>,
    applies: Semaphore,
    engine: Engine,
    resolver: Resolver,
    older: Older,
    guesses: Guesses,
    refused: Refused,
    sitting_out: SittingOut,
    /// Something waits to be settled.
    wake: Notify,
}

impl Inner {
    fn reached(&self, step: Step) -> Result<()> {
        self.fault.reached(step)
    }
}

type Underway = FuturesOrdered<JoinHandle<Result<Account>>>;

impl Intake {
    /// Seconds after which a sender who was turned away may try again.
    pub const RETRY_AFTER_SECONDS: u64 = 5;

    /// An intake into `store`, journaled in `db`, whose clock it uses. Must be called on a Tokio runtime.
    pub fn new(store: Store, db: Db, settings: Settings, fault: impl Fault) -> Self {
        let inner = Arc::new(Inner {
            store,
            db,
            settings,
            fault: Box::new(fault),
            admission: Admission::new(settings.memory, settings.admission),
            batches: Arc::new(Semaphore::new(settings.batches.max(1))),
            applies: Semaphore::new(settings.applies.max(1)),
            engine: Engine::default(),
            resolver: Resolver::new(settings.known_sims),
            older: Older::new(settings.filter_bytes),
            guesses: Guesses::default(),
            refused: Refused::default(),
            sitting_out: SittingOut::default(),
            wake: Notify::new(),
        });
        let gatherer = Arc::new(Gatherer::start(&inner));
        Self { inner, gatherer }
    }

    /// Takes a body of usage records of the caller's tenant, and accounts for every one of them when it is counted.
    ///
    /// # Errors
    /// `FORBIDDEN` without `CDRS_WRITE`. `THROTTLED` when the tenant's share of memory is taken. `LIMIT_EXCEEDED` when a body
    /// that is read whole is too large; nothing is recorded then. Other errors may come after a part was recorded: the
    /// sender repeats the body, and that part is duplicate. `INVALID_INPUT` when the sender broke off, `UNAVAILABLE` when an
    /// engine does not answer or records are not counted in time.
    pub async fn submit<E>(
        &self,
        scope: &Scope,
        format: &Format,
        encoding: Encoding,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    ) -> Result<Account>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        scope.require(Permission::CdrsWrite)?;
        let settings = self.inner.settings;
        let place = self.inner.admission.place(scope.tenant());
        let mut reader = Reader::new(body, format.framing, encoding, settings.limits, place);
        let mut underway = Underway::new();
        let mut account = Account::default();
        let listed = settings.listed_rejections;
        while let Some(records) = read(&mut reader, &mut underway, &mut account, listed).await? {
            let delivery = Delivery {
                tenant: scope.tenant(),
                shape: format.shape.clone(),
                records,
            };
            underway.push_back(self.start(delivery).await?);
            while underway.len() >= settings.depth.max(1) {
                collect(&mut underway, &mut account, listed).await?;
            }
        }
        while !underway.is_empty() {
            collect(&mut underway, &mut account, listed).await?;
        }
        Ok(account)
    }

    /// Takes records, and accounts for every one of them when it is counted.
    ///
    /// # Errors
    /// `UNAVAILABLE` when an engine does not answer, or when records are not counted in time.
    pub async fn deliver(&self, delivery: Delivery) -> Result<Account> {
        self.start(delivery).await?.await.map_err(Error::internal)?
    }

    /// Decodes and queues a delivery; what comes after it goes on if its sender is gone.
    async fn start(&self, delivery: Delivery) -> Result<JoinHandle<Result<Account>>> {
        let items = decode::decode(&delivery.shape, delivery.records).await;
        self.inner.reached(Step::Decoded)?;
        let (queued, committed) = Queued::new(delivery.tenant, items);
        self.gatherer.push(queued)?;
        let inner = self.inner.clone();
        Ok(tokio::spawn(async move {
            let journaled = tokio::time::timeout(inner.settings.journal, committed).await;
            let late = |_| Error::unavailable("intake is busy, try again", "not journaled in time");
            let committed = journaled.map_err(late)?.map_err(|_| {
                Error::unavailable("intake is stopping, try again", "a batch was dropped")
            })??;
            counted::wait(&inner, committed).await
        }))
    }
}

/// Reads records and, while the sender is slow, notices what deliveries under way report.
async fn read(
    reader: &mut Reader,
    underway: &mut Underway,
    account: &mut Account,
    listed: usize,
) -> Result<Option<Records>> {
    let reading = reader.next_batch();
    tokio::pin!(reading);
    loop {
        tokio::select! {
            biased;
            Some(finished) = underway.next() => {
                account.add(finished.map_err(Error::internal)??, listed);
            }
            records = &mut reading => return records,
        }
    }
}

async fn collect(underway: &mut Underway, account: &mut Account, listed: usize) -> Result<()> {
    if let Some(finished) = underway.next().await {
        account.add(finished.map_err(Error::internal)??, listed);
    }
    Ok(())
}
