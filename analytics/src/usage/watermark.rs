//! How fresh the cubes are.

use chrono::{DateTime, Utc};
use domain::{Result, Scope, usage::Source};

use super::scoped::Scoped;
use crate::{Store, store::fault};

impl Store {
    /// Receipt of the newest record of a source that is counted of what the caller may see; none where nothing is. What is asked
    /// afterwards counts that record, too.
    ///
    /// # Errors
    /// `FORBIDDEN` when the caller may not read usage, `UNAVAILABLE` when the engine does not answer.
    pub async fn watermark(&self, scope: &Scope, source: Source) -> Result<Option<DateTime<Utc>>> {
        let scoped = Scoped::new(scope, source.into())?;
        let sql = format!(
            "SELECT toUnixTimestamp64Milli(max(received_at))\n{}",
            scoped.years()
        );
        let query = scoped.parameters.attach(self.query(&sql));
        let millis: i64 = query.fetch_one().await.map_err(fault)?;
        Ok(received(millis))
    }
}

/// When the newest record was received, by the engine's Unix milliseconds; none where there is none.
pub(super) fn received(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).filter(|_| millis > 0)
}
