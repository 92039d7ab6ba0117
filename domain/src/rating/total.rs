//! What a month comes to: lines, and roll-ups that add up to the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Amount, Charge, Prices, Rated, RatedCell, Rates, RatingError, Unrated,
    price::{Checked, add},
};
use crate::{
    id::{CustomerId, SimId},
    usage::Service,
};

/// Sums of rated pieces, in any order.
#[derive(Debug)]
pub struct Totals<'p> {
    rates: &'p Rates,
    sims: &'p BTreeSet<SimId>,
    /// By number of the zone and network.
    by_zone: BTreeMap<usize, BTreeMap<String, LineSums>>,
    by_sim: BTreeMap<SimId, Cost>,
    by_customer: BTreeMap<Option<CustomerId>, Cost>,
    by_network: BTreeMap<String, Cost>,
}

/// Sums of a line.
#[derive(Clone, Copy, Debug, Default)]
struct LineSums {
    records: u64,
    quantity: i128,
    billed: i128,
    amount: Amount,
}

/// What usage costs, and what of it has no price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Of what has a price.
    pub amount: Amount,
    /// What has none.
    pub unrated: Unrated,
}

/// A month, rated. What SIMs, customers and networks cost adds up to the lines, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RatedMonth {
    /// By zone and network; the access charge is the last one.
    pub lines: Vec<Line>,
    /// By SIM: those with usage and those that count.
    pub sims: Vec<SimCost>,
    /// By customer, first what belongs to none. The access charge is no customer's.
    pub customers: Vec<CustomerCost>,
    /// By network, first what names none.
    pub networks: Vec<NetworkCost>,
    /// Of all usage.
    pub usage: Cost,
    /// Sum of the lines.
    pub total: Amount,
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Line {
    /// Usage of a zone on a network.
    Usage(UsageLine),
    /// Access charges.
    Access(AccessLine),
}

/// Usage of a zone on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageLine {
    /// Number of the zone in the card.
    pub zone: usize,
    /// `262-01`; empty when unknown.
    pub network: String,
    /// What was used.
    pub service: Service,
    /// Usage records.
    pub records: u64,
    /// Bytes, messages or seconds.
    pub quantity: i128,
    /// The same after rounding.
    pub billed: i128,
    /// What it costs.
    pub amount: Amount,
}

/// Access charges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessLine {
    /// How many SIMs count.
    pub sims: u64,
    /// Of each.
    pub price: Amount,
    /// Of all.
    pub amount: Amount,
}

/// What a SIM costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SimCost {
    /// The SIM.
    pub sim: SimId,
    /// Its usage.
    #[serde(flatten)]
    pub usage: Cost,
    /// Its access charge; none: it does not count.
    pub access: Option<Amount>,
}

/// What a customer's usage costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CustomerCost {
    /// None: what belongs to nobody.
    pub customer: Option<CustomerId>,
    /// Its usage.
    #[serde(flatten)]
    pub usage: Cost,
}

/// What usage on a network costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkCost {
    /// `262-01`; empty when unknown.
    pub network: String,
    /// The usage on it.
    #[serde(flatten)]
    pub usage: Cost,
}

impl Cost {
    fn add(&mut self, cell: &RatedCell<'_>) -> Checked<()> {
        if let Some(charge) = &cell.charge {
            self.amount = sum(self.amount, charge.amount)?;
        }
        self.unrated.add(&cell.unrated)
    }
}

impl LineSums {
    fn add(&mut self, cell: &RatedCell<'_>, charge: &Charge) -> Checked<()> {
        self.records += cell.records;
        add(&mut self.quantity, cell.quantity)?;
        add(&mut self.billed, charge.billed)?;
        self.amount = sum(self.amount, charge.amount)?;
        Ok(())
    }
}

/// Adds to what is kept of a network. Its text is copied the first time only.
fn add_to<T: Default>(
    kept: &mut BTreeMap<String, T>,
    network: &str,
    add: impl FnOnce(&mut T) -> Checked<()>,
) -> Checked<()> {
    match kept.get_mut(network) {
        Some(known) => add(known),
        None => add(kept.entry(network.to_owned()).or_default()),
    }
}

/// Sum of two amounts of a month.
fn sum(a: Amount, b: Amount) -> Checked<Amount> {
    let sum = a.nanos().checked_add(b.nanos());
    let sum = sum.ok_or(RatingError::AmountTooLarge)?;
    Amount::of_nanos(sum).bounded()
}

impl<'p> Totals<'p> {
    pub(super) const fn new(prices: &'p Prices<'_>) -> Self {
        Self {
            rates: prices.rates,
            sims: &prices.sims,
            by_zone: BTreeMap::new(),
            by_sim: BTreeMap::new(),
            by_customer: BTreeMap::new(),
            by_network: BTreeMap::new(),
        }
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// [`RatingError::AmountTooLarge`].
    pub fn add(&mut self, rated: &Rated<'_>) -> Result<(), RatingError> {
        for cell in &rated.cells {
            self.by_sim.entry(cell.key.sim).or_default().add(cell)?;
            self.by_customer
                .entry(cell.key.customer)
                .or_default()
                .add(cell)?;
            let network = cell.key.network;
            add_to(&mut self.by_network, network, |cost| cost.add(cell))?;
            if let Some(charge) = &cell.charge {
                let of_zone = self.by_zone.entry(charge.zone).or_default();
                add_to(of_zone, network, |line| line.add(cell, charge))?;
            }
        }
        Ok(())
    }

    /// What the month comes to.
    ///
    /// # Errors
    /// [`RatingError::AmountTooLarge`].
    pub fn finish(mut self) -> Result<RatedMonth, RatingError> {
        let mut usage = Cost::default();
        for cost in self.by_network.values() {
            usage.amount = sum(usage.amount, cost.amount)?;
            usage.unrated.add(&cost.unrated)?;
        }
        for sim in self.sims {
            self.by_sim.entry(*sim).or_default();
        }
        let access = AccessLine::new(self.rates.access_charge(), self.sims.len() as u64)?;
        let total = sum(usage.amount, access.amount)?;
        let lines = self.by_zone.into_iter().flat_map(|(zone, of_zone)| {
            let service = self.rates.zones()[zone].service;
            of_zone.into_iter().map(move |(network, sums)| {
                Line::Usage(UsageLine {
                    zone,
                    network,
                    service,
                    records: sums.records,
                    quantity: sums.quantity,
                    billed: sums.billed,
                    amount: sums.amount,
                })
            })
        });
        let sims = self.by_sim.into_iter().map(|(sim, usage)| SimCost {
            sim,
            usage,
            access: self.sims.contains(&sim).then_some(access.price),
        });
        let customers = self.by_customer.into_iter();
        let networks = self.by_network.into_iter();
        Ok(RatedMonth {
            sims: sims.collect(),
            customers: customers
                .map(|(customer, usage)| CustomerCost { customer, usage })
                .collect(),
            networks: networks
                .map(|(network, usage)| NetworkCost { network, usage })
                .collect(),
            lines: lines.chain([Line::Access(access)]).collect(),
            usage,
            total,
        })
    }
}

impl AccessLine {
    fn new(price: Amount, sims: u64) -> Checked<Self> {
        let amount = price.nanos().checked_mul(sims.into());
        let amount = amount.ok_or(RatingError::AmountTooLarge)?;
        Ok(Self {
            sims,
            price,
            amount: Amount::of_nanos(amount).bounded()?,
        })
    }
}
