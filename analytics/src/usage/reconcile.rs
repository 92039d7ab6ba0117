//! What SIMs used by usage records and by sessions, side by side: where the two disagree, and by how much.
//!
//! Both are read from the cubes of days, by one statement. What the caller may see of either is what its other questions are answered from.

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{Error, Period, Permission, Result, Scope, id::SimId, usage::Source};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Provenance,
    answer::provenance,
    scoped::{Parameter, Scoped},
    tile::seconds,
    times::within_cubes,
    watermark::received,
};
use crate::{
    Store,
    cube::{Cube, Level, Table},
    family::Family,
};

/// The days that are compared.
const DAYS: Table = Table::Cube(Cube::Full(Level::Day));

/// Which SIMs and days are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Reconciling {
    /// The days that meet it (UTC).
    pub period: Period,
    /// At most so many of them.
    pub first: u32,
    /// After those that are passed over.
    pub offset: u32,
}

/// Bytes by each way of counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Sent by the device.
    pub up: i128,
    /// Received by it.
    pub down: i128,
}

/// What both sources say of the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// By usage records.
    pub cdr: Bytes,
    /// By sessions.
    pub session: Bytes,
}

impl Pair {
    /// What sessions have more than usage records; less than nothing where they have less.
    pub const fn difference(self) -> Bytes {
        Bytes {
            up: self.session.up - self.cdr.up,
            down: self.session.down - self.cdr.down,
        }
    }

    /// How far both directions are apart, together.
    fn apart(self) -> i128 {
        let Bytes { up, down } = self.difference();
        up.abs() + down.abs()
    }
}

/// A SIM on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The SIM.
    pub sim: SimId,
    /// First moment of the day (UTC).
    pub day: DateTime<Utc>,
    /// What both say of it.
    pub bytes: Pair,
}

/// Both sources side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciliation {
    /// The days that were compared.
    pub period: Period,
    /// Where they disagree, those that are furthest apart in both directions together first; ties by SIM and day.
    pub rows: Vec<Disagreement>,
    /// Whether there are more.
    pub truncated: bool,
    /// The whole period, whatever is shown of it.
    pub totals: Pair,
    /// SIMs and days of which either source has something.
    pub compared: u64,
    /// Those on which they disagree.
    pub differing: u64,
    /// Where it comes from: usage records, then sessions.
    pub provenance: Vec<Provenance>,
}

/// A SIM on a day (kind 0), the whole (1), or the watermark of usage records (2) or sessions (3).
#[derive(Debug, Row, Deserialize)]
struct Line {
    kind: u8,
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    day: u32,
    cdr_up: i128,
    cdr_down: i128,
    session_up: i128,
    session_down: i128,
    compared: u64,
    differing: u64,
    watermark: i64,
}

impl Line {
    const fn bytes(&self) -> Pair {
        Pair {
            cdr: Bytes {
                up: self.cdr_up,
                down: self.cdr_down,
            },
            session: Bytes {
                up: self.session_up,
                down: self.session_down,
            },
        }
    }
}

impl Store {
    /// Where usage records and sessions disagree, by SIM and day (UTC). It is for those who look after intake.
    ///
    /// # Errors
    /// `FORBIDDEN` to others, and where usage or SIMs are closed to the caller; `INVALID_INPUT` for a period that no cube holds;
    /// `LIMIT_EXCEEDED` when it needs too much memory or time.
    pub async fn reconcile(&self, scope: &Scope, asked: Reconciling) -> Result<Reconciliation> {
        scope.require(Permission::IngestRead)?;
        scope.require(Permission::SimsRead)?;
        within_cubes(asked.period)?;
        let period = Level::Day.widened(asked.period)?;
        let mut scoped = Scoped::new(scope, Family::Cdr)?;
        let sql = sql(&mut scoped, period, asked);
        let lines = self.ask(scope, &sql, &scoped.parameters).await?;
        read(period, asked, lines)
    }
}

