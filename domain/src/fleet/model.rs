//! What a row of a fleet file says, and what became of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumMessage, VariantArray};

use crate::{
    identifier::{Iccid, Imsi, Msisdn},
    sim::SimState,
};

/// Every column that a fleet file may have.
pub const COLUMNS: [&str; 11] = [
    "customer",
    "iccid",
    "imsi",
    "msisdn",
    "state",
    "device",
    "device_kind",
    "labels",
    "device_labels",
    "simulated",
    "valid_from",
];

/// Row errors that a merged [`Report`] keeps; `rejected` counts all of them.
pub const ERRORS_KEPT: usize = 10_000;

/// A cell whose emptiness means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The file has no such column: what is stored stays.
    Absent,
    /// The cell is empty: none.
    Empty,
    /// The text.
    Text(String),
}

impl Cell {
    /// The text, if any.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Empty => None,
        }
    }
}

/// The state words that a file may use: the four states and the older vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateWord {
    /// Provisioned, not active.
    Inactive,
    /// Enabled for connectivity.
    Active,
    /// Temporarily disabled.
    Suspended,
    /// End of life.
    Terminated,
    /// Inactive without a customer.
    Available,
    /// Inactive, kept for the row's customer.
    Reserved,
    /// Suspended; a SIM that is inactive stays inactive.
    LostStolen,
}

impl StateWord {
    /// Reads a word, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "INACTIVE" => Self::Inactive,
            "ACTIVE" => Self::Active,
            "SUSPENDED" => Self::Suspended,
            "TERMINATED" | "DEACTIVATED" => Self::Terminated,
            "AVAILABLE" => Self::Available,
            "RESERVED" => Self::Reserved,
            "LOST_STOLEN" => Self::LostStolen,
            _ => return None,
        })
    }

    /// The state that this word means for a SIM that is now in `current`.
    pub fn stored(self, current: Option<SimState>) -> SimState {
        match self {
            Self::Inactive | Self::Available | Self::Reserved => SimState::Inactive,
            Self::Active => SimState::Active,
            Self::LostStolen if current == Some(SimState::Inactive) => SimState::Inactive,
            Self::Suspended | Self::LostStolen => SimState::Suspended,
            Self::Terminated => SimState::Terminated,
        }
    }
}

/// One row of a fleet file, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetRow {
    /// Line in the file; the header is line 1.
    pub line: u64,
    /// The SIM, as given.
    pub iccid: Iccid,
    /// Its state.
    pub state: StateWord,
    /// Whom it belongs to from `valid_from` on: a customer's name or slug.
    pub customer: Cell,
    /// Subscriber identity; `None` leaves what is stored.
    pub imsi: Option<Imsi>,
    /// Phone number; `None` leaves what is stored.
    pub msisdn: Option<Msisdn>,
    /// The device it sits in from `valid_from` on, by name.
    pub device: Cell,
    /// Kind of a device that this row creates.
    pub device_kind: Option<String>,
    /// Labels to set on the SIM; labels that are not named stay.
    pub labels: Vec<(String, String)>,
    /// Labels to set on `device`; empty when the row names no device.
    pub device_labels: Vec<(String, String)>,
    /// Marks a SIM or device that this row creates as simulated.
    pub simulated: bool,
    /// First moment of this assignment; `None` as the module says.
    pub valid_from: Option<DateTime<Utc>>,
}

/// Why a row was refused. The text is part of the public contract.
#[derive(AsRefStr, Display, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RowCode {
    /// More or fewer fields than the header.
    WrongFieldCount,
    /// The line is not UTF-8.
    #[strum(serialize = "INVALID_UTF_8")]
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

/// A refused row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// Line in the file; the header is line 1.
    pub line: u64,
    /// Why, for programs.
    pub code: RowCode,
    /// Why, for people. It never says what exists in another tenant.
    pub reason: String,
    /// The SIM that the row is about, when that much could be read.
    #[serde(skip)]
    pub(super) iccid: Option<Iccid>,
}

impl RowError {
    pub(super) fn new(line: u64, code: RowCode, reason: impl Into<String>) -> Self {
        Self {
            line,
            code,
            reason: reason.into(),
            iccid: None,
        }
    }
}

/// What became of the rows: `rows = created + updated + unchanged + rejected`. A SIM's rows share its fate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Data rows read.
    pub rows: u64,
    /// Rows of SIMs that are new.
    pub created: u64,
    /// Rows of SIMs that were known and changed, or whose device's labels did.
    pub updated: u64,
    /// Rows of SIMs that were like this already.
    pub unchanged: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Names of the customers that are new.
    pub customers: Vec<String>,
    /// How many devices are new.
    pub devices: u64,
    /// Keys of the labels that are new.
    pub labels: Vec<String>,
    /// The refused rows by line, at most [`ERRORS_KEPT`].
    pub errors: Vec<RowError>,
}

impl Report {
    /// Adds another part's figures.
    pub fn merge(&mut self, part: Self) {
        self.rows += part.rows;
        self.created += part.created;
        self.updated += part.updated;
        self.unchanged += part.unchanged;
        self.rejected += part.rejected;
        self.customers.extend(part.customers);
        self.devices += part.devices;
        self.labels.extend(part.labels);
        let room = ERRORS_KEPT.saturating_sub(self.errors.len());
        self.errors.extend(part.errors.into_iter().take(room));
    }
}
