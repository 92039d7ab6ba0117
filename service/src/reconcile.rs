//! Usage records and sessions, side by side.

use analytics::usage::{Reconciliation, Reconciling};
use domain::{Error, Result, journal, paging::MAX_PAGE};
use futures::future::try_join;

use crate::Session;

impl Session {
    /// Where usage records and sessions disagree, by SIM and day.
    ///
    /// # Errors
    /// `FORBIDDEN` to who does not look after intake; `LIMIT_EXCEEDED` for more than a page, and when it needs too much memory or time;
    /// `THROTTLED` when too many questions of the tenant wait.
    pub async fn reconcile(&self, asked: Reconciling) -> Result<Reconciliation> {
        if asked.first > MAX_PAGE {
            let text = format!("a page has at most {MAX_PAGE} rows");
            return Err(Error::limit(text, MAX_PAGE.into(), asked.first.into()).at("first"));
        }
        let cx = self.read().await?;
        let _turn = self.turn().await?;
        let compared = self.store().reconcile(self.scope(), asked);
        let (compared, ()) = try_join(compared, journal::note_cubes(&cx)).await?;
        Ok(compared)
    }
}
