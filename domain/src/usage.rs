//! Words of usage: what is asked for by questions to the cubes, and what records are of.

use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

/// Kind of service that was used.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, EnumString, VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Service {
    /// Packet data.
    Data,
    /// Short messages.
    Sms,
    /// Calls.
    Voice,
}

/// A quantity of the cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Measure {
    /// Bytes sent by the device.
    BytesUp,
    /// Bytes received by the device.
    BytesDown,
    /// Both directions together.
    BytesTotal,
    /// Usage records.
    Records,
    /// Distinct SIMs with usage.
    ActiveSims,
}

/// What usage can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Dimension {
    /// Visited network (MCC-MNC).
    Network,
    /// Country of the visited network, ISO 3166-1 alpha-2.
    Country,
    /// Customer the SIM belonged to at the time of use.
    Customer,
    /// SIM.
    Sim,
    /// Device the SIM sat in at the time of use.
    Device,
    /// Radio access type.
    RadioAccessType,
    /// Data, SMS or voice.
    Service,
    /// Where the records came from.
    Source,
}

/// Width of a time bucket, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Grain {
    /// One hour.
    Hour,
    /// One calendar day.
    Day,
    /// One ISO 8601 week, Monday to Sunday.
    Week,
    /// One calendar month.
    Month,
    /// One calendar year.
    Year,
}
