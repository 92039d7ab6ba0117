//! The two passes over a month's usage: one that sums what goes through bands together, and one that shares what it costs.
//!
//! Both take pieces of whole SIMs, one after the other and in any order, so that no more than a piece need be in memory. Between them there
//! is one number for each SIM and zone of the scope `TENANT`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::{
    Amount, CellKey, Piece, RateScope, Rates, RatingError, Totals, Unrated,
    piece::{Cell, by_zone},
    price::{Checked, Share, add, price},
    row::NetRecord,
};
use crate::id::SimId;

/// The first pass: what is billed of zones whose usage goes through the bands as one.
#[derive(Debug)]
pub struct Sums<'t> {
    rates: &'t Rates,
    sims: BTreeSet<SimId>,
    /// By number of the zone.
    by_zone: BTreeMap<usize, BTreeMap<SimId, i128>>,
}

/// The second pass: what usage costs.
#[derive(Debug)]
pub struct Prices<'t> {
    pub(super) rates: &'t Rates,
    /// The SIMs that count.
    pub(super) sims: BTreeSet<SimId>,
    /// By number of the zone.
    by_zone: BTreeMap<usize, Whole>,
}

/// What goes through the bands of a zone together.
#[derive(Debug)]
struct Whole {
    quantity: i128,
    amount: Amount,
    by_sim: BTreeMap<SimId, Part>,
}

/// What a SIM has of it, and what those before it have.
#[derive(Clone, Copy, Debug)]
struct Part {
    before: i128,
    quantity: i128,
}

/// A piece with what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rated<'a> {
    /// By key, start, source and record id.
    pub records: Vec<RatedRecord<'a>>,
    /// By key.
    pub cells: Vec<RatedCell<'a>>,
}

/// A record and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RatedRecord<'a> {
    /// The cell that counts it.
    #[serde(flatten)]
    pub key: CellKey<'a>,
    /// When it began.
    #[serde(serialize_with = "milliseconds")]
    pub start: DateTime<Utc>,
    /// The stream that delivered it.
    pub source: &'a str,
    /// Its identity within the source.
    pub record_id: &'a str,
    /// Bytes, messages or seconds.
    pub quantity: i128,
    /// None: it is unrated.
    pub charge: Option<Charge>,
}

/// A cell and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RatedCell<'a> {
    /// What it is a sum of.
    #[serde(flatten)]
    pub key: CellKey<'a>,
    /// Usage records with a price.
    pub records: u64,
    /// Their bytes, messages or seconds.
    pub quantity: i128,
    /// None: nothing of it is rated.
    pub charge: Option<Charge>,
    /// Usage without a price.
    pub unrated: Unrated,
}

/// What usage costs, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// Number of the zone in the card.
    pub zone: usize,
    /// Bytes, messages or seconds after rounding.
    pub billed: i128,
    /// Its share.
    pub amount: Amount,
}

fn milliseconds<S: Serializer>(moment: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(moment.timestamp_millis())
}

impl<'t> Sums<'t> {
    /// Of nothing yet.
    pub const fn new(rates: &'t Rates) -> Self {
        Self {
            rates,
            sims: BTreeSet::new(),
            by_zone: BTreeMap::new(),
        }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// [`RatingError::SimDivided`] when another piece had one of its SIMs.
    pub fn add(&mut self, piece: &Piece<'_>) -> Result<(), RatingError> {
        for sim in piece.sims() {
            if !self.sims.insert(sim) {
                return Err(RatingError::SimDivided);
            }
        }
        for cell in &piece.cells {
            let whole = cell.zone.filter(|zone| is_whole(self.rates, *zone));
            if let Some(zone) = whole {
                let of_zone = self.by_zone.entry(zone).or_default();
                add(of_zone.entry(cell.key.sim).or_default(), cell.billed)?;
            }
        }
        Ok(())
    }

    /// SIMs with usage.
    pub const fn sims(&self) -> &BTreeSet<SimId> {
        &self.sims
    }

    /// What usage costs when these SIMs count: those that were active when the month ended and those with usage, as the first run of the
    /// month found them.
    ///
    /// # Errors
    /// [`RatingError::AmountTooLarge`].
    pub fn prices(self, sims: BTreeSet<SimId>) -> Result<Prices<'t>, RatingError> {
        let count = sims.len() as u64;
        let wholes = self.by_zone.into_iter().map(|(zone, of_zone)| {
            let mut quantity = 0;
            let mut by_sim = BTreeMap::new();
            for (sim, of_sim) in of_zone {
                let before = quantity;
                add(&mut quantity, of_sim)?;
                by_sim.insert(
                    sim,
                    Part {
                        before,
                        quantity: of_sim,
                    },
                );
            }
            let amount = price(&self.rates.zones()[zone], quantity, count)?;
            let whole = Whole {
                quantity,
                amount,
                by_sim,
            };
            Ok((zone, whole))
        });
        Ok(Prices {
            rates: self.rates,
            by_zone: wholes.collect::<Result<_, _>>()?,
            sims,
        })
    }
}

