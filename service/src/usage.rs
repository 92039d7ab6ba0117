//! Usage questions.

use std::collections::HashMap;

use analytics::usage::{Dimension, Key, UsageAnswer, UsageQuery};
use domain::Result;

use crate::Session;

impl Session {
    /// Usage of all that the caller may see.
    ///
    /// # Errors
    /// `FORBIDDEN` when usage is closed to the caller, `NOT_EXACT` when no cube answers exactly.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageAnswer> {
        self.store().usage(self.scope(), query).await
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
        self.store()
            .usage_by(self.scope(), query, parent, ids)
            .await
    }
}
