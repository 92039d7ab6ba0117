//! One caller at work.

use std::{
    io::{Read, Seek},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use analytics::Store;
use domain::{
    Error, IdempotencyKey, Permission, ReadCx, Result, Scope, WriteCx,
    filter::Filter,
    fleet::{self, Report},
    id::CustomerId,
    identity::VerifiedClaims,
    list::Listing,
    paging::PageRequest,
    scope::Segments,
    topic::{self, Listed, QuarantineCondition},
};
use tokio::sync::{OnceCell, OwnedSemaphorePermit};

use crate::{Basis, Entry};

/// A caller, both stores, and one snapshot of Postgres for all that is read. Made for one request, job step or event, and dropped
/// with it, so that nothing leaks from one tenant's into another's. Cloning is cheap.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    scope: Scope,
    claims: Option<VerifiedClaims>,
    entry: Entry,
    snapshot: Mutex<Snapshot>,
    writes: AtomicBool,
}

/// A snapshot; after a change, one that is opened when it is needed.
type Snapshot = Arc<OnceCell<Arc<ReadCx>>>;

impl Session {
    pub(crate) fn new(
        scope: Scope,
        claims: Option<VerifiedClaims>,
        snapshot: Option<ReadCx>,
        entry: Entry,
    ) -> Self {
        let snapshot = OnceCell::new_with(snapshot.map(Arc::new));
        Self(Arc::new(Inner {
            scope,
            claims,
            entry,
            snapshot: Mutex::new(Arc::new(snapshot)),
            writes: AtomicBool::new(false),
        }))
    }

    /// Who is at work.
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// What the caller's token said; nothing of the person at the terminal.
    pub fn claims(&self) -> Option<&VerifiedClaims> {
        self.0.claims.as_ref()
    }

    /// What the caller may do now; visibility switches are already applied.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        self.scope().permissions()
    }

    /// The customer that the caller's token is bound to.
    pub fn customer(&self) -> Option<CustomerId> {
        match self.scope().segments() {
            Segments::Part(segment) => segment.within,
            Segments::All => None,
        }
    }

    /// The snapshot of Postgres that all share until the next change; the first that needs it opens another one then.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn read(&self) -> Result<Arc<ReadCx>> {
        let snapshot = self.snapshot().clone();
        let open = async || Ok(Arc::new(self.0.entry.db.read(&self.0.scope).await?));
        snapshot.get_or_try_init(open).await.cloned()
    }

    /// A transaction of its own for one change, which is made once under its key. What is read afterwards is read from a new
    /// snapshot, which has the change.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn write(&self, key: Option<IdempotencyKey>) -> Result<WriteCx> {
        self.0.writes.store(true, Ordering::Relaxed);
        *self.snapshot() = Snapshot::default();
        Ok(self.0.entry.db.write(&self.0.scope).await?.under(key))
    }

    /// Messages of topics that are nobody's, newest first. An answer that has them is not kept.
    ///
    /// # Errors
    /// Those of [`topic::list`].
    pub async fn topic_quarantine(
        &self,
        filter: &Filter<QuarantineCondition>,
        page: &PageRequest,
        with_total: bool,
    ) -> Result<Listing<Listed>> {
        // They have no version.
        let cx = self.read().await?;
        cx.only_until(cx.now());
        let cx = self.0.entry.db.system().await?;
        topic::list(&cx, self.scope(), filter, page, with_total).await
    }

    /// Imports a fleet file, wholly or not at all; what is read afterwards has it. A dry run says what that would come to, and
    /// changes nothing.
    ///
    /// # Errors
    /// Those of [`fleet::import_whole`].
    pub async fn import_fleet(
        &self,
        file: impl Read + Seek + Send,
        key: Option<IdempotencyKey>,
        dry_run: bool,
    ) -> Result<Report> {
        let turn = self.0.entry.imports.acquire().await;
        let _turn = turn.map_err(Error::internal)?;
        let cx = self.write(key.filter(|_| !dry_run)).await?;
        let system = self.0.entry.db.system().await?;
        fleet::import_whole(cx, system, file, self.store(), dry_run).await
    }

    /// Nothing is done while it is locked but to take or put a snapshot: a panic elsewhere leaves it whole.
    fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        self.0
            .snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session, and says what its answer was made of; nothing where that cannot be kept, because something was changed, or
    /// was read that has no version.
    pub fn basis(self) -> Option<Basis> {
        let writes = self.0.writes.load(Ordering::Relaxed);
        let footing = self.snapshot().get().filter(|_| !writes)?.footing()?;
        Some(Basis::new(self.scope(), footing))
    }

    /// The cubes.
    pub fn store(&self) -> &Store {
        &self.0.entry.store
    }

    /// A turn at the cubes, for as long as it is held.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        self.0.entry.turns.take(self.scope().tenant()).await
    }

    /// Postgres statements that the snapshot has taken so far.
    pub fn statements(&self) -> u64 {
        self.snapshot().get().map_or(0, |cx| cx.statements())
    }

    /// Round trips to Postgres that the snapshot has taken so far.
    pub fn trips(&self) -> u64 {
        self.snapshot().get().map_or(0, |cx| cx.trips())
    }
}
