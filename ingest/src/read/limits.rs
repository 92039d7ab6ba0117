//! How large a body may be, and how slow.

use std::time::Duration;

/// What one body may cost.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Most bytes of one record; a longer one is refused, its neighbours are not.
    pub record_bytes: usize,
    /// Most records of one batch.
    pub batch_records: usize,
    /// Most bytes of one batch, decompressed.
    pub batch_bytes: usize,
    /// Most bytes of a body that is read whole, decompressed. Lines are not limited.
    pub body_bytes: usize,
    /// Most bytes that one compressed byte may become. Usage records compress 10 to 30 times; a gzip bomb 1,000 times.
    pub expansion: u64,
    /// Decompressed bytes up to which the expansion is not looked at.
    pub expansion_free_bytes: u64,
    /// How long a sender may be silent in the middle of a body.
    pub silence: Duration,
    /// Bytes per second, as sent, that come at least, unless whole records come.
    pub rate: u64,
    /// The time over which the rate is measured, and in which a whole record excuses a lower one.
    pub rate_window: Duration,
    /// How long a whole line waits for others before it is passed on.
    pub linger: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            record_bytes: 256 * 1024,
            batch_records: 10_000,
            batch_bytes: 8 * 1024 * 1024,
            body_bytes: 10 * 1024 * 1024,
            expansion: 100,
            expansion_free_bytes: 1024 * 1024,
            silence: Duration::from_secs(30),
            rate: 1024,
            rate_window: Duration::from_secs(30),
            linger: Duration::from_secs(1),
        }
    }
}
