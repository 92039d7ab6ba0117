//! Rollups of a plan's sessions, and how a network spells them.
//!
//! Counters are totals of their session. Networks change within a session, counters begin again, sessions cross midnight, and some have no
//! end, or go on after it. What all of it comes to is the oracle's business ([`crate::oracle`]).
//!
//! No two rollups of a session have the same time, kind and counters, so the order in which they count needs no more than these.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::{
    dice::Dice,
    fleet::Sim,
    plan::FleetPlan,
    record::{millis, volume},
    terrain::{COUNTRIES, Country, RATS},
};

/// Streams of chance of sessions; those of SIMs and blocks are below.
const STREAM: u64 = 2 << 32;
/// Minutes between two rollups of a session.
const INTERVALS: [u64; 4] = [5, 15, 60, 180];

/// One true rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rollup {
    /// Unique for its SIM only, as with networks.
    pub(crate) session: String,
    /// The card, as sent.
    pub(crate) iccid: String,
    pub(crate) at: DateTime<Utc>,
    mcc: &'static str,
    mnc: &'static str,
    /// Index into [`RATS`].
    rat: usize,
    /// Whether the access type is sent as its code.
    coded: bool,
    ip: String,
    /// Bytes from the device since the session began.
    pub(crate) bytes_in: u64,
    /// Bytes to the device since then.
    pub(crate) bytes_out: u64,
    /// Whether it is a TERMINATE and not an UPDATE.
    pub(crate) ends: bool,
    cell: u64,
}

/// Every rollup of one SIM, session by session; of a SIM of a plan with sessions at least one.
pub(crate) fn rollups(plan: &FleetPlan, sim: &Sim) -> Vec<Rollup> {
    let mut dice = plan.dice(STREAM + u64::from(sim.index));
    let mut rollups = Vec::new();
    for day in 0..plan.sessions {
        let begin = plan.sessions_from() + TimeDelta::days(i64::from(day));
        // The first begins early, so that it does not begin after the range.
        let count = dice.below(3).max(u64::from(day == 0));
        for nth in 0..count {
            let early = if nth == 0 { 43_200_000 } else { 86_400_000 };
            let at = begin + TimeDelta::milliseconds(millis(dice.below(early)));
            let session = format!("{}-{nth}", begin.format("%Y%m%d"));
            Walk::new(plan, sim, session, at, &mut dice).run(&mut dice, &mut rollups);
        }
    }
    rollups
}

/// A session on its way.
struct Walk<'a> {
    plan: &'a FleetPlan,
    interval: u64,
    now: Rollup,
}

impl<'a> Walk<'a> {
    fn new(
        plan: &'a FleetPlan,
        sim: &Sim,
        session: String,
        at: DateTime<Utc>,
        dice: &mut Dice,
    ) -> Self {
        let iccid = if dice.one_in(2) {
            sim.short_iccid()
        } else {
            &sim.iccid
        };
        let mut now = Rollup {
            session,
            iccid: iccid.to_owned(),
            at,
            mcc: "",
            mnc: "",
            rat: sim.rat,
            coded: dice.one_in(2),
            ip: String::new(),
            bytes_in: 0,
            bytes_out: 0,
            ends: false,
            cell: 0,
        };
        now.attach(sim.country, dice);
        Self {
            plan,
            interval: *dice.pick(&INTERVALS),
            now,
        }
    }

