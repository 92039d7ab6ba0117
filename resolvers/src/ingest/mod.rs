//! Intake.

mod accounting;
mod batch;
mod quarantined;
mod query;
mod record;
mod rejection;
mod source;

pub(crate) use accounting::IngestAccounting;
pub(crate) use batch::IngestBatch;
pub(crate) use quarantined::QuarantineQuery;
pub(crate) use query::{IngestBatchList, IngestQuery, IngestRejectionList};
pub(crate) use record::IngestRecord;
pub(crate) use rejection::IngestRejection;
pub(crate) use source::IngestSource;
