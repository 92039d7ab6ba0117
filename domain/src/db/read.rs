//! One caller's view of one tenant.

use std::sync::Arc;

use super::Transaction;
use crate::{
    Clock, Footing, Result, Scope,
    kept::Kept,
    row::Decode,
    sql::Sql,
    version::{Noted, Reads, Subject, Versions},
};

/// One caller's view of one tenant: the first argument of every function that reads tenant data.
pub struct ReadCx {
    pub(super) tx: Transaction,
    scope: Scope,
    versions: Option<Versions>,
    kept: Arc<Kept>,
    clock: Arc<dyn Clock>,
}

impl ReadCx {
    pub(super) fn new(
        tx: Transaction,
        scope: Scope,
        versions: Option<Versions>,
        kept: Arc<Kept>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            tx,
            scope,
            versions,
            kept,
            clock,
        }
    }

    /// Runs a built statement and reads its rows.
    pub(crate) async fn select<T: Decode>(&self, sql: Sql) -> Result<Vec<T>> {
        let is_fixed = sql.is_fixed();
        let (text, values) = sql.into_parts();
        let rows = if is_fixed {
            self.tx.kept(&text, &values).await?
        } else {
            self.tx.once(&text, &values).await?
        };
        rows.iter().map(T::read).collect()
    }

    /// Runs a built statement and reads its first row, if any.
    pub(crate) async fn select_one<T: Decode>(&self, sql: Sql) -> Result<Option<T>> {
        Ok(self.select(sql).await?.into_iter().next())
    }

    /// Who asks.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What an answer that is made now stands on; none of one that cannot be kept.
    pub fn footing(&self) -> Option<Footing> {
        let versions = self.versions.filter(|_| self.is_current())?;
        self.tx.noted().footing(versions)
    }

    /// Whether the caller's scope is what this snapshot would make of its token.
    pub(crate) fn is_current(&self) -> bool {
        let access = self.versions.map(|versions| versions.get(Subject::Access));
        access.is_some() && self.scope.version() == access
    }

    /// What is kept between requests.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The version of what is about to be read from what is kept; none within a change, which sees what it changed.
    pub(crate) fn version(&self, subject: Subject) -> Option<u128> {
        self.noted().read(Reads::one(subject));
        self.versions.map(|versions| versions.get(subject))
    }

    /// For what is read beside tables, or depends on the clock.
    pub(crate) fn noted(&self) -> &Noted {
        self.tx.noted()
    }
}

/// What every view of the database can do.
macro_rules! reads {
    ($type:ty) => {
        impl $type {
            /// Runs a statement of the program's own text and reads its rows.
            pub(crate) async fn all<T: crate::row::Decode>(
                &self,
                sql: &str,
                values: impl IntoIterator<Item = sea_orm::Value>,
            ) -> crate::Result<Vec<T>> {
                let values: Vec<_> = values.into_iter().collect();
                let rows = self.tx.kept(sql, &values).await?;
                rows.iter().map(T::read).collect()
            }

            /// Runs a statement of the program's own text and reads its first row, if any.
            pub(crate) async fn one<T: crate::row::Decode>(
                &self,
                sql: &str,
                values: impl IntoIterator<Item = sea_orm::Value>,
            ) -> crate::Result<Option<T>> {
                Ok(self.all(sql, values).await?.into_iter().next())
            }

            /// The present moment of this transaction's clock, in microseconds as Postgres keeps it: what is answered
            /// is what is read later.
            pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
                chrono::SubsecRound::trunc_subsecs(self.clock.now(), 6)
            }

            /// Statements sent so far, those that open a tenant included.
            pub fn statements(&self) -> u64 {
                self.tx.statements()
            }

            /// Round trips to the server so far: statements that are sent while others are under way travel with them.
            pub fn trips(&self) -> u64 {
                self.tx.trips()
            }
        }
    };
}
pub(super) use reads;

reads!(ReadCx);