    fn run(mut self, dice: &mut Dice, rollups: &mut Vec<Rollup>) {
        let updates = dice.within(1, 12);
        for _ in 0..updates {
            if dice.one_in(8) {
                self.now.attach(dice.pick(&COUNTRIES), dice);
            }
            if dice.one_in(20) {
                self.now.bytes_in = 0;
                // Mostly both counters begin again.
                if !dice.one_in(3) {
                    self.now.bytes_out = 0;
                }
            }
            self.grow(dice);
            self.tell(rollups);
            if dice.one_in(25) {
                // Another one in the same millisecond.
                self.grow(dice);
                self.tell(rollups);
            }
            self.wait(dice);
        }
        if dice.one_in(5) {
            return;
        }
        if dice.one_in(6) {
            // In the millisecond of the end, and before it.
            self.grow(dice);
            self.tell(rollups);
        }
        self.grow(dice);
        self.now.ends = true;
        self.tell(rollups);
        let after = dice.below(6);
        if after > 1 {
            return;
        }
        // The network goes on under the same id: with its counters, or with new ones.
        self.now.ends = false;
        if after == 0 {
            (self.now.bytes_in, self.now.bytes_out) = (0, 0);
        }
        for _ in 0..dice.within(1, 3) {
            self.wait(dice);
            self.grow(dice);
            self.tell(rollups);
        }
    }

    /// Some bytes more; a counter that has no room for them begins again.
    fn grow(&mut self, dice: &mut Dice) {
        let total = volume(self.plan, dice);
        let up = total / dice.within(2, 20);
        let more = |counter: u64, bytes: u64| {
            // Never the same rollup twice.
            let bytes = bytes.max(1);
            counter.checked_add(bytes).unwrap_or(bytes)
        };
        self.now.bytes_in = more(self.now.bytes_in, up);
        self.now.bytes_out = more(self.now.bytes_out, total - up);
    }

    fn wait(&mut self, dice: &mut Dice) {
        let jitter = millis(dice.below(20_000));
        let minutes = millis(self.interval);
        self.now.at += TimeDelta::minutes(minutes) + TimeDelta::milliseconds(jitter + 1);
    }

    /// Makes a rollup of how it is, inside the range.
    fn tell(&self, rollups: &mut Vec<Rollup>) {
        if self.plan.is_live() || self.now.at < self.plan.until {
            rollups.push(self.now.clone());
        }
    }
}

impl Rollup {
    /// In another network, with another address.
    fn attach(&mut self, country: &Country, dice: &mut Dice) {
        self.mcc = country.mcc;
        self.mnc = dice.pick(country.mncs).0;
        if dice.one_in(3) {
            self.rat = usize::try_from(dice.below(RATS.len() as u64)).unwrap_or_default();
        }
        let [high, low] = [dice.below(1 << 16), dice.below(1 << 16)];
        self.ip = if dice.one_in(4) {
            format!("2001:db8::{high:x}:{low:x}")
        } else {
            format!("10.{}.{}.{}", high >> 8, high & 0xff, low & 0xff)
        };
        self.cell = dice.below(1 << 28);
    }

    /// The network's code in answers.
    pub(crate) fn network(&self) -> String {
        format!("{}-{}", self.mcc, self.mnc)
    }

    /// The access type in answers.
    pub(crate) fn rat(&self) -> &'static str {
        RATS[self.rat].0
    }

    /// Its JSON. `again` spells the same content in another way, as a network's retry may.
    pub(crate) fn json(&self, again: bool) -> String {
        let (words, code) = RATS[self.rat];
        let rat = if self.coded { code } else { words };
        let at = self.at.to_rfc3339_opts(SecondsFormat::Millis, !again);
        let who = format!(
            r#""session_id":"{}","iccid":"{}""#,
            self.session, self.iccid
        );
        let place = format!(
            r#""event_timestamp":"{at}","mcc_mnc":"{}{}","radio_access_type":"{rat}","ip_address":"{}""#,
            self.mcc, self.mnc, self.ip,
        );
        let usage = format!(
            r#""total_bytes_in":{},"total_bytes_out":{},"request_type":"{}","cell_id":"{}""#,
            self.bytes_in,
            self.bytes_out,
            if self.ends { "TERMINATE" } else { "UPDATE" },
            self.cell,
        );
        if again {
            format!("{{{usage},{who},{place}}}")
        } else {
            format!("{{{who},{place},{usage}}}")
        }
    }
}
