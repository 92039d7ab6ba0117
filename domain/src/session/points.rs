//! The points that are kept of a session, and why they are enough.
//!
//! A rollup needs the two that stand right before and right after it. They are in the log of sessions or among the points, which keep
//!
//! 1. the *newest* one: whatever is newer needs no other;
//! 2. those that are not *settled*: their batch may not be in the log yet, or not be whole there. A batch is settled when its payload is
//!    gone, and by then its rows were seen in the log;
//! 3. those after which nothing came for longer than [`GAP`], as far as none stands between them and the horizon.
//!
//! The log keeps what was made in the days of the retention and a day more. Let a rollup *x* be taken in, so that it was made after the
//! *horizon*, which moves on with time and never back. After a longer retention was set, the horizon waits behind that moment until the longer
//! days have come to it, by [`GAP`] and some time for clocks: what came before was stored for the shorter ones and may have gone.
//!
//! - The one after *x* was made after the horizon, too. So the log keeps it, or it is not settled and a point.
//! - The one before *x*, *p*, may be older. If it is not settled, it is a point. Otherwise let *s* be the one after *p*. There is none: *p* is the
//!   newest, and a point. Or *s* came within the gap: then *p* is older than the horizon by the gap at most, because *s* is not older than *x*
//!   (nothing is between *p* and *x*). The log keeps *p* for a whole day beyond the horizon, or, where the horizon waits, *p* was made after
//!   the longer retention was set and is kept by that. Or it came later: then *p* is a
//!   point, unless another one, *q*, stands between *p* and a horizon of then. But the horizon has only moved on since, so *q* is older than
//!   *x*, and *p* is not the one before *x*.
//!
//! Half a day is between what the log keeps and the gap, and what passes for older than the horizon is older by as much, so clocks of servers
//! may differ by hours. A session of which nothing came for so long that whatever comes next would begin another one ([`super::FORGET`]) need
//! not be kept at all ([`forgotten_before`]).
//!
//! What need not be kept is deleted when its session is touched next, so what is kept follows the number of sessions, not of rollups.
//!
//! Of a session that reports faster than batches settle much is kept for some minutes, and little of it is needed: a batch reads what was made
//! from the newest point on that is older than all of its rollups, which has whatever they repeat and stand beside; and of what is older, the
//! points that have a gap and those that are settled, which may go.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    Entry, FORGET, Order, Point, Reading,
    entries::{Points, entries},
};
use crate::id::BatchId;

/// What stands longer before the next one is not left to the log: half of what the log keeps beyond the retention.
pub const GAP: TimeDelta = TimeDelta::hours(12);

/// A point as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The rollup.
    pub point: Point,
    /// The part that counts it.
    pub part: i64,
    /// The batch that it came in.
    pub batch: BatchId,
    /// Whether that batch was seen whole in the log.
    pub is_settled: bool,
    /// Whether nothing came for longer than [`GAP`] after it.
    pub has_gap: bool,
}

/// What a rollup is to what is kept of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// One of the points, counted by this part.
    Repeats(i64),
    /// Newer than all of its session.
    Newest,
    /// Older than its newest one: whether it is a repeated one, and what stands beside it, is in the log.
    Late,
}

/// What rollups are told by, of all that is kept of their session.
pub struct Sights {
    parts: HashMap<Uuid, i64>,
    newest: Option<Order>,
}

impl Sights {
    /// By the points `kept` of a session.
    pub fn by(kept: &[Kept]) -> Self {
        let readings = kept.iter().map(|kept| &kept.point.reading);
        let parts = kept
            .iter()
            .map(|kept| (kept.point.reading.identity, kept.part));
        Self {
            parts: parts.collect(),
            newest: readings.map(Reading::order).max(),
        }
    }

    /// What a rollup of the session is.
    pub fn sight(&self, reading: &Reading) -> Sight {
        if let Some(part) = self.parts.get(&reading.identity) {
            return Sight::Repeats(*part);
        }
        match self.newest {
            Some(newest) if newest > reading.order() => Sight::Late,
            _ => Sight::Newest,
        }
    }
}

