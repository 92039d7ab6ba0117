//! Usage records of a plan, and how each source spells them.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::{
    dice::Dice,
    fleet::Sim,
    plan::FleetPlan,
    terrain::{COUNTRIES, RATS},
};

/// Who delivers a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Feed {
    /// A packet gateway, in our own shape.
    Gateway,
    /// A Data Streamer.
    Streamer,
}

/// One true record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) feed: Feed,
    /// Position among the SIM's records.
    pub(crate) number: u32,
    pub(crate) sim: u32,
    pub(crate) iccid: String,
    pub(crate) mcc: &'static str,
    pub(crate) mnc: &'static str,
    operator: &'static str,
    /// Index into [`RATS`].
    rat: usize,
    /// Whether the gateway sends the access type as its code.
    coded: bool,
    pub(crate) is_sms: bool,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    pub(crate) up: u64,
    pub(crate) down: u64,
    units: u64,
}

/// Every record of one SIM, in order of time.
pub(crate) fn records(plan: &FleetPlan, sim: &Sim) -> Vec<Record> {
    let mut dice = plan.dice(u64::from(sim.index) * 2 + 1);
    let mut records = Vec::new();
    let mut number = plan.first_number();
    for day in 0..plan.days {
        let mut count = dice.below(plan.daily());
        let is_first = sim.index == 0 && day == 0;
        let is_last = sim.index == plan.sims - 1 && day == plan.days - 1;
        if is_first || is_last {
            // Both ends of the range are used.
            count = count.max(1);
        }
        for nth in 0..count {
            let day_start = plan.from() + TimeDelta::days(i64::from(day));
            let mut record = record(plan, sim, day_start, &mut dice);
            if is_first && nth == 0 {
                record.end = day_start + (record.end - record.start);
                record.start = day_start;
            }
            if is_last && nth == count - 1 {
                record.end = plan.until - TimeDelta::milliseconds(1);
                record.start = record.end - TimeDelta::milliseconds(999);
            }
            record.number = number;
            number += 1;
            records.push(record);
        }
    }
    records
}

fn record(plan: &FleetPlan, sim: &Sim, day: DateTime<Utc>, dice: &mut Dice) -> Record {
    // Longest duration 15 minutes, so that start and end are on the same day of the range.
    let start = day + TimeDelta::milliseconds(millis(dice.below(86_400_000 - 900_000)));
    let end = start + TimeDelta::milliseconds(millis(dice.within(1_000, 899_000)));
    let country = if dice.one_in(10) {
        dice.pick(&COUNTRIES)
    } else {
        sim.country
    };
    // The biggest network twice as often.
    let (mnc, operator) = *if dice.one_in(3) {
        &country.mncs[0]
    } else {
        dice.pick(country.mncs)
    };
    let is_sms = dice.one_in(12);
    let total = volume(plan, dice);
    let share = u128::from(dice.within(50, 450));
    let up = u64::try_from(u128::from(total) * share / 1_000).unwrap_or_default();
    Record {
        feed: if dice.one_in(3) {
            Feed::Streamer
        } else {
            Feed::Gateway
        },
        number: 0,
        sim: sim.index,
        iccid: if dice.one_in(2) {
            sim.short_iccid()
        } else {
            &sim.iccid
        }
        .to_owned(),
        mcc: country.mcc,
        mnc,
        operator,
        rat: sim.rat,
        coded: dice.one_in(4),
        is_sms,
        start,
        end: if is_sms { start } else { end },
        up: if is_sms { 0 } else { up },
        down: if is_sms { 0 } else { total - up },
        units: if is_sms { dice.within(1, 3) } else { 0 },
    }
}

/// Bytes within the plan's limits, small ones more often than big ones.
pub(crate) fn volume(plan: &FleetPlan, dice: &mut Dice) -> u64 {
    let span = plan.max_bytes - plan.min_bytes;
    plan.min_bytes + (dice.within(0, span) >> dice.below(16))
}

