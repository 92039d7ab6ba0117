//! Whether an answer of the cubes is complete, by what the journal knows.

use analytics::usage::{Incomplete, Provenance};
use domain::{
    Period, ReadCx, Result,
    journal::{self, Coverage},
    usage::Source,
};
use futures::FutureExt as _;

/// What the journal knows of a source in this snapshot, which is older than what the cubes answer.
pub(crate) async fn coverage(cx: &ReadCx, source: Source) -> Result<Option<Coverage>> {
    // Boxed, because every question of the contract waits for it from deep within.
    journal::coverage(cx, source.into()).boxed().await
}

/// Says why an answer is not complete that the cubes know nothing against.
pub(crate) fn judge(provenance: &mut Provenance, period: Period, coverage: Option<&Coverage>) {
    if provenance.incomplete.is_none() {
        let lack = coverage.and_then(|coverage| coverage.lack(period));
        provenance.incomplete = lack.map(Incomplete::Lacks);
    }
}