/// One line for each SIM and day on which the sources disagree, as many as are wanted and one more, one for the whole, and one for the
/// watermark of each source.
fn sql(scoped: &mut Scoped, period: Period, asked: Reconciling) -> String {
    let span = [seconds(period.from()), seconds(period.to())];
    let (mut reads, mut watermarks) = (Vec::new(), String::new());
    for (source, kind) in [(Source::Cdr, 2), (Source::Session, 3)] {
        scoped.family = source.into();
        let of = |counted: Source, column: &str| {
            if counted == source {
                format!("toInt128({column})")
            } else {
                "toInt128(0)".to_owned()
            }
        };
        let columns = format!(
            "sim, period, {} AS up_of_cdr, {} AS down_of_cdr, {} AS up_of_session, {} AS down_of_session, \
             {} AS records_of_cdr, {} AS records_of_session",
            of(Source::Cdr, "bytes_up"),
            of(Source::Cdr, "bytes_down"),
            of(Source::Session, "bytes_up"),
            of(Source::Session, "bytes_down"),
            of(Source::Cdr, "records"),
            of(Source::Session, "records"),
        );
        reads.push(scoped.own(&columns, DAYS, &[span], &[]));
        watermarks.push_str(&format!(
            "\nUNION ALL\nSELECT toUInt8({kind}), toUUID('{}'), toUInt32(0), toInt128(0), toInt128(0), toInt128(0), toInt128(0), \
             toUInt64(0), toUInt64(0), toUnixTimestamp64Milli(max(received_at))\n{}",
            Uuid::nil(),
            scoped.years(),
        ));
    }
    let most = asked.first.saturating_add(asked.offset).saturating_add(1);
    let most = scoped.parameters.bind(Parameter::Number(most));
    format!(
        "SELECT kind, sim, toUnixTimestamp(period) AS day, all_cdr_up AS cdr_up, all_cdr_down AS cdr_down, \
         all_session_up AS session_up, all_session_down AS session_down, compared, differing, toInt64(0) AS watermark\nFROM (\n    \
         SELECT toUInt8(grouping(sim)) AS kind, sim, period, sum(cdr_up) AS all_cdr_up, sum(cdr_down) AS all_cdr_down, \
         sum(session_up) AS all_session_up, sum(session_down) AS all_session_down, count() AS compared, \
         countIf(apart > 0) AS differing, sum(apart) AS all_apart\n    FROM (\n    \
         SELECT sim, period, sum(up_of_cdr) AS cdr_up, sum(down_of_cdr) AS cdr_down, sum(up_of_session) AS session_up, \
         sum(down_of_session) AS session_down, abs(session_up - cdr_up) + abs(session_down - cdr_down) AS apart\n    FROM (\n    {}\n    )\n    \
         GROUP BY sim, period\n    HAVING sum(records_of_cdr) <> 0 OR sum(records_of_session) <> 0\n    )\n    \
         GROUP BY GROUPING SETS ((sim, period), ())\n    HAVING kind = 1 OR all_apart > 0\n    \
         ORDER BY kind, all_apart DESC, toString(sim), period\n    LIMIT {most} BY kind\n){watermarks}",
        reads.join("\n    UNION ALL\n    "),
    )
}

fn read(period: Period, asked: Reconciling, lines: Vec<Line>) -> Result<Reconciliation> {
    let mut found = Reconciliation {
        period,
        rows: Vec::new(),
        truncated: false,
        totals: Pair::default(),
        compared: 0,
        differing: 0,
        provenance: Vec::new(),
    };
    let mut watermarks = [None; 2];
    for line in lines {
        match line.kind {
            0 => found.rows.push(Disagreement {
                sim: SimId::new(line.sim),
                day: DateTime::from_timestamp(line.day.into(), 0)
                    .ok_or_else(|| Error::internal("a day outside of time"))?,
                bytes: line.bytes(),
            }),
            1 => {
                found.totals = line.bytes();
                (found.compared, found.differing) = (line.compared, line.differing);
            }
            2 => watermarks[0] = received(line.watermark),
            _ => watermarks[1] = received(line.watermark),
        }
    }
    // The parts of a statement come in any order.
    found.rows.sort_by(|a, b| {
        let apart = b.bytes.apart().cmp(&a.bytes.apart());
        apart.then_with(|| (a.sim.uuid(), a.day).cmp(&(b.sim.uuid(), b.day)))
    });
    let passed_over = (asked.offset as usize).min(found.rows.len());
    found.rows.drain(..passed_over);
    found.truncated = found.rows.len() > asked.first as usize;
    found.rows.truncate(asked.first as usize);
    let sources = [Source::Cdr, Source::Session].into_iter().zip(watermarks);
    let provenance = sources.map(|(source, at)| provenance(source, &[DAYS], period, at));
    found.provenance = provenance.collect();
    Ok(found)
}
