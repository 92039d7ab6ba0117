//! What a batch of deliveries goes through: it is journaled, its senders hear of that, and it is applied.

pub(super) mod attribute;
mod guesses;
mod journal;
mod order;
mod passage;
pub(super) mod placed;
mod record;
mod rollup;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use domain::{Code, Error, Result, journal::Kind};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{
    Inner,
    counted::{Committed, late},
    queue::{Line, Queued},
};
pub(super) use guesses::Guesses;
pub(super) use journal::batch_id;
use journal::{Place, Written, journal};
use order::ClaimOrder;
pub(super) use record::Record;

/// How long a batch waits for what another one holds and has not committed: the next batch waits with it.
const TOGETHER: Duration = Duration::from_secs(1);
/// How long the pieces of a batch wait that waited for too long.
const APART: Duration = Duration::from_millis(100);

/// Takes deliveries through the journal into the cubes. Returns those that have to wait: because the assignments of a
/// tenant of theirs are being changed, or because another process, which may have been stopped, holds what they need.
pub(super) async fn run<T: Record>(
    inner: &Arc<Inner>,
    deliveries: Vec<Queued<T>>,
    before: Option<oneshot::Receiver<()>>,
    claimed: oneshot::Sender<()>,
) -> Vec<Queued<T>> {
    let mut order = ClaimOrder::new(before, claimed);
    // Before a connection is taken: a batch that waited with one would keep it from the batch that it waits for.
    order.wait().await;
    let (mut left, deliveries): (Vec<_>, Vec<_>) = deliveries
        .into_iter()
        .partition(|queued| inner.sitting_out.has(T::KIND, &queued.line));
    let mut tries = VecDeque::from([(deliveries, TOGETHER)]);
    while let Some((deliveries, patience)) = tries.pop_front() {
        if deliveries.is_empty() {
            continue;
        }
        let outcome = journal_and_apply(inner, deliveries, patience, &mut order).await;
        let Failed { deliveries, error } = match outcome {
            Ok(frozen) => {
                left.extend(frozen);
                continue;
            }
            Err(failed) => failed,
        };
        let waited = error.is_lock_timeout();
        if waited {
            order.release();
        }
        let groups = groups(deliveries, &error);
        let cause = error.cause();
        if groups.len() > 1 {
            // What is wrong with one of them must not be held against the others.
            tracing::warn!(cause, "a batch cannot be journaled; it is tried in pieces");
            tries.extend(groups.into_iter().map(|group| (group, APART)));
        } else if waited {
            for queued in groups.into_iter().flatten() {
                let line = &queued.line;
                tracing::warn!(%line, cause, "another process holds what a delivery needs");
                inner.sitting_out.send(T::KIND, line.clone());
                left.push(queued);
            }
        } else {
            fail(&error, groups);
        }
    }
    left
}

/// Deliveries that left nothing in the journal, and why.
struct Failed<T> {
    deliveries: Vec<Queued<T>>,
    error: Error,
}

/// Deliveries that are to be tried without each other after `error`.
fn groups<T>(deliveries: Vec<Queued<T>>, error: &Error) -> Vec<Vec<Queued<T>>> {
    if error.is_lock_timeout() || error.code() == Code::NotFound {
        let mut by_line: BTreeMap<Line, Vec<Queued<T>>> = BTreeMap::new();
        for queued in deliveries {
            by_line.entry(queued.line.clone()).or_default().push(queued);
        }
        by_line.into_values().collect()
    } else if error.code() == Code::Internal {
        deliveries.into_iter().map(|queued| vec![queued]).collect()
    } else {
        vec![deliveries]
    }
}

/// Answers senders whose deliveries left nothing in the journal.
fn fail<T>(error: &Error, groups: Vec<Vec<Queued<T>>>) {
    let cause = error.cause().unwrap_or_default();
    for queued in groups.into_iter().flatten() {
        let error = match error.code() {
            Code::Internal => Error::internal(cause.clone()),
            Code::Unavailable => Error::unavailable(error.to_string(), cause.clone()),
            code => Error::new(code, error.to_string()),
        };
        // Its sender may have left.
        queued.reply.send(Err(error)).ok();
    }
}

/// Journals deliveries, reports that to their senders, and applies the batch. Returns those of a tenant whose assignments are
/// being changed.
async fn journal_and_apply<T: Record>(
    inner: &Arc<Inner>,
    deliveries: Vec<Queued<T>>,
    patience: Duration,
    order: &mut ClaimOrder,
) -> Result<Vec<Queued<T>>, Failed<T>> {
    let written = match journal(inner, &deliveries, patience, order).await {
        Ok(written) => written,
        Err(error) => return Err(Failed { deliveries, error }),
    };
    let mut frozen = Vec::new();
    let mut replies = Vec::with_capacity(deliveries.len());
    for (queued, place) in deliveries.into_iter().zip(&written.places) {
        let reply = match place {
            Place::Held => {
                // What comes now holds no room.
                drop(queued.shares);
                Some(queued.reply)
            }
            Place::Waits => {
                frozen.push(queued);
                None
            }
            Place::Stale => {
                // Its sender may have left.
                queued.reply.send(Err(stale())).ok();
                None
            }
        };
        replies.push(reply);
    }
    finish(inner, T::KIND, written, replies).await;
    Ok(frozen)
}

/// Messages that somebody else journaled.
fn stale() -> Error {
    Error::new(Code::Conflict, "somebody else read these messages")
}

type Replies = Vec<Option<oneshot::Sender<Result<Committed>>>>;

/// Reports to every sender what was journaled, then applies it.
async fn finish(inner: &Arc<Inner>, kind: Kind, written: Written, replies: Replies) {
    let Written {
        mut books,
        batch,
        open,
        ..
    } = written;
    let (counted, applied) = watch::channel(None);
    let at = Instant::now();
    let listed = inner.settings.listed_rejections;
    for (delivery, reply) in replies.into_iter().enumerate() {
        let Some(reply) = reply else { continue };
        let (account, own, mut waits_for) = books.account(delivery, listed);
        waits_for.retain(|part, _| own.contains(part) || open.contains(part));
        let committed = Committed {
            kind,
            account,
            waits_for,
            own,
            applied: applied.clone(),
            at,
        };
        // Its sender may have left; what was journaled is counted all the same.
        reply.send(Ok(committed)).ok();
    }
    let Some(batch) = batch else { return };
    let outcome = inner.apply(&batch).await;
    if let Err(error) = &outcome {
        let error = late(error.cause().unwrap_or_else(|| error.to_string()));
        tracing::warn!(batch = %batch.batch, cause = error.cause(), "a batch is left to be settled");
        inner.wake.notify_one();
    }
    // Whether anybody still waits does not matter.
    counted.send(Some(outcome.is_ok())).ok();
}
