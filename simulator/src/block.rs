//! A part of the fleet with its records, the noise around them, and the order in which all of it is sent.

use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::{
    dice::Dice,
    fault::Fault,
    fleet::Sim,
    noise::{Broken, malformed, malformed_rollup, of_nobody, rollup_of_nobody},
    plan::FleetPlan,
    record::{Feed, Record, records},
    session::{Rollup, rollups},
};

/// SIMs per block.
pub const BLOCK_SIMS: u32 = 500;

/// Streams of chance of the blocks; those of SIMs are below.
const STREAM: u64 = 1 << 32;
/// Those of what happens to a block's rollups on the way.
const ROLLUPS: u64 = 3 << 32;

/// Where something is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inlet {
    /// Our own records: has a topic.
    Gateway,
    /// Records of a Data Streamer.
    Streamer,
    /// Rollups of sessions: has a topic.
    Sessions,
}

impl From<Feed> for Inlet {
    fn from(feed: Feed) -> Self {
        match feed {
            Feed::Gateway => Self::Gateway,
            Feed::Streamer => Self::Streamer,
        }
    }
}

/// Something to send.
pub(crate) struct Delivery {
    pub(crate) inlet: Inlet,
    /// The card that it is about, as the inventory has it: the key of its message.
    pub(crate) iccid: String,
    pub(crate) json: String,
}

/// A record and what happens to it on the way.
pub(crate) struct Journey {
    pub(crate) record: Record,
    /// Index into the block's SIMs.
    pub(crate) sim: usize,
    is_late: bool,
    /// In which wave it is delivered again.
    again: Option<usize>,
    pub(crate) is_disputed: bool,
}

/// A rollup and what happens to it on the way.
pub(crate) struct Passage {
    pub(crate) rollup: Rollup,
    /// Index into the block's SIMs.
    pub(crate) sim: usize,
    /// In which wave it is delivered.
    wave: usize,
    /// In which wave it is delivered again.
    again: Option<usize>,
}

/// One block, complete.
pub(crate) struct Block {
    number: u32,
    pub(crate) sims: Vec<Sim>,
    pub(crate) journeys: Vec<Journey>,
    pub(crate) passages: Vec<Passage>,
    pub(crate) broken: Vec<Broken>,
}

/// How many blocks a plan has.
pub(crate) fn count(plan: &FleetPlan) -> u32 {
    plan.sims.div_ceil(BLOCK_SIMS)
}

/// The SIM numbers of a block.
pub(crate) fn sims(plan: &FleetPlan, number: u32) -> Range<u32> {
    let first = number * BLOCK_SIMS;
    first..plan.sims.min(first + BLOCK_SIMS)
}

/// Sources of a plan as intake names them: gateway, streamer.
pub(crate) fn sources(plan: &FleetPlan) -> [String; 2] {
    [plan.gateway(), format!("data-streamer/{}", plan.stream())]
}

impl Block {
    /// Block `number` of the plan. It does not depend on the others, and what it draws not on the faults asked for, so
    /// the truth is the same with and without them.
    pub(crate) fn new(plan: &FleetPlan, number: u32) -> Self {
        let mut dice = plan.dice(STREAM + u64::from(number));
        let mut block = Self {
            number,
            sims: sims(plan, number)
                .map(|index| Sim::new(plan, index))
                .collect(),
            journeys: Vec::new(),
            passages: Vec::new(),
            broken: Vec::new(),
        };
        let mut fate = plan.dice(ROLLUPS + u64::from(number));
        for position in 0..block.sims.len() {
            for record in records(plan, &block.sims[position]) {
                block.add(plan, position, record, &mut dice);
            }
            for rollup in rollups(plan, &block.sims[position]) {
                block.add_rollup(plan, position, rollup, &mut fate);
            }
        }
        block
    }

