//! Usage questions.

use std::collections::HashMap;

use analytics::usage::{Dimension, Key, UsageAnswer, UsageQuery};
use domain::{Result, journal};
use futures::future::try_join;

use crate::Session;

impl Session {
    /// Usage of all that the caller may see.
    ///
    /// # Errors
    /// `FORBIDDEN` when usage is closed to the caller, `NOT_EXACT` when no cube answers exactly.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageAnswer> {
        self.of_cubes(self.store().usage(self.scope(), query)).await
    }

    /// Usage of each of the objects `ids` of one kind, within what the caller may see.
    ///
    /// # Errors
    /// Those of [`Session::usage`].
    pub async fn usage_by(
        &self,
        query: &UsageQuery,
        parent: Dimension,
        ids: &[Key],
    ) -> Result<HashMap<Key, UsageAnswer>> {
        let asked = self.store().usage_by(self.scope(), query, parent, ids);
        self.of_cubes(asked).await
    }

    /// What the cubes answer, asked when there is a snapshot that says how they stand.
    async fn of_cubes<T>(&self, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let cx = self.read().await?;
        let (answer, ()) = try_join(asked, journal::note_cubes(&cx)).await?;
        Ok(answer)
    }
}
