//! A connection that is in a transaction.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use deadpool_postgres::{Object, Pool, PoolError};
use futures::{TryStreamExt as _, future::BoxFuture};
use sea_orm::{DbBackend, QueryTrait, Statement, Value};
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{Row, Statement as Prepared, error::SqlState, types::Type};

use super::{
    Failure,
    param::{Param, type_of},
};
use crate::version::{Noted, Reads};

/// How long a server may take to take a transaction back. Shorter than others wait for a connection.
const ROLLBACK: Duration = Duration::from_secs(5);

/// A transaction. Statements that are sent while others are under way travel with them; Postgres answers them in order.
///
/// It ends when it is dropped: the connection takes everything back first and is not used by others before it has.
pub(super) struct Transaction {
    connection: Option<Object>,
    statements: AtomicU64,
    trips: Trips,
    noted: Noted,
}

/// How often somebody had to wait for the server.
#[derive(Default)]
struct Trips {
    made: AtomicU64,
    under_way: AtomicU64,
}

impl Trips {
    /// What is sent before the answer is there travels together.
    async fn count<T>(&self, answer: impl Future<Output = T>) -> T {
        struct UnderWay<'a>(&'a AtomicU64);
        impl Drop for UnderWay<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        if self.under_way.fetch_add(1, Ordering::Relaxed) == 0 {
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        let _under_way = UnderWay(&self.under_way);
        answer.await
    }
}

impl Transaction {
    /// One that is still to begin, on the next connection that is free. Boxed, as statements are.
    pub(super) async fn on(pool: &Pool) -> Result<Self, PoolError> {
        let connection = Box::pin(pool.get()).await?;
        Ok(Self {
            connection: Some(connection),
            statements: AtomicU64::new(0),
            trips: Trips::default(),
            noted: Noted::default(),
        })
    }

    /// The connection is there until the transaction is dropped.
    fn connection(&self) -> &Object {
        self.connection
            .as_ref()
            .expect("a transaction that goes on")
    }

    /// Statements sent so far.
    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Round trips made so far.
    pub(super) fn trips(&self) -> u64 {
        self.trips.made.load(Ordering::Relaxed)
    }

    /// What was read so far.
    pub(super) fn noted(&self) -> &Noted {
        &self.noted
    }

    /// Begins or ends it: control is not counted among the statements.
    pub(super) async fn control(&self, text: &str) -> Result<(), Failure> {
        self.trips
            .count(self.connection().batch_execute(text))
            .await
    }

    /// Sends a statement and waits for its answer. Boxed, because whatever waits for one waits for many kinds of them.
    fn counted<'a, T: 'a>(
        &'a self,
        answer: impl Future<Output = Result<T, Failure>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, Failure>> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        Box::pin(self.trips.count(answer))
    }

    /// A statement that this connection has prepared, once.
    async fn prepared(&self, text: &str, values: &[Value]) -> Result<Prepared, Failure> {
        let types: Vec<Type> = values.iter().map(type_of).collect();
        self.connection().prepare_typed_cached(text, &types).await
    }

    /// The rows of a statement whose text is the program's: it is prepared once for each connection.
    pub(super) async fn kept(&self, text: &str, values: &[Value]) -> Result<Vec<Row>, Failure> {
        self.noted.read(Reads::of(text));
        let answer = async {
            let prepared = self.prepared(text, values).await?;
            let params = values.iter().map(Param);
            let rows = self.connection().query_raw(&prepared, params).await?;
            rows.try_collect().await
        };
        let rows = self.counted(answer).await;
        rows.inspect_err(|failure| self.forget_if_outdated(failure, text, values))
    }

    /// The rows of a statement whose text depends on what was asked: it is planned for these values and forgotten.
    pub(super) async fn once(&self, text: &str, values: &[Value]) -> Result<Vec<Row>, Failure> {
        self.noted.read(Reads::of(text));
        let answer = async {
            let params = values.iter().map(|value| (Param(value), type_of(value)));
            let rows = self.connection().query_typed_raw(text, params).await?;
            rows.try_collect().await
        };
        self.counted(answer).await
    }

    /// Runs a statement for its effect and says how many rows it touched.
    pub(super) async fn execute(&self, text: &str, values: &[Value]) -> Result<u64, Failure> {
        let answer = async {
            let prepared = self.prepared(text, values).await?;
            let params = values.iter().map(Param);
            self.connection().execute_raw(&prepared, params).await
        };
        self.counted(answer).await
    }

    /// Runs a statement that was built from an entity, and says how many rows it touched.
    pub(super) async fn run(&self, statement: &impl QueryTrait) -> Result<u64, Failure> {
        let Statement { sql, values, .. } = statement.build(DbBackend::Postgres);
        let values = values.map_or_else(Vec::new, |values| values.0);
        self.execute(&sql, &values).await
    }

    /// What a prepared statement answers was changed by a migration: it is prepared again, on every connection.
    fn forget_if_outdated(&self, failure: &Failure, text: &str, values: &[Value]) {
        let is_outdated = failure.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED);
        if let Some(pool) = Object::pool(self.connection())
            && is_outdated
        {
            let types: Vec<Type> = values.iter().map(type_of).collect();
            pool.manager().statement_caches.remove(text, &types);
        }
    }

    /// Makes everything durable.
    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        self.control("COMMIT").await?;
        // Back to the others as it is.
        drop(self.connection.take());
        Ok(())
    }

    /// Gives the connection back to the others: it never began.
    pub(super) fn unbegun(mut self) {
        drop(self.connection.take());
    }

    /// Takes everything back.
    pub(super) async fn rollback(mut self) -> Result<(), Failure> {
        self.control("ROLLBACK").await?;
        drop(self.connection.take());
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                let taken_back = timeout(ROLLBACK, connection.batch_execute("ROLLBACK")).await;
                // Who does not answer is left, and somebody else gets the place.
                if !matches!(taken_back, Ok(Ok(()))) {
                    drop(Object::take(connection));
                }
            })),
            // At the end of the program: the server takes everything back when the connection closes.
            Err(_) => drop(Object::take(connection)),
        }
    }
}
