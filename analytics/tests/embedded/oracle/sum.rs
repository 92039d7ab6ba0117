//! Sums of what is counted.

use std::collections::BTreeMap;

use analytics::usage::{Comparator, Compared, Having, Measure};
use uuid::Uuid;

use super::fact::Fact;

/// Sums of what is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    up: i128,
    down: i128,
    units: i128,
    pub(super) records: i128,
    sessions: i128,
    resets: i128,
    sims: BTreeMap<Uuid, i128>,
}

impl Sum {
    pub(super) fn add(&mut self, row: &Fact) {
        let sign = i128::from(row.sign);
        self.up += i128::from(row.up) * sign;
        self.down += i128::from(row.down) * sign;
        self.units += i128::from(row.units) * sign;
        self.records += sign;
        self.sessions += i128::from(row.sessions) * sign;
        self.resets += i128::from(row.resets) * sign;
        *self.sims.entry(row.sim).or_default() += sign;
    }

    /// Takes in those of another group.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.up += other.up;
        self.down += other.down;
        self.units += other.units;
        self.records += other.records;
        self.sessions += other.sessions;
        self.resets += other.resets;
        for (sim, records) in &other.sims {
            *self.sims.entry(*sim).or_default() += records;
        }
    }

    /// A quantity; averages in hundredths.
    pub(super) fn value(&self, measure: Measure) -> Option<i128> {
        let active = self.sims.values().filter(|records| **records > 0).count() as i128;
        let bytes = self.up + self.down;
        match measure {
            Measure::BytesUp => Some(self.up),
            Measure::BytesDown => Some(self.down),
            Measure::BytesTotal => Some(bytes),
            Measure::Records => Some(self.records),
            Measure::Units => Some(self.units),
            Measure::ActiveSims => Some(active),
            Measure::AverageBytesPerSim => average(bytes, active),
            Measure::AverageBytesPerRecord => average(bytes, self.records),
            Measure::Sessions => Some(self.sessions),
            Measure::Resets => Some(self.resets),
        }
    }
}

/// Hundredths, rounded half up.
fn average(bytes: i128, of: i128) -> Option<i128> {
    if of == 0 {
        return None;
    }
    let (whole, rest) = (bytes * 100 / of, bytes * 100 % of);
    Some(if rest * 2 >= of { whole + 1 } else { whole })
}

/// Whether a row passes; `None` when that can't be known.
pub(super) fn passes(having: &Having, value: &impl Fn(Measure) -> Option<i128>) -> Option<bool> {
    match having {
        Having::And(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| passes(part, value)).collect();
            if parts.contains(&Some(false)) {
                Some(false)
            } else {
                (!parts.contains(&None)).then_some(true)
            }
        }
        Having::Or(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| passes(part, value)).collect();
            if parts.contains(&Some(true)) {
                Some(true)
            } else {
                (!parts.contains(&None)).then_some(false)
            }
        }
        Having::Not(part) => passes(part, value).map(|passes| !passes),
        Having::Is(Compared::Measure {
            by,
            comparator,
            bound,
        }) => {
            let is_average = matches!(
                by,
                Measure::AverageBytesPerSim | Measure::AverageBytesPerRecord
            );
            let value = value(*by)? * if is_average { 1 } else { 100 };
            let bound = bound.get();
            Some(match comparator {
                Comparator::Gt => value > bound,
                Comparator::Gte => value >= bound,
                Comparator::Lt => value < bound,
                Comparator::Lte => value <= bound,
                Comparator::Eq => value == bound,
            })
        }
    }
}
