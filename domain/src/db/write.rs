//! One caller's change of one tenant.

use std::ops::Deref;

use sea_orm::{ActiveModelTrait, EntityTrait as _, QueryTrait as _, Value, sea_query::OnConflict};
use serde::de::DeserializeOwned;

use super::{Failure, ReadCx};
use crate::{Error, IdempotencyKey, Result, change::Change, id::Id};

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
    pub(super) fn new(cx: ReadCx) -> Self {
        Self { cx, key: None }
    }

    /// Inserts a row. The raw error is returned so that constraint names can be matched.
    pub(crate) async fn insert<A: ActiveModelTrait>(&self, row: A) -> Result<(), Failure> {
        self.cx.tx.run(&A::Entity::insert(row)).await.map(drop)
    }

    /// Inserts a row, unless a unique key of the table has it. The raw error is returned so that constraint names can be matched.
    pub(crate) async fn insert_if_new<A: ActiveModelTrait>(&self, row: A) -> Result<(), Failure> {
        let nothing = OnConflict::new().do_nothing().to_owned();
        let insert = A::Entity::insert(row).on_conflict(nothing);
        self.cx.tx.run(&insert).await.map(drop)
    }

    /// Writes those columns of a row that are set, by its key. What the database says is kept as the error's cause, so that
    /// constraint names can be matched.
    pub(crate) async fn update<A: ActiveModelTrait>(&self, row: A) -> Result<()> {
        // Without its key it is no update: our fault.
        let update = A::Entity::update(row).validate().map_err(Error::internal)?;
        if update.as_query().get_values().is_empty() {
            return Ok(());
        }
        match self.cx.tx.run(&update).await? {
            0 => Err(Error::internal("a row to be changed is not there")),
            _ => Ok(()),
        }
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
    ) -> Result<u64, Failure> {
        let values: Vec<_> = values.into_iter().collect();
        self.cx.tx.execute(sql, &values).await
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
        let scope = self.scope();
        let entry = change.entry();
        self.insert(entry.row(scope.tenant(), self.now(), scope.actor(), scope.role()))
            .await?;
        if let Some(key) = &self.key {
            key.keep(&self, change.answer()).await?;
        }
        Ok(self.cx.tx.commit().await?)
    }

    /// Takes everything back.
    pub(crate) async fn discard(self) -> Result<()> {
        Ok(self.cx.tx.rollback().await?)
    }
}
