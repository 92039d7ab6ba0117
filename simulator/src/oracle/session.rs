//! What the rollups of sessions must come to: the whole truth, sorted, and then the difference from one to the next.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::fleet::slug;
use exports::{Cell, Column, FileRow, Kind, Record};

use super::compare::{Row, sums};
use crate::{block::Block, fleet::Sim, session::Rollup};

/// A rollup that comes longer after the one before it begins a session.
const FORGOTTEN: TimeDelta = TimeDelta::days(90);

/// Usage of the sessions of one hour, by everything that the cubes can be asked for. Compared with a coarser cube, `hour` is the
/// first hour of its period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionRow {
    /// Slug of the customer at event time, empty when unassigned.
    pub customer: String,
    /// ICCID as in the inventory.
    pub iccid: String,
    /// Name of the device that the SIM sat in at event time, empty when none.
    pub device: String,
    /// `MCC-MNC`.
    pub network: String,
    /// Radio access type.
    pub rat: String,
    /// First moment of the hour of the rollups, UTC.
    pub hour: DateTime<Utc>,
    /// Rollups.
    pub rollups: u64,
    /// Sum of bytes from the device.
    pub bytes_up: i128,
    /// Sum of bytes to the device.
    pub bytes_down: i128,
    /// Sessions that began.
    pub sessions: u64,
    /// Rollups with which a counter began again.
    pub resets: u64,
}

impl Record for SessionRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("customer", Kind::Text),
        Column::new("iccid", Kind::Text),
        Column::new("device", Kind::Text),
        Column::new("network", Kind::Text),
        Column::new("rat", Kind::Text),
        Column::new("hour", Kind::Moment),
        Column::new("rollups", Kind::Count),
        Column::new("bytes_up", Kind::Sum),
        Column::new("bytes_down", Kind::Sum),
        Column::new("sessions", Kind::Count),
        Column::new("resets", Kind::Count),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend(self.texts().map(|text| Cell::Text(text)));
        cells.extend([
            Cell::Moment(self.hour),
            Cell::Count(self.rollups),
            Cell::Sum(self.bytes_up),
            Cell::Sum(self.bytes_down),
            Cell::Count(self.sessions),
            Cell::Count(self.resets),
        ]);
    }

    fn from_row(row: &FileRow<'_>) -> Result<Self, exports::Error> {
        Ok(Self {
            customer: row.text(0)?.to_owned(),
            iccid: row.text(1)?.to_owned(),
            device: row.text(2)?.to_owned(),
            network: row.text(3)?.to_owned(),
            rat: row.text(4)?.to_owned(),
            hour: row.moment(5)?,
            rollups: row.count(6)?,
            bytes_up: row.sum(7)?,
            bytes_down: row.sum(8)?,
            sessions: row.count(9)?,
            resets: row.count(10)?,
        })
    }
}

impl SessionRow {
    fn texts(&self) -> [&String; 5] {
        [
            &self.customer,
            &self.iccid,
            &self.device,
            &self.network,
            &self.rat,
        ]
    }
}

impl Row for SessionRow {
    type Key = ([String; 5], DateTime<Utc>);

    fn key(&self) -> Self::Key {
        (self.texts().map(String::clone), self.hour)
    }

    /// Every rollup is of a SIM, and a plan's SIMs are nobody else's.
    fn whose(&self) -> &str {
        &self.iccid
    }

    fn at(&mut self) -> &mut DateTime<Utc> {
        &mut self.hour
    }

    fn add(&mut self, other: &Self) {
        self.rollups = self.rollups.wrapping_add(other.rollups);
        self.bytes_up += other.bytes_up;
        self.bytes_down += other.bytes_down;
        self.sessions = self.sessions.wrapping_add(other.sessions);
        self.resets = self.resets.wrapping_add(other.resets);
    }

    fn is_nothing(&self) -> bool {
        let counts = (self.rollups, self.sessions, self.resets);
        counts == (0, 0, 0) && (self.bytes_up, self.bytes_down) == (0, 0)
    }

    fn what(&self) -> String {
        let or =
            |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
        format!(
            "{} {} {} {} {} {}",
            or(&self.customer, "unassigned"),
            self.iccid,
            or(&self.device, "no device"),
            self.network,
            self.rat,
            self.hour.format("%Y-%m-%dT%H")
        )
    }

    fn shown(&self) -> String {
        format!(
            "{} rollups, {} up, {} down, {} sessions, {} resets",
            self.rollups, self.bytes_up, self.bytes_down, self.sessions, self.resets
        )
    }
}

/// The expected usage of the sessions of one block, sorted.
pub(crate) fn sessions_of(block: &Block) -> Vec<SessionRow> {
    let mut by_session: BTreeMap<(usize, &str), Vec<&Rollup>> = BTreeMap::new();
    for passage in &block.passages {
        let session = (passage.sim, passage.rollup.session.as_str());
        by_session.entry(session).or_default().push(&passage.rollup);
    }
    let rows = by_session.into_iter().flat_map(|((sim, _), mut rollups)| {
        rollups.sort_unstable_by_key(|it| (it.at, it.ends, it.bytes_in, it.bytes_out));
        let mut before = None;
        rollups.into_iter().map(move |rollup| {
            let row = count(&block.sims[sim], before, rollup);
            before = Some(rollup);
            row
        })
    });
    sums(rows).into_values().collect()
}

/// What a rollup counts after the one before it. The first of a session counts all of its totals, and so does one that comes too
/// late, or with less than before after an end: it is another session's first. Otherwise a total counts what it grew by, and one that
/// fell, as it began again, all of it.
fn count(sim: &Sim, before: Option<&Rollup>, rollup: &Rollup) -> SessionRow {
    let fell =
        |before: &Rollup| rollup.bytes_in < before.bytes_in || rollup.bytes_out < before.bytes_out;
    let same = before
        .filter(|before| rollup.at - before.at <= FORGOTTEN)
        .filter(|before| !(before.ends && fell(before)));
    let grown = |now: u64, before: Option<u64>| match before {
        Some(before) if before <= now => i128::from(now - before),
        _ => i128::from(now),
    };
    let hour = rollup.at.duration_trunc(TimeDelta::hours(1));
    SessionRow {
        customer: slug(sim.customer_at(rollup.at)),
        iccid: sim.iccid.clone(),
        device: sim.device_name().to_owned(),
        network: rollup.network(),
        rat: rollup.rat().to_owned(),
        hour: hour.unwrap_or(rollup.at),
        rollups: 1,
        bytes_up: grown(rollup.bytes_in, same.map(|it| it.bytes_in)),
        bytes_down: grown(rollup.bytes_out, same.map(|it| it.bytes_out)),
        sessions: same.is_none().into(),
        resets: same.is_some_and(fell).into(),
    }
}
