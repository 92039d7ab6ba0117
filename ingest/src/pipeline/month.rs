//! The partitions of identities, a month each: the present one is open, those that no record can name any more are dropped.

use domain::{Result, journal};

use super::Intake;

impl Intake {
    /// Opens the month that has begun and drops those that are too old.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn keep_months(&self) -> Result<()> {
        let (db, settings) = (&self.inner.db, self.inner.settings);
        let now = db.clock().now();
        journal::open_month(db, now).await?;
        journal::drop_months(db, now, settings.past, settings.future).await?;
        Ok(())
    }

    /// Fetches filters over the identities of closed months into memory.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn refresh_filters(&self) -> Result<()> {
        self.inner.older.refresh(&self.inner.db).await?;
        Ok(())
    }
}
