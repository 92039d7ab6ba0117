//! Exactly once, from a delivery to the cubes. Delivery is at least once, in any order, cut into any pieces; the effect is
//! exactly once, because of what each step guarantees:
//!
//! 1. **Decode** ([`crate::format`]): every piece of the body becomes a record or a rejection; nothing disappears.
//!    Messages of topics are a delivery for each run of a partition, whose records may be several tenants' (`passage`).
//! 2. **Gather**: deliveries of all senders and tenants wait for each other for some milliseconds, and for none when
//!    nothing is under way. Tenants take turns, so nobody waits for more than one turn of the others.
//! 3. **Resolve**: SIM, customer and device as of event time. Until the commit no assignment that reaches over usage can be
//!    made, so what is baked in is what was valid.
//! 4. **Claim** identities: of all deliveries of a record, ever, one is accepted.
//! 5. **Record** batch, rejections, accounting and how far topics are read in the transaction of the claim, and **commit**: a batch is known with all
//!    its identities, or not at all. A crash before leaves nothing; the sender's retry counts. A crash after leaves a
//!    journaled batch that step 8 is for.
//! 6. **Apply**: one insert, which begins before the deadline that the journal has, or never.
//! 7. **Mark** the batch as counted, if the insert was answered well. It is then in the records and in every cube, on disk.
//! 8. **Settle** (`settle`) whatever is not marked after its deadline: look up what is there, and repair by evidence.
//! 9. **Reply**: a record is answered as accepted or duplicate when it is counted, and not before.
//!
//! Memory is bounded by [`Settings::memory`] for what is read and waits, and by [`Settings::batches`] under way of at most
//! two times [`crate::read::BodyLimits::batch_records`] records each.

mod account;
mod apply;
mod batch;
mod books;
mod counted;
mod decode;
mod engine_clock;
mod fault;
mod gather;
mod history;
mod horizon;
mod lifecycle;
mod mark;
mod month;
mod passage;
mod payload;
mod quarantine;
mod queue;
mod restored;
mod retention;
mod settings;
mod settle;
mod silent;
mod sitting_out;

use std::sync::{Arc, Mutex};

use analytics::Store;
use bytes::Bytes;
use domain::{
    Db, Error, Result, id::TenantId, journal::Older, session::Rollup, sim::resolve::Resolver,
};
use futures::{Stream, StreamExt as _, stream::FuturesOrdered};
use service::{Deliverer, SessionDeliverer};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};

use crate::{
    admission::Admission,
    format::{Cdr, Format, Framing, Shape},
    read::{Batch as Records, Encoding, Reader},
};
pub use account::{Account, Rejected};
use apply::Engine;
use batch::Guesses;
pub use fault::{Fault, NoFault, Step};
use gather::Gatherer;
pub(crate) use history::{History, Slice};
pub use lifecycle::{Recovered, Running, Standing};
pub use passage::{Fetched, Passing};
pub use payload::Of;
use queue::{Hearing, Line, Queued};
pub(crate) use restored::Wanted;
pub use settings::Settings;
use settle::RefusedBatches;
pub use settle::Settled;
use sitting_out::SittingOut;

/// Records that are delivered, to get an account of them.
pub struct Delivery {
    /// Whose they are.
    pub tenant: TenantId,
    /// What they look like.
    pub shape: Shape,
    /// The records.
    pub records: Records,
}

/// The way in for usage records and rollups of sessions. Cloning is cheap; when the last clone is dropped, nothing is gathered any more.
#[derive(Clone)]
pub struct Intake {
    inner: Arc<Inner>,
    gatherer: Arc<Gatherer<Cdr>>,
    rollups: Arc<Gatherer<Rollup>>,
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
    refused: RefusedBatches,
    sitting_out: SittingOut,
    standing: Mutex<Standing>,
    /// Something waits to be settled.
    wake: Notify,
}

impl Inner {
    fn reached(&self, step: Step) -> Result<()> {
        self.fault.reached(step)
    }
}