/// A number as durations are made of.
pub(crate) fn millis(value: u64) -> i64 {
    i64::try_from(value).unwrap_or_default()
}

fn text(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Bytes as MB with six decimals: exact.
fn megabytes(bytes: u64) -> String {
    format!("{}.{:06}", bytes / 1_000_000, bytes % 1_000_000)
}

impl Record {
    /// The network's code in answers.
    pub(crate) fn network(&self) -> String {
        format!("{}-{}", self.mcc, self.mnc)
    }

    /// The access type in answers: the streamer does not say.
    pub(crate) fn rat(&self) -> &'static str {
        match self.feed {
            Feed::Gateway => RATS[self.rat].0,
            Feed::Streamer => "",
        }
    }

    /// The service in answers.
    pub(crate) fn service(&self) -> &'static str {
        if self.is_sms { "SMS" } else { "DATA" }
    }

    /// The record with other volumes: a conflict.
    pub(crate) fn altered(&self) -> Self {
        let mut altered = self.clone();
        if altered.is_sms {
            altered.units += 1;
        } else {
            altered.down = altered.down.checked_add(1).unwrap_or(0);
        }
        altered
    }

    /// Its JSON. `again` spells the same content in another way, as a vendor's retry may.
    pub(crate) fn json(&self, plan: &FleetPlan, again: bool) -> String {
        match self.feed {
            Feed::Gateway => self.gateway_json(&plan.gateway(), again),
            Feed::Streamer => self.streamer_json(again),
        }
    }

    fn gateway_json(&self, source: &str, again: bool) -> String {
        let (words, code) = RATS[self.rat];
        let rat = if self.coded { code } else { words };
        let units = if self.is_sms {
            format!(r#","units":{}"#, self.units)
        } else {
            String::new()
        };
        let identity = format!(
            r#""record_id":"pgw1-{}-{}","source":"{source}""#,
            self.sim, self.number
        );
        let usage = format!(
            r#""iccid":"{}","mcc_mnc":"{}-{}","radio_access_type":"{rat}","service":"{}","start":"{}","end":"{}","bytes_up":{},"bytes_down":{}{units}"#,
            self.iccid,
            self.mcc,
            self.mnc,
            self.service(),
            text(self.start),
            text(self.end),
            self.up,
            self.down,
        );
        if again {
            format!(r#"{{{usage},"apn":"again.jt.iot",{identity}}}"#)
        } else {
            format!(r#"{{{identity},"apn":"jt.iot",{usage}}}"#)
        }
    }

    fn streamer_json(&self, again: bool) -> String {
        let id = u64::from(self.sim) * 1_000_000 + u64::from(self.number);
        let (kind, rx, tx, total) = if self.is_sms {
            (
                6,
                self.units.to_string(),
                "0".to_owned(),
                self.units.to_string(),
            )
        } else {
            let sum = u128::from(self.up) + u128::from(self.down);
            let total = format!("{}.{:06}", sum / 1_000_000, sum % 1_000_000);
            (5, megabytes(self.up), megabytes(self.down), total)
        };
        let balance = if again { "12.5" } else { "null" };
        let usage = format!(
            r#""sim":{{"id":{},"iccid":"{}"}},"operator":{{"id":1,"name":"{}","mnc":"{}","country":{{"id":1,"mcc":"{}"}}}},"traffic_type":{{"id":{kind}}},"volume":{{"rx":{rx},"tx":{tx},"total":{total}}}"#,
            self.sim, self.iccid, self.operator, self.mnc, self.mcc,
        );
        let times = format!(
            r#""start_timestamp":"{}","end_timestamp":"{}""#,
            text(self.start),
            text(self.end)
        );
        let vendor = format!(
            r#""endpoint":{{"id":1,"name":"e","balance":{balance}}},"cost":0.000123456789"#
        );
        if again {
            format!(r#"{{{vendor},{times},{usage},"id":{id}}}"#)
        } else {
            format!(r#"{{"id":{id},{usage},{times},{vendor}}}"#)
        }
    }
}