/// Whether usage of the zone goes through the bands as one.
fn is_whole(rates: &Rates, zone: usize) -> bool {
    rates.zones()[zone].scope == RateScope::Tenant
}

impl Prices<'_> {
    /// What a piece costs.
    ///
    /// # Errors
    /// [`RatingError::AmountTooLarge`], and [`RatingError::NotSummed`] when the first pass had something else.
    pub fn rate<'a>(&self, piece: &Piece<'a>) -> Result<Rated<'a>, RatingError> {
        let mut rated = Rated {
            records: Vec::with_capacity(piece.records.len()),
            cells: Vec::with_capacity(piece.cells.len()),
        };
        for of_sim in piece.cells.chunk_by(|a, b| a.key.sim == b.key.sim) {
            let amounts = self.amounts(of_sim)?;
            for (cell, amount) in of_sim.iter().zip(amounts) {
                let records = &piece.records[cell.records.clone()];
                share_records(cell, amount, records, &mut rated.records)?;
                rated.cells.push(RatedCell::new(cell, amount));
            }
        }
        Ok(rated)
    }

    /// Sums of the second pass, of nothing yet.
    pub const fn totals(&self) -> Totals<'_> {
        Totals::new(self)
    }

    /// What each cell of a SIM costs; nothing where it is not rated.
    fn amounts(&self, of_sim: &[Cell<'_>]) -> Checked<Vec<Amount>> {
        let mut amounts = vec![Amount::default(); of_sim.len()];
        for of_zone in by_zone(of_sim).chunk_by(|a, b| a.0 == b.0) {
            let zone = of_zone[0].0;
            let mut quantity = 0;
            for (_, cell) in of_zone {
                add(&mut quantity, of_sim[*cell].billed)?;
            }
            let mut share = self.share(zone, of_sim[of_zone[0].1].key.sim, quantity)?;
            for (_, cell) in of_zone {
                amounts[*cell] = Amount::of_nanos(share.part(of_sim[*cell].billed)?);
            }
        }
        Ok(amounts)
    }

    /// What is shared by the cells of a SIM and zone, of which this quantity is billed.
    fn share(&self, zone: usize, sim: SimId, quantity: i128) -> Checked<Share> {
        if !is_whole(self.rates, zone) {
            let amount = price(&self.rates.zones()[zone], quantity, 1)?;
            return Share::new(amount.nanos(), quantity, 0);
        }
        let whole = self.by_zone.get(&zone).ok_or(RatingError::NotSummed)?;
        let part = whole.by_sim.get(&sim).ok_or(RatingError::NotSummed)?;
        if part.quantity != quantity {
            return Err(RatingError::NotSummed);
        }
        Share::new(whole.amount.nanos(), whole.quantity, part.before)
    }
}

/// Shares what a cell costs by what is billed of its records.
fn share_records<'a>(
    cell: &Cell<'a>,
    amount: Amount,
    records: &[NetRecord<'a>],
    rated: &mut Vec<RatedRecord<'a>>,
) -> Checked<()> {
    let mut share = Share::new(amount.nanos(), cell.billed, 0)?;
    for record in records {
        let charge = record.zone.map(|zone| {
            Ok(Charge {
                zone,
                billed: record.billed,
                amount: Amount::of_nanos(share.part(record.billed)?),
            })
        });
        rated.push(RatedRecord {
            key: record.key,
            start: record.start,
            source: record.source,
            record_id: record.record_id,
            quantity: record.quantity,
            charge: charge.transpose()?,
        });
    }
    Ok(())
}

impl<'a> RatedCell<'a> {
    fn new(cell: &Cell<'a>, amount: Amount) -> Self {
        let charge = cell.zone.map(|zone| Charge {
            zone,
            billed: cell.billed,
            amount,
        });
        Self {
            key: cell.key,
            records: cell.records.len() as u64 - cell.unrated.records,
            quantity: cell.quantity,
            charge,
            unrated: cell.unrated,
        }
    }
}
