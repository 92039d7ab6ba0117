//! Words about intake.

use async_graphql::{Enum, InputObject};
use chrono::{DateTime, Utc};
use domain::{Error, Period, Result, journal};

use crate::text;

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
    /// Accepted, and refused by the usage store; kept, and counted when that is mended.
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

/// Which refused records. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct RejectionFilter {
    /// Received at or after this moment; goes with `receivedTo`.
    pub received_from: Option<DateTime<Utc>>,
    /// Received before this moment; goes with `receivedFrom`.
    pub received_to: Option<DateTime<Utc>>,
    /// Of this source.
    pub source: Option<String>,
    /// Refused for this reason.
    pub code: Option<RejectionCode>,
}

impl TryFrom<RejectionFilter> for journal::RejectionFilter {
    type Error = Error;

    fn try_from(filter: RejectionFilter) -> Result<Self> {
        let received = match (filter.received_from, filter.received_to) {
            (Some(from), Some(to)) => Some(Period::new(from, to)?),
            (None, None) => None,
            _ => return Err(Error::invalid("receivedFrom and receivedTo go together")),
        };
        let source = filter.source.map(text).transpose()?;
        Ok(Self {
            received,
            source,
            code: filter.code.map(Into::into),
        })
    }
}
