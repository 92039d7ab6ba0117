//! Two tenants, their fleets and their usage records, drawn from a seed: what is delivered is known beforehand, and so is
//! what it must come to.

use chrono::{DateTime, Datelike as _, Days, SecondsFormat, TimeDelta, Utc};
use rand::{RngExt as _, seq::IndexedRandom as _};
use serde_json::json;

use crate::dice::Dice;

/// How far back usage lies.
const DAYS: i64 = 150;
const SLUGS: [&str; 2] = ["ash", "birch"];
const CUSTOMERS: [&str; 3] = ["Alder", "Beech", "Cedar"];
const NETWORKS: [&str; 4] = ["262-01", "238-02", "240-01", "204-08"];
const RATS: [&str; 3] = ["LTE", "5G NR", "NB-IoT"];
const SERVICES: [&str; 4] = ["DATA", "DATA", "DATA", "SMS"];
const SOURCES: [&str; 2] = ["gateway-1", "gateway-2"];

/// A company with a fleet.
pub(crate) struct Tenant {
    /// Its name in tokens and commands.
    pub(crate) slug: &'static str,
    /// The fleet as a file to import.
    pub(crate) fleet: String,
    /// Everything that will be delivered, each record once.
    pub(crate) records: Vec<Record>,
}

/// One usage record, with the attribution that it must get.
pub(crate) struct Record {
    /// As it is sent.
    pub(crate) json: String,
    /// Whether its SIM is in the fleet; a stranger's record must be refused.
    pub(crate) is_ours: bool,
    pub(crate) source: &'static str,
    pub(crate) iccid: String,
    /// Name of the customer that the SIM belongs to at `start`; empty is none.
    pub(crate) customer: &'static str,
    pub(crate) network: &'static str,
    pub(crate) rat: &'static str,
    pub(crate) start: DateTime<Utc>,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

/// A SIM and whom it belongs to.
struct Sim {
    iccid: String,
    customer: &'static str,
    moved: Option<(DateTime<Utc>, &'static str)>,
}

impl Sim {
    fn customer_at(&self, moment: DateTime<Utc>) -> &'static str {
        match self.moved {
            Some((since, to)) if since <= moment => to,
            _ => self.customer,
        }
    }
}

/// The tenants of a run that begins at `now`.
pub(crate) fn tenants(dice: &mut Dice, now: DateTime<Utc>) -> Vec<Tenant> {
    // Whole seconds, so that what is written into the fleet's file is what is reckoned with.
    let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    (0..)
        .zip(SLUGS)
        .map(|(number, slug)| tenant(dice, now, number, slug))
        .collect()
}

fn tenant(dice: &mut Dice, now: DateTime<Utc>, number: usize, slug: &'static str) -> Tenant {
    let iccid = |n: usize| format!("89450{number:02}{n:012}");
    let sims: Vec<Sim> = (0..dice.random_range(6..30))
        .map(|n| Sim {
            iccid: iccid(n),
            customer: customer(dice),
            moved: dice
                .random_bool(0.4)
                .then(|| (moment(dice, now), customer(dice))),
        })
        .collect();
    let records = (0..dice.random_range(300..3_000))
        .map(|n| {
            // A few are of SIMs that nobody knows.
            if dice.random_ratio(1, 50) {
                let stranger = Sim {
                    iccid: iccid(999_999),
                    customer: "",
                    moved: None,
                };
                return record(dice, now, n, &stranger, false);
            }
            let sim = &sims[dice.random_range(0..sims.len())];
            record(dice, now, n, sim, true)
        })
        .collect();
    Tenant {
        slug,
        fleet: fleet(&sims, now),
        records,
    }
}

/// A customer, or none.
fn customer(dice: &mut Dice) -> &'static str {
    if dice.random_ratio(1, 5) {
        ""
    } else {
        one(dice, &CUSTOMERS)
    }
}

