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
    /// What usage is counted from. Both say what SIMs used, each by a way of its own, and neither knows of the other.
    UsageSource = usage::Source, Default
}

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
    /// How the bounds of a period are taken.
    PeriodAlignment = usage::Alignment, Default
}

word! {
    /// Which earlier period is shown beside the one that is asked about. A preset that is still running is compared as far as it has
    /// run, to the end of the running hour.
    Comparison = usage::Comparison
}

word! {
    /// Whether time buckets without usage get a row: up to `Provenance.watermark`, for every combination of other keys that has usage
    /// in the period. It does nothing unless rows are grouped by time or by a part of it.
    UsageFill = usage::Fill
}

word! {
    /// Which customer and device usage belongs to: in groups, in filters, and where it is asked of a customer or device.
    Attribution = usage::Attribution, Default
}

word! {
    /// What usage can be grouped by.
    UsageDimension = usage::Dimension
}

word! {
    /// Labels that usage can be grouped by. They are always those of now.
    UsageLabelGroup = usage::LabelGroup
}

word! {
    /// Kind of service that was used.
    UsageService = usage::Service
}

word! {
    /// What is measured.
    UsageMeasure = usage::Measure
}

word! {
    /// Unit of a measure.
    UsageUnit = usage::Unit
}

/// A table that an answer comes from. Hours, days, months and years of tables are those of UTC. Those that end in `_SMALL` are
/// smaller, because they are kept without SIM and device.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageTable {
    /// Sums per hour.
    UsageHour,
    /// Sums per day.
    UsageDay,
    /// Sums per calendar month.
    UsageMonth,
    /// Sums per calendar year.
    UsageYear,
    /// Sums per hour, without SIM and device.
    UsageHourSmall,
    /// Sums per day, without SIM and device.
    UsageDaySmall,
    /// Sums per calendar month, without SIM and device.
    UsageMonthSmall,
    /// Sums per calendar year, without SIM and device.
    UsageYearSmall,
    /// The records themselves, for parts of hours. How long they are kept is a setting of the tenant: see `cubeCatalog`.
    Cdr,
    /// Sums of sessions per hour.
    SessionHour,
    /// Sums of sessions per day.
    SessionDay,
    /// Sums of sessions per calendar month.
    SessionMonth,
    /// Sums of sessions per calendar year.
    SessionYear,
    /// Sums of sessions per hour, without SIM and device.
    SessionHourSmall,
    /// Sums of sessions per day, without SIM and device.
    SessionDaySmall,
    /// Sums of sessions per calendar month, without SIM and device.
    SessionMonthSmall,
    /// Sums of sessions per calendar year, without SIM and device.
    SessionYearSmall,
    /// The rollups of sessions themselves, for parts of hours. How long they are kept is a setting of the tenant, too.
    SessionLog,
}

/// Why an answer is not complete.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncompleteReason {
    /// No usage that the caller may see has been received yet.
    NothingReceived,
    /// The period had not ended when the newest record was received.
    PeriodRunning,
    /// Usage that began in the period was accepted and waits to be counted.
    NotCounted,
    /// Sources of the tenant are not complete up to the end of the period; `reasonText` names them. See `ingestSources`.
    SourcesBehind,
}

/// A period between two moments, from 1970 to 2106; `INVALID_INPUT` unless `from` comes before `to`.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct BetweenInput {
    /// Start of the period, which is part of it.
    pub from: DateTime,
    /// End of the period, which is not part of it.
    pub to: DateTime,
    /// Whether the bounds are taken as they are or widened.
    #[graphql(default)]
    pub align: PeriodAlignment,
}

/// A period: give exactly one field.
#[derive(OneofObject, Clone, Copy, Debug)]
pub enum PeriodInput {
    /// Between two moments.
    Between(BetweenInput),
    /// One that moves with the clock.
    Preset(PeriodPreset),
}

/// What to group rows by: give exactly one field.
#[derive(OneofObject, Clone, Debug)]
pub enum UsageGroup {
    /// A dimension, such as the network.
    Dimension(UsageDimension),
    /// Time buckets of this width. There is one such group at most.
    Time(Grain),
    /// A part of the date or of the time of day, such as the day of the week.
    TimePart(TimePart),
    /// The SIM's label with this key, 200 bytes at most, as it is now: a row for each value, one for SIMs without that label
    /// (UNASSIGNED), and one for SIMs that the caller may not see now (HIDDEN).
    SimLabel(String),
    /// The device's label with this key, 200 bytes at most, as it is now: a row for each value, one for devices without that
    /// label and usage without a device (UNASSIGNED), and one for devices that the caller may not see now (HIDDEN).
    DeviceLabel(String),
}

/// What rows can be sorted by: give exactly one field.
#[derive(OneofObject, Clone, Copy, Debug)]
pub enum UsageOrderKey {
    /// A measure, selected or not. Rows in which it is null come last in both directions.
    Measure(UsageMeasure),
    /// The keys of a group: its index in `groupBy`, from 0. Customers, SIMs and devices are sorted by their ids.
    Group(i32),
}

/// A sort key.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct UsageOrder {
    /// What to sort by.
    pub by: UsageOrderKey,
    /// Direction of the sort.
    #[graphql(default)]
    pub direction: OrderDirection,
}

/// Keeps only the largest values of one group. They are ranked over the whole period with all other groups added up, so that a
/// value that is kept has all of its time buckets.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct UsageTop {
    /// The group: its index in `groupBy`, from 0. It can't be one of time.
    pub group: i32,
    /// How many values to keep, 10,000 at most.
    pub n: i32,
    /// The measure to rank by, selected or not.
    pub by: UsageMeasure,
}

