//! Words about intake.

use async_graphql::{Enum, ID, InputObject};
use domain::{
    Error, Period, Result,
    journal::{self, BatchCondition, RejectionCondition},
};

use crate::{
    filter::conditions,
    order::{OrderDirection, order},
    parse_ids,
    scalar::DateTime,
    texts, words,
};

/// Why a record was refused.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "journal::RejectionCode")]
pub enum RejectionCode {
    /// Not a JSON object of the expected shape, too large, or cut off.
    Malformed,
    /// No record id or no source.
    MissingIdentity,
    /// No start or no end.
    MissingTime,
    /// Not a time, end before start, or outside the years 1970 to 2199.
    InvalidTime,
    /// Missing, negative, not whole bytes, beyond 64 bits, or a total that is not the sum.
    InvalidVolume,
    /// No ICCID, or not 19 or 20 digits.
    InvalidIccid,
    /// No such SIM in this tenant.
    UnknownIccid,
    /// Two SIMs match the text with and without a check digit, and none exactly.
    AmbiguousIccid,
    /// Not a three-digit MCC with a two- or three-digit MNC.
    InvalidNetwork,
    /// Not DATA, SMS or VOICE.
    InvalidService,
    /// Starts before the horizon.
    TooOld,
    /// Starts after now.
    InFuture,
    /// A record of the same identity with other billing fields was accepted before; that one stands.
    Conflict,
    /// The tenant's records name as many sources as it may have, and this one is new.
    TooManySources,
}

/// Where a batch stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "journal::BatchState")]
pub enum IngestBatchState {
    /// Accepted, durable, and on its way to the cubes.
    Journaled,
    /// In the records and in every cube.
    Counted,
    /// Accepted, and refused by the usage store; kept, and counted once that is repaired.
    Quarantined,
}

/// Which hour accounting rows are about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[graphql(remote = "journal::HourOf")]
pub enum HourOf {
    /// Hour in which records were received.
    #[default]
    Receipt,
    /// Hour in which the usage began.
    Event,
}

/// A half-open span of time.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct PeriodInput {
    /// At or after this moment.
    pub from: DateTime,
    /// Before this moment.
    pub to: DateTime,
}

impl TryFrom<PeriodInput> for Period {
    type Error = Error;

    fn try_from(period: PeriodInput) -> Result<Self> {
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
    pub received: Option<PeriodInput>,
    /// Of one of these sources.
    pub sources: Option<Vec<String>>,
    /// Refused for one of these reasons.
    pub codes: Option<Vec<RejectionCode>>,
    /// With one of these record ids.
    pub record_ids: Option<Vec<String>>,
}

conditions!(RejectionFilter => RejectionCondition {
    received: |period: PeriodInput| period.try_into().map(RejectionCondition::Received),
    sources: |sources| texts(sources).map(RejectionCondition::Sources),
    codes: |codes: Vec<RejectionCode>| words(codes).map(RejectionCondition::Codes),
    record_ids: |ids| texts(ids).map(RejectionCondition::RecordIds),
});

/// What refused records can be sorted by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[graphql(remote = "journal::RejectionOrderField")]
pub enum RejectionOrderField {
    /// Time of receipt.
    #[default]
    ReceivedAt,
}

order! {
    /// Sort of refused records, newest first unless said otherwise; ties are broken by id.
    RejectionOrder by RejectionOrderField, OrderDirection::Desc, "OrderDirection::Desc"
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
    pub received: Option<PeriodInput>,
}

conditions!(IngestBatchFilter => BatchCondition {
    ids: |ids: Vec<ID>| parse_ids(&ids).map(BatchCondition::Ids),
    states: |states: Vec<IngestBatchState>| words(states).map(BatchCondition::States),
    received: |period: PeriodInput| period.try_into().map(BatchCondition::Received),
});

/// What batches can be sorted by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[graphql(remote = "journal::BatchOrderField")]
pub enum IngestBatchOrderField {
    /// Time of receipt.
    #[default]
    ReceivedAt,
}

order! {
    /// Sort of batches, newest first unless said otherwise; ties are broken by id.
    IngestBatchOrder by IngestBatchOrderField, OrderDirection::Desc, "OrderDirection::Desc"
}
