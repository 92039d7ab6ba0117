//! A connection that is in a transaction.

use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_postgres::Object;
use futures::TryStreamExt as _;
use sea_orm::{DbBackend, QueryTrait, Statement, Value};
use tokio::runtime::Handle;
use tokio_postgres::{Row, types::Type};

use super::{
    Failure,
    param::{Param, type_of},
};
/// A transaction. Statements that are sent while others are under way travel with them; Postgres answers them in order.
///
/// It ends when it is dropped: the connection takes everything back first and is not used by others before it has.
pub(super) struct Transaction {
    connection: Option<Object>,
    statements: AtomicU64,
    trips: Trips,
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
    /// One that is still to begin on this connection.
    pub(super) fn on(connection: Object) -> Self {
        Self {
            connection: Some(connection),
            statements: AtomicU64::new(0),
            trips: Trips::default(),
        }
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

    /// Sends text without parameters, which may be several statements.
    pub(super) async fn batch(&self, text: &str) -> Result<(), Failure> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.trips
            .count(self.connection().batch_execute(text))
            .await
    }

    /// The rows of a statement whose text is the program's: it is prepared once for each connection.
    pub(super) async fn kept(&self, text: &str, values: &[Value]) -> Result<Vec<Row>, Failure> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.trips
            .count(async {
                let types: Vec<Type> = values.iter().map(type_of).collect();
                let statement = self.connection().prepare_typed_cached(text, &types).await?;
                let rows = self
                    .connection()
                    .query_raw(&statement, values.iter().map(Param))
                    .await?;
                rows.try_collect().await
            })
            .await
    }

    /// The rows of a statement whose text depends on what was asked: it is planned for these values and forgotten.
    pub(super) async fn once(&self, text: &str, values: &[Value]) -> Result<Vec<Row>, Failure> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.trips
            .count(async {
                let params = values.iter().map(|value| (Param(value), type_of(value)));
                let rows = self.connection().query_typed_raw(text, params).await?;
                rows.try_collect().await
            })
            .await
    }

    /// Runs a statement for its effect and says how many rows it touched.
    pub(super) async fn execute(&self, text: &str, values: &[Value]) -> Result<u64, Failure> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.trips
            .count(async {
                let types: Vec<Type> = values.iter().map(type_of).collect();
                let statement = self.connection().prepare_typed_cached(text, &types).await?;
                self.connection()
                    .execute_raw(&statement, values.iter().map(Param))
                    .await
            })
            .await
    }

    /// Runs a statement that was built from an entity, and says how many rows it touched.
    pub(super) async fn run(&self, statement: &impl QueryTrait) -> Result<u64, Failure> {
        let Statement { sql, values, .. } = statement.build(DbBackend::Postgres);
        let values = values.map_or_else(Vec::new, |values| values.0);
        self.execute(&sql, &values).await
    }

    /// Makes everything durable.
    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        self.batch("COMMIT").await?;
        // Back to the others as it is.
        drop(self.connection.take());
        Ok(())
    }

    /// Takes everything back.
    pub(super) async fn rollback(mut self) -> Result<(), Failure> {
        self.batch("ROLLBACK").await?;
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
                if connection.batch_execute("ROLLBACK").await.is_err() {
                    drop(Object::take(connection));
                }
            })),
            // At the end of the program: the server takes everything back when the connection closes.
            Err(_) => drop(Object::take(connection)),
        }
    }
}