fn one(dice: &mut Dice, words: &[&'static str]) -> &'static str {
    words.choose(dice).copied().unwrap_or_default()
}

/// A moment of the last months, often one at which a cell of a cube begins or ends.
fn moment(dice: &mut Dice, now: DateTime<Utc>) -> DateTime<Utc> {
    let length = TimeDelta::days(DAYS).num_seconds();
    let moment = now - TimeDelta::seconds(3_600 + dice.random_range(0..length));
    let second = moment.timestamp();
    let edge = match dice.random_range(0..20) {
        0 => moment
            .checked_sub_days(Days::new(u64::from(moment.day0())))
            .map(|day| day.timestamp() / 86_400 * 86_400),
        1 => Some(second / 86_400 * 86_400),
        2 => Some(second / 3_600 * 3_600),
        3 => Some(second / 3_600 * 3_600 - 1),
        _ => None,
    };
    edge.and_then(|edge| DateTime::from_timestamp(edge, 0))
        .unwrap_or(moment)
}

fn record(dice: &mut Dice, now: DateTime<Utc>, n: usize, sim: &Sim, is_ours: bool) -> Record {
    let start = match sim.moved {
        // The very moment of the move is the new customer's.
        Some((since, _)) if dice.random_ratio(1, 20) => {
            since - TimeDelta::seconds(dice.random_range(0..2))
        }
        _ => moment(dice, now),
    };
    let end = start + TimeDelta::seconds(dice.random_range(0..600));
    let (source, network, rat) = (one(dice, &SOURCES), one(dice, &NETWORKS), one(dice, &RATS));
    let (bytes_up, bytes_down) = (
        dice.random_range(0..1_000_000),
        dice.random_range(0..50_000_000),
    );
    let text = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
    let json = json!({
        // Both tenants use the same ids, which are none of each other's business.
        "record_id": format!("r-{n}"), "source": source, "iccid": sim.iccid, "mcc_mnc": network,
        "radio_access_type": rat, "service": one(dice, &SERVICES), "start": text(start), "end": text(end),
        "bytes_up": bytes_up, "bytes_down": bytes_down,
    });
    Record {
        json: json.to_string(),
        is_ours,
        source,
        iccid: sim.iccid.clone(),
        customer: sim.customer_at(start),
        network,
        rat,
        start,
        bytes_up,
        bytes_down,
    }
}

fn fleet(sims: &[Sim], now: DateTime<Utc>) -> String {
    let first = now - TimeDelta::days(400);
    let mut text = "customer,iccid,state,valid_from\n".to_owned();
    let mut row = |customer: &str, iccid: &str, since: DateTime<Utc>| {
        text += &format!(
            "{customer},{iccid},ACTIVE,{}\n",
            since.to_rfc3339_opts(SecondsFormat::Secs, true)
        );
    };
    for sim in sims {
        row(sim.customer, &sim.iccid, first);
        if let Some((since, to)) = sim.moved {
            row(to, &sim.iccid, since);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::{Stream, dice};

    fn world(seed: u64) -> Vec<Tenant> {
        tenants(
            &mut dice(seed, Stream::World),
            DateTime::from_timestamp(1_800_000_000, 0).expect("a moment"),
        )
    }

    #[test]
    fn the_same_seed_makes_the_same_world() {
        for (one, other) in world(3).iter().zip(world(3)) {
            assert_eq!(one.fleet, other.fleet);
            assert!(
                one.records
                    .iter()
                    .map(|r| &r.json)
                    .eq(other.records.iter().map(|r| &r.json))
            );
        }
    }

    #[test]
    fn a_moved_sim_has_usage_on_both_sides_and_strangers_exist() {
        let records: Vec<Record> = (0..5)
            .flat_map(world)
            .flat_map(|tenant| tenant.records)
            .collect();
        assert!(records.iter().any(|record| !record.is_ours));
        let of = |record: &&Record| record.iccid == records[0].iccid;
        let customers: std::collections::BTreeSet<_> = records
            .iter()
            .filter(of)
            .map(|record| record.customer)
            .collect();
        assert!(customers.len() > 1);
    }
}
