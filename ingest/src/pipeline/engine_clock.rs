//! The clock of the engine, as far as this process knows it.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use analytics::{Store, System};
use chrono::{DateTime, TimeDelta, Utc};
use domain::Result;

/// Asked again after this long: two clocks part by some milliseconds a minute.
const VALID_SECONDS: u64 = 10;

/// The engine's time when it was asked, and when that was by a clock that only goes forward.
#[derive(Default)]
pub(super) struct EngineClock {
    asked: Mutex<Option<(Instant, DateTime<Utc>)>>,
}

impl EngineClock {
    /// The engine's time, known to some milliseconds.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the engine does not answer.
    pub(super) async fn now(&self, store: &Store, system: &System) -> Result<DateTime<Utc>> {
        let known = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, then)) = known
            && asked.elapsed().as_secs() < VALID_SECONDS
        {
            return Ok(then + TimeDelta::from_std(asked.elapsed()).unwrap_or_default());
        }
        let asked = Instant::now();
        let now = store.now(system).await?;
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, now));
        Ok(now)
    }
}
