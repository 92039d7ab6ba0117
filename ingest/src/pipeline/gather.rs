//! Step 2: deliveries of all senders travel together, at once when nothing is under way, else within milliseconds.
//!
//! While several lines deliver, the last place for a batch is kept for whoever comes next: see also [`super::queue`].

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use domain::Result;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    Inner,
    batch::{self, Record},
    queue::{Lines, Queued},
};

/// How long the last place is kept for another line.
const KEPT_FREE: Duration = Duration::from_millis(200);
/// How long deliveries that have to wait are left out.
const REST: Duration = Duration::from_millis(50);

/// The task that makes batches of a kind. Dropping it ends the task; batches under way go on.
pub(super) struct Gatherer<T: Record> {
    lines: Arc<Lines<T>>,
    task: JoinHandle<()>,
}

impl<T: Record> Gatherer<T> {
    pub(super) fn start(inner: &Arc<Inner>) -> Self {
        let lines = Arc::new(Lines::default());
        let task = tokio::spawn(gather(Arc::downgrade(inner), lines.clone()));
        Self { lines, task }
    }

    /// # Errors
    /// `UNAVAILABLE` when the intake is stopping.
    pub(super) fn push(&self, queued: Queued<T>) -> Result<()> {
        self.lines.push(queued)
    }
}

impl<T: Record> Drop for Gatherer<T> {
    fn drop(&mut self) {
        self.lines.close();
        self.task.abort();
    }
}

/// Makes one batch after the other, as places for batches get free.
async fn gather<T: Record>(inner: Weak<Inner>, lines: Arc<Lines<T>>) {
    let mut last: Option<oneshot::Receiver<()>> = None;
    loop {
        while lines.is_empty() {
            lines.changed.notified().await;
        }
        let Some(inner) = inner.upgrade() else { return };
        let Ok(place) = inner.batches.clone().acquire_owned().await else {
            return;
        };
        keep_free(&inner, &lines).await;
        linger(&inner, &lines).await;
        let deliveries = lines.take(inner.settings.limits.batch_records);
        if deliveries.is_empty() {
            continue;
        }
        let (claimed, reported) = oneshot::channel();
        let before = last.replace(reported);
        let lines = lines.clone();
        tokio::spawn(async move {
            let left = batch::run(&inner, deliveries, before, claimed).await;
            drop(place);
            if !left.is_empty() {
                tokio::time::sleep(REST).await;
                lines.put_back(left);
            }
        });
    }
}

/// Keeps the last place free for a while if all that waits is in one line and others deliver, too.
async fn keep_free<T>(inner: &Inner, lines: &Lines<T>) {
    let is_last = || inner.settings.batches > 1 && inner.batches.available_permits() == 0;
    let until = tokio::time::Instant::now() + KEPT_FREE;
    while is_last() && lines.has_one_of_several() {
        tokio::select! {
            () = lines.changed.notified() => {}
            another = inner.batches.acquire() => drop(another),
            // A stop waits for all places.
            () = tokio::time::sleep_until(until) => return,
        }
    }
}

/// Waits for more while another batch is under way; a batch costs the same for one record as for a hundred.
async fn linger<T>(inner: &Inner, lines: &Lines<T>) {
    let idle = || inner.batches.available_permits() + 1 >= inner.settings.batches.max(1);
    let full = || lines.records() >= inner.settings.limits.batch_records;
    let until = tokio::time::Instant::now() + inner.settings.linger;
    while !idle() && !full() {
        let woken = tokio::time::timeout_at(until, lines.changed.notified()).await;
        if woken.is_err() {
            return;
        }
    }
}
