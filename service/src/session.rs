//! One caller at work.

use std::sync::Arc;

use analytics::Store;
use domain::{Db, Permission, ReadCx, Result, Scope, WriteCx, id::CustomerId, scope::Segments};
use tokio::sync::OnceCell;

/// A caller, both stores, and one snapshot of Postgres for all that is read. Made for one request, job step or event, and
/// gone with it, so that nothing leaks from one tenant's into another's. Cloning is cheap.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    scope: Scope,
    db: Db,
    store: Store,
    snapshot: OnceCell<ReadCx>,
}

impl Session {
    pub(crate) fn new(scope: Scope, db: Db, store: Store) -> Self {
        Self(Arc::new(Inner {
            scope,
            db,
            store,
            snapshot: OnceCell::new(),
        }))
    }

    /// Who is at work.
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// What the caller may do now; visibility switches are already applied.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .into_iter()
            .filter(|permission| self.scope().may(*permission))
    }

    /// The customer that the caller's token is bound to.
    pub fn customer(&self) -> Option<CustomerId> {
        match self.scope().segments() {
            Segments::Part(segment) => segment.within,
            Segments::All => None,
        }
    }

    /// The snapshot of Postgres: opened by the first that needs it, shared by all.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn read(&self) -> Result<&ReadCx> {
        let open = || self.0.db.read(&self.0.scope);
        self.0.snapshot.get_or_try_init(open).await
    }

    /// A transaction of its own for one change.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn write(&self) -> Result<WriteCx> {
        self.0.db.write(&self.0.scope).await
    }

    /// Both pools, for work that takes several transactions.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The cubes.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Postgres statements that the snapshot has taken so far.
    pub fn statements(&self) -> u64 {
        self.0.snapshot.get().map_or(0, ReadCx::statements)
    }
}
