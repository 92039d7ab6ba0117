//! Usage that is accepted keeps the customer and the device that it was accepted for, so it stands in the way of changing
//! assignments.

use std::{collections::HashMap, future::Future, pin::pin, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::timeline::Moment;
use crate::{
    ReadCx, Result, Scope, WriteCx,
    id::SimId,
    journal::{self, Uncounted},
};

/// Knows which usage is counted. The cubes know; this crate cannot ask them itself.
pub trait CountedUsage: Sync {
    /// For each of `sims` with counted usage, a moment that no counted record begins after. Later than the last
    /// record is safe (an assignment is refused that need not be), earlier is not.
    fn last_counted(
        &self,
        scope: &Scope,
        sims: &[SimId],
    ) -> impl Future<Output = Result<HashMap<SimId, DateTime<Utc>>>> + Send;
}

/// Between two words to Postgres while another store is asked.
const HEARD: Duration = Duration::from_secs(3);

/// How long an import still waits for accepted usage to be counted. Meanwhile the tenant's intake takes no batch in, so that
/// the batches that are under way are the last ones; a wait in vain is not repeated for every chunk of a file.
#[derive(Debug)]
pub struct Patience(Duration);

impl Patience {
    /// Many times what a batch takes.
    const LONGEST: Duration = Duration::from_secs(3);
    /// Between two looks.
    const STEP: Duration = Duration::from_millis(20);

    /// Waits until the accepted usage of the tenant from `first` on is counted or quarantined, and says what is left.
    async fn until_counted(&mut self, cx: &ReadCx, first: Moment) -> Result<Uncounted> {
        loop {
            let uncounted = journal::uncounted(cx).await?;
            if !reaches(first, uncounted.journaled) {
                *self = Self::default();
                return Ok(uncounted);
            }
            let Some(left) = self.0.checked_sub(Self::STEP) else {
                return Ok(uncounted);
            };
            self.0 = left;
            tokio::time::sleep(Self::STEP).await;
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self(Self::LONGEST)
    }
}

/// Waits for an answer of another store. Postgres hears of the transaction meanwhile, and ends only that of a process that was stopped.
async fn heard<T>(cx: &WriteCx, answer: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let mut answer = pin!(answer);
    loop {
        match tokio::time::timeout(HEARD, &mut answer).await {
            Ok(answer) => return answer,
            Err(_) => journal::still_frozen(cx).await?,
        }
    }
}

/// Usage that stands in the way of changing assignments.
#[derive(Default)]
pub(super) struct Counted {
    /// The last moment at which counted usage of a SIM begins, which may lie ahead of the clock.
    last: HashMap<Uuid, DateTime<Utc>>,
    /// Until when the tenant has usage that is accepted and not counted yet. Whose it is, is not known.
    uncounted: Uncounted,
}

impl Counted {
    /// What stands in the way of other assignments of `sims`, with effect from `first` or any later time.
    pub(super) async fn ask(
        cx: &WriteCx,
        usage: &impl CountedUsage,
        sims: &[SimId],
        first: Moment,
        patience: &mut Patience,
    ) -> Result<Self> {
        // No batch is attributed from here on; those that were are in the cubes or in the journal. The journal is asked
        // first, because batches move from it to the cubes meanwhile.
        journal::freeze_attribution(cx).await?;
        let uncounted = patience.until_counted(cx, first).await?;
        let last = heard(cx, usage.last_counted(cx.scope(), sims)).await?;
        let last = last.into_iter().map(|(sim, last)| (sim.uuid(), last));
        Ok(Self {
            last: last.collect(),
            uncounted,
        })
    }

    /// Whether usage of this SIM is counted.
    pub(super) fn is_of(&self, sim: Uuid) -> bool {
        self.last.contains_key(&sim)
    }

    /// What stands in the way of another assignment of `sim` from `first` on.
    pub(super) fn in_the_way(&self, sim: Uuid, first: Moment) -> Option<&'static str> {
        if reaches(first, self.last.get(&sim).copied()) {
            Some("usage of this SIM from that time on is already counted for another assignment")
        } else if reaches(first, self.uncounted.quarantined) {
            Some(
                "usage that may be of this SIM is quarantined: import the row again when it is counted",
            )
        } else if reaches(first, self.uncounted.journaled) {
            Some(
                "usage that may be of this SIM is accepted and not counted yet; import the row again later",
            )
        } else {
            None
        }
    }
}

/// Whether a change from `first` on reaches usage that ends with `last`.
fn reaches(first: Moment, last: Option<DateTime<Utc>>) -> bool {
    last.is_some_and(|last| first.is_none_or(|first| first <= last))
}
