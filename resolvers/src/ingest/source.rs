//! `IngestSource`.

use async_graphql::SimpleObject;
use chrono::TimeDelta;
use domain::journal::Progress;
use schema::{
    ingest::{IngestKind, IngestSourceState},
    scalar::{BigInt, DateTime},
};

/// A source of the tenant's usage, and how far it has come.
#[derive(SimpleObject)]
pub(crate) struct IngestSource {
    /// The source, as its records name it.
    source: String,
    /// What its records are.
    kind: IngestKind,
    /// When its newest usage began, of what counts.
    newest_event_at: DateTime,
    /// When a record of it that counts was received last.
    newest_received_at: DateTime,
    /// How late its records may come, in minutes; the operator sets it.
    lateness_minutes: i32,
    /// Usage that began before this moment is complete: the lesser of newest event and newest receipt, less the lateness. While messages of
    /// its topic wait to be read, it is no later than what was read of the partition that is least far; null when nothing was.
    complete_up_to: Option<DateTime>,
    /// Seconds since that moment; null as there.
    lag_seconds: Option<BigInt>,
    /// Where it stands.
    state: IngestSourceState,
    /// Since when no answer waits for it; null when all do.
    retired_at: Option<DateTime>,
}

impl From<Progress> for IngestSource {
    fn from(progress: Progress) -> Self {
        let seconds = |lag: TimeDelta| BigInt(lag.num_seconds().into());
        Self {
            source: progress.source,
            kind: progress.kind.into(),
            newest_event_at: progress.newest_event_at.into(),
            newest_received_at: progress.newest_received_at.into(),
            lateness_minutes: progress
                .lateness
                .num_minutes()
                .try_into()
                .unwrap_or(i32::MAX),
            complete_up_to: progress.complete_up_to.map(Into::into),
            lag_seconds: progress.lag.map(seconds),
            state: progress.state.into(),
            retired_at: progress.retired_at.map(Into::into),
        }
    }
}
