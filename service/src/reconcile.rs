//! Usage records and sessions, side by side.

use analytics::usage::{Reconciliation, Reconciling};
use domain::{Error, Result, journal, paging::MAX_PAGE, usage::Source};
use futures::future::{try_join_all, try_join3};

use crate::{
    Session,
    complete::{coverage, judge},
};

impl Session {
    /// Where usage records and sessions disagree, by SIM and day. Either source may not be complete.
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
        let coverages = [Source::Cdr, Source::Session].map(|source| coverage(&cx, source));
        let (mut compared, (), coverages) =
            try_join3(compared, journal::note_cubes(&cx), try_join_all(coverages)).await?;
        for (provenance, coverage) in compared.provenance.iter_mut().zip(&coverages) {
            judge(provenance, compared.period, coverage.as_ref());
        }
        Ok(compared)
    }
}
