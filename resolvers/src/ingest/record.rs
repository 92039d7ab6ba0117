//! `IngestRecord`.

use async_graphql::SimpleObject;
use domain::journal;
use schema::{ingest::IngestRecordState, scalar::DateTime};

use super::{IngestBatch, IngestRejection};

/// What became of one record.
#[derive(SimpleObject)]
pub(crate) struct IngestRecord {
    /// Where it stands.
    state: IngestRecordState,
    /// When the usage began, of an accepted record.
    event_at: Option<DateTime>,
    /// The batch that carried it, of an accepted record.
    batch: Option<IngestBatch>,
    /// Deliveries of this identity that were refused, newest first, at most 20.
    rejections: Vec<IngestRejection>,
}

impl From<journal::Fate> for IngestRecord {
    fn from(fate: journal::Fate) -> Self {
        Self {
            state: fate.state.into(),
            event_at: fate.event_at.map(Into::into),
            batch: fate.batch.map(Into::into),
            rejections: fate.rejections.into_iter().map(Into::into).collect(),
        }
    }
}
