//! Proof that records and cubes agree, and the one way in which a cube is corrected.
//!
//! # What is compared
//! Every cube with what it is summed up from, at the full key of the cube: hours with records, days with hours, months with
//! days, years with months; the small cube of hours with the full one, then the small ones in the same way
//! ([`Tables::compare`]). Besides, the records of each batch ([`Tables::batches`]), of each
//! hour ([`Tables::hours`]) and those that are there twice ([`Tables::twice`]), for the caller who knows the ledger.
//!
//! # In bounded memory
//! Grouping two tables by their full key needs memory for every SIM. So each is read once, and summed up per tenant and month
//! into its four measures and four *fingerprints*: the sum of each measure times a salted 64-bit hash of the row's key, as
//! 128-bit integers. Rows of one cell may be split or merged; the sum stays. Two tables that differ in any cell have equal
//! fingerprints with a chance of 2^-64, and another salt is another chance. Only where a tenant and month differ are the
//! days found that do, and these grouped by key, one after the other, spilling to disk beyond 256 MB, until enough
//! differing cells are found to be shown.
//!
//! # What is live
//! Two tables keep the newest rollups of the log: they are held against it as far back as it is whole ([`Tables::compare_live`]).
//!
//! # Without holding intake up
//! All of it runs on clones by hard links ([`Clones`]), made in milliseconds while nothing is inserted.
//!
//! # Two families
//! Usage records and rollups of sessions have tables of their own ([`Family`]), which are compared and corrected in the same way; neither knows
//! of the other ([`Tables::of`]).
//!
//! # Records expire, cubes do not
//! How long records are kept is a setting of their tenant ([`Keeps`]). What is so old that some may have gone is compared among
//! the cubes only, and no cube is ever corrected from it.

mod batch;
mod compare;
mod correct;
mod fill;
mod listing;
mod live;
mod rows;
mod tables;
mod twice;

use std::{
    fmt,
    ops::{Add, AddAssign, Sub},
};

use chrono::{DateTime, Utc};
use clickhouse::query::Query;
use domain::{
    Error, Result,
    id::{CustomerId, DeviceId, SimId},
    usage::Dimension,
};

pub use batch::{BatchCount, Total};
pub use compare::{Cell, Comparison, Difference};
pub use correct::{Area, Corrected, Permit};
pub use listing::Listed;
pub use live::{LiveComparison, Unlike};
pub use rows::Keeps;
pub(crate) use rows::listed;
pub use tables::{Clones, Tables};
pub use twice::Twice;

use crate::{
    cube::{Cube, Level},
    family::Family,
};

/// Memory of one grouping by full key; what is beyond waits on disk.
const SPILL_BYTES: &str = "268435456";
/// Longest text of a statement, bytes: it may name some 200,000 SIMs, twice or three times.
const STATEMENT_BYTES: &str = "33554432";
/// Longest statement here, seconds, where the server allows it; the embedded engine may have a lower bound.
const SECONDS: &str = "3600";

/// Records, or a cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// `cdr`
    Records,
    /// A cube.
    Cube(Cube),
}

impl Table {
    /// Records and every cube.
    pub const ALL: [Self; 9] = {
        let mut all = [Self::Records; 9];
        let mut place = 0;
        while place < Cube::ALL.len() {
            all[place + 1] = Self::Cube(Cube::ALL[place]);
            place += 1;
        }
        all
    };

    /// What a cube is held against, and corrected from.
    pub const fn finer(cube: Cube) -> Self {
        match cube {
            Cube::Full(Level::Hour) => Self::Records,
            Cube::Full(Level::Day) | Cube::Small(Level::Hour) => {
                Self::Cube(Cube::Full(Level::Hour))
            }
            Cube::Full(Level::Month) => Self::Cube(Cube::Full(Level::Day)),
            Cube::Full(Level::Year) => Self::Cube(Cube::Full(Level::Month)),
            Cube::Small(Level::Day) => Self::Cube(Cube::Small(Level::Hour)),
            Cube::Small(Level::Month) => Self::Cube(Cube::Small(Level::Day)),
            Cube::Small(Level::Year) => Self::Cube(Cube::Small(Level::Month)),
        }
    }

