//! What a month comes to: lines, and roll-ups that add up to the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Amount, Prices, Rated, RatedCell, Rates, RatingError, Unrated,
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
    lines: BTreeMap<(usize, String), UsageLine>,
    by_sim: BTreeMap<SimId, Cost>,
    by_customer: BTreeMap<Option<CustomerId>, Cost>,
    by_network: BTreeMap<String, Cost>,
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
            lines: BTreeMap::new(),
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
            let network = self.by_network.entry(cell.key.network.to_owned());
            network.or_default().add(cell)?;
            self.add_line(cell)?;
        }
        Ok(())
    }

    fn add_line(&mut self, cell: &RatedCell<'_>) -> Checked<()> {
        let Some(charge) = &cell.charge else {
            return Ok(());
        };
        let key = (charge.zone, cell.key.network.to_owned());
        let line = self.lines.entry(key).or_insert_with(|| UsageLine {
            zone: charge.zone,
            network: cell.key.network.to_owned(),
            service: cell.key.service,
            records: 0,
            quantity: 0,
            billed: 0,
            amount: Amount::default(),
        });
        line.records += cell.records;
        add(&mut line.quantity, cell.quantity)?;
        add(&mut line.billed, charge.billed)?;
        line.amount = sum(line.amount, charge.amount)?;
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
        let lines = self.lines.into_values().map(Line::Usage);
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
