//! What intake may use, and which records it takes.

use std::time::Duration;

use chrono::TimeDelta;

use crate::read::BodyLimits;

/// What intake may use, and how far from now a record may be.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Sizes of a body and its parts.
    pub limits: BodyLimits,
    /// Bytes of bodies that are read or wait, of all tenants; each tenant has a share.
    pub memory: u64,
    /// Deliveries of one body under way at the same time.
    pub depth: usize,
    /// Batches under way at the same time.
    pub batches: usize,
    /// Batches being applied at the same time. Each holds a connection to Postgres meanwhile, so this is less than the
    /// pool has.
    pub applies: usize,
    /// How long a delivery waits for others while a batch is under way.
    pub linger: Duration,
    /// SIMs whose assignments are kept in memory, some 400 bytes each; see [`domain::sim::resolve::Resolver`].
    pub known_sims: u64,
    /// Bytes of filters over identities of earlier months that are kept in memory; see [`domain::journal::Older`].
    pub filter_bytes: u64,
    /// How long a body waits for room before it is turned away.
    pub admission: Duration,
    /// How long a reply waits for its records to be journaled.
    pub journal: Duration,
    /// How long a reply waits, from its commit, for its records to be counted.
    pub answer: Duration,
    /// How long messages of a topic wait, from their commit, to be counted, while those behind them stay in the topic.
    pub patience: Duration,
    /// Rejections listed in a reply; the rest is counted.
    pub listed_rejections: usize,
    /// Sources that one tenant may name, ever.
    pub sources: u32,
    /// Records that start longer ago are too old; of a tenant that does not keep its records for long, earlier ones are, too. Identities
    /// are kept for longer than this.
    pub past: TimeDelta,
    /// Records that start further ahead are in the future; clocks differ a little.
    pub future: TimeDelta,
    /// How long a payload is kept after its batch was received, at least. Then its rows are looked up, and it is dropped if
    /// they are all there.
    pub keep: TimeDelta,
    /// How long an insert may take to begin. After it a batch that is not counted is settled, by any process.
    pub takeover: TimeDelta,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: BodyLimits::default(),
            memory: 256 << 20,
            depth: 3,
            batches: 3,
            applies: 3,
            linger: Duration::from_millis(10),
            known_sims: 200_000,
            filter_bytes: 256 << 20,
            admission: Duration::from_secs(2),
            journal: Duration::from_secs(15),
            answer: Duration::from_secs(5),
            patience: Duration::from_hours(1),
            listed_rejections: 1_000,
            sources: 1_000,
            past: TimeDelta::days(365),
            future: TimeDelta::hours(1),
            keep: TimeDelta::minutes(5),
            takeover: TimeDelta::seconds(4),
        }
    }
}