    /// Who knows when the newest record of a cube was received, if the cube itself does.
    const fn receipts(cube: Cube) -> Option<Self> {
        match cube {
            Cube::Full(Level::Year) => Some(Self::Records),
            Cube::Small(Level::Year) => Some(Self::Cube(Cube::Full(Level::Year))),
            _ => None,
        }
    }

    /// Whether what it holds is known by this dimension.
    pub const fn knows(self, dimension: Dimension) -> bool {
        match self {
            Self::Records => true,
            Self::Cube(cube) => cube.knows(dimension),
        }
    }

    /// Name of the table that it is in.
    const fn name(self, family: Family) -> &'static str {
        match self {
            Self::Records => family.records(),
            Self::Cube(cube) => family.cube(cube),
        }
    }

    /// What people call it: the name of its table, and of a small cube its width.
    pub fn shown(self, family: Family) -> String {
        let name = self.name(family);
        match self {
            Self::Cube(Cube::Small(level)) => format!("{name} ({level})"),
            _ => name.to_owned(),
        }
    }

    /// What picks its rows from its table.
    const fn own(self) -> &'static str {
        match self {
            Self::Cube(cube) => match cube.rows() {
                Some(rows) => rows,
                None => "true",
            },
            Self::Records => "true",
        }
    }

    /// The column that says when.
    const fn time(self, family: Family) -> &'static str {
        match self {
            Self::Records => family.time(),
            Self::Cube(_) => "period",
        }
    }
}

/// Sums of usage; corrections are subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Usage records.
    pub records: i64,
    /// Bytes sent by devices.
    pub bytes_up: i128,
    /// Bytes received by devices.
    pub bytes_down: i128,
    /// Messages, seconds and the like; of usage records alone.
    pub units: i128,
    /// Sessions that began; of rollups alone.
    pub sessions: i64,
    /// Counters that began again within a session; of rollups alone.
    pub resets: i64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            bytes_up: self.bytes_up + other.bytes_up,
            bytes_down: self.bytes_down + other.bytes_down,
            units: self.units + other.units,
            sessions: self.sessions + other.sessions,
            resets: self.resets + other.resets,
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            records: self.records - other.records,
            bytes_up: self.bytes_up - other.bytes_up,
            bytes_down: self.bytes_down - other.bytes_down,
            units: self.units - other.units,
            sessions: self.sessions - other.sessions,
            resets: self.resets - other.resets,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records, {} up, {} down",
            self.records, self.bytes_up, self.bytes_down
        )?;
        if self.units != 0 {
            write!(f, ", {} units", self.units)?;
        }
        if self.sessions != 0 || self.resets != 0 {
            write!(f, ", {} sessions, {} resets", self.sessions, self.resets)?;
        }
        Ok(())
    }
}

/// Everything that a cube knows about a cell but tenant and period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Customer at event time.
    pub customer: Option<CustomerId>,
    /// SIM; none in a small cube.
    pub sim: Option<SimId>,
    /// Device at event time; none in a small cube.
    pub device: Option<DeviceId>,
    /// `MCC-MNC`, empty when unknown.
    pub network: String,
    /// Radio access type, empty when unknown.
    pub rat: String,
    /// `DATA`, `SMS` or `VOICE`; empty where cells of the family do not know it.
    pub service: String,
    /// Stream that delivered it; empty where cells of the family do not know it.
    pub source: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.customer {
            Some(customer) => write!(f, "{customer}")?,
            None => f.write_str("unassigned")?,
        }
        if let Some(sim) = self.sim {
            write!(f, " {sim}")?;
            match self.device {
                Some(device) => write!(f, " {device}")?,
                None => f.write_str(" no device")?,
            }
        }
        for text in [&self.network, &self.rat] {
            write!(f, " {}", if text.is_empty() { "-" } else { text })?;
        }
        for text in [&self.service, &self.source] {
            if !text.is_empty() {
                write!(f, " {text}")?;
            }
        }
        Ok(())
    }
}

fn moment(seconds: u32) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp(seconds.into(), 0).ok_or_else(|| Error::internal("no such time"))
}

/// A statement that may take long and must not take much memory.
pub(crate) fn patient(query: Query) -> Query {
    query
        .with_setting("max_execution_time", SECONDS)
        .with_setting("max_bytes_before_external_group_by", SPILL_BYTES)
        .with_setting("max_bytes_before_external_sort", SPILL_BYTES)
}
