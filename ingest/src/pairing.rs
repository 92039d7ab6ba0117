//! Which usage store goes with which journal.
//!
//! A journal knows what was ever accepted, and its usage store has it. Beside another usage store records would be called
//! duplicate that it does not have, and what is new would be missing in the right one. So each usage store has an identity,
//! which the journal remembers from the first start on. One that was restored from a backup is still itself, and replicas
//! are one store.

use analytics::{Store, System};
use domain::{Db, Result, journal};
use uuid::Uuid;

/// What goes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// The two are of one installation, from now on if not before.
    Paired,
    /// The usage store is of another installation.
    Foreign,
    /// The usage store is new, and the journal is not.
    Emptied,
}

/// Whether the two go together. A new journal and a new usage store are brought together by this.
///
/// # Errors
/// `UNAVAILABLE` when an engine does not answer.
pub async fn pair(db: &Db, store: &Store) -> Result<Pairing> {
    let cx = db.system().await?;
    journal::hold_usage_store(&cx).await?;
    let system = System::new(cx.now());
    let ours = journal::usage_store(&cx).await?;
    let identity = match (ours, store.identity(&system).await?) {
        (ours, Some(theirs)) if ours == Some(theirs) => return Ok(Pairing::Paired),
        (_, Some(_)) => return Ok(Pairing::Foreign),
        (ours, None) => ours.unwrap_or_else(Uuid::new_v4),
    };
    if !journal::is_new(&cx).await? && store.is_empty(&system).await? {
        return Ok(Pairing::Emptied);
    }
    // The journal remembers it first, so that this may end anywhere.
    let remembering = db.system().await?;
    journal::set_usage_store(&remembering, identity).await?;
    remembering.commit().await?;
    store.set_identity(&system, identity).await?;
    Ok(Pairing::Paired)
}

/// Brings the two together, whatever they were before.
///
/// # Errors
/// `UNAVAILABLE` when an engine does not answer.
pub async fn adopt(db: &Db, store: &Store) -> Result<()> {
    let cx = db.system().await?;
    journal::hold_usage_store(&cx).await?;
    let system = System::new(cx.now());
    let identity = if let Some(theirs) = store.identity(&system).await? {
        theirs
    } else {
        let identity = Uuid::new_v4();
        store.set_identity(&system, identity).await?;
        identity
    };
    journal::set_usage_store(&cx, identity).await?;
    cx.commit().await
}
