//! Lines that sit out: a process that says nothing any more holds what their records wait for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::journal::Kind;

use super::queue::Line;

/// How long a line sits out before it is tried again. A try may hold others up for a second.
const REST: Duration = Duration::from_secs(2);

/// Until when each of them does.
#[derive(Default)]
pub(super) struct SittingOut(Mutex<HashMap<(Kind, Line), Instant>>);

impl SittingOut {
    /// A panic elsewhere leaves single entries whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<(Kind, Line), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, kind: Kind, line: Line) {
        self.lock().insert((kind, line), Instant::now() + REST);
    }

    pub(super) fn has(&self, kind: Kind, line: &Line) -> bool {
        let mut until = self.lock();
        until.retain(|_, until| *until > Instant::now());
        until.contains_key(&(kind, line.clone()))
    }
}
