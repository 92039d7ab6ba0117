//! Questions to the cubes.
//!
//! A [`CubeQuery`] is checked, turned into one statement over the coarsest tables that hold it exactly, run, and
//! read back as a [`UsageAnswer`] with rows, totals and provenance. What no table can answer exactly is refused. The cubes are
//! the small ones unless something names SIMs or devices: the question, active SIMs, or what the caller was granted.
//!
//! What it is counted from, usage records or rollups of sessions, is said by the question; each has tables of its own
//! ([`crate::Family`]), and all else is the same.
//!
//! The steps are always these: filter, group, top, fill, having, order, offset, limit. Totals are what is left by the filter.
//!
//! **The tenant cannot be forgotten.** Every tenant-facing statement of this crate is made by the builder in the
//! private module `scoped`, the only place that reads a cube for a tenant: it takes a [`domain::Scope`], puts the tenant and
//! the caller's segments into the innermost query, and everything else works on what that lets through. Values
//! never become part of the text: they travel as server-side parameters. What comes from the inventory is the exception (see
//! [`Inventory`]).
//!
//! Additive measures of the children of a tenant, customer, SIM, device or network sum to their parent when the
//! unassigned are counted too. Active SIMs do not: one SIM may be active in two groups.

mod answer;
mod column;
mod counted;
mod file;
mod filter;
mod having;
mod inventory;
mod limit;
mod plan;
mod query;
mod reconcile;
mod record;
pub(crate) mod scoped;
mod selection;
mod slices;
mod spool;
mod tile;
mod times;
mod unknown;
mod watermark;

use chrono::{DateTime, Utc};
use domain::{
    Period,
    id::{CustomerId, DeviceId, SimId},
    journal::Lack,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use strum::VariantArray;
use uuid::Uuid;

pub use domain::usage::{
    Alignment, Attribution, Comparison, Dimension, Fill, Grain, Measure, Preset, Source, State,
    TimePart,
};
pub use file::{UsageFile, Whole};
pub use filter::{Condition, Filter};
pub use having::{Bound, Comparator, Compared, Having};
pub use inventory::{Carried, DeviceFilter, Inventory, Need, SimFilter};
pub use limit::UsageLimits;
pub use plan::{Parents, RecordPlan, UsagePlan, plan, plan_records};
pub use query::{CubeQuery, Group, Order, OrderBy, Span, Top};
pub use reconcile::{Bytes, Disagreement, Pair, Reconciliation, Reconciling};
pub use record::{RecordFile, UsageRecord};
pub use selection::Selection;

use crate::cube::Table;

/// One value of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// No customer or no device; no value under the key of labels.
    None,
    /// Something that the caller may not see.
    Hidden,
    /// A customer, SIM or device; read from its global id, too.
    Id(#[serde(deserialize_with = "any_id")] Uuid),
    /// A value of the other dimensions, empty when unknown; a value of a label.
    Text(String),
    /// Start of a time bucket. It may lie before the period's.
    Moment(DateTime<Utc>),
    /// A part of a date or of the time of day.
    Number(u32),
}

/// An id with or without what says of what it is.
fn any_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(deserializer)?;
    let kinds = [CustomerId::PREFIX, SimId::PREFIX, DeviceId::PREFIX];
    let bare = kinds
        .iter()
        .find_map(|kind| text.strip_prefix(kind)?.strip_prefix('_'));
    Uuid::parse_str(bare.unwrap_or(&text))
        .map_err(|_| D::Error::custom("an id of no customer, SIM or device"))
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

/// Quantities of a row or of the whole, of those that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values([Option<i128>; Measure::VARIANTS.len()]);

impl Values {
    /// The quantities `measures`, made of states.
    pub(crate) fn of(measures: &[Measure], state: impl Fn(State) -> i128) -> Self {
        let mut values = Self::default();
        for measure in measures {
            values.0[*measure as usize] = measure.entry().expression.of(&state);
        }
        values
    }

    /// A quantity, in units of its last decimal place. None when it was not asked for, in a bucket that was filled in without
    /// values, and of an average of nothing.
    pub fn get(&self, measure: Measure) -> Option<i128> {
        self.0[measure as usize]
    }
}

/// One group, or all others together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// One key for each group of the question. All others together have only those of time, and only beside the largest of a
    /// group.
    pub keys: Vec<Option<Key>>,
    /// Whether it is all that is not shown.
    pub others: bool,
    /// Its quantities.
    pub values: Values,
    /// The same of the period that it is compared with.
    pub previous: Option<Values>,
}

/// Where an answer comes from and how fresh it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// What it is counted from.
    pub source: Source,
    /// The tables that were read, the coarsest first.
    pub tables: Vec<Table>,
    /// Receipt of the newest record that is counted within what the caller may see; none when nothing is. Every
    /// record received earlier is counted or rejected, except batches still being applied.
    pub watermark: Option<DateTime<Utc>>,
    /// Why it is not complete, if it is not.
    pub incomplete: Option<Incomplete>,
}

impl Provenance {
    /// What people call the tables.
    pub fn names(&self) -> Vec<String> {
        let tables = self.tables.iter();
        tables
            .map(|table| table.shown(self.source.into()))
            .collect()
    }
}

/// Why an answer is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// No usage has been received yet.
    NothingReceived,
    /// The period had not ended when the newest record was received.
    PeriodRunning,
    /// The journal knows of usage that is not counted, or waits for sources.
    Lacks(Lack),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageAnswer {
    /// The period that was meant.
    pub period: Period,
    /// The period that it is compared with, as far as that is done; none when nothing is, or when it lies before all usage.
    pub previous_period: Option<Period>,
    /// Groups in the order asked for, at most as many as the limit, then all others.
    pub rows: Vec<UsageRow>,
    /// The whole, whatever is shown of it.
    pub totals: Values,
    /// The whole of the period that it is compared with.
    pub previous_totals: Option<Values>,
    /// Whether the limit cut rows off.
    pub truncated: bool,
    /// Quantities that were asked for and are closed to the caller.
    pub closed: Vec<Measure>,
    /// Where it comes from.
    pub provenance: Provenance,
}