/// A condition on a measure: give at least one bound besides `by`; all that are given must hold. Bounds have two decimal places at
/// most.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct UsageMeasureCondition {
    /// The measure, selected or not.
    pub by: UsageMeasure,
    /// More than this.
    pub gt: Option<Decimal>,
    /// At least this.
    pub gte: Option<Decimal>,
    /// Less than this.
    pub lt: Option<Decimal>,
    /// At most this.
    pub lte: Option<Decimal>,
    /// Equal to this.
    pub eq: Option<Decimal>,
}

/// Which rows to keep: a tree of conditions on their measures, 50 levels and 100 conditions at most. Give exactly one field at each
/// level. A measure that is null meets neither a condition nor its negation.
#[derive(OneofObject, Clone, Debug)]
pub enum UsageHaving {
    /// All of these hold.
    And(Vec<UsageHaving>),
    /// Any of these holds.
    Or(Vec<UsageHaving>),
    /// This does not hold.
    Not(Box<UsageHaving>),
    /// This condition on a measure holds.
    Measure(Box<UsageMeasureCondition>),
}

/// Which usage to count: a tree of conditions, with 50 levels, 100 conditions and 1,000 values in lists (200 ids in each) at most. Give exactly one field
/// at each level. An empty list matches nothing.
#[derive(OneofObject, Clone, Debug)]
pub enum UsageFilter {
    /// All of these hold.
    And(Vec<UsageFilter>),
    /// Any of these holds.
    Or(Vec<UsageFilter>),
    /// This does not hold.
    Not(Box<UsageFilter>),
    /// On any of these networks, by their global ids.
    Networks(Vec<ID>),
    /// On any of these networks, by their MCC-MNC, such as 262-01.
    NetworkCodes(Vec<String>),
    /// In any of these countries (ISO 3166-1 alpha-2).
    Countries(Vec<String>),
    /// Of any of these customers, by their global ids: at the time of use, or now with `attribution: CURRENT`.
    Customers(Vec<ID>),
    /// True: of no customer. False: of any customer. At the time of use, or now with `attribution: CURRENT`.
    Unassigned(bool),
    /// Of any of these SIMs, by their global ids.
    Sims(Vec<ID>),
    /// Of any of these devices, by their global ids: at the time of use, or now with `attribution: CURRENT`.
    Devices(Vec<ID>),
    /// Over any of these radio access types, spelt as in answers.
    RadioAccessTypes(Vec<String>),
    /// Of any of these services.
    Services(Vec<UsageService>),
    /// Delivered by any of these streams, spelt as in answers.
    Streams(Vec<String>),
    /// Of SIMs that match this filter now. `LIMIT_EXCEEDED` when more than 200,000 do; a file of the question has no such limit.
    Sim(SimFilter),
    /// Of devices that match this filter now. `LIMIT_EXCEEDED` when more than 200,000 do; a file of the question has no such limit.
    Device(DeviceFilter),
}

/// A question about usage. Its measures are those whose fields are selected; nothing else is computed. The steps are taken in this
/// order: filter, group, top, fill, having, order, offset, limit.
#[derive(InputObject, Clone, Debug)]
pub struct UsageInput {
    /// What usage is counted from. What it does not have is `INVALID_INPUT` wherever the question names it: `cubeCatalog` says of each
    /// measure and dimension which sources have it.
    #[graphql(default)]
    pub source: UsageSource,
    /// The period. A record counts in full at the time when its usage began; what a session used since its rollup before, at the time of the
    /// rollup.
    pub period: PeriodInput,
    /// Time zone of presets, time buckets and parts of time: a name of the IANA time zone database, such as Europe/Berlin.
    #[graphql(default = "UTC")]
    pub time_zone: String,
    /// What to group rows by, 6 groups at most. Without groups there is one row, for everything.
    #[graphql(default)]
    pub group_by: Vec<UsageGroup>,
    /// Which usage to count; all of it by default.
    pub filter: Option<UsageFilter>,
    /// Which rows to keep; all of them by default. Totals do not depend on it.
    pub having: Option<UsageHaving>,
    /// How to sort the rows, by 8 keys at most. Rows that are equal by these are sorted by the keys of their groups.
    #[graphql(default)]
    pub order_by: Vec<UsageOrder>,
    /// Keep only the largest values of one group. Totals do not depend on it.
    pub top: Option<UsageTop>,
    /// Most rows to return, besides those of all others; totals do not depend on it. `offset` and `limit` together, with `top` also the rows of
    /// all others, may be 10,000 divided by the number of objects that the document may ask about: the product of the page sizes around
    /// this field. That is also the default, whatever is asked beside it; `truncated` says when there is more.
    pub limit: Option<i32>,
    /// Rows to skip.
    #[graphql(default)]
    pub offset: i32,
    /// True: all groups that meet `having` and are not returned, skipped ones included, are summed up in one more row, the last; with
    /// `top`, in one for each time bucket, in order of time. Where no group is left over, there is no such row, also with `fill`.
    #[graphql(default)]
    pub others: bool,
    /// Whether time buckets without usage get a row.
    #[graphql(default_with = "UsageFill(usage::Fill::None)")]
    pub fill: UsageFill,
    /// The earlier period to show beside each row, as `previous`, and beside the totals, as `previousTotals`.
    pub compare_to: Option<Comparison>,
    /// Which customer and device usage belongs to.
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
    /// The period. A record counts in full at the time when its usage began.
    pub period: PeriodInput,
    /// Time zone of presets: a name of the IANA time zone database, such as Europe/Berlin.
    #[graphql(default = "UTC")]
    pub time_zone: String,
    /// How many networks, 100 at most.
    #[graphql(default = 5)]
    pub n: i32,
    /// What to rank by.
    #[graphql(default)]
    pub by: TopNetworksBy,
    /// Which usage to count; all of it by default.
    pub filter: Option<UsageFilter>,
}