    fn add(&mut self, plan: &FleetPlan, sim: usize, record: Record, dice: &mut Dice) {
        let [late, again, wave, disputed, broken, unknown, variant] =
            [25, 20, 3, 80, 40, 60, 1 << 32].map(|end| dice.below(end));
        let faults = &plan.faults;
        if faults.has(Fault::Malformed) && broken == 0 {
            self.broken
                .push(malformed(plan, &self.sims[sim], &record, variant));
        }
        if faults.has(Fault::Unknown) && unknown == 0 {
            self.broken.push(of_nobody(plan, &record));
        }
        self.journeys.push(Journey {
            is_late: faults.has(Fault::Late) && late == 0,
            again: (faults.has(Fault::Duplicates) && again == 0)
                .then(|| usize::try_from(wave).unwrap_or_default()),
            is_disputed: faults.has(Fault::Conflicts) && disputed == 0,
            record,
            sim,
        });
    }

    /// Late ones come in either of the later waves, days after their neighbours.
    fn add_rollup(&mut self, plan: &FleetPlan, sim: usize, rollup: Rollup, dice: &mut Dice) {
        let [late, later, again, wave, broken, unknown, variant] =
            [12, 2, 10, 3, 40, 60, 1 << 32].map(|end| dice.below(end));
        let number = |drawn| usize::try_from(drawn).unwrap_or_default();
        let faults = &plan.faults;
        if faults.has(Fault::Malformed) && broken == 0 {
            self.broken
                .push(malformed_rollup(&self.sims[sim], &rollup, variant));
        }
        if faults.has(Fault::Unknown) && unknown == 0 {
            self.broken
                .push(rollup_of_nobody(plan, &self.sims[sim], &rollup));
        }
        let is_late = faults.has(Fault::Late) && late == 0;
        self.passages.push(Passage {
            rollup,
            sim,
            wave: if is_late { 1 + number(later) } else { 0 },
            again: (faults.has(Fault::Duplicates) && again == 0).then(|| number(wave)),
        });
    }

    /// How many deliveries the block makes.
    pub(crate) fn deliveries(&self) -> u64 {
        let journey = |journey: &Journey| {
            1 + u64::from(journey.again.is_some()) + u64::from(journey.is_disputed)
        };
        let passage = |passage: &Passage| 1 + u64::from(passage.again.is_some());
        self.journeys.iter().map(journey).sum::<u64>()
            + self.passages.iter().map(passage).sum::<u64>()
            + self.broken.len() as u64
    }

    /// What is sent, wave after wave. A wave begins when the one before it is acknowledged.
    pub(crate) fn waves(self, plan: &FleetPlan) -> [Vec<Delivery>; 3] {
        let number = self.number;
        let mut waves = self.dated(plan);
        for (wave, nth) in waves.iter_mut().zip(0..) {
            if plan.faults.has(Fault::Reordering) {
                plan.order(u64::from(number) * 4 + nth).shuffle(wave);
            } else {
                wave.sort_by_key(|(start, _)| *start);
            }
        }
        waves.map(|wave| wave.into_iter().map(|(_, delivery)| delivery).collect())
    }

    /// What is sent in each wave, with when it happened.
    pub(crate) fn dated(self, plan: &FleetPlan) -> [Vec<(DateTime<Utc>, Delivery)>; 3] {
        let mut waves: [Vec<_>; 3] = Default::default();
        for journey in self.journeys {
            let record = &journey.record;
            let iccid = &self.sims[journey.sim].iccid;
            let delivery = |record: &Record, again| Delivery {
                inlet: record.feed.into(),
                iccid: iccid.clone(),
                json: record.json(plan, again),
            };
            let start = record.start;
            waves[usize::from(journey.is_late)].push((start, delivery(record, false)));
            if let Some(wave) = journey.again {
                waves[wave].push((start, delivery(record, true)));
            }
            if journey.is_disputed {
                waves[2].push((start, delivery(&record.altered(), false)));
            }
        }
        for passage in self.passages {
            let rollup = &passage.rollup;
            let mut send = |wave: usize, again| {
                let delivery = Delivery {
                    inlet: Inlet::Sessions,
                    iccid: self.sims[passage.sim].iccid.clone(),
                    json: rollup.json(again),
                };
                waves[wave].push((rollup.at, delivery));
            };
            send(passage.wave, false);
            if let Some(wave) = passage.again {
                send(wave, true);
            }
        }
        let broken = self.broken.into_iter();
        waves[0].extend(broken.map(|broken| (broken.at, broken.delivery)));
        waves
    }
}
