//! `IngestAccounting`.

use async_graphql::SimpleObject;
use domain::journal;
use schema::scalar::{BigInt, DateTime};

/// Deliveries of one source in one hour: received = accepted + duplicate + rejected, always.
#[derive(SimpleObject)]
pub(crate) struct IngestAccounting {
    /// Source of the records; empty for records that named none.
    source: String,
    /// Begin of the hour (UTC).
    hour: DateTime,
    /// Deliveries.
    received: BigInt,
    /// Counted: these are in the cubes.
    accepted: BigInt,
    /// Known before, with the same billing fields.
    duplicate: BigInt,
    /// Refused; see `ingestRejections`.
    rejected: BigInt,
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
            hour: row.hour.into(),
            received: BigInt(row.received.into()),
            accepted: BigInt(row.accepted.into()),
            duplicate: BigInt(row.duplicate.into()),
            rejected: BigInt(row.rejected.into()),
            bytes_up: bytes(row.bytes_up)?,
            bytes_down: bytes(row.bytes_down)?,
        })
    }
}
