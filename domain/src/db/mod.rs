//! Connections and transactions. One request, one transaction, one tenant.
//!
//! Two non-owner roles exist in Postgres and row security is forced on every tenant table: `simcube_app` sees the
//! rows of `app.tenant_id`, `simcube_system` has policies of its own (not BYPASSRLS) and is reachable only through
//! [`SystemCx`], so cross-tenant work can be searched for.
//!
//! Statements travel by `tokio-postgres`, which sends those that are asked for at the same time together. Rows that are
//! written one by one are built from `sea-orm` entities.

mod connect;
mod failure;
mod param;
mod read;
mod system;
mod tls;
mod transaction;
mod write;

use std::sync::Arc;

use deadpool_postgres::Pool;
use futures::try_join;

pub(crate) use failure::{
    Failure, OnViolation, is_lock_timeout, on_constraint, violated_constraint,
};
pub use read::ReadCx;
pub use system::SystemCx;
pub use write::WriteCx;

use crate::{Clock, Footing, Result, Scope, id::TenantId, kept::Kept, version::Versions};
use transaction::Transaction;

/// A snapshot that is only read.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What versions are made of.
const MARKS: &str = "SELECT subject, mark FROM version WHERE tenant_id = $1";

/// Settings of a connection that serves callers.
const APP: &[(&str, &str)] = &[("role", "simcube_app")];
/// Settings of a connection that works for the platform. Its statements take whole batches as arrays: a generic plan
/// expects ten elements and took 9 s where one made for the batch took 0.2 s.
const SYSTEM: &[(&str, &str)] = &[
    ("role", "simcube_system"),
    ("plan_cache_mode", "force_custom_plan"),
    ("work_mem", "16MB"),
];

/// The two pools.
#[derive(Clone)]
pub struct Db {
    app: Pool,
    system: Pool,
    kept: Arc<Kept>,
    clock: Arc<dyn Clock>,
}

impl Db {
    /// Most connections for callers.
    pub fn connections(&self) -> usize {
        self.app.status().max_size
    }

    /// Connects with at most `connections` per role; one of each is there when this returns.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a URL that Postgres has no use for, `UNAVAILABLE` when the server does not answer.
    pub async fn connect(url: &str, connections: u32, clock: Arc<dyn Clock>) -> Result<Self> {
        let app = connect::pool(url, connections, APP)?;
        let system = connect::pool(url, connections, SYSTEM)?;
        drop(try_join!(app.get(), system.get())?);
        let kept = Arc::default();
        Ok(Self {
            app,
            system,
            kept,
            clock,
        })
    }

    /// The clock that every transaction is stamped with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// A read-only snapshot of one tenant, with the versions of what is in it, in one round trip. It ends when dropped.
    pub async fn read(&self, scope: &Scope) -> Result<ReadCx> {
        let tx = Transaction::on(&self.app).await?;
        let tenant = [scope.tenant().uuid().into()];
        let marks = tx.kept(MARKS, &tenant);
        let ((), marks) = try_join!(enter(&tx, BEGIN_SNAPSHOT, scope.tenant()), marks)?;
        let versions = Versions::read(&marks)?;
        Ok(self.cx(tx, scope, Some(versions)))
    }

    /// Whether an answer that somebody of this tenant was given would still be the same: by one statement, which is a
    /// transaction of its own.
    pub async fn stands(&self, tenant: TenantId, footing: &Footing) -> Result<bool> {
        let tx = Transaction::on(&self.system).await?;
        let marks = tx.kept(MARKS, &[tenant.uuid().into()]).await?;
        tx.unbegun();
        Ok(footing.holds(&Versions::read(&marks)?, self.clock.now()))
    }

    /// A read-write transaction in one tenant.
    pub async fn write(&self, scope: &Scope) -> Result<WriteCx> {
        let tx = Transaction::on(&self.app).await?;
        enter(&tx, "BEGIN", scope.tenant()).await?;
        Ok(WriteCx::new(self.cx(tx, scope, None)))
    }

    fn cx(&self, tx: Transaction, scope: &Scope, versions: Option<Versions>) -> ReadCx {
        let (kept, clock) = (self.kept.clone(), self.clock.clone());
        ReadCx::new(tx, scope.clone(), versions, kept, clock)
    }

    /// A transaction of the platform itself.
    pub async fn system(&self) -> Result<SystemCx> {
        let tx = Transaction::on(&self.system).await?;
        tx.control("BEGIN").await?;
        Ok(SystemCx::new(tx, self.clock.clone()))
    }

    /// A read-only view of everything as it is at this moment, for as long as it is held.
    pub async fn snapshot(&self) -> Result<SystemCx> {
        let tx = Transaction::on(&self.system).await?;
        // The moment is that of the first statement.
        try_join!(tx.control(BEGIN_SNAPSHOT), tx.execute("SELECT", &[]))?;
        Ok(SystemCx::new(tx, self.clock.clone()))
    }

    /// Whether the server answers.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.app.get().await?.check_connection().await?)
    }
}

/// Begins a transaction in one tenant, in one round trip.
async fn enter(tx: &Transaction, begin: &str, tenant: TenantId) -> Result<(), Failure> {
    let tenant = [tenant.uuid().to_string().into()];
    let enter = tx.kept("SELECT set_config('app.tenant_id', $1, true)", &tenant);
    try_join!(tx.control(begin), enter).map(drop)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::{FixedClock, SystemClock};

    /// The tests connect as a superuser, whom no policy stops.
    #[tokio::test]
    async fn callers_and_the_platform_have_roles_that_row_security_binds() {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let db = Db::connect(postgres.url(), 1, Arc::new(SystemClock)).await;
        let db = db.expect("connected");
        let sql = "SELECT current_user::text, current_setting('transaction_isolation'), current_setting('transaction_read_only')";
        let mut found = Vec::<Option<(String, String, String)>>::new();
        let scope = Scope::of_operator(TenantId::new(Uuid::nil()), "test");
        let read = db.read(&scope).await.expect("opened");
        found.push(read.one(sql, []).await.expect("an answer"));
        drop(read);
        let write = db.write(&scope).await.expect("opened");
        found.push(write.one(sql, []).await.expect("an answer"));
        drop(write);
        let system = db.system().await.expect("opened");
        found.push(system.one(sql, []).await.expect("an answer"));
        drop(system);
        let snapshot = db.snapshot().await.expect("opened");
        found.push(snapshot.one(sql, []).await.expect("an answer"));
        let row = |[role, isolation, is_read_only]: [&str; 3]| {
            Some((
                role.to_owned(),
                isolation.to_owned(),
                is_read_only.to_owned(),
            ))
        };
        let expected = [
            ["simcube_app", "repeatable read", "on"],
            ["simcube_app", "read committed", "off"],
            ["simcube_system", "read committed", "off"],
            ["simcube_system", "repeatable read", "on"],
        ];
        assert_eq!(found, expected.map(row));
    }

    #[tokio::test]
    async fn a_moment_is_what_postgres_keeps_of_it() {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let clock = FixedClock(DateTime::from_timestamp_nanos(1_795_000_000_123_456_789));
        let db = Db::connect(postgres.url(), 1, Arc::new(clock)).await;
        let cx = db.expect("connected").system().await.expect("system");
        let now = cx.now();
        let kept: Option<(DateTime<Utc>,)> = cx
            .one("SELECT $1::timestamptz", [now.into()])
            .await
            .expect("an answer");
        assert_eq!(kept, Some((now,)));
        assert_ne!(now, clock.0);
    }
}
