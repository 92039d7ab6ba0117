//! What came just before and just after a late rollup, as the log has it.
//!
//! Exact, and in bounded memory: of each rollup that is asked about, the engine holds a few places and no rows. First the days around are looked
//! at, which finds nearly all of them in a partition or two; the whole log is read only for those that have nobody there.
//!
//! The moments that are asked about cut each session into stretches. Of a stretch the engine finds the newest and the oldest rollup, so each row
//! of the log is held against the moment at either end of its stretch, however many are asked about; only at a moment itself all are compared. Who
//! has nobody in the stretch beside it has the neighbour of the next moment on that side.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::{Display, Write as _},
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clickhouse::Row;
use domain::{
    Error, Result,
    id::{SimId, TenantId},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Order, SessionRow,
    line::{COLUMNS, Line},
    store::{CHUNK, QUERY_BYTES, moment},
};
use crate::{Store, System, store::fault, verify::patient};

/// How far beyond their day neighbours are looked for first. Sessions report every few minutes.
const NEAR: TimeDelta = TimeDelta::hours(1);

/// A rollup whose neighbours are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Whose.
    pub tenant: TenantId,
    /// Of which SIM.
    pub sim: SimId,
    /// Of which session.
    pub session: Uuid,
    /// Its place.
    pub order: Order,
}

/// The rollups beside a place in a session. Each is the row by which it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// The newest of those that are older.
    pub before: Option<SessionRow>,
    /// The oldest of those that are newer.
    pub after: Option<SessionRow>,
}

/// A rollup by the key of the log: event time in milliseconds, and identity.
type Found = (i64, Uuid);

/// The neighbours of one rollup, by name.
#[derive(Clone, Copy, Debug, Default)]
struct Beside {
    before: Option<Found>,
    after: Option<Found>,
}

#[derive(Row, Deserialize)]
struct Answer {
    /// Of a [`Side`].
    side: u8,
    /// The first of those who ask about a moment, or who asks.
    number: u32,
    event_ms: i64,
    identity: u128,
}

/// Where a rollup was found.
#[derive(Clone, Copy, Debug)]
enum Side {
    /// The newest in the stretch before a moment.
    Before,
    /// The oldest in the stretch after it.
    After,
    /// The newest at the same moment that is older.
    SameBefore,
    /// The oldest at the same moment that is newer.
    SameAfter,
}

/// What was found, by side and number.
type Answers = BTreeMap<(u8, u32), Found>;

