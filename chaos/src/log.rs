//! What happened in a run, and how often.

use std::{
    fmt,
    fs::File,
    io::Write as _,
    ops::AddAssign,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// How often each thing happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Servers killed.
    pub(crate) kills: u64,
    /// Servers stopped in their tracks, longer than the take-over.
    pub(crate) stops: u64,
    /// Servers asked to end.
    pub(crate) ends: u64,
    /// Kills of the engines, with or without their Postgres.
    pub(crate) engine_kills: u64,
    /// Disks filled.
    pub(crate) full_disks: u64,
    /// Kills, stops and ends of the broker.
    pub(crate) broker_faults: u64,
    /// Processes that ended by themselves and were started again.
    pub(crate) own_ends: u64,
    /// Deliveries answered 200.
    pub(crate) answered: u64,
    /// Deliveries that had to be repeated.
    pub(crate) retries: u64,
    /// Of these, answered 429.
    pub(crate) throttled: u64,
    /// Of these, answered 503.
    pub(crate) unavailable: u64,
    /// Of these, answered with another failure of the server.
    pub(crate) failed: u64,
    /// Records delivered.
    pub(crate) records: u64,
    /// Messages that were read from topics.
    pub(crate) messages: u64,
    /// From the end of the last fault until every server was ready, at most.
    pub(crate) slowest_ready: Duration,
    /// Things that are not as promised.
    pub(crate) differences: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.stops += other.stops;
        self.ends += other.ends;
        self.engine_kills += other.engine_kills;
        self.full_disks += other.full_disks;
        self.broker_faults += other.broker_faults;
        self.messages += other.messages;
        self.own_ends += other.own_ends;
        self.answered += other.answered;
        self.retries += other.retries;
        self.throttled += other.throttled;
        self.unavailable += other.unavailable;
        self.failed += other.failed;
        self.records += other.records;
        self.slowest_ready = self.slowest_ready.max(other.slowest_ready);
        self.differences += other.differences;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records, {} messages; {} kills, {} stops, {} ends, {} engine kills, {} full disks, {} broker faults, \
             {} ended by themselves; \
             {} deliveries answered, {} repeated ({} for 503, {} for 500, {} for 429); ready after {:.1} s; {} differences",
            self.records,
            self.messages,
            self.kills,
            self.stops,
            self.ends,
            self.engine_kills,
            self.full_disks,
            self.broker_faults,
            self.own_ends,
            self.answered,
            self.retries,
            self.unavailable,
            self.failed,
            self.throttled,
            self.slowest_ready.as_secs_f64(),
            self.differences
        )
    }
}

/// The account of one run: a file of events, the counts, and what is not as promised.
pub(crate) struct Log {
    begun: Instant,
    state: Mutex<State>,
}

struct State {
    file: File,
    tally: Tally,
    differences: Vec<String>,
}

impl Log {
    /// Begins an account in the file `path`.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let state = Mutex::new(State {
            file,
            tally: Tally::default(),
            differences: Vec::new(),
        });
        Ok(Self {
            begun: Instant::now(),
            state,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an event down.
    pub(crate) fn event(&self, text: impl fmt::Display) {
        let at = self.begun.elapsed().as_secs_f64();
        // An account that cannot be written is no reason to stop the run: what counts is printed.
        writeln!(self.lock().file, "{at:8.3} {text}").ok();
    }

    /// Counts something.
    pub(crate) fn count(&self, one: impl FnOnce(&mut Tally)) {
        one(&mut self.lock().tally);
    }

    /// Notes that something is not as promised.
    pub(crate) fn differs(&self, text: String) {
        self.event(format_args!("DIFFERS: {text}"));
        let mut state = self.lock();
        state.tally.differences += 1;
        state.differences.push(text);
    }

    /// The counts so far.
    pub(crate) fn tally(&self) -> Tally {
        self.lock().tally
    }

    /// What was noted so far.
    pub(crate) fn differences(&self) -> Vec<String> {
        self.lock().differences.clone()
    }
}
