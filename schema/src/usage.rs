//! Words about usage: the input of the cube.

use async_graphql::{Enum, ID, InputObject, OneofObject};
use domain::usage;

use crate::{order::OrderDirection, scalar::DateTime, word::word};

word! {
    /// Width of a time bucket, in UTC.
    Grain = usage::Grain
}

word! {
    /// What usage can be grouped by.
    UsageDimension = usage::Dimension
}

word! {
    /// Kind of service that was used.
    UsageService = usage::Service
}

/// A table of the cube. The small ones know neither SIMs nor devices.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageTable {
    /// Sums of hours.
    UsageHour,
    /// Sums of days.
    UsageDay,
    /// Sums of calendar months.
    UsageMonth,
    /// Sums of calendar years.
    UsageYear,
    /// Sums of hours, without SIM and device.
    UsageHourSmall,
    /// Sums of days, without SIM and device.
    UsageDaySmall,
    /// Sums of calendar months, without SIM and device.
    UsageMonthSmall,
    /// Sums of calendar years, without SIM and device.
    UsageYearSmall,
}

word! {
    /// A quantity of the cube.
    UsageMeasure = usage::Measure
}

/// What rows can be sorted by: a measure, a dimension that is grouped by, or the time bucket.
#[derive(OneofObject, Clone, Copy, Debug)]
pub enum UsageOrderKey {
    /// By a quantity.
    Measure(UsageMeasure),
    /// By a dimension.
    Dimension(UsageDimension),
    /// By the start of the time bucket; `true` is the only value.
    Period(bool),
}

/// One sort key.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct UsageOrder {
    /// Sorted by this.
    pub by: UsageOrderKey,
    /// In this direction.
    #[graphql(default)]
    pub direction: OrderDirection,
}

/// A tree of conditions: exactly one field is given at each level.
#[derive(OneofObject, Clone, Debug)]
pub enum UsageFilter {
    /// All of these hold.
    And(Vec<UsageFilter>),
    /// Any of these holds.
    Or(Vec<UsageFilter>),
    /// This does not hold.
    Not(Box<UsageFilter>),
    /// Used on any of these networks.
    Networks(Vec<ID>),
    /// Used on any of these networks (MCC-MNC).
    NetworkCodes(Vec<String>),
    /// Used in any of these countries (ISO 3166-1 alpha-2).
    Countries(Vec<String>),
    /// Belonging to any of these customers at the time of use.
    Customers(Vec<ID>),
    /// True: belonging to no customer at the time of use. False: to any.
    Unassigned(bool),
    /// Of any of these SIMs.
    Sims(Vec<ID>),
    /// Of any of these devices.
    Devices(Vec<ID>),
    /// Over any of these radio access types.
    RadioAccessTypes(Vec<String>),
    /// Of any of these services.
    Services(Vec<UsageService>),
    /// From any of these sources.
    Sources(Vec<String>),
}

/// A question to the usage cube. Measures are chosen by selecting their fields.
#[derive(InputObject, Clone, Debug)]
pub struct UsageInput {
    /// First moment inside the period (UTC).
    pub from: DateTime,
    /// First moment after the period (UTC).
    pub to: DateTime,
    /// Width of the time buckets; none means one bucket for the whole period.
    pub grain: Option<Grain>,
    /// What to group by.
    #[graphql(default)]
    pub dimensions: Vec<UsageDimension>,
    /// Which usage.
    pub filter: Option<UsageFilter>,
    /// Sort of the rows; ties are broken by all keys.
    #[graphql(default)]
    pub order_by: Vec<UsageOrder>,
    /// Most rows returned; totals do not depend on it.
    #[graphql(default = 1000)]
    pub limit: i32,
}