impl Store {
    /// What the log has just before and just after each of these, in their order. A rollup that the log has is no neighbour of itself.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn neighbours(&self, system: &System, late: &[Late]) -> Result<Vec<Neighbours>> {
        let mut beside = vec![Beside::default(); late.len()];
        let mut order: Vec<usize> = (0..late.len()).collect();
        order.sort_unstable_by_key(|at| by_day(&late[*at]));
        for day in order.chunk_by(|a, b| by_day(&late[*a]) == by_day(&late[*b])) {
            for chunk in day.chunks(CHUNK) {
                self.look_beside(late, chunk, true, &mut beside).await?;
            }
        }
        order.retain(|at| beside[*at].before.is_none() || beside[*at].after.is_none());
        for tenant in order.chunk_by(|a, b| late[*a].tenant == late[*b].tenant) {
            for chunk in tenant.chunks(CHUNK) {
                self.look_beside(late, chunk, false, &mut beside).await?;
            }
        }
        self.neighbours_of(system, late, &beside).await
    }

    /// Looks for what is beside the rollups at these places, on their day and around it (`near`), or everywhere.
    async fn look_beside(
        &self,
        late: &[Late],
        chunk: &[usize],
        near: bool,
        beside: &mut [Beside],
    ) -> Result<()> {
        let lines: Vec<Answer> = patient(self.query(&beside_sql(late, chunk, near)))
            .with_setting("max_query_size", QUERY_BYTES)
            .fetch_all()
            .await
            .map_err(fault)?;
        let answers: Answers = lines
            .into_iter()
            .map(|line| {
                let found = (line.event_ms, Uuid::from_u128(line.identity));
                ((line.side, line.number), found)
            })
            .collect();
        let mut asked: Vec<(u32, usize)> = (0..).zip(chunk.iter().copied()).collect();
        asked.sort_unstable_by_key(|(number, place)| (moment_of(&late[*place]), *number));
        for (place, found) in along(late, &asked, &answers, [Side::Before, Side::SameBefore]) {
            beside[place].before = found.or(beside[place].before);
        }
        asked.sort_unstable_by_key(|(number, place)| (Reverse(moment_of(&late[*place])), *number));
        for (place, found) in along(late, &asked, &answers, [Side::After, Side::SameAfter]) {
            beside[place].after = found.or(beside[place].after);
        }
        Ok(())
    }

    /// Reads the rollups that were found.
    async fn neighbours_of(
        &self,
        _: &System,
        late: &[Late],
        beside: &[Beside],
    ) -> Result<Vec<Neighbours>> {
        let named = |found: &Option<Found>, late: &Late| {
            found.map(|(event_ms, identity)| {
                (late.tenant, late.sim, event_ms, late.session, identity)
            })
        };
        let mut wanted: Vec<_> = (late.iter().zip(beside))
            .flat_map(|(late, beside)| [named(&beside.before, late), named(&beside.after, late)])
            .flatten()
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut rows: HashMap<(TenantId, Uuid), SessionRow> = HashMap::with_capacity(wanted.len());
        for same_tenant in wanted.chunk_by(|a, b| a.0 == b.0) {
            for chunk in same_tenant.chunks(CHUNK) {
                self.read_present(chunk, &mut rows).await?;
            }
        }
        let row = |found: Option<Found>, late: &Late| {
            let row = found.map(|(_, identity)| rows.get(&(late.tenant, identity)).cloned());
            // It was there a moment ago; a log that loses rows meanwhile proves nothing.
            row.map(|row| {
                row.ok_or_else(|| {
                    Error::unavailable("a rollup of the log went while it was read", "gone")
                })
            })
            .transpose()
        };
        (late.iter().zip(beside))
            .map(|(late, beside)| {
                Ok(Neighbours {
                    before: row(beside.before, late)?,
                    after: row(beside.after, late)?,
                })
            })
            .collect()
    }

    async fn read_present(
        &self,
        chunk: &[(TenantId, SimId, i64, Uuid, Uuid)],
        rows: &mut HashMap<(TenantId, Uuid), SessionRow>,
    ) -> Result<()> {
        let Some(tenant) = chunk.first().map(|first| first.0) else {
            return Ok(());
        };
        let mut keys = String::new();
        for (_, sim, event_ms, session, identity) in chunk {
            let at = DateTime::from_timestamp_millis(*event_ms);
            let at = moment(at.ok_or_else(|| Error::internal("a rollup outside of time"))?);
            // Writing to a String cannot fail.
            let _ = write!(keys, "('{}',{at},'{session}','{identity}'),", sim.uuid());
        }
        keys.pop();
        let sql = format!(
            "SELECT {COLUMNS}, toUnixTimestamp(apply_by) AS apply_by FROM session_log AS t \
             WHERE t.tenant = '{}' AND (t.sim, t.event_at, t.session, t.identity) IN ({keys}) AND arrived = 1",
            tenant.uuid()
        );
        let lines: Vec<Line> = self
            .query(&sql)
            .with_setting("max_query_size", QUERY_BYTES)
            .fetch_all()
            .await
            .map_err(fault)?;
        for line in lines {
            let row = line.row(tenant);
            let row = row.ok_or_else(|| Error::internal("a rollup outside of time"))?;
            rows.insert((tenant, row.identity), row);
        }
        Ok(())
    }
}

/// What is looked for together: a tenant's rollups of one day.
fn by_day(late: &Late) -> (TenantId, Option<NaiveDate>) {
    let at: Option<DateTime<Utc>> = DateTime::from_timestamp_millis(late.order.event_ms);
    (late.tenant, at.map(|at| at.date_naive()))
}

/// A moment of a session: what stands beside it is looked for once, whoever asks.
fn moment_of(late: &Late) -> (SimId, Uuid, i64) {
    (late.sim, late.session, late.order.event_ms)
}

/// Who asked (number and place), by moment in the direction that leads away from the side that is looked at, each place with what is beside it: at
/// its own moment, in the stretch before that, or as the moment before it.
fn along<'a>(
    late: &'a [Late],
    asked: &'a [(u32, usize)],
    answers: &'a Answers,
    [stretch, same]: [Side; 2],
) -> impl Iterator<Item = (usize, Option<Found>)> {
    let moments = asked.chunk_by(move |a, b| moment_of(&late[a.1]) == moment_of(&late[b.1]));
    let session = move |place: usize| (late[place].sim, late[place].session);
    let mut last = None;
    moments.flat_map(move |moment| {
        let (first, place) = moment[0];
        let (known, found) = last.unwrap_or((session(place), None));
        let passed = found.filter(|_| known == session(place));
        let beside = answers.get(&(stretch as u8, first)).copied().or(passed);
        last = Some((session(place), beside));
        let own = move |number: u32| answers.get(&(same as u8, number)).copied();
        (moment.iter()).map(move |(number, place)| (*place, own(*number).or(beside)))
    })
}

