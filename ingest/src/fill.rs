//! Filling the small cubes of a usage store that is older than they are, before anybody asks them.
//!
//! A process of the version before may go on taking usage in meanwhile: what it inserts reaches the small cubes by their
//! views, and so does what it corrects in the full ones. Only while a month is filled is intake held back. A fill that was
//! broken off is finished by the next start, and two at once take turns.

use std::time::Duration;

use analytics::{Store, System};
use domain::{Db, Result};

use crate::standstill::StandStill;

/// How long a moment is looked for in which no batch is being applied.
const PATIENCE: Duration = Duration::from_mins(1);

/// Fills what is not filled yet, once in the life of a usage store.
///
/// # Errors
/// `UNAVAILABLE` when an engine does not answer, or intake could not be held back; the next start goes on.
pub async fn fill(db: &Db, store: &Store) -> Result<()> {
    let system = System::new(db.clock().now());
    if store.is_filled(&system).await? {
        return Ok(());
    }
    // Whatever began to be inserted before the views were there has ended when the cubes stand still.
    let still = stand(db, store).await?;
    let months = store.tables(&system).months(&system).await?;
    still.end().await?;
    for month in months {
        let still = stand(db, store).await?;
        let filled = store.fill(&system, month, &still).await?;
        still.end().await?;
        tracing::info!(
            month = %month.format("%Y-%m"),
            cells = filled.cells,
            "small cubes filled"
        );
    }
    store.set_filled(&system).await
}

async fn stand(db: &Db, store: &Store) -> Result<StandStill> {
    StandStill::take(db.system().await?, db, store, PATIENCE).await
}
