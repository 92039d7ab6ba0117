//! Questions to the cubes.
//!
//! A [`UsageQuery`] is checked, turned into one statement over the coarsest cube that answers it exactly, run, and
//! read back as a [`UsageAnswer`] with rows, totals and provenance. What no cube can answer exactly is refused. The cube is
//! the small one unless something names SIMs or devices: the question, active SIMs, or what the caller was granted.
//!
//! **The tenant cannot be forgotten.** Every tenant-facing statement of this crate is made by the builder in the
//! private module `scoped`, the only place that reads a cube for a tenant: it takes a [`domain::Scope`], puts the tenant and
//! the caller's segments into the innermost query, and everything else works on what that lets through. Values
//! never become part of the text: they travel as server-side parameters.
//!
//! Additive measures of the children of a tenant, customer, SIM, device or network sum to their parent when the
//! unassigned are counted too. Active SIMs do not: one SIM may be active in two groups.

mod answer;
mod counted;
mod filter;
mod plan;
mod scoped;

use chrono::{DateTime, Utc};
use domain::{
    Period,
    id::{CustomerId, DeviceId, SimId},
};
use uuid::Uuid;

pub use domain::usage::{Dimension, Grain, Measure};
pub use filter::Filter;
pub use plan::{UsagePlan, plan};

use crate::cube::Cube;

/// One value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// No customer or no device at the time of use.
    None,
    /// A customer, SIM or device.
    Id(Uuid),
    /// A value of the other dimensions; empty when unknown.
    Text(String),
}

impl From<CustomerId> for Key {
    fn from(id: CustomerId) -> Self {
        Self::Id(id.uuid())
    }
}

impl From<SimId> for Key {
    fn from(id: SimId) -> Self {
        Self::Id(id.uuid())
    }
}

impl From<DeviceId> for Key {
    fn from(id: DeviceId) -> Self {
        Self::Id(id.uuid())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// What a row is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// A quantity, asked for or not.
    Measure(Measure),
    /// A dimension that is grouped by; ids sort by their text.
    Dimension(Dimension),
    /// The time bucket.
    Period,
}

/// One sort key. Ties are broken by time bucket and all dimensions, ascending, so the order is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Sorted by this.
    pub by: OrderBy,
    /// Largest first.
    pub descending: bool,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    /// Quantities wanted.
    pub measures: Vec<Measure>,
    /// Grouped by these, in this order.
    pub dimensions: Vec<Dimension>,
    /// Width of the time buckets; none is one bucket.
    pub grain: Option<Grain>,
    /// Time of use, half-open. Whole hours at least.
    pub period: Period,
    /// Which usage.
    pub filter: Option<Filter>,
    /// Sort of the rows.
    pub order_by: Vec<Order>,
    /// Most rows (per parent, where there are several). Totals do not depend on it.
    pub limit: u32,
}

impl UsageQuery {
    /// Whether the question is one, whoever asks it. Every question is checked before it is planned; a surface that wants to
    /// name the field to blame asks for this itself.
    ///
    /// # Errors
    /// `INVALID_INPUT` or `LIMIT_EXCEEDED`, with the field.
    pub fn check(&self) -> domain::Result<()> {
        plan::check(self)
    }
}

/// Bounds of a question.
#[derive(Clone, Copy, Debug)]
pub struct UsageLimits;

impl UsageLimits {
    /// Most dimensions.
    pub const DIMENSIONS: usize = 4;
    /// Most rows of an answer, all parents together.
    pub const ROWS: usize = 10_000;
    /// Most parents of one batched question.
    pub const PARENTS: usize = 1_000;
    /// Deepest nesting of a filter.
    pub const FILTER_DEPTH: usize = 8;
    /// Most nodes of a filter.
    pub const FILTER_NODES: usize = 100;
    /// Most values in a filter, all nodes together.
    pub const FILTER_VALUES: usize = 1_000;
    /// Longest text value, bytes.
    pub const TEXT_BYTES: usize = 200;
}

/// Quantities of a row or of the whole. A quantity that was not asked for is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Bytes sent by devices.
    pub bytes_up: Option<i128>,
    /// Bytes received by devices.
    pub bytes_down: Option<i128>,
    /// Both directions.
    pub bytes_total: Option<i128>,
    /// Usage records.
    pub records: Option<i64>,
    /// Active SIMs.
    pub active_sims: Option<u64>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Start of the time bucket, if there is a grain. It may lie before the period's start.
    pub period_start: Option<DateTime<Utc>>,
    /// One key per dimension of the question.
    pub keys: Vec<Key>,
    /// Its quantities.
    pub values: Values,
}

/// Where an answer comes from and how fresh it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The cube that was read.
    pub table: Cube,
    /// Receipt of the newest record that is counted within what the caller may see; none when nothing is. Every
    /// record received earlier is counted or rejected, except batches still being applied.
    pub watermark: Option<DateTime<Utc>>,
    /// Whether the period had ended when the newest record was received.
    pub complete: bool,
    /// Why it is not complete.
    pub reason: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageAnswer {
    /// Groups in the order asked for, at most as many as the limit.
    pub rows: Vec<UsageRow>,
    /// The whole, whatever the limit.
    pub totals: Values,
    /// Whether the limit cut rows off.
    pub truncated: bool,
    /// Where it comes from.
    pub provenance: Provenance,
}