/// For the rollups at these places (by their number among them): of each moment that they are asked for at, the newest and the oldest in the
/// stretches beside it, and of each of them the neighbours at the very same moment. The rows of their SIMs stream past; what is kept are
/// places.
fn beside_sql(late: &[Late], chunk: &[usize], near: bool) -> String {
    let asked = || chunk.iter().map(|place| &late[*place]);
    let sims: BTreeSet<Uuid> = asked().map(|late| late.sim.uuid()).collect();
    let sims: Vec<String> = sims.iter().map(|sim| format!("'{sim}'")).collect();
    let moments = || asked().map(|late| late.order.event_ms);
    let (first, last) = (moments().min(), moments().max());
    // One literal for each column: it is read many times faster than a tuple for each rollup.
    let wanted = [
        array(0..chunk.len()),
        array(asked().map(|late| format!("'{}'", late.sim.uuid()))),
        array(asked().map(|late| format!("'{}'", late.session))),
        array(moments()),
        array(asked().map(|late| u8::from(late.order.terminates))),
        array(asked().map(|late| late.order.counter_in)),
        array(asked().map(|late| late.order.counter_out)),
        array(asked().map(|late| format!("'{}'", late.order.identity))),
    ];
    let tenant = chunk
        .first()
        .map_or(Uuid::nil(), |at| late[*at].tenant.uuid());
    let around = if near {
        let margin = NEAR.num_milliseconds();
        format!(
            " AND event_at >= fromUnixTimestamp64Milli({}) AND event_at <= fromUnixTimestamp64Milli({})",
            first.unwrap_or_default().saturating_sub(margin).max(0),
            last.unwrap_or_default().saturating_add(margin)
        )
    } else {
        String::new()
    };
    let stretch = |side: Side, nearest: &str, sign: &str| {
        format!(
            "SELECT toUInt8({}) AS side, number, {nearest}(own) AS found FROM log ASOF INNER JOIN moments \
             ON log.sim = moments.sim AND log.session = moments.session AND log.ms {sign} moments.ms GROUP BY number",
            side as u8
        )
    };
    let same = |side: Side, nearest: &str, sign: &str| {
        format!(
            "SELECT toUInt8({}) AS side, number, {nearest}(own) AS found FROM log INNER JOIN wanted USING (sim, session, ms) \
             WHERE own {sign} asked GROUP BY number",
            side as u8
        )
    };
    let sides = [
        stretch(Side::Before, "max", "<"),
        stretch(Side::After, "min", ">"),
        same(Side::SameBefore, "max", "<"),
        same(Side::SameAfter, "min", ">"),
    ];
    format!(
        "WITH wanted AS (SELECT toUInt32(tupleElement(row, 1)) AS number, toUUID(tupleElement(row, 2)) AS sim, \
         toUUID(tupleElement(row, 3)) AS session, toInt64(tupleElement(row, 4)) AS ms, \
         tuple(ms, toUInt8(tupleElement(row, 5)), toUInt64(tupleElement(row, 6)), toUInt64(tupleElement(row, 7)), \
         toUInt128(toUUID(tupleElement(row, 8)))) AS asked FROM (SELECT arrayJoin(arrayZip({})) AS row)),\n\
         moments AS (SELECT sim, session, ms, min(number) AS number FROM wanted GROUP BY sim, session, ms),\n\
         log AS (SELECT sim, session, toUnixTimestamp64Milli(event_at) AS ms, \
         tuple(ms, toUInt8(request_type), counter_in, counter_out, toUInt128(identity)) AS own \
         FROM session_log WHERE tenant = '{tenant}' AND sim IN ({}) AND arrived = 1{around})\n\
         SELECT side, number, tupleElement(found, 1) AS event_ms, tupleElement(found, 5) AS identity FROM (\n{}\n)",
        wanted.join(", "),
        sims.join(","),
        sides.join("\nUNION ALL\n")
    )
}

fn array(values: impl Iterator<Item = impl Display>) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    format!("[{}]", values.join(","))
}
