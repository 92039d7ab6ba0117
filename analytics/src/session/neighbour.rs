//! What came just before and just after a late rollup, as the log has it.
//!
//! Exact, and in bounded memory: of each rollup that is asked about, the engine holds two places and no rows. First the days around are looked
//! at, which finds nearly all of them in a partition or two; the whole log is read only for those that have nobody there.

use std::{collections::HashMap, fmt::Write as _};

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

/// The rollups beside a place in a session. Each is the row by which it came, with what it counts now: corrections are added up.
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
    place: u32,
    has_before: u8,
    before_ms: i64,
    before: u128,
    has_after: u8,
    after_ms: i64,
    after: u128,
}

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
        for line in lines {
            let place = chunk.get(line.place as usize).copied();
            let place = place.and_then(|place| beside.get_mut(place));
            let place = place.ok_or_else(|| Error::internal("an answer to no question"))?;
            if line.has_before != 0 {
                place.before = Some((line.before_ms, Uuid::from_u128(line.before)));
            }
            if line.has_after != 0 {
                place.after = Some((line.after_ms, Uuid::from_u128(line.after)));
            }
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
             WHERE t.tenant = '{}' AND (t.sim, t.event_at, t.session, t.identity) IN ({keys})",
            tenant.uuid()
        );
        let lines: Vec<Line> = self
            .query(&sql)
            .with_setting("max_query_size", QUERY_BYTES)
            .fetch_all()
            .await
            .map_err(fault)?;
        let mut worth: HashMap<Uuid, Worth> = HashMap::with_capacity(lines.len());
        for line in lines {
            let row = line.row(tenant);
            let row = row.ok_or_else(|| Error::internal("a rollup outside of time"))?;
            worth.entry(row.identity).or_default().add(&row);
            if row.arrived {
                rows.insert((tenant, row.identity), row);
            }
        }
        for (identity, worth) in worth {
            if let Some(row) = rows.get_mut(&(tenant, identity)) {
                worth.put(row)?;
            }
        }
        Ok(())
    }
}

/// What a rollup counts, corrections added up.
#[derive(Clone, Copy, Debug, Default)]
struct Worth {
    up: i128,
    down: i128,
    sessions: i32,
    resets: i32,
}

impl Worth {
    fn add(&mut self, row: &SessionRow) {
        let sign = i32::from(row.sign);
        self.up += i128::from(row.bytes_up) * i128::from(sign);
        self.down += i128::from(row.bytes_down) * i128::from(sign);
        self.sessions += i32::from(row.sessions) * sign;
        self.resets += i32::from(row.resets) * sign;
    }

    fn put(self, row: &mut SessionRow) -> Result<()> {
        // Less than nothing: a correction without what it takes back.
        let broken = |_| Error::internal("the log has a correction of something else");
        row.bytes_up = self.up.try_into().map_err(broken)?;
        row.bytes_down = self.down.try_into().map_err(broken)?;
        row.sessions = self.sessions.try_into().map_err(broken)?;
        row.resets = self.resets.try_into().map_err(broken)?;
        Ok(())
    }
}

/// What is looked for together: a tenant's rollups of one day.
fn by_day(late: &Late) -> (TenantId, Option<NaiveDate>) {
    let at: Option<DateTime<Utc>> = DateTime::from_timestamp_millis(late.order.event_ms);
    (late.tenant, at.map(|at| at.date_naive()))
}

/// For each of the rollups at these places (by its number among them): the greatest place in its session that is less, and the least that is
/// greater. The rows of their SIMs stream past; what is kept are the places.
fn beside_sql(late: &[Late], chunk: &[usize], near: bool) -> String {
    let (mut wanted, mut sims) = (String::new(), String::new());
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    for (number, place) in chunk.iter().enumerate() {
        let Late {
            sim,
            session,
            order,
            ..
        } = &late[*place];
        // Writing to a String cannot fail.
        let _ = write!(
            wanted,
            "({number},'{}','{session}',{},{},{},{},'{}'),",
            sim.uuid(),
            order.event_ms,
            u8::from(order.terminates),
            order.counter_in,
            order.counter_out,
            order.identity,
        );
        let _ = write!(sims, "'{}',", sim.uuid());
        (first, last) = (first.min(order.event_ms), last.max(order.event_ms));
    }
    wanted.pop();
    sims.pop();
    let tenant = chunk
        .first()
        .map_or(Uuid::nil(), |at| late[*at].tenant.uuid());
    let around = if near {
        let margin = NEAR.num_milliseconds();
        format!(
            " AND event_at >= fromUnixTimestamp64Milli({}) AND event_at <= fromUnixTimestamp64Milli({})",
            first.saturating_sub(margin).max(0),
            last.saturating_add(margin)
        )
    } else {
        String::new()
    };
    format!(
        "SELECT place, toUInt8(countIf(own < asked) > 0) AS has_before, tupleElement(maxIf(own, own < asked) AS older, 1) AS before_ms, \
         tupleElement(older, 5) AS before, toUInt8(countIf(own > asked) > 0) AS has_after, \
         tupleElement(minIf(own, own > asked) AS newer, 1) AS after_ms, tupleElement(newer, 5) AS after\n\
         FROM (SELECT sim, session, tuple(toUnixTimestamp64Milli(event_at), toUInt8(request_type), counter_in, counter_out, \
         toUInt128(identity)) AS own FROM session_log WHERE tenant = '{tenant}' AND sim IN ({sims}) AND arrived = 1{around}) AS log\n\
         INNER JOIN (SELECT place, sim, session, tuple(ms, type, received, sent, toUInt128(identity)) AS asked \
         FROM values('place UInt32, sim UUID, session UUID, ms Int64, type UInt8, received UInt64, sent UInt64, identity UUID', {wanted})) \
         AS wanted USING (sim, session)\nGROUP BY place"
    )
}
