//! What counters stood at when a caller's part of a session began.
//!
//! Counters are totals of a session, and a session may go on while its SIM changes customers. What it used in another one's time is no business of
//! the caller, so what they are shown is counted from the last rollup before their own: its counters are taken off, until they begin again.

use std::collections::HashMap;

use clickhouse::Row;
use domain::{Result, Scope, scope::Segments};
use serde::Deserialize;
use uuid::Uuid;

use super::{read::Shown, scoped::Scoped};
use crate::Store;

/// The place of a rollup among those of its session: time, whether it ends it, and its counters.
type Place = (i64, bool, u64, u64);

/// From this rollup on so many bytes are taken off its counters, until the next such rollup.
#[derive(Row, Deserialize)]
struct Mark {
    #[serde(with = "clickhouse::serde::uuid")]
    session: Uuid,
    event_ms: i64,
    terminates: u8,
    counter_in: u64,
    counter_out: u64,
    base_in: u64,
    base_out: u64,
}

impl Mark {
    fn place(&self) -> Place {
        let terminates = self.terminates != 0;
        (self.event_ms, terminates, self.counter_in, self.counter_out)
    }
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
        let is_own = scoped.is_own();
        // A rollup that follows another one's, and one whose counters fell.
        let sql = format!(
            "SELECT session, event_ms, terminates, counter_in, counter_out,\n\
             if(has_fallen, 0, in_before) AS base_in, if(has_fallen, 0, out_before) AS base_out\n\
             FROM (\n\
             SELECT session, toUnixTimestamp64Milli(event_at) AS event_ms, toUInt8(request_type) AS terminates, counter_in, counter_out,\n\
             {is_own} AS is_own, lagInFrame(is_own, 1, 1) OVER w AS was_own,\n\
             lagInFrame(counter_in) OVER w AS in_before, lagInFrame(counter_out) OVER w AS out_before,\n\
             counter_in < in_before OR counter_out < out_before AS has_fallen\n\
             {}\n\
             WINDOW w AS (PARTITION BY session ORDER BY event_at, request_type, counter_in, counter_out, identity\n\
             ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)\n\
             )\n\
             WHERE is_own AND (NOT was_own OR has_fallen)\n\
             ORDER BY session, event_ms, terminates, counter_in, counter_out",
            scoped.all("session_log")
        );
        let mut marks: HashMap<Uuid, Vec<Mark>> = HashMap::new();
        for mark in self.session_lines::<Mark>(&scoped, &sql).await? {
            marks.entry(mark.session).or_default().push(mark);
        }
        for shown in &mut shown {
            let marks = marks.get(&shown.session).map_or(&[][..], Vec::as_slice);
            let passed = marks.partition_point(|mark| mark.place() <= place(shown));
            if let Some(mark) = marks[..passed].last() {
                shown.counter_in = shown.counter_in.saturating_sub(mark.base_in);
                shown.counter_out = shown.counter_out.saturating_sub(mark.base_out);
            }
        }
        Ok(shown)
    }
}
