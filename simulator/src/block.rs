//! A part of the fleet with its records, the noise around them, and the order in which all of it is sent.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};

use crate::{
    dice::Dice,
    fault::Fault,
    fleet::{Sim, unknown_iccid},
    plan::FleetPlan,
    record::{Feed, Record, records},
};

/// SIMs per block.
pub const BLOCK_SIMS: u32 = 500;

/// Streams of chance of the blocks; those of SIMs are below.
const STREAM: u64 = 1 << 32;

/// Where broken copies' numbers begin, so that their identities are nobody else's.
const BROKEN_NUMBERS: u32 = 500_000;
/// The same for copies of SIMs that nobody knows.
const UNKNOWN_NUMBERS: u32 = 600_000;

/// Something to send.
pub(crate) struct Delivery {
    pub(crate) feed: Feed,
    pub(crate) json: String,
}

/// A delivery that must be refused.
pub(crate) struct Broken {
    pub(crate) delivery: Delivery,
    /// The source that the refusal is booked under.
    pub(crate) source: String,
    pub(crate) code: &'static str,
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

/// One block, complete.
pub(crate) struct Block {
    number: u32,
    pub(crate) sims: Vec<Sim>,
    pub(crate) journeys: Vec<Journey>,
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
            broken: Vec::new(),
        };
        for position in 0..block.sims.len() {
            for record in records(plan, &block.sims[position]) {
                block.add(plan, position, record, &mut dice);
            }
        }
        block
    }

    fn add(&mut self, plan: &FleetPlan, sim: usize, record: Record, dice: &mut Dice) {
        let [late, again, wave, disputed, broken, unknown, variant] =
            [25, 20, 3, 80, 40, 60, 1 << 32].map(|end| dice.below(end));
        let faults = &plan.faults;
        if faults.has(Fault::Malformed) && broken == 0 {
            self.broken.push(malformed(plan, &record, variant));
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

    /// How many deliveries the block makes.
    pub(crate) fn deliveries(&self) -> u64 {
        let journey = |journey: &Journey| {
            1 + u64::from(journey.again.is_some()) + u64::from(journey.is_disputed)
        };
        self.journeys.iter().map(journey).sum::<u64>() + self.broken.len() as u64
    }

    /// What is sent, wave after wave. A wave begins when the one before it is acknowledged.
    pub(crate) fn waves(self, plan: &FleetPlan) -> [Vec<Delivery>; 3] {
        let mut waves: [Vec<(DateTime<Utc>, Delivery)>; 3] = Default::default();
        for Journey {
            record,
            is_late,
            again,
            is_disputed,
            ..
        } in self.journeys
        {
            let delivery = |record: &Record, again| Delivery {
                feed: record.feed,
                json: record.json(plan, again),
            };
            let start = record.start;
            waves[usize::from(is_late)].push((start, delivery(&record, false)));
            if let Some(wave) = again {
                waves[wave].push((start, delivery(&record, true)));
            }
            if is_disputed {
                waves[2].push((start, delivery(&record.altered(), false)));
            }
        }
        waves[0].extend(
            self.broken
                .into_iter()
                .map(|broken| (plan.from(), broken.delivery)),
        );
        for (wave, nth) in waves.iter_mut().zip(0..) {
            if plan.faults.has(Fault::Reordering) {
                plan.order(u64::from(self.number) * 4 + nth).shuffle(wave);
            } else {
                wave.sort_by_key(|(start, _)| *start);
            }
        }
        waves.map(|wave| wave.into_iter().map(|(_, delivery)| delivery).collect())
    }
}

/// A copy with an identity of its own.
fn copy(record: &Record, offset: u32) -> Record {
    let mut copy = record.clone();
    copy.number += offset;
    copy
}

fn of_nobody(plan: &FleetPlan, record: &Record) -> Broken {
    let mut copy = copy(record, UNKNOWN_NUMBERS);
    copy.iccid = unknown_iccid(plan, copy.sim);
    broken(plan, &copy, copy.json(plan, false), "UNKNOWN_ICCID")
}

fn broken(plan: &FleetPlan, record: &Record, json: String, code: &'static str) -> Broken {
    let [gateway, streamer] = sources(plan);
    Broken {
        source: match record.feed {
            Feed::Gateway if json.starts_with('"') => String::new(),
            Feed::Gateway => gateway,
            Feed::Streamer => streamer,
        },
        delivery: Delivery {
            feed: record.feed,
            json,
        },
        code,
    }
}

/// One of the ways in which a record can be wrong.
fn malformed(plan: &FleetPlan, record: &Record, variant: u64) -> Broken {
    let mut copy = copy(record, BROKEN_NUMBERS);
    let second = TimeDelta::seconds(1);
    let year = |year| {
        Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0)
            .single()
            .unwrap_or(record.start)
    };
    // How the text is changed: what is replaced, by what. Nothing is, when the record itself is changed.
    let (code, from, to) = match (variant % 12, record.feed) {
        (0, _) => {
            let json = format!("\"not a record {}-{}\"", copy.sim, copy.number);
            return broken(plan, &copy, json, "MALFORMED");
        }
        (1, _) => {
            copy.end = copy.start - second;
            ("INVALID_TIME", "", "")
        }
        (2, _) => {
            (copy.start, copy.end) = (year(2001), year(2001) + second);
            ("TOO_OLD", "", "")
        }
        (3, _) => {
            (copy.start, copy.end) = (year(2199), year(2199) + second);
            ("IN_FUTURE", "", "")
        }
        (4, _) => {
            (copy.start, copy.end) = (year(9999), year(9999) + second);
            ("INVALID_TIME", "", "")
        }
        (5, _) => ("INVALID_ICCID", "\"iccid\":\"89", "\"iccid\":\"XX"),
        (6, Feed::Gateway) => ("MISSING_IDENTITY", "\"record_id\":", "\"recordid\":"),
        (6, Feed::Streamer) => ("MISSING_IDENTITY", "{\"id\":", "{\"number\":"),
        (7, Feed::Gateway) => ("MISSING_TIME", "\"start\":", "\"begin\":"),
        (7, Feed::Streamer) => ("MISSING_TIME", "\"end_timestamp\":", "\"end\":"),
        (8, Feed::Gateway) => ("INVALID_NETWORK", "\"mcc_mnc\":\"", "\"mcc_mnc\":\"9999"),
        (8, Feed::Streamer) => ("INVALID_NETWORK", "\"mnc\":\"", "\"mnc\":\"x"),
        (9, Feed::Gateway) => ("INVALID_SERVICE", "\"service\":\"", "\"service\":\"FAX-"),
        (9, Feed::Streamer) => (
            "INVALID_SERVICE",
            "\"traffic_type\":{\"id\":",
            "\"traffic_type\":{\"id\":9",
        ),
        (10, Feed::Gateway) => ("INVALID_VOLUME", "\"bytes_up\":", "\"bytes_up\":-"),
        (_, Feed::Gateway) => ("INVALID_VOLUME", "\"bytes_down\":", "\"bytes_down\":0.5"),
        (10, Feed::Streamer) => ("INVALID_VOLUME", "\"rx\":", "\"rx\":-"),
        (_, Feed::Streamer) => ("INVALID_VOLUME", "\"total\":", "\"total\":9"),
    };
    let json = copy.json(plan, false);
    let json = if from.is_empty() {
        json
    } else {
        json.replacen(from, to, 1)
    };
    broken(plan, &copy, json, code)
}
