//! `IngestBatch`.

use async_graphql::{ID, SimpleObject};
use domain::journal;
use schema::scalar::DateTime;
use schema::{ingest::IngestBatchState, scalar::BigInt};

use crate::{connection::plain, written::plain_columns};

/// What the tenant has in a batch: records that were received, journaled and counted together.
#[derive(SimpleObject, Clone)]
pub(crate) struct IngestBatch {
    /// Global id.
    #[graphql(owned)]
    pub(crate) id: ID,
    /// Where it stands.
    state: IngestBatchState,
    /// Records of the tenant in it.
    records: BigInt,
    /// Bytes from devices, of these records.
    bytes_up: BigInt,
    /// Bytes to devices, of these records.
    bytes_down: BigInt,
    /// When it was received.
    received_at: DateTime,
    /// When it was known to be in the records and in every cube; null before.
    counted_at: Option<DateTime>,
    /// Why it is quarantined, as far as it is known.
    reason: Option<String>,
}

plain_columns!(IngestBatch {
    id,
    state,
    records,
    bytes_up,
    bytes_down,
    received_at,
    counted_at,
    reason,
});

impl From<journal::BatchPart> for IngestBatch {
    fn from(part: journal::BatchPart) -> Self {
        Self {
            id: part.batch.to_string().into(),
            state: part.state.into(),
            records: BigInt(part.records.into()),
            bytes_up: BigInt(part.bytes_up),
            bytes_down: BigInt(part.bytes_down),
            received_at: part.received_at.into(),
            counted_at: part.counted_at.map(Into::into),
            reason: part.reason,
        }
    }
}

plain!(IngestBatch: journal::BatchPart);