/// What a body holds.
#[derive(Clone, Copy)]
enum Holds<'a> {
    /// Usage records that look like this.
    Records(&'a Shape),
    /// Rollups of sessions.
    Sessions,
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
            refused: RefusedBatches::default(),
            sitting_out: SittingOut::default(),
            standing: Mutex::default(),
            wake: Notify::new(),
        });
        let gatherer = Arc::new(Gatherer::start(&inner));
        let rollups = Arc::new(Gatherer::start(&inner));
        Self {
            inner,
            gatherer,
            rollups,
        }
    }

    /// Takes a body of usage records of a caller who was let in to deliver them, and accounts for every one of them when it is
    /// counted.
    ///
    /// # Errors
    /// `THROTTLED` when the tenant's share of memory is taken. `LIMIT_EXCEEDED` when a body
    /// that is read whole is too large; nothing is recorded then. Other errors may come after a part was recorded: the
    /// sender repeats the body, and that part is duplicate. `INVALID_INPUT` when the sender broke off, `UNAVAILABLE` when an
    /// engine does not answer or records are not counted in time.
    pub async fn submit<E>(
        &self,
        deliverer: &Deliverer,
        format: &Format,
        encoding: Encoding,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    ) -> Result<Account>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let (tenant, holds) = (deliverer.tenant(), Holds::Records(&format.shape));
        self.read(tenant, holds, format.framing, encoding, body)
            .await
    }

    /// Takes a body of rollups of sessions, as [`Self::submit`] does usage records.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_sessions<E>(
        &self,
        deliverer: &SessionDeliverer,
        framing: Framing,
        encoding: Encoding,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    ) -> Result<Account>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let tenant = deliverer.tenant();
        self.read(tenant, Holds::Sessions, framing, encoding, body)
            .await
    }

    /// Reads a body to its end and starts what it holds, piece by piece.
    async fn read<E>(
        &self,
        tenant: TenantId,
        holds: Holds<'_>,
        framing: Framing,
        encoding: Encoding,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    ) -> Result<Account>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let settings = self.inner.settings;
        let place = self.inner.admission.place(tenant);
        let mut reader = Reader::new(body, framing, encoding, settings.limits, place);
        let mut underway = Underway::new();
        let mut account = Account::default();
        let listed = settings.listed_rejections;
        while let Some(records) = read(&mut reader, &mut underway, &mut account, listed).await? {
            let started = match holds {
                Holds::Sessions => self.start_rollups(tenant, records).await?,
                Holds::Records(shape) => {
                    let shape = shape.clone();
                    let delivery = Delivery {
                        tenant,
                        shape,
                        records,
                    };
                    self.start(delivery).await?
                }
            };
            underway.push_back(started);
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

    /// Decodes and queues a delivery; what comes after it goes on if its sender has left.
    async fn start(&self, delivery: Delivery) -> Result<JoinHandle<Result<Account>>> {
        let items = decode::decode(&delivery.shape, delivery.records).await;
        self.inner.reached(Step::Decoded)?;
        let shares = vec![(delivery.tenant, items)];
        let (queued, committed) = Queued::new(Line::Tenant(delivery.tenant), shares);
        self.gatherer.push(queued)?;
        Ok(self.answer(committed))
    }

    /// Takes rollups of a tenant's sessions, and accounts for every one of them when it is counted.
    ///
    /// # Errors
    /// As [`Self::deliver`].
    pub async fn deliver_sessions(&self, tenant: TenantId, rollups: Records) -> Result<Account> {
        let started = self.start_rollups(tenant, rollups).await?;
        started.await.map_err(Error::internal)?
    }

    /// Decodes and queues rollups; what comes after it goes on if their sender has left.
    async fn start_rollups(
        &self,
        tenant: TenantId,
        records: Records,
    ) -> Result<JoinHandle<Result<Account>>> {
        let items = decode::decode_rollups(records).await;
        self.inner.reached(Step::Decoded)?;
        let (queued, committed) = Queued::new(Line::Tenant(tenant), vec![(tenant, items)]);
        self.rollups.push(queued)?;
        Ok(self.answer(committed))
    }

    /// Waits for what was queued to be journaled and counted.
    fn answer(&self, committed: Hearing) -> JoinHandle<Result<Account>> {
        let inner = self.inner.clone();
        tokio::spawn(async move {
            let journaled = tokio::time::timeout(inner.settings.journal, committed).await;
            let late = |_| Error::unavailable("intake is busy, try again", "not journaled in time");
            let committed = journaled.map_err(late)?.map_err(|_| {
                Error::unavailable("intake is stopping, try again", "a batch was dropped")
            })??;
            counted::wait(&inner, committed, inner.settings.answer).await
        })
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
