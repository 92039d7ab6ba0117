//! Connections and transactions. One request, one transaction, one tenant.
//!
//! Two non-owner roles exist in Postgres and row security is forced on every tenant table: `simcube_app` sees the
//! rows of `app.tenant_id`, `simcube_system` has policies of its own (not BYPASSRLS) and is reachable only through
//! [`SystemCx`], so cross-tenant work can be searched for.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::SubsecRound as _;
use sea_orm::{
    AccessMode, ActiveModelTrait, ConnectOptions, ConnectionTrait, DatabaseConnection,
    DatabaseTransaction, DbBackend, DbErr, EntityTrait, ExecResult, IsolationLevel, QueryResult,
    Statement, TransactionTrait, Value, sea_query::OnConflict,
};
use serde::de::DeserializeOwned;

use crate::{
    Clock, Error, IdempotencyKey, Result, Scope, audit,
    change::Change,
    id::Id,
    row::{Columns, Decode},
    sql::Sql,
};

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
    app: DatabaseConnection,
    system: DatabaseConnection,
    clock: Arc<dyn Clock>,
}

impl Db {
    /// Connects lazily with at most `connections` per role.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the server does not answer.
    pub async fn connect(url: &str, connections: u32, clock: Arc<dyn Clock>) -> Result<Self> {
        let pool = |settings: &'static [(&'static str, &'static str)]| {
            let mut options = ConnectOptions::new(url);
            options
                .max_connections(connections)
                .min_connections(1)
                .acquire_timeout(Duration::from_secs(10))
                .test_before_acquire(false)
                .sqlx_logging(false)
                .map_sqlx_postgres_opts(move |o| o.options(settings.iter().copied()));
            sea_orm::Database::connect(options)
        };
        let (app, system) = tokio::try_join!(pool(APP), pool(SYSTEM))?;
        Ok(Self { app, system, clock })
    }

    /// The clock that every transaction is stamped with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// A read-only snapshot of one tenant. It ends when dropped.
    pub async fn read(&self, scope: &Scope) -> Result<ReadCx> {
        let tx = self
            .app
            .begin_with_config(
                Some(IsolationLevel::RepeatableRead),
                Some(AccessMode::ReadOnly),
            )
            .await?;
        ReadCx::open(tx, scope, self.clock.clone()).await
    }

    /// A read-write transaction in one tenant.
    pub async fn write(&self, scope: &Scope) -> Result<WriteCx> {
        let tx = self.app.begin().await?;
        let cx = ReadCx::open(tx, scope, self.clock.clone()).await?;
        Ok(WriteCx { cx, key: None })
    }

    /// A transaction of the platform itself.
    pub async fn system(&self) -> Result<SystemCx> {
        let tx = self.system.begin().await?;
        Ok(SystemCx {
            tx: Tx::new(tx),
            clock: self.clock.clone(),
        })
    }

    /// A read-only view of everything as it is at this moment, for as long as it is held.
    pub async fn snapshot(&self) -> Result<SystemCx> {
        let tx = Tx::new(
            self.system
                .begin_with_config(
                    Some(IsolationLevel::RepeatableRead),
                    Some(AccessMode::ReadOnly),
                )
                .await?,
        );
        // The moment is that of the first statement.
        tx.execute("SELECT", []).await?;
        Ok(SystemCx {
            tx,
            clock: self.clock.clone(),
        })
    }

    /// Whether the server answers.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.app.ping().await?)
    }
}

/// A transaction that counts its statements.
struct Tx {
    inner: DatabaseTransaction,
    statements: AtomicU64,
}

impl Tx {
    fn new(inner: DatabaseTransaction) -> Self {
        Self {
            inner,
            statements: AtomicU64::new(0),
        }
    }

    /// The connection, for one more statement.
    fn counted(&self) -> &DatabaseTransaction {
        self.statements.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }

    async fn all<T: Decode>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<T>> {
        let rows = self.counted().query_all_raw(statement(sql, values)).await?;
        rows.iter().map(decode).collect()
    }

    async fn one<T: Decode>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<T>> {
        let row = self.counted().query_one_raw(statement(sql, values)).await?;
        row.as_ref().map(decode).transpose()
    }

