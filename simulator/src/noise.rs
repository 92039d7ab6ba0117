//! What must be refused: records and rollups that are wrong in one of many ways, or of SIMs that nobody knows.

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use domain::session;

use crate::{
    block::{Delivery, Inlet, sources},
    fleet::{Sim, unknown_iccid},
    plan::{FleetPlan, Via},
    record::{Feed, Record},
    session::Rollup,
};

/// Where broken copies' numbers begin, so that their identities are nobody else's.
const BROKEN_NUMBERS: u32 = 500_000;
/// The same for copies of SIMs that nobody knows.
const UNKNOWN_NUMBERS: u32 = 600_000;

/// A delivery that must be refused.
pub(crate) struct Broken {
    pub(crate) delivery: Delivery,
    /// When it says that it happened, about.
    pub(crate) at: DateTime<Utc>,
    /// The source that the refusal is booked under.
    pub(crate) source: String,
    pub(crate) code: &'static str,
    /// Whether nothing in it says whose it is: in a topic it is nobody's, and booked under no tenant.
    is_nobodys: bool,
}

impl Broken {
    /// Whether a tenant's books have it, when it travels as the plan says.
    pub(crate) fn is_booked(&self, plan: &FleetPlan) -> bool {
        let in_topic = plan.via == Via::Kafka && self.delivery.inlet != Inlet::Streamer;
        !(in_topic && self.is_nobodys)
    }
}

/// A copy with an identity of its own.
fn copy(record: &Record, offset: u32) -> Record {
    let mut copy = record.clone();
    copy.number += offset;
    copy
}

/// A record of a SIM that nobody knows.
pub(crate) fn of_nobody(plan: &FleetPlan, record: &Record) -> Broken {
    let mut copy = copy(record, UNKNOWN_NUMBERS);
    copy.iccid = unknown_iccid(plan, copy.sim);
    let (key, json) = (copy.iccid.clone(), copy.json(plan, false));
    broken(plan, &copy, key, json, "UNKNOWN_ICCID")
}

fn broken(
    plan: &FleetPlan,
    record: &Record,
    iccid: String,
    json: String,
    code: &'static str,
) -> Broken {
    let [gateway, streamer] = sources(plan);
    let is_no_record = json.starts_with('"');
    Broken {
        source: match record.feed {
            Feed::Gateway if is_no_record => String::new(),
            Feed::Gateway => gateway,
            Feed::Streamer => streamer,
        },
        delivery: Delivery {
            inlet: record.feed.into(),
            iccid,
            json,
        },
        // A plan's noise comes before everything else of it, in the order of time.
        at: plan.from(),
        code,
        is_nobodys: is_no_record || matches!(code, "INVALID_ICCID" | "UNKNOWN_ICCID"),
    }
}

/// A rollup of a SIM that nobody knows.
pub(crate) fn rollup_of_nobody(plan: &FleetPlan, sim: &Sim, rollup: &Rollup) -> Broken {
    let mut stranger = rollup.clone();
    stranger.iccid = unknown_iccid(plan, sim.index);
    let json = stranger.json(false);
    broken_rollup(rollup, stranger.iccid, json, "UNKNOWN_ICCID")
}

fn broken_rollup(rollup: &Rollup, iccid: String, json: String, code: &'static str) -> Broken {
    Broken {
        source: session::SOURCE.to_owned(),
        delivery: Delivery {
            inlet: Inlet::Sessions,
            iccid,
            json,
        },
        at: rollup.at,
        code,
        is_nobodys: matches!(code, "INVALID_ICCID" | "UNKNOWN_ICCID"),
    }
}

/// One of the ways in which a rollup can be wrong.
pub(crate) fn malformed_rollup(sim: &Sim, rollup: &Rollup, variant: u64) -> Broken {
    let (code, from, to) = match variant % 9 {
        0 => ("MALFORMED", "{", "{\"apn\":\"jt.iot\","),
        1 => ("MALFORMED", "\"cell_id\":\"", "\"cell\":\""),
        2 => (
            "INVALID_VOLUME",
            "\"total_bytes_in\":",
            "\"total_bytes_in\":-",
        ),
        3 => (
            "INVALID_VOLUME",
            "\"total_bytes_out\":",
            "\"total_bytes_out\":0.5",
        ),
        4 => ("INVALID_ADDRESS", "\"ip_address\":\"", "\"ip_address\":\"x"),
        5 => ("INVALID_NETWORK", "\"mcc_mnc\":\"", "\"mcc_mnc\":\"9999"),
        6 => ("INVALID_ICCID", "\"iccid\":\"89", "\"iccid\":\"XX"),
        7 => (
            "INVALID_TIME",
            "\"event_timestamp\":\"20",
            "\"event_timestamp\":\"99",
        ),
        _ => (
            "INVALID_REQUEST_TYPE",
            "\"request_type\":\"",
            "\"request_type\":\"X",
        ),
    };
    let json = rollup.json(false).replacen(from, to, 1);
    broken_rollup(rollup, sim.iccid.clone(), json, code)
}

/// One of the ways in which a record can be wrong.
pub(crate) fn malformed(plan: &FleetPlan, sim: &Sim, record: &Record, variant: u64) -> Broken {
    let key = sim.iccid.clone();
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
            return broken(plan, &copy, key, json, "MALFORMED");
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
    broken(plan, &copy, key, json, code)
}
