//! Bounds of a question.

use domain::{Error, Role};

/// Bounds of a question.
#[derive(Clone, Copy, Debug)]
pub struct UsageLimits;

impl UsageLimits {
    /// Most groups.
    pub const GROUPS: usize = 6;
    /// Most sort keys.
    pub const ORDERS: usize = 8;
    /// Most rows of an answer, all parents together, with those passed over.
    pub const ROWS: usize = 10_000;
    /// Most rows of a file, with those passed over: what a number of the statement holds.
    pub(super) const FILE_ROWS: usize = u32::MAX as usize - 1;
    /// Bytes of groups, and of rows that are being sorted, that the engine holds in memory for a file. The rest goes to its disk.
    pub(super) const FILE_SPILL: u64 = 256 << 20;
    /// Seconds that the statement of a file may take; an embedded engine has its own limit.
    pub(super) const FILE_SECONDS: u32 = 3_600;
    /// Most parents of one batched question.
    pub const PARENTS: usize = 1_000;
    /// Most values in a filter, all conditions together.
    pub const VALUES: usize = 1_000;
    /// Longest text value, bytes.
    pub const TEXT_BYTES: usize = 200;
    /// Most time buckets of a period, the smallest that the groups tell apart: 400 days have 9,600 hours.
    pub const BUCKETS: usize = 10_000;
    /// Most SIMs or devices that travel to the cubes for one question.
    pub const CARRIED: usize = 200_000;
    /// Most slices of a file that needs more: a row and a piece of the disk are held of each while they are put together.
    pub const SLICES: usize = 256;
    /// Most bytes of their rows that are spooled to the folder for temporary files before they are put together.
    pub(super) const SPOOL: u64 = 8 << 30;

    /// Seconds and bytes of memory that a statement may take. Who works for the tenant as a whole asks larger questions. A tenant's
    /// four together stay below the 4 GiB that the embedded engine has, so that records are counted meanwhile.
    pub const fn of_statement(role: Role) -> (u32, u64) {
        match role {
            Role::CustomerUser | Role::Viewer => (15, 384 << 20),
            _ => (30, 768 << 20),
        }
    }
}

/// Too much of something.
pub(super) fn beyond(what: &str, limit: usize, actual: u64) -> Error {
    Error::limit(
        format!("{what}: {actual}, and {limit} is the limit"),
        limit as u64,
        actual,
    )
}
