//! The platform's own transactions.

use std::sync::Arc;

use sea_orm::{ActiveModelTrait, EntityTrait as _, Value};

use super::{Failure, Transaction, read::reads};
use crate::{Clock, Result};

/// A transaction of the platform itself, across tenants: intake, tenant administration, migrations' seed data.
pub struct SystemCx {
    tx: Transaction,
    clock: Arc<dyn Clock>,
}

impl SystemCx {
    pub(super) fn new(tx: Transaction, clock: Arc<dyn Clock>) -> Self {
        Self { tx, clock }
    }

    /// Inserts a row. The raw error is returned so that constraint names can be matched.
    pub(crate) async fn insert<A: ActiveModelTrait>(&self, row: A) -> Result<(), Failure> {
        self.tx.run(&A::Entity::insert(row)).await.map(drop)
    }

    /// Runs a statement for its effect and returns how many rows it touched. The raw error is returned so that constraint
    /// names can be matched.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, Failure> {
        let values: Vec<_> = values.into_iter().collect();
        self.tx.execute(sql, &values).await
    }

    /// Has Postgres end this transaction when nothing is heard of it for ten seconds: what it locks is waited for by other processes, and
    /// the one that began it may stand still.
    pub(crate) async fn ends_when_silent(&self) -> Result<(), Failure> {
        let sql = "SELECT set_config('idle_in_transaction_session_timeout', '10s', true)";
        self.execute(sql, []).await.map(drop)
    }

    /// Lets the last statement's snapshot go. Postgres keeps that of a prepared one until the next statement, and cleans nothing up
    /// that is newer: a transaction that only holds a lock, for long, must not keep one.
    pub(crate) async fn rest(&self) -> Result<(), Failure> {
        self.tx.control("SELECT").await
    }

    /// Makes everything durable.
    pub async fn commit(self) -> Result<()> {
        Ok(self.tx.commit().await?)
    }
}

reads!(SystemCx);
