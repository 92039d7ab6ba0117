//! Step 9: an answer waits until what it says is true.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Error, Result,
    journal::{self, BatchState},
};
use tokio::{sync::watch, time::Instant};

use super::{Account, Inner};

/// Between the first two looks; it doubles up to a quarter of a second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// What became of a delivery in the journal.
pub(super) struct Committed {
    pub(super) account: Account,
    /// Records of it by the part that counts them: its own, and those that it repeats and that are not known to be counted.
    pub(super) waits_for: BTreeMap<i64, u64>,
    /// The part of its own batch, if anything of it was accepted.
    pub(super) own: Option<i64>,
    /// Whether the batch was counted, once that is known.
    pub(super) applied: watch::Receiver<Option<bool>>,
    pub(super) at: Instant,
}

/// Waits until every record of the account is counted, or known to be quarantined.
///
/// # Errors
/// `UNAVAILABLE` when that takes longer than [`super::Settings::answer`], or when a batch was cut into pieces: the records
/// are kept, and will be counted.
pub(super) async fn wait(inner: &Inner, committed: Committed) -> Result<Account> {
    let Committed {
        mut account,
        mut waits_for,
        own,
        mut applied,
        at,
    } = committed;
    let deadline = at + inner.settings.answer;
    if let Some(own) = own {
        let known = tokio::time::timeout_at(deadline, applied.wait_for(Option::is_some)).await;
        if matches!(known, Ok(Ok(counted)) if *counted == Some(true)) {
            waits_for.remove(&own);
        }
    }
    let mut pause = FIRST_PAUSE;
    while !waits_for.is_empty() {
        let open = uncounted(inner, &waits_for).await?;
        waits_for.retain(|part, _| open.contains_key(part));
        if open.values().any(Option::is_none) {
            return Err(late("a batch was cut into pieces"));
        }
        if open
            .values()
            .all(|state| *state == Some(BatchState::Quarantined))
        {
            account.pending = waits_for.values().sum();
            return Ok(account);
        }
        if Instant::now() >= deadline {
            return Err(late("records were not counted in time"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
    Ok(account)
}

async fn uncounted(
    inner: &Inner,
    parts: &BTreeMap<i64, u64>,
) -> Result<BTreeMap<i64, Option<BatchState>>> {
    let cx = inner.db.system().await?;
    let parts: Vec<i64> = parts.keys().copied().collect();
    let open = journal::uncounted_parts(&cx, &parts).await?;
    Ok(open.into_iter().collect())
}

/// The batch is safe in the journal; only its counting is late.
pub(super) fn late(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = "the records are kept and will be counted; send them again to be sure";
    Error::unavailable(message, cause)
}
