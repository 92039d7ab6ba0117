//! Words about intake.

use async_graphql::{ID, InputObject};
use domain::{
    Error, Period, Result,
    journal::{self, BatchCondition, RejectionCondition},
    topic::{self, QuarantineCondition},
};

use crate::{
    filter::conditions, order::order, parse_ids, scalar::DateTime, texts, word::word, words,
};

word! {
    /// Why a record was refused.
    RejectionCode = journal::RejectionCode
}

word! {
    /// Why a message of a topic is quarantined.
    QuarantineReason = topic::Reason
}

word! {
    /// Where a batch stands.
    IngestBatchState = journal::BatchState
}

word! {
    /// Where a record stands.
    IngestRecordState = journal::FateState
}

word! {
    /// What the records of a source are.
    IngestKind = journal::Kind
}

word! {
    /// Where a source stands.
    IngestSourceState = journal::SourceState
}

word! {
    /// Which hour accounting rows are about.
    HourOf = journal::HourOf, Default
}

/// A half-open span of time.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct SpanInput {
    /// At or after this moment.
    pub from: DateTime,
    /// Before this moment.
    pub to: DateTime,
}

impl TryFrom<SpanInput> for Period {
    type Error = Error;

    fn try_from(period: SpanInput) -> Result<Self> {
        Self::new(period.from.0, period.to.0)
    }
}

/// Which refused records. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct RejectionFilter {
    /// All of these hold.
    pub and: Option<Vec<RejectionFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<RejectionFilter>>,
    /// This does not hold.
    pub not: Option<Box<RejectionFilter>>,
    /// Received within this period.
    pub received: Option<SpanInput>,
    /// Of one of these sources.
    pub sources: Option<Vec<String>>,
    /// Refused for one of these reasons.
    pub codes: Option<Vec<RejectionCode>>,
    /// With one of these record ids.
    pub record_ids: Option<Vec<String>>,
}

conditions!(RejectionFilter => RejectionCondition {
    received: |period: SpanInput| period.try_into().map(RejectionCondition::Received),
    sources: |sources| texts(sources).map(RejectionCondition::Sources),
    codes: |codes: Vec<RejectionCode>| words(codes).map(RejectionCondition::Codes),
    record_ids: |ids| texts(ids).map(RejectionCondition::RecordIds),
});

word! {
    /// What refused records can be sorted by.
    RejectionOrderField = journal::RejectionOrderField, Default
}

order! {
    /// Sort of refused records, newest first unless said otherwise; ties are broken by id.
    RejectionOrder by RejectionOrderField, Desc
}

/// Which batches. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct IngestBatchFilter {
    /// All of these hold.
    pub and: Option<Vec<IngestBatchFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<IngestBatchFilter>>,
    /// This does not hold.
    pub not: Option<Box<IngestBatchFilter>>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// In one of these states.
    pub states: Option<Vec<IngestBatchState>>,
    /// Received within this period.
    pub received: Option<SpanInput>,
}

conditions!(IngestBatchFilter => BatchCondition {
    ids: |ids: Vec<ID>| parse_ids(&ids).map(BatchCondition::Ids),
    states: |states: Vec<IngestBatchState>| words(states).map(BatchCondition::States),
    received: |period: SpanInput| period.try_into().map(BatchCondition::Received),
});

word! {
    /// What batches can be sorted by.
    IngestBatchOrderField = journal::BatchOrderField, Default
}

order! {
    /// Sort of batches, newest first unless said otherwise; ties are broken by id.
    IngestBatchOrder by IngestBatchOrderField, Desc
}

/// Which messages of topics that are quarantined. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct QuarantineFilter {
    /// All of these hold.
    pub and: Option<Vec<QuarantineFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<QuarantineFilter>>,
    /// This does not hold.
    pub not: Option<Box<QuarantineFilter>>,
    /// Of one of these topics.
    pub topics: Option<Vec<String>>,
    /// Quarantined for one of these reasons.
    pub reasons: Option<Vec<QuarantineReason>>,
    /// Read within this period.
    pub received: Option<SpanInput>,
    /// Whether they were read again and were a tenant's.
    pub released: Option<bool>,
}

conditions!(QuarantineFilter => QuarantineCondition {
    topics: |topics| texts(topics).map(QuarantineCondition::Topics),
    reasons: |reasons: Vec<QuarantineReason>| words(reasons).map(QuarantineCondition::Reasons),
    received: |period: SpanInput| period.try_into().map(QuarantineCondition::Received),
    released: |released| Ok(QuarantineCondition::Released(released)),
});
