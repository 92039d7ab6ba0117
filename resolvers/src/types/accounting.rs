//! `IngestAccounting`.

use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use domain::journal;
use schema::scalar::BigInt;

/// Deliveries of one source in one hour: received = accepted + duplicate + rejected, always.
#[derive(SimpleObject)]
pub(crate) struct IngestAccounting {
    /// Source of the records; empty for records that named none.
    source: String,
    /// Begin of the hour (UTC).
    hour: DateTime<Utc>,
    /// Deliveries.
    received: u64,
    /// Counted: these are in the cubes.
    accepted: u64,
    /// Known before, with the same billing fields.
    duplicate: u64,
    /// Refused; see `ingestRejections`.
    rejected: u64,
    /// Bytes sent by devices in accepted records.
    bytes_up: BigInt,
    /// Bytes received by devices in accepted records.
    bytes_down: BigInt,
}

impl TryFrom<journal::Accounting> for IngestAccounting {
    type Error = domain::Error;

    fn try_from(row: journal::Accounting) -> domain::Result<Self> {
        let bytes = |n: u128| {
            i128::try_from(n)
                .map(BigInt)
                .map_err(domain::Error::internal)
        };
        Ok(Self {
            source: row.source,
            hour: row.hour,
            received: row.received,
            accepted: row.accepted,
            duplicate: row.duplicate,
            rejected: row.rejected,
            bytes_up: bytes(row.bytes_up)?,
            bytes_down: bytes(row.bytes_down)?,
        })
    }
}
