//! Step 9: an answer waits until what it says is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    Error, Result,
    journal::{self, BatchState, Kind, Month},
    session,
};
use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

use super::{Account, Inner};

/// Between the first two looks; it doubles up to a quarter of a second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// Identities of records by the part that counts them.
pub(super) type ByPart = BTreeMap<i64, Vec<Uuid>>;

/// What became of a delivery in the journal.
pub(super) struct Committed {
    /// What it is of.
    pub(super) kind: Kind,
    pub(super) account: Account,
    /// Its records in its own part, and those that it repeats and that are not known to be counted.
    pub(super) waits_for: ByPart,
    /// The parts of its own batch that count records of it.
    pub(super) own: BTreeSet<i64>,
    /// Whether the batch was counted, once that is known.
    pub(super) applied: watch::Receiver<Option<bool>>,
    pub(super) at: Instant,
}

/// Waits until every record of the account is counted, or known to be quarantined. Where a batch was cut, it waits for the
/// pieces that have the delivery's own records and for no others.
///
/// # Errors
/// `UNAVAILABLE` when that takes longer than `patience` from the commit: the records are kept, and will be counted.
pub(super) async fn wait(
    inner: &Inner,
    committed: Committed,
    patience: Duration,
) -> Result<Account> {
    let Committed {
        kind,
        mut account,
        mut waits_for,
        own,
        mut applied,
        at,
    } = committed;
    let deadline = at + patience;
    if !own.is_empty() {
        let known = tokio::time::timeout_at(deadline, applied.wait_for(Option::is_some)).await;
        if matches!(known, Ok(Ok(counted)) if *counted == Some(true)) {
            waits_for.retain(|part, _| !own.contains(part));
        }
    }
    let mut pause = FIRST_PAUSE;
    loop {
        let open = look(inner, kind, &mut waits_for).await?;
        if open
            .iter()
            .all(|state| *state == Some(BatchState::Quarantined))
        {
            account.pending = waits_for.values().map(|records| records.len() as u64).sum();
            return Ok(account);
        }
        if Instant::now() >= deadline {
            return Err(late("records were not counted in time"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Takes out what is counted, lets records that were moved wait for the parts that have them now, and says how the parts
/// stood: none was cut.
async fn look(
    inner: &Inner,
    kind: Kind,
    waits_for: &mut ByPart,
) -> Result<Vec<Option<BatchState>>> {
    if waits_for.is_empty() {
        return Ok(Vec::new());
    }
    let cx = inner.db.system().await?;
    let parts: Vec<i64> = waits_for.keys().copied().collect();
    let open = journal::uncounted_parts(&cx, &parts).await?;
    let open: BTreeMap<i64, Option<BatchState>> = open.into_iter().collect();
    waits_for.retain(|part, _| open.contains_key(part));
    for (part, _) in open.iter().filter(|(_, state)| state.is_none()) {
        let records = waits_for.remove(part).unwrap_or_default();
        let now = match kind {
            Kind::Cdr => journal::parts_of(&cx, Month::of_part(*part), &records).await?,
            Kind::Session => session::parts_of(&cx, &records).await?,
        };
        for identity in records {
            match now.get(&identity).copied() {
                Some(part) => waits_for.entry(part).or_default().push(identity),
                // A rollup is kept as a point until it was seen in the log.
                None if kind == Kind::Session => {}
                None => return Err(late("an accepted record has no identity")),
            }
        }
    }
    Ok(open.into_values().collect())
}

/// The batch is safe in the journal; only its counting is late.
pub(super) fn late(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = "the records are kept and will be counted; send them again to be sure";
    Error::unavailable(message, cause)
}
