//! A rate card as somebody writes it.
//!
//! Nothing is guessed: what a price is per, and how usage is rounded up, is always stated.

mod check;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumMessage, VariantArray};

use crate::{Error, usage::Service};

/// Most zones of a card.
pub const MOST_ZONES: usize = 10_000;
/// Most bands of a zone.
pub const MOST_BANDS: usize = 100;
/// Most refusals that are told of one card.
pub const MOST_REFUSALS: usize = 100;
/// Highest price and access charge, in whole units of the currency.
pub const HIGHEST_PRICE: i128 = 1_000_000;
/// Largest unit and largest increment, in bytes, messages or seconds.
pub const LARGEST_UNIT: i64 = 1_000_000_000_000_000;
/// Highest bound of a band, and most that a group of usage may come to, in bytes, messages or seconds.
pub const MOST_QUANTITY: i64 = 100_000_000_000_000_000;

/// A rate card. As JSON:
///
/// ```json
/// {"billPeriod": "MONTH", "currency": "EUR", "accessCharge": "0.50", "zones": [
///   {"match": {"network": "262-01", "accessType": "LTE"}, "service": "DATA", "unit": {"of": "BYTES", "size": 1000000},
///    "increment": 1000, "roundPer": "RECORD", "scope": "SIM", "bands": [{"upTo": 5000000, "price": "0"}, {"price": "0.02"}]}]}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Card {
    /// How often is billed.
    pub bill_period: BillPeriod,
    /// Of all prices, an ISO 4217 code.
    pub currency: String,
    /// Of a SIM for a month, a decimal number; `0` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_charge: Option<String>,
    /// Prices of usage. What none matches is unrated.
    pub zones: Vec<CardZone>,
}

/// What a bill covers, in the billing time zone.
#[derive(
    AsRefStr,
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    EnumMessage,
    Eq,
    Hash,
    PartialEq,
    Serialize,
    VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BillPeriod {
    /// A calendar month.
    #[default]
    Month,
    /// Three calendar months, from January, April, July or October.
    Quarter,
    /// A calendar year.
    Year,
}

/// Prices of some usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CardZone {
    /// Where, and by which access.
    #[serde(rename = "match")]
    pub place: Match,
    /// Of which service.
    pub service: Service,
    /// What prices are per.
    pub unit: RateUnit,
    /// Usage is rounded up to multiples of this, in bytes, messages or seconds; 1 rounds nothing.
    pub increment: i64,
    /// What is rounded up at once.
    pub round_per: RoundPer,
    /// Whose usage goes through the bands together.
    pub scope: RateScope,
    /// Whether the bands' bounds are for each SIM, so that all SIMs share a pool. Only with [`RateScope::Tenant`].
    #[serde(default)]
    pub per_sim: bool,
    /// Prices, by how much is used in the month. The last one has no bound.
    pub bands: Vec<Band>,
}

/// Where usage is, and by which access. A network goes before its country, a country before any; each first with an access type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// On this network, `262-01`. Without it and without a country: on any, also where it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// On networks of this country, an ISO 3166-1 alpha-2 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// By this radio access type, in the words that usage shows: `LTE`. Without it: by any, also where it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_type: Option<String>,
}

/// What a price is per. Always both: 10⁶ and 2²⁰ bytes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateUnit {
    /// Of what.
    pub of: Base,
    /// How many of them.
    pub size: i64,
}

/// What usage is counted in.
#[derive(
    AsRefStr,
    Clone,
    Copy,
    Debug,
    Deserialize,
    EnumMessage,
    Eq,
    Hash,
    PartialEq,
    Serialize,
    VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Base {
    /// Bytes of data, both ways.
    Bytes,
    /// Messages.
    Messages,
    /// Seconds of calls.
    Seconds,
}

impl Base {
    /// What a service is counted in.
    pub const fn of(service: Service) -> Self {
        match service {
            Service::Data => Self::Bytes,
            Service::Sms => Self::Messages,
            Service::Voice => Self::Seconds,
        }
    }
}

/// What is rounded up at once.
#[derive(
    AsRefStr,
    Clone,
    Copy,
    Debug,
    Deserialize,
    EnumMessage,
    Eq,
    Hash,
    PartialEq,
    Serialize,
    VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RoundPer {
    /// Each usage record.
    Record,
    /// A SIM's usage of a local day.
    Day,
    /// A SIM's usage of the month.
    Month,
}

/// Whose usage of a month goes through the bands together.
#[derive(
    AsRefStr,
    Clone,
    Copy,
    Debug,
    Deserialize,
    EnumMessage,
    Eq,
    Hash,
    PartialEq,
    Serialize,
    VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RateScope {
    /// Each SIM's by itself.
    Sim,
    /// The tenant's.
    Tenant,
}

/// A price, up to some usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Band {
    /// Where it ends, in bytes, messages or seconds: the last that has this price. None for the last band.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<i64>,
    /// Of a unit, a decimal number; `0` for usage that is included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
}

/// Something that is wrong with a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What, for programs.
    pub code: CardCode,
    /// Where, a JSON pointer (RFC 6901): `/zones/0/bands/1/price`.
    pub field: String,
    /// What, for people.
    pub message: String,
}

/// What can be wrong with a card.
#[derive(
    AsRefStr,
    Clone,
    Copy,
    Debug,
    Deserialize,
    Display,
    EnumMessage,
    Eq,
    Hash,
    PartialEq,
    Serialize,
    VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CardCode {
    /// Not a currency of ISO 4217.
    UnknownCurrency,
    /// No price where one is needed.
    PriceMissing,
    /// Not a decimal number.
    PriceInvalid,
    /// Less than nothing.
    PriceNegative,
    /// More than nine decimal places.
    PriceTooPrecise,
    /// More than 10⁶.
    PriceTooHigh,
    /// No zone.
    NoZones,
    /// More than [`MOST_ZONES`].
    TooManyZones,
    /// Not a network as `262-01`.
    UnknownNetwork,
    /// Not a country of ISO 3166-1.
    UnknownCountry,
    /// Not a radio access type in the words that usage shows.
    UnknownAccessType,
    /// A network and a country.
    TwoPlaces,
    /// The same network, country or any, access type and service as another zone.
    AmbiguousZone,
    /// The service is counted in something else.
    UnitMismatch,
    /// A unit that is not at least 1.
    UnitTooSmall,
    /// A unit of more than 10¹⁵.
    UnitTooLarge,
    /// An increment that is not at least 1.
    IncrementTooSmall,
    /// An increment of more than 10¹⁵.
    IncrementTooLarge,
    /// Bounds for each SIM of usage that is each SIM's by itself.
    PerSimWithoutTenant,
    /// No band.
    NoBands,
    /// More than [`MOST_BANDS`].
    TooManyBands,
    /// A bound that is not at least 1.
    BoundTooLow,
    /// A bound of more than 10¹⁷.
    BoundTooHigh,
    /// A bound that is not above the one before.
    BandsNotRising,
    /// A band without a bound that is not the last one.
    BandAfterOpen,
    /// The last band has a bound, so that usage above it had no price.
    LastBandBounded,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::invalid(format!("{}: {}", refusal.code, refusal.message)).at(&refusal.field)
    }
}

#[cfg(test)]
mod tests;