    async fn execute(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<ExecResult, DbErr> {
        self.counted().execute_raw(statement(sql, values)).await
    }

    async fn insert<A: ActiveModelTrait>(&self, row: A) -> Result<(), DbErr> {
        let insert = A::Entity::insert(row);
        let inserted = insert.exec_without_returning(self.counted()).await;
        inserted.map(drop)
    }
}

fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn decode<T: Decode>(row: &QueryResult) -> Result<T> {
    T::decode(&mut Columns::of(row))
}

macro_rules! reads {
    ($type:ty) => {
        impl $type {
            /// Runs a statement and reads its rows.
            pub(crate) async fn all<T: Decode>(
                &self,
                sql: &str,
                values: impl IntoIterator<Item = Value>,
            ) -> Result<Vec<T>> {
                self.tx.all(sql, values).await
            }

            /// Runs a statement and reads its first row, if any.
            pub(crate) async fn one<T: Decode>(
                &self,
                sql: &str,
                values: impl IntoIterator<Item = Value>,
            ) -> Result<Option<T>> {
                self.tx.one(sql, values).await
            }

            /// The present moment of this transaction's clock, in microseconds as Postgres keeps it: what is answered
            /// is what is read later.
            pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
                self.clock.now().trunc_subsecs(6)
            }

            /// Statements sent so far, the opening ones included.
            pub fn statements(&self) -> u64 {
                self.tx.statements.load(Ordering::Relaxed)
            }
        }
    };
}

/// One caller's view of one tenant: the first argument of every function that reads tenant data.
pub struct ReadCx {
    tx: Tx,
    scope: Scope,
    clock: Arc<dyn Clock>,
}

impl ReadCx {
    async fn open(tx: DatabaseTransaction, scope: &Scope, clock: Arc<dyn Clock>) -> Result<Self> {
        let tx = Tx::new(tx);
        tx.execute(
            "SELECT set_config('app.tenant_id', $1, true)",
            [scope.tenant().uuid().to_string().into()],
        )
        .await?;
        Ok(Self {
            tx,
            scope: scope.clone(),
            clock,
        })
    }

    /// Runs a built statement and reads its rows.
    pub(crate) async fn select<T: Decode>(&self, sql: Sql) -> Result<Vec<T>> {
        let (text, values) = sql.into_parts();
        self.all(&text, values).await
    }

    /// Runs a built statement and reads its first row, if any.
    pub(crate) async fn select_one<T: Decode>(&self, sql: Sql) -> Result<Option<T>> {
        let (text, values) = sql.into_parts();
        self.one(&text, values).await
    }

    /// Who asks.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// One caller's change of one tenant: the first argument of every function that changes tenant data. Nothing is kept unless
/// it ends in a typed change, from which its trace in the audit log is written.
pub struct WriteCx {
    cx: ReadCx,
    key: Option<IdempotencyKey>,
}

impl Deref for WriteCx {
    type Target = ReadCx;

    fn deref(&self) -> &ReadCx {
        &self.cx
    }
}

impl WriteCx {
    /// Inserts a row. The raw error is returned so that constraint names can be matched.
    pub(crate) async fn insert<A: ActiveModelTrait>(&self, row: A) -> Result<(), DbErr> {
        self.cx.tx.insert(row).await
    }

    /// Inserts a row, unless a unique key of the table has it. The raw error is returned so that constraint names can be matched.
    pub(crate) async fn insert_if_new<A: ActiveModelTrait>(&self, row: A) -> Result<(), DbErr> {
        let nothing = OnConflict::new().do_nothing().to_owned();
        let insert = A::Entity::insert(row).on_conflict(nothing).try_insert();
        let inserted = insert.exec_without_returning(self.cx.tx.counted()).await;
        inserted.map(drop)
    }

    /// Writes those columns of a row that are set, by its key. The raw error is returned so that constraint names can be
    /// matched.
    pub(crate) async fn update<A: ActiveModelTrait>(&self, row: A) -> Result<(), DbErr> {
        let update = A::Entity::update(row);
        let updated = update.exec_without_returning(self.cx.tx.counted()).await;
        updated.map(drop)
    }

