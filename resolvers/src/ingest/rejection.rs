//! `IngestRejection`.

use async_graphql::SimpleObject;
use domain::journal;
use schema::ingest::RejectionCode;
use schema::scalar::DateTime;

use crate::{connection::plain, written::plain_columns};

/// A record that was refused, kept with its reason so that it can be corrected and sent again.
#[derive(SimpleObject, Clone)]
pub(crate) struct IngestRejection {
    /// Source of the record; empty when it named none.
    source: String,
    /// Record id, when it had one.
    record_id: Option<String>,
    /// Why, for programs.
    code: RejectionCode,
    /// Why, for people.
    message: String,
    /// The record as received, cut at 8 KiB; empty of a rollup of a session, which names what is not shown.
    raw: String,
    /// When it was received.
    received_at: DateTime,
}

plain_columns!(IngestRejection {
    source,
    record_id,
    code,
    message,
    raw,
    received_at,
});

impl From<journal::Rejection> for IngestRejection {
    fn from(rejection: journal::Rejection) -> Self {
        Self {
            source: rejection.source,
            record_id: rejection.record_id,
            code: rejection.code.into(),
            message: rejection.message,
            raw: rejection.raw,
            received_at: rejection.received_at.into(),
        }
    }
}

plain!(IngestRejection: journal::Rejection);
