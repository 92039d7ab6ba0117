//! Usage of whole SIMs: its records, its cells, and what is billed of each.

use std::ops::Range;

use chrono::NaiveDate;
use serde::Serialize;

use super::{
    CellKey, RatingError, RoundPer, Row, Terms,
    price::{Checked, Share, add, round_up},
    row::{NetRecord, net},
};
use crate::{id::SimId, usage::Service};

/// Usage of some SIMs, complete for each of them, as far as it is decided by these SIMs alone: zones, and what is billed after rounding.
/// Usage of a month may be in one piece or in many.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// In their order.
    pub(super) records: Vec<NetRecord<'a>>,
    /// In their order.
    pub(super) cells: Vec<Cell<'a>>,
}

/// Records of one key.
#[derive(Clone, Debug)]
pub(super) struct Cell<'a> {
    pub(super) key: CellKey<'a>,
    /// Where its records are.
    pub(super) records: Range<usize>,
    /// Number of its zone; none: nothing of it is rated.
    pub(super) zone: Option<usize>,
    /// Of its rated records.
    pub(super) quantity: i128,
    /// Of its rated records, rounded up.
    pub(super) billed: i128,
    pub(super) unrated: Unrated,
}

/// Usage without a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unrated {
    /// Bytes of data.
    pub bytes: i128,
    /// Messages and seconds.
    pub units: i128,
    /// Usage records. Calls of no time are unrated and have nothing else.
    pub records: u64,
}

impl Unrated {
    pub(super) fn add(&mut self, more: &Self) -> Checked<()> {
        add(&mut self.bytes, more.bytes)?;
        add(&mut self.units, more.units)?;
        self.records += more.records;
        Ok(())
    }

    fn of(record: &NetRecord<'_>) -> Self {
        let is_data = record.key.service == Service::Data;
        Self {
            bytes: if is_data { record.quantity } else { 0 },
            units: if is_data { 0 } else { record.quantity },
            records: 1,
        }
    }
}

impl<'a> Piece<'a> {
    /// Of all rows of some SIMs, in any order. All rows of a record name the same SIM, so they are in one piece.
    ///
    /// # Errors
    /// See [`RatingError`].
    pub fn new(rows: Vec<Row<'a>>, terms: &Terms) -> Result<Self, RatingError> {
        let mut records = net(rows, terms)?;
        let mut cells = Vec::new();
        let mut from = 0;
        for of_cell in records.chunk_by(|a, b| a.key == b.key) {
            let records = from..from + of_cell.len();
            from = records.end;
            cells.push(Cell::new(records, of_cell)?);
        }
        let mut rest = cells.as_mut_slice();
        while let Some(first) = rest.first() {
            let sim = first.key.sim;
            let end = rest.partition_point(|cell| cell.key.sim == sim);
            let (of_sim, others) = rest.split_at_mut(end);
            bill(of_sim, &mut records, terms)?;
            rest = others;
        }
        Ok(Self { records, cells })
    }

    /// Its SIMs.
    pub fn sims(&self) -> impl Iterator<Item = SimId> {
        let of_sims = self.cells.chunk_by(|a, b| a.key.sim == b.key.sim);
        of_sims.filter_map(|of_sim| of_sim.first().map(|cell| cell.key.sim))
    }
}

impl<'a> Cell<'a> {
    /// Of the records in this range, which are there.
    fn new(records: Range<usize>, of_cell: &[NetRecord<'a>]) -> Checked<Self> {
        let mut cell = Self {
            key: of_cell[0].key,
            records,
            zone: None,
            quantity: 0,
            billed: 0,
            unrated: Unrated::default(),
        };
        for record in of_cell {
            if record.zone.is_some() {
                cell.zone = record.zone;
                add(&mut cell.quantity, record.quantity)?;
            } else {
                cell.unrated.add(&Unrated::of(record))?;
            }
        }
        Ok(cell)
    }
}

/// Numbers of the rated cells of a SIM, zone by zone, each in the order of cells.
pub(super) fn by_zone(of_sim: &[Cell<'_>]) -> Vec<(usize, usize)> {
    let rated = of_sim.iter().enumerate();
    let mut rated: Vec<_> =
        (rated.filter_map(|(at, cell)| cell.zone.map(|zone| (zone, at)))).collect();
    rated.sort_unstable();
    rated
}

/// Writes what is billed of the cells of a SIM, and of their records.
fn bill(of_sim: &mut [Cell<'_>], records: &mut [NetRecord<'_>], terms: &Terms) -> Checked<()> {
    let rated = by_zone(of_sim);
    for of_zone in rated.chunk_by(|a, b| a.0 == b.0) {
        let zone = &terms.rates.zones()[of_zone[0].0];
        match zone.round_per {
            RoundPer::Record => {
                for (_, cell) in of_zone {
                    bill_records(&mut of_sim[*cell], records, zone.increment)?;
                }
            }
            RoundPer::Day => {
                let day = |(_, cell): &(usize, usize)| (of_sim[*cell].key.day, *cell);
                let mut by_day: Vec<(NaiveDate, usize)> = of_zone.iter().map(day).collect();
                by_day.sort_unstable();
                for of_day in by_day.chunk_by(|a, b| a.0 == b.0) {
                    bill_group(of_day, of_sim, records, zone.increment)?;
                }
            }
            RoundPer::Month => bill_group(of_zone, of_sim, records, zone.increment)?,
        }
    }
    Ok(())
}

/// Each record of a cell is rounded up.
fn bill_records(
    cell: &mut Cell<'_>,
    records: &mut [NetRecord<'_>],
    increment: i128,
) -> Checked<()> {
    for record in rated(&mut records[cell.records.clone()]) {
        record.billed = round_up(record.quantity, increment)?;
        add(&mut cell.billed, record.billed)?;
    }
    Ok(())
}

/// Cells, of which these are the numbers, are rounded up together. What that comes to is shared by quantities.
fn bill_group<T>(
    group: &[(T, usize)],
    cells: &mut [Cell<'_>],
    records: &mut [NetRecord<'_>],
    increment: i128,
) -> Checked<()> {
    let mut quantity = 0;
    for (_, cell) in group {
        add(&mut quantity, cells[*cell].quantity)?;
    }
    let mut share = Share::new(round_up(quantity, increment)?, quantity, 0)?;
    for (_, cell) in group {
        let cell = &mut cells[*cell];
        cell.billed = share.part(cell.quantity)?;
        let mut share = Share::new(cell.billed, cell.quantity, 0)?;
        for record in rated(&mut records[cell.records.clone()]) {
            record.billed = share.part(record.quantity)?;
        }
    }
    Ok(())
}

fn rated<'r, 'a>(records: &'r mut [NetRecord<'a>]) -> impl Iterator<Item = &'r mut NetRecord<'a>> {
    records.iter_mut().filter(|record| record.zone.is_some())
}
