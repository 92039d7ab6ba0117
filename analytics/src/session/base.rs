//! What counters stood at when a caller's part of a session began.
//!
//! Counters are totals of a session, and a session may go on while its SIM changes customers. What it used in another one's time is no business of
//! the caller, so what they are shown is counted from the last rollup before their own: its counters are taken off, each until it begins again.
//!
//! What that rollup said is asked of the one after it: its counters less what it counts, corrections included. So the rule of what counts
//! ([`domain::session::usage`]) stands in one place, and it does not matter whether the log still has the rollup before: the first of a session
//! that it has follows nobody known, and a session that began before the log is counted from there, whoever had the SIM until then.

use std::collections::HashMap;

use clickhouse::Row;
use domain::{Result, Scope, scope::Segments};
use serde::Deserialize;
use uuid::Uuid;

use super::{read::Shown, scoped::Scoped};
use crate::Store;

/// The place of a rollup among those of its session: time, whether it ends it, and its counters.
type Place = (i64, bool, u64, u64);

/// A rollup of the caller's that follows none of theirs, or with which a counter began again.
#[derive(Clone, Debug, Row, Deserialize)]
struct Mark {
    #[serde(with = "clickhouse::serde::uuid")]
    session: Uuid,
    event_ms: i64,
    terminates: u8,
    counter_in: u64,
    counter_out: u64,
    /// What it counts.
    counted_in: u64,
    counted_out: u64,
    /// Whether the one before it in the log is the caller's.
    follows_own: u8,
}

impl Mark {
    fn place(&self) -> Place {
        let terminates = self.terminates != 0;
        (self.event_ms, terminates, self.counter_in, self.counter_out)
    }
}

/// What is taken off the counters that a caller is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Base {
    counter_in: u64,
    counter_out: u64,
}

impl Base {
    /// What is taken off from a mark on. Each direction for itself: a session in which one begins again goes on.
    fn from(self, mark: &Mark) -> Self {
        let of = |base: u64, counter: u64, counted: u64| {
            let before = counter.saturating_sub(counted);
            let is_kept = mark.follows_own != 0 && before > 0;
            if is_kept { base } else { before }
        };
        Self {
            counter_in: of(self.counter_in, mark.counter_in, mark.counted_in),
            counter_out: of(self.counter_out, mark.counter_out, mark.counted_out),
        }
    }
}

/// What is taken off from each of the marks of a session on; they come in order.
fn bases(marks: &[Mark]) -> Vec<(Place, Base)> {
    let bases = marks.iter().scan(Base::default(), |base, mark| {
        *base = base.from(mark);
        Some((mark.place(), *base))
    });
    bases.collect()
}

fn place(shown: &Shown) -> Place {
    let terminates = shown.place.terminates;
    (
        shown.place.event_ms,
        terminates,
        shown.counter_in,
        shown.counter_out,
    )
}

impl Store {
    /// The same rollups with the counters that the caller is shown. Callers who see all of the tenant are shown them as they came.
    pub(super) async fn counted_from_the_callers_time(
        &self,
        scope: &Scope,
        mut shown: Vec<Shown>,
    ) -> Result<Vec<Shown>> {
        if shown.is_empty() || matches!(scope.segments(), Segments::All) {
            return Ok(shown);
        }
        let scoped = Scoped::whole_sessions(scope, &shown)?;
        let sql = marks_sql(&scoped);
        let marks: Vec<Mark> = self.session_lines(&scoped, &sql).await?;
        let bases: HashMap<Uuid, Vec<(Place, Base)>> = marks
            .chunk_by(|a, b| a.session == b.session)
            .map(|of_one| (of_one[0].session, bases(of_one)))
            .collect();
        for shown in &mut shown {
            let bases = bases.get(&shown.session).map_or(&[][..], Vec::as_slice);
            let passed = bases.partition_point(|(from, _)| *from <= place(shown));
            // One of which the log has nothing, when it is read a moment after what is live, is shown without bytes rather than with another's.
            let (base_in, base_out) = bases[..passed]
                .last()
                .map_or((shown.counter_in, shown.counter_out), |(_, base)| {
                    (base.counter_in, base.counter_out)
                });
            shown.counter_in = shown.counter_in.saturating_sub(base_in);
            shown.counter_out = shown.counter_out.saturating_sub(base_out);
        }
        Ok(shown)
    }
}