/// What a session comes to when rollups arrive.
#[derive(Debug, PartialEq, Eq)]
pub struct Touched<'a> {
    /// The rows that they make.
    pub entries: Vec<Entry<'a>>,
    /// Points to be added, and whether they have a gap.
    pub added: Vec<(&'a Point, bool)>,
    /// Points that have a gap now, or have none any more.
    pub gaps: Vec<(Uuid, bool)>,
    /// Points that need not be kept.
    pub gone: Vec<Uuid>,
}

/// Enters rollups that `arrived`, none of which is there yet, into a session with the points `kept`. `logged` has what stands beside those
/// that are [`Sight::Late`] in the log, and may have more. The horizon is that of now.
pub fn touch<'a>(
    kept: &'a [Kept],
    logged: &'a [Point],
    arrived: &'a [Point],
    horizon: DateTime<Utc>,
) -> Touched<'a> {
    let placed = |point: &'a Point| (point.reading.order(), point);
    let points = kept.iter().map(|kept| &kept.point);
    let known: Points<'a> = points.chain(logged).map(placed).collect();
    let new: Points<'a> = arrived.iter().map(placed).collect();
    let all: Points<'a> = known.iter().chain(&new).map(|(o, p)| (*o, *p)).collect();
    let gaps = gaps(&all, &new);
    let gap_of = |point: &Point| gaps.get(&point.reading.identity).copied();
    let added = new
        .values()
        .map(|point| (*point, gap_of(point).unwrap_or(false)));
    let moved = kept.iter().filter_map(|kept| {
        let has_gap = gap_of(&kept.point).filter(|has_gap| *has_gap != kept.has_gap)?;
        Some((kept.point.reading.identity, has_gap))
    });
    let (added, moved): (Vec<_>, Vec<_>) = (added.collect(), moved.collect());
    let gone = gone(kept, &all, &gaps, horizon);
    let is_gone: HashSet<Uuid> = gone.iter().copied().collect();
    Touched {
        entries: entries(&known, &new),
        added,
        gaps: moved
            .into_iter()
            .filter(|(identity, _)| !is_gone.contains(identity))
            .collect(),
        gone,
    }
}

/// Which of the points, by identity, have a gap after them, as far as something that arrived stands beside them. Only there what stands next
/// is known: a point's next one may be in the log, and what was found out about that when it came still holds.
fn gaps(all: &Points<'_>, new: &Points<'_>) -> BTreeMap<Uuid, bool> {
    let pairs = all.iter().zip(all.iter().skip(1));
    let beside = pairs.filter(|((a, _), (b, _))| new.contains_key(a) || new.contains_key(b));
    let gap = |((_, point), (_, next)): ((&Order, &&Point), (&Order, &&Point))| {
        let (at, then) = (point.reading.event_at, next.reading.event_at);
        (point.reading.identity, then - at > GAP)
    };
    beside.map(gap).collect()
}

/// Those of `kept` that nothing needs.
fn gone(
    kept: &[Kept],
    all: &Points<'_>,
    gaps: &BTreeMap<Uuid, bool>,
    horizon: DateTime<Utc>,
) -> Vec<Uuid> {
    let newest = all.last_key_value().map(|(order, _)| *order);
    let old = all
        .iter()
        .filter(|(_, point)| point.reading.event_at < horizon - GAP);
    let newest_old = old.map(|(order, _)| *order).max();
    let is_needed = |kept: &&Kept| {
        let reading = &kept.point.reading;
        let order = Some(reading.order());
        let has_gap = gaps.get(&reading.identity).copied();
        !kept.is_settled
            || order == newest
            || has_gap.unwrap_or(kept.has_gap) && order >= newest_old
    };
    let gone = kept.iter().filter(|kept| !is_needed(kept));
    gone.map(|kept| kept.point.reading.identity).collect()
}

/// A session whose newest rollup was made before this need not be known any more: whatever is taken in after it begins another one.
pub fn forgotten_before(horizon: DateTime<Utc>) -> DateTime<Utc> {
    horizon - FORGET - GAP
}
