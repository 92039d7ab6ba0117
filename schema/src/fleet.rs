//! Words about fleet import.

use async_graphql::{Enum, InputObject};
use domain::fleet::RowCode;

/// Why a row of a fleet file was refused.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "RowCode")]
pub enum FleetRowCode {
    /// More or fewer fields than the header.
    WrongFieldCount,
    /// The line is not UTF-8.
    InvalidUtf8,
    /// The file could not be read further.
    Unreadable,
    /// Not 19 or 20 digits.
    InvalidIccid,
    /// Equal to a known ICCID up to the check digit.
    AmbiguousIccid,
    /// This ICCID cannot be taken into the fleet.
    IccidUnavailable,
    /// Not 6 to 15 digits.
    InvalidImsi,
    /// Another SIM has this IMSI.
    ImsiTaken,
    /// Not a phone number.
    InvalidMsisdn,
    /// Another SIM has this MSISDN.
    MsisdnTaken,
    /// Not a known state word, or one that contradicts the row.
    InvalidState,
    /// A terminated SIM stays terminated.
    InvalidTransition,
    /// No usable customer name.
    InvalidCustomer,
    /// The customer is archived: it keeps the SIMs it has and is given no others.
    CustomerArchived,
    /// No usable device name or kind.
    InvalidDevice,
    /// Labels are not `key=value;key=value`, a value is not among the label's options, or there is no device to label.
    InvalidLabel,
    /// Neither `true` nor `false`.
    InvalidFlag,
    /// Not a date or an RFC 3339 time.
    InvalidValidFrom,
    /// Assignments begin in the past or now.
    FutureAssignment,
    /// The change reaches into usage that is already counted, or may reach into usage that is accepted and will be.
    UsageAlreadyCounted,
    /// A second row of this SIM with the same `valid_from`.
    DuplicateRow,
    /// Another row of this SIM was refused.
    IncompleteHistory,
    /// More rows of one SIM than there may be.
    TooManyRows,
}

/// A fleet file as text: at most 20,000 rows. `simcube import` takes larger ones.
#[derive(InputObject, Clone, Debug)]
pub struct ImportFleetInput {
    /// CSV with a header; columns in any order: `iccid` and `state` are required, `customer`, `imsi`, `msisdn`,
    /// `device`, `device_kind` (of a device that the row creates), `labels` and `device_labels` (of the SIM and of the
    /// row's device, `key=value;key=value`; labels that are not named stay), `simulated` (`true` or `false`) and
    /// `valid_from` (a date or RFC 3339) are optional. Several rows of one ICCID with other `valid_from` are its
    /// assignment history. A device belongs to the customer of the SIM that sits in it; of several, of the one that was
    /// assigned or put in last. An assignment that reaches into accepted usage is refused (`USAGE_ALREADY_COUNTED`).
    pub csv: String,
    /// True: the answer says what the import would come to, and nothing is changed. It uses no key.
    #[graphql(default = false)]
    pub dry_run: bool,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}