/// The marks of whole sessions. A row that is there twice, until it is settled, counts once.
fn marks_sql(scoped: &Scoped) -> String {
    let is_own = scoped.is_own();
    let rows = scoped.all("session_log");
    format!(
        "SELECT session, toUnixTimestamp64Milli(event_at) AS event_ms, toUInt8(request_type) AS terminates, counter_in, counter_out,\n\
         counted_in, counted_out, follows_own\n\
         FROM (\n\
         SELECT *, lagInFrame(is_own) OVER (PARTITION BY session ORDER BY event_at, request_type, counter_in, counter_out, toUInt128(identity)\n\
         ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS follows_own\n\
         FROM (\n\
         SELECT session, event_at, request_type, counter_in, counter_out, identity, toUInt8(max(of_caller)) AS is_own,\n\
         toUInt64(greatest(sum(toInt128(bytes_up) * sign), 0)) AS counted_in,\n\
         toUInt64(greatest(sum(toInt128(bytes_down) * sign), 0)) AS counted_out,\n\
         sum((toInt64(sessions) + resets) * sign) > 0 AS begins\n\
         FROM (\n\
         SELECT DISTINCT session, event_at, request_type, counter_in, counter_out, identity, sign, arrived, batch,\n\
         bytes_up, bytes_down, sessions, resets, {is_own} AS of_caller\n\
         {rows}\n\
         )\n\
         GROUP BY session, event_at, request_type, counter_in, counter_out, identity\n\
         HAVING max(arrived) = 1\n\
         )\n\
         )\n\
         WHERE is_own AND (NOT follows_own OR begins)\n\
         ORDER BY session, event_ms, terminates, counter_in, counter_out, toUInt128(identity)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rollup by its counters and what it counts; whether it follows one of the caller's.
    fn mark(event_ms: i64, counters: [u64; 2], counted: [u64; 2], follows_own: bool) -> Mark {
        Mark {
            session: Uuid::nil(),
            event_ms,
            terminates: 0,
            counter_in: counters[0],
            counter_out: counters[1],
            counted_in: counted[0],
            counted_out: counted[1],
            follows_own: follows_own.into(),
        }
    }

    fn taken_off(marks: &[Mark]) -> Vec<(u64, u64)> {
        let bases = bases(marks).into_iter();
        bases
            .map(|(_, base)| (base.counter_in, base.counter_out))
            .collect()
    }

    #[test]
    fn a_direction_that_begins_again_leaves_the_other_one_as_it_is() {
        let own = mark(1, [1_500, 1_500], [500, 500], false);
        let fell = mark(2, [5, 1_600], [5, 100], true);
        let both = mark(3, [1, 2], [1, 2], true);
        let expected = [(1_000, 1_000), (0, 1_000), (0, 0)];
        assert_eq!(taken_off(&[own, fell, both]), expected);
    }

    #[test]
    fn a_direction_may_begin_again_with_the_first_rollup_of_the_callers() {
        let first = mark(1, [5, 1_600], [5, 600], false);
        assert_eq!(taken_off(&[first]), [(0, 1_000)]);
    }

    #[test]
    fn a_session_that_begins_with_the_caller_or_anew_is_shown_whole() {
        let first = mark(1, [70, 80], [70, 80], false);
        // After an end both count whole, also the one that did not fall.
        let anew = mark(2, [60, 900], [60, 900], true);
        assert_eq!(taken_off(&[first, anew]), [(0, 0), (0, 0)]);
    }

    #[test]
    fn of_a_session_that_began_before_the_log_what_came_before_is_taken_off() {
        let first = mark(1, [1_200, 30], [200, 30], false);
        assert_eq!(taken_off(&[first]), [(1_000, 0)]);
    }

    #[test]
    fn whoever_gets_a_sim_back_is_counted_from_then_on() {
        // K 10, L 25, K 40, and a reset of L's, K 12.
        let marks = [
            mark(1, [10, 100], [10, 100], false),
            mark(3, [40, 400], [15, 150], false),
            mark(5, [12, 500], [5, 50], false),
            mark(6, [3, 510], [3, 10], true),
        ];
        let expected = [(0, 0), (25, 250), (7, 450), (0, 450)];
        assert_eq!(taken_off(&marks), expected);
    }

    #[test]
    fn what_cannot_be_never_takes_off_less_than_nothing() {
        let odd = mark(1, [1, 1], [u64::MAX, 2], false);
        assert_eq!(taken_off(&[odd]), [(0, 0)]);
    }
}
