//! Words about usage: the input of the cube.

use async_graphql::{Enum, ID, InputObject, OneofObject};
use domain::usage;

use crate::{
    device::DeviceFilter,
    order::OrderDirection,
    scalar::{DateTime, Decimal},
    sim::SimFilter,
    word::word,
};

word! {
    /// Width of a time bucket, in the question's time zone.
    Grain = usage::Grain
}

word! {
    /// A part of a date or of the time of day, in the question's time zone.
    TimePart = usage::TimePart
}

word! {
    /// A period that moves with the clock, in the question's time zone.
    PeriodPreset = usage::Preset
}

word! {
    /// What becomes of bounds that no table has.
    PeriodAlignment = usage::Alignment, Default
}

word! {
    /// What is shown beside a period.
    Comparison = usage::Comparison
}

word! {
    /// Whether buckets without usage are rows.
    UsageFill = usage::Fill
}

word! {
    /// Whose usage it is.
    Attribution = usage::Attribution, Default
}

word! {
    /// What usage can be grouped by.
    UsageDimension = usage::Dimension
}

word! {
    /// Kind of service that was used.
    UsageService = usage::Service
}

word! {
    /// A quantity of the cube.
    UsageMeasure = usage::Measure
}

word! {
    /// What a quantity counts.
    UsageUnit = usage::Unit
}

/// A table that an answer comes from. The small ones know neither SIMs nor devices.
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
    /// The records themselves, for parts of hours.
    Cdr,
}

/// Why an answer is not complete.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncompleteReason {
    /// No usage has been received yet.
    NothingReceived,
    /// The period had not ended when the newest record was received.
    PeriodRunning,
}

/// A period between two moments.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct BetweenInput {
    /// First moment inside the period.
    pub from: DateTime,
    /// First moment after the period.
    pub to: DateTime,
    /// What becomes of bounds that no table has.
    #[graphql(default)]
    pub align: PeriodAlignment,
}

/// A period: between two moments, or one that moves with the clock.
#[derive(OneofObject, Clone, Copy, Debug)]
pub enum PeriodInput {
    /// Between two moments.
    Between(BetweenInput),
    /// One that moves with the clock.
    Preset(PeriodPreset),
}

/// What rows are grouped by: exactly one of these.
#[derive(OneofObject, Clone, Debug)]
pub enum UsageGroup {
    /// Values of a dimension.
    Dimension(UsageDimension),
    /// Time buckets.
    Time(Grain),
    /// A part of the date or of the time of day.
    TimePart(TimePart),
    /// The value that the SIM has now under this key of labels: a row for each value and one for the SIMs that have none.
    SimLabel(String),
    /// The value that the device has now under this key of labels: a row for each value and one for the devices that have none.
    DeviceLabel(String),
}

/// What rows can be sorted by: a measure, or the group of this place.
#[derive(OneofObject, Clone, Copy, Debug)]
pub enum UsageOrderKey {
    /// By a quantity, selected or not. Rows without it come last.
    Measure(UsageMeasure),
    /// By the keys of a group: its place in `groupBy`, from 0.
    Group(i32),
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

/// Only the largest values of one group, by the whole period and all other groups together: each keeps its time buckets.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct UsageTop {
    /// The group: its place in `groupBy`, from 0. Not one of time.
    pub group: i32,
    /// How many.
    pub n: i32,
    /// Largest by this, selected or not.
    pub by: UsageMeasure,
}

/// How a quantity compares; at least one field is given, and all that are given hold.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct UsageMeasureCondition {
    /// The quantity, selected or not.
    pub by: UsageMeasure,
    /// More than this.
    pub gt: Option<Decimal>,
    /// At least this.
    pub gte: Option<Decimal>,
    /// Less than this.
    pub lt: Option<Decimal>,
    /// At most this.
    pub lte: Option<Decimal>,
    /// As much as this.
    pub eq: Option<Decimal>,
}

/// Which rows: a tree of conditions on their quantities; exactly one field is given at each level. An average of nothing meets
/// neither a condition nor its negation.
#[derive(OneofObject, Clone, Debug)]
pub enum UsageHaving {
    /// All of these hold.
    And(Vec<UsageHaving>),
    /// Any of these holds.
    Or(Vec<UsageHaving>),
    /// This does not hold.
    Not(Box<UsageHaving>),
    /// A quantity compares like this.
    Measure(Box<UsageMeasureCondition>),
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
    /// Belonging to any of these customers at the time of use; now, with `attribution: CURRENT`.
    Customers(Vec<ID>),
    /// True: belonging to no customer. False: to any.
    Unassigned(bool),
    /// Of any of these SIMs.
    Sims(Vec<ID>),
    /// Of any of these devices at the time of use; now, with `attribution: CURRENT`.
    Devices(Vec<ID>),
    /// Over any of these radio access types.
    RadioAccessTypes(Vec<String>),
    /// Of any of these services.
    Services(Vec<UsageService>),
    /// From any of these streams.
    Streams(Vec<String>),
    /// Of SIMs that match now.
    Sim(SimFilter),
    /// Of devices that match now.
    Device(DeviceFilter),
}

/// A question to the usage cube. Measures are chosen by selecting their fields. The steps are always these: filter, group, top,
/// fill, having, order, offset, limit.
#[derive(InputObject, Clone, Debug)]
pub struct UsageInput {
    /// Time of use.
    pub period: PeriodInput,
    /// In which days, months and hours of the day are meant: a name of the IANA data, such as Europe/Berlin.
    #[graphql(default = "UTC")]
    pub time_zone: String,
    /// What to group by. Of nothing, the whole is the only row.
    #[graphql(default)]
    pub group_by: Vec<UsageGroup>,
    /// Which usage.
    pub filter: Option<UsageFilter>,
    /// Which rows. Totals do not depend on it.
    pub having: Option<UsageHaving>,
    /// Sort of the rows; ties are broken by all keys.
    #[graphql(default)]
    pub order_by: Vec<UsageOrder>,
    /// Only the largest values of one group.
    pub top: Option<UsageTop>,
    /// Most rows; totals do not depend on it. As many as there may be when nothing is said: 10,000, divided among the objects of a
    /// page.
    pub limit: Option<i32>,
    /// Rows passed over.
    #[graphql(default)]
    pub offset: i32,
    /// Whether what met `having` and is not shown is summed up as a row of its own, the last one: one for each time bucket with `top`.
    #[graphql(default)]
    pub others: bool,
    /// Whether buckets without usage are rows, up to the watermark.
    #[graphql(default_with = "UsageFill(usage::Fill::None)")]
    pub fill: UsageFill,
    /// What is shown beside each row, as `previous`.
    pub compare_to: Option<Comparison>,
    /// Whose usage it is.
    #[graphql(default)]
    pub attribution: Attribution,
}

/// What networks are ranked by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TopNetworksBy {
    /// Bytes of both directions.
    #[default]
    Traffic,
}

/// A question about the largest networks.
#[derive(InputObject, Clone, Debug)]
pub struct TopNetworksInput {
    /// Time of use.
    pub period: PeriodInput,
    /// In which days and months are meant: a name of the IANA data, such as Europe/Berlin.
    #[graphql(default = "UTC")]
    pub time_zone: String,
    /// How many, 100 at most.
    #[graphql(default = 5)]
    pub n: i32,
    /// Largest by this.
    #[graphql(default)]
    pub by: TopNetworksBy,
    /// Which usage.
    pub filter: Option<UsageFilter>,
}