    /// Locks the row of the caller's tenant that has this id, `FOR` this strength, until the transaction ends: what is read of it
    /// next still holds when it is written.
    pub(crate) async fn lock<I: Id>(
        &self,
        strength: &str,
        (table, column): (&str, &str),
        id: I,
    ) -> Result<()> {
        let sql =
            format!("SELECT FROM {table} WHERE tenant_id = $1 AND {column} = $2 FOR {strength}");
        let values = [self.scope().tenant().uuid().into(), id.uuid().into()];
        self.execute(&sql, values).await?;
        Ok(())
    }

    /// Runs a statement for its effect and returns how many rows it touched. The raw error is returned so that constraint
    /// names can be matched.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, DbErr> {
        Ok(self.cx.tx.execute(sql, values).await?.rows_affected())
    }

    /// Makes the change under this key, if one is given.
    #[must_use]
    pub fn under(self, key: Option<IdempotencyKey>) -> Self {
        Self { key, ..self }
    }

    /// What this change came to when it was made before under its key ([`Change::answer`]). Every change asks for this when it
    /// knows that the caller may make it, and before it looks at anything.
    ///
    /// # Errors
    /// `CONFLICT` when the key was used for something else.
    pub(crate) async fn earlier<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        match &self.key {
            Some(key) => key.claim(self).await,
            None => Ok(None),
        }
    }

    /// Writes the change to the audit log and its answer beside its key, and makes everything durable.
    pub(crate) async fn commit(self, change: Change) -> Result<()> {
        audit::record(&self, &change.entry()).await?;
        if let Some(key) = &self.key {
            key.keep(&self, change.answer()).await?;
        }
        Ok(self.cx.tx.inner.commit().await?)
    }

    /// Takes everything back.
    pub(crate) async fn discard(self) -> Result<()> {
        Ok(self.cx.tx.inner.rollback().await?)
    }
}

/// A transaction of the platform itself, across tenants: intake, tenant administration, migrations' seed data.
pub struct SystemCx {
    tx: Tx,
    clock: Arc<dyn Clock>,
}

impl SystemCx {
    /// Inserts a row. The raw error is returned so that constraint names can be matched.
    pub(crate) async fn insert<A: ActiveModelTrait>(&self, row: A) -> Result<(), DbErr> {
        self.tx.insert(row).await
    }

    /// Runs a statement for its effect and returns how many rows it touched. The raw error is returned so that constraint
    /// names can be matched.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, DbErr> {
        Ok(self.tx.execute(sql, values).await?.rows_affected())
    }

    /// Makes everything durable.
    pub async fn commit(self) -> Result<()> {
        Ok(self.tx.inner.commit().await?)
    }
}

reads!(ReadCx);
reads!(SystemCx);

/// What the server itself said about a failed statement.
fn refusal(error: &DbErr) -> Option<&dyn sea_orm::sqlx::error::DatabaseError> {
    use sea_orm::{RuntimeErr, sqlx};
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    match error.as_ref() {
        sqlx::Error::Database(error) => Some(error.as_ref()),
        _ => None,
    }
}

/// Whether a statement failed because the connection did.
pub(crate) fn is_cut_off(error: &DbErr) -> bool {
    use sea_orm::{RuntimeErr, sqlx};
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    matches!(
        error.as_ref(),
        sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}

/// Whether a lock was waited for longer than `lock_timeout` allows.
pub(crate) fn is_lock_timeout(error: &DbErr) -> bool {
    sql_state(error).as_deref() == Some("55P03")
}

/// The SQLSTATE of a failed statement.
pub(crate) fn sql_state(error: &DbErr) -> Option<String> {
    refusal(error)?.code().map(Into::into)
}

/// The name of the constraint that a statement violated, if that is why it failed.
pub(crate) fn violated_constraint(error: &DbErr) -> Option<String> {
    refusal(error)?.constraint().map(str::to_owned)
}

/// A constraint's name and the client's error for violating it.
pub(crate) type OnViolation = (&'static str, fn() -> Error);

/// Turns a violated constraint into an error for the client, by the constraint's name.
pub(crate) fn on_constraint(error: impl Into<Error>, known: &[OnViolation]) -> Error {
    let error = error.into();
    let name = error.database().and_then(violated_constraint);
    let known = name.and_then(|name| known.iter().find(|(constraint, _)| *constraint == name));
    known.map_or(error, |(_, to_error)| to_error())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::FixedClock;

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
