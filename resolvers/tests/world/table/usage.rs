//! Usage and networks.

use serde_json::{Value, json};

use super::{Open, Row, Way, any, customers, devices, one, rows, sims, ways};
use crate::world::{
    Caller, POOL,
    at::{At, Which, code, customer_of, down, network_of, records, session_up, slug, up},
};

fn networks(_: Caller) -> Vec<Which> {
    vec![Which::Network(0), Which::Network(1)]
}

fn telekom(_: Caller) -> Vec<Which> {
    vec![Which::Network(1)]
}

/// The networks of what the caller sees used.
fn visited(caller: Caller) -> Vec<Which> {
    if records(caller).is_empty() {
        vec![]
    } else {
        networks(caller)
    }
}

/// A row for each record: no two have the same SIM and day.
fn each(caller: Caller) -> Vec<Which> {
    records(caller)
        .into_iter()
        .map(|(n, day)| Which::Record(n, day))
        .collect()
}

/// Whether it is asked of sessions.
pub(super) fn is_of_sessions(path: &str) -> bool {
    path.contains("source: SESSION")
}

/// Bytes that devices sent, by what is asked.
fn sent(at: &At<'_>) -> fn(u64, u64) -> u64 {
    if is_of_sessions(at.way.path) {
        session_up
    } else {
        up
    }
}

/// Days of October on which the counter of each session began again, or its session did.
fn times(at: &At<'_>, day: u64) -> Value {
    at.sum(if day == 1 {
        |_, day| u64::from(day == 1)
    } else {
        |_, day| u64::from(day == 3)
    })
}

/// The second day of each SIM, on which its session has more than the record: the one that is furthest apart first.
fn apart(caller: Caller) -> Vec<Which> {
    let mut sims = used(caller);
    sims.reverse();
    sims
}

/// Bytes of the second day of a SIM, or of everything, by usage records, by sessions, and what is between them.
fn bytes(at: &At<'_>, by: fn(u64, u64) -> u64) -> Value {
    match at.which {
        Which::Fleet(n) => json!(by(n as u64 + 1, 2).to_string()),
        _ => at.sum(by),
    }
}

/// Which of them the way leads to.
fn counted_by(at: &At<'_>) -> [fn(u64, u64) -> u64; 2] {
    let path = at.way.path;
    if path.contains("cdr {") {
        [up, down]
    } else if path.contains("session {") {
        [session_up, down]
    } else {
        [|n, day| session_up(n, day) - up(n, day), |_, _| 0]
    }
}

/// Sources in which the catalogue has a measure or dimension.
fn sources(name: &str) -> Value {
    match name {
        "UNITS" | "SERVICE" | "STREAM" => json!(["CDR"]),
        "SESSIONS" | "RESETS" => json!(["SESSION"]),
        _ => json!(["CDR", "SESSION"]),
    }
}

/// The source of the answer, or of one of both.
fn source(at: &At<'_>) -> Value {
    let is_of_sessions = is_of_sessions(at.way.path) || at.which == Which::Nth(1);
    json!(if is_of_sessions { "SESSION" } else { "CDR" })
}

/// Whether November is asked about, beside October: nothing was used in it.
fn is_compared(at: &At<'_>) -> bool {
    at.way.path.contains("compareTo")
}

/// Whether only the largest network is shown by itself.
fn is_ranked(at: &At<'_>) -> bool {
    at.way.path.contains("top: {")
}

/// Whether it is all others together: whatever is not shown, or what was used on the smaller network, of a day or of all.
fn is_others(at: &At<'_>) -> bool {
    match at.which {
        Which::Network(n) if is_ranked(at) => n == 1,
        Which::Day(on) if is_ranked(at) => network_of(on) == 1,
        _ => at.way.path.contains("others"),
    }
}

/// Records of October where that is the period that is asked about.
fn counted(at: &At<'_>) -> Value {
    if is_compared(at) {
        json!("0")
    } else {
        at.sum(|_, _| 1)
    }
}

/// Records of October where that is the period that it is compared with.
fn counted_before(at: &At<'_>) -> Value {
    if is_compared(at) {
        json!({ "records": at.sum(|_, _| 1) })
    } else {
        Value::Null
    }
}

fn previous_period(at: &At<'_>) -> Value {
    if is_compared(at) {
        json!({ "from": "2026-10-01T00:00:00Z" })
    } else {
        Value::Null
    }
}

fn period(at: &At<'_>) -> [&'static str; 2] {
    if is_compared(at) {
        ["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"]
    } else {
        ["2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"]
    }
}

/// Bytes of both directions to each of so many, rounded half up to two decimal places; of nothing there is none.
fn average(at: &At<'_>, per: usize) -> Value {
    let records = at.records().into_iter();
    let sent = sent(at);
    let bytes = |(n, day): (usize, u32)| {
        let (n, day) = (n as u64 + 1, day.into());
        sent(n, day) + down(n, day)
    };
    let (bytes, per): (u64, u64) = (records.map(bytes).sum(), per as u64);
    if per == 0 {
        return Value::Null;
    }
    let hundredths = (200 * bytes + per) / (2 * per);
    json!(format!("{}.{:02}", hundredths / 100, hundredths % 100))
}

/// A key of a group: null for all others together.
fn keyed(at: &At<'_>, value: Value) -> Value {
    if is_others(at) { Value::Null } else { value }
}

/// The same where rows name the SIM: those that the caller does not see are one.
fn each_of_sims(caller: Caller) -> Vec<Which> {
    if caller == POOL {
        (1..=3).map(Which::Day).collect()
    } else {
        each(caller)
    }
}

/// The customers of what was used, the one that used least first, and last nobody's. Those of the pool, which sees none, are one, and it
/// is not told whose its SIMs are now.
fn owners(caller: Caller) -> Vec<Which> {
    if caller == POOL {
        return vec![Which::Nth(1)];
    }
    let mut owners: Vec<Which> = records(caller)
        .into_iter()
        .map(|(n, _)| customer_of(n).map_or(Which::Nth(0), Which::Customer))
        .collect();
    owners.dedup();
    owners
}

/// The number of what was used.
fn used(caller: Caller) -> Vec<Which> {
    let mut used: Vec<usize> = records(caller).into_iter().map(|(n, _)| n).collect();
    used.dedup();
    used.into_iter().map(Which::Fleet).collect()
}

/// The SIMs of what was used: those that the caller does not see are one.
fn used_sims(caller: Caller) -> Vec<Which> {
    if caller == POOL {
        vec![Which::Nth(1)]
    } else {
        used(caller)
    }
}

/// The days of the network of most records, and then the one of all others.
fn ranked_days(caller: Caller) -> Vec<Which> {
    if records(caller).is_empty() {
        return vec![];
    }
    [2, 3, 1].map(Which::Day).to_vec()
}

/// The SIMs of what was used that sent as much as six records of the smallest: those that the caller does not see are one, and no
/// condition tells them apart.
fn busy(caller: Caller) -> Vec<Which> {
    let mut sims = used_sims(caller);
    sims.retain(|which| *which != Which::Fleet(0));
    sims
}

/// The SIMs of what was used that began one session: those that the caller does not see are one, and began more or none.
fn used_sims_of_one_session(caller: Caller) -> Vec<Which> {
    if caller == POOL {
        return vec![];
    }
    used(caller)
}

/// The SIMs of what was used that are nobody's now.
fn spare(caller: Caller) -> Vec<Which> {
    let mut sims = used_sims(caller);
    sims.retain(|which| matches!(which, Which::Fleet(n) if customer_of(*n).is_none()));
    sims
}

/// All other SIMs of what was used. What a SIM is now is asked of those that the caller sees: the rest are none of nobody's.
fn taken(caller: Caller) -> Vec<Which> {
    let mut sims = used_sims(caller);
    sims.retain(|which| !matches!(which, Which::Fleet(n) if customer_of(*n).is_none()));
    sims
}

/// Devices, by what their SIMs used: whoever does not see the SIMs is not told which are in them now, so that there is nothing.
fn devices_now(caller: Caller) -> Vec<Which> {
    if caller == POOL {
        let devices = caller.devices().into_iter();
        return devices.map(|n| Which::Record(n, 0)).collect();
    }
    devices(caller)
}

/// What is known of a customer that is grouped by: its status, and it where it is there.
fn owner(at: &At<'_>) -> (&'static str, Option<usize>) {
    match at.which {
        Which::Nth(0) => ("UNASSIGNED", None),
        Which::Customer(n) if at.caller.customers().contains(&n) => ("VALUE", Some(n)),
        _ => ("HIDDEN", None),
    }
}

/// What is known of the state of SIMs.
fn state(at: &At<'_>) -> [Value; 2] {
    if at.caller == POOL {
        [json!("HIDDEN"), Value::Null]
    } else {
        [json!("VALUE"), json!("ACTIVE")]
    }
}

/// What a group by text says; labels of SIMs that are not seen are hidden.
fn word(at: &At<'_>) -> [Value; 2] {
    let path = at.way.path;
    let value = if path.contains("COUNTRY") {
        json!(["DK", "DE"][at.n()])
    } else if path.contains("STREAM") {
        json!(format!("{}-gateway", at.tenant()))
    } else if path.contains("RADIO") {
        json!("LTE")
    } else if path.contains("deviceLabel") {
        json!(format!("{}-{}", at.tenant(), at.n()))
    } else if at.caller == POOL {
        return [json!("HIDDEN"), Value::Null];
    } else {
        json!("field")
    };
    [json!("VALUE"), value]
}

fn sims_of(at: &At<'_>) -> usize {
    let mut sims: Vec<usize> = at.records().into_iter().map(|(n, _)| n).collect();
    sims.dedup();
    sims.len()
}

/// The number of the SIM, or null where the caller does not see it.
fn seen(at: &At<'_>, of: &[usize]) -> Option<usize> {
    Some(at.n()).filter(|n| of.contains(n))
}

fn day(at: &At<'_>) -> u32 {
    at.records().first().map_or(0, |(_, day)| *day)
}

/// The day. Beside the largest network all others are told apart by time.
fn time(at: &At<'_>) -> Value {
    let day = json!(format!("2026-10-0{}T00:00:00Z", day(at)));
    if is_ranked(at) { day } else { keyed(at, day) }
}

/// The device of the record; with `attribution: CURRENT` that of its SIM now, of whoever sees SIMs.
fn device(at: &At<'_>) -> Value {
    let is_told = at.caller != POOL || !at.way.path.contains("CURRENT");
    let device = seen(at, &at.caller.devices()).filter(|_| is_told);
    json!({ "device": device.map(|n| json!({ "name": at.device(n) })) })
}

fn network(at: &At<'_>) -> [Value; 8] {
    let telekom = at.n() == 1;
    let pick = |tdc: &str, german: &str| json!(if telekom { german } else { tdc });
    [
        json!(format!("net_{}", code(at.n()))),
        json!(code(at.n())),
        pick("238", "262"),
        pick("TDC", "Telekom"),
        pick("TDC A/S", "Telekom Deutschland GmbH"),
        pick("DK", "DE"),
        pick("Denmark", "Germany"),
        json!("*"),
    ]
}

fn codes() -> impl Iterator<Item = &'static str> {
    [0, 1].into_iter().map(code)
}

/// Whether the question reaches beyond the newest record.
fn open_ended(at: &At<'_>) -> bool {
    at.way.path.contains("2100")
}

/// The tables that answer. The small ones are not read for a SIM or a device, nor for who sees single devices.
fn tables(at: &At<'_>) -> Value {
    if at.way.path.contains("usageReconciliation") {
        let table = ["USAGE_DAY", "SESSION_DAY"][at.n()];
        return json!([table]);
    }
    let family = if is_of_sessions(at.way.path) {
        "SESSION"
    } else {
        "USAGE"
    };
    let by_sim = at.way.path.contains("{ sims(") || at.way.path.contains("{ devices(");
    let width = if open_ended(at) { "YEAR" } else { "MONTH" };
    if by_sim || at.caller == POOL {
        json!([format!("{family}_{width}")])
    } else {
        json!([format!("{family}_{width}_SMALL")])
    }
}

/// Without any usage that the caller sees, nothing was received. A word and a sentence.
fn reason(at: &At<'_>) -> [Value; 2] {
    match (records(at.caller).is_empty(), open_ended(at)) {
        (true, _) => [
            json!("NOTHING_RECEIVED"),
            json!("no usage that you may see has been received yet"),
        ],
        (false, true) => [
            json!("PERIOD_RUNNING"),
            json!("the period reaches beyond the newest record received"),
        ],
        (false, false) => [Value::Null, Value::Null],
    }
}

/// All sessions are in a network that nobody knows: whoever sees one sees that.
pub(super) fn unknown(caller: Caller) -> Vec<Which> {
    if caller.sims().is_empty() {
        Vec::new()
    } else {
        vec![Which::All]
    }
}

/// The largest network first.
fn ranked(at: &At<'_>) -> [u64; 2] {
    [0, 1].map(|n| {
        let which = Which::Network(n);
        let bytes = At { which, ..*at }.sum(|n, day| up(n, day) + down(n, day));
        let bytes = bytes.as_str().and_then(|text| text.parse().ok());
        bytes.expect("a number")
    })
}

/// What the network is of both, in percent: both are a hundred.
fn share(at: &At<'_>) -> Value {
    let [large, small] = ranked(at);
    let hundredths = (20_000 * large / (large + small)).div_ceil(2);
    let own = [hundredths, 10_000 - hundredths][at.n()];
    json!(format!("{}.{:02}", own / 100, own % 100))
}

const MEASURES: [(&str, &str); 10] = [
    ("BYTES_UP", "BYTES"),
    ("BYTES_DOWN", "BYTES"),
    ("BYTES_TOTAL", "BYTES"),
    ("RECORDS", "RECORDS"),
    ("UNITS", "SERVICE_UNITS"),
    ("ACTIVE_SIMS", "SIMS"),
    ("AVERAGE_BYTES_PER_SIM", "BYTES_PER_SIM"),
    ("AVERAGE_BYTES_PER_RECORD", "BYTES_PER_RECORD"),
    ("SESSIONS", "SESSIONS"),
    ("RESETS", "RESETS"),
];

const DIMENSIONS: [&str; 10] = [
    "NETWORK",
    "COUNTRY",
    "CUSTOMER",
    "SIM",
    "DEVICE",
    "RADIO_ACCESS_TYPE",
    "SERVICE",
    "STREAM",
    "SIM_STATE",
    "SIM_CUSTOMER_NOW",
];

const LABELS: [&str; 2] = ["SIM_LABEL", "DEVICE_LABEL"];

const TABLES: [&str; 18] = [
    "USAGE_YEAR_SMALL",
    "USAGE_MONTH_SMALL",
    "USAGE_DAY_SMALL",
    "USAGE_HOUR_SMALL",
    "USAGE_YEAR",
    "USAGE_MONTH",
    "USAGE_DAY",
    "USAGE_HOUR",
    "CDR",
    "SESSION_YEAR_SMALL",
    "SESSION_MONTH_SMALL",
    "SESSION_DAY_SMALL",
    "SESSION_HOUR_SMALL",
    "SESSION_YEAR",
    "SESSION_MONTH",
    "SESSION_DAY",
    "SESSION_HOUR",
    "SESSION_LOG",
];

fn so_many<const N: usize>(_: Caller) -> Vec<Which> {
    (0..N).map(Which::Nth).collect()
}

ways! { WAYS:
    "Usage" Usage "{ usage(input: { $october }) { % } }" => one;
    "Usage" Usage "{ usage(input: { $november, compareTo: PREVIOUS_PERIOD }) { % } }" => one;
    "Usage" Usage "{ tenant { usage(input: { $october }) { % } } }" => one;
    "Usage" Usage "{ sims(first: 100) { nodes { usage(input: { $october }) { % } } } }" => sims;
    "Usage" Usage "{ devices(first: 100) { nodes { usage(input: { $october }) { % } } } }" => devices;
    "Usage" Usage "{ customers(first: 100) { nodes { usage(input: { $october }) { % } } } }" => customers;
    "Usage" Usage "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { nodes { usage(input: { $october }) { % } } } }" => networks;
    "Period" Usage "{ usage(input: { $october }) { period { % } } }" => one;
    "Period" Usage "{ usage(input: { $november, compareTo: PREVIOUS_PERIOD }) { period { % } } }" => one;
    "Period" Usage "{ sims(first: 100) { nodes { usage(input: { $october }) { period { % } } } } }" => sims;
    "UsageValues" Usage "{ usage(input: { $october }) { totals { % } } }" => one;
    "UsageValues" Usage "{ usage(input: { $october }) { rows { values { % } } } }" => one;
    "UsageValues" Usage "{ usage(input: { $november, compareTo: PREVIOUS_PERIOD }) { previousTotals { % } } }" => one;
    "UsageValues" Usage "{ usage(input: { $november, compareTo: PREVIOUS_PERIOD, groupBy: [{ dimension: NETWORK }], others: true }) { rows { previous { % } } } }" => one;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }], limit: 0, others: true }) { rows { values { % } } } }" => one;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { values { % } } } }" => used_sims;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: CUSTOMER }], orderBy: [{ by: { measure: BYTES_UP } }], filter: { unassigned: false } }) { rows { values { % } } } }" => |caller| owners(caller).into_iter().filter(|which| *which != Which::Nth(0)).collect();
    "UsageValues" Usage "{ sims(first: 100) { nodes { usage(input: { $october }) { totals { % } } } } }" => sims;
    "UsageValues" Usage "{ devices(first: 100) { nodes { usage(input: { $october }) { totals { % } } } } }" => devices;
    "UsageValues" Usage "{ customers(first: 100) { nodes { usage(input: { $october }) { totals { % } } } } }" => customers;
    "UsageValues" Usage "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { nodes { usage(input: { $october }) { totals { % } } } } }" => networks;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM }], having: { measure: { by: BYTES_UP, gte: \"6000\" } }, orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { values { % } } } }" => busy;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM }], having: { not: { or: [{ measure: { by: BYTES_UP, lt: \"6000\" } }, { measure: { by: ACTIVE_SIMS, eq: \"0\" } }] } }, orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { values { % } } } }" => busy;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }], top: { group: 0, n: 1, by: RECORDS }, others: true }) { rows { values { % } } } }" => visited;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }, { time: DAY }], top: { group: 0, n: 1, by: RECORDS }, others: true }) { rows { values { % } } } }" => ranked_days;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM }], filter: { sim: { unassigned: true } }, orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { values { % } } } }" => spare;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM }], filter: { not: { sim: { unassigned: true } } }, orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { values { % } } } }" => taken;
    "UsageValues" Usage "{ usage(input: { $october, groupBy: [{ dimension: DEVICE }], filter: { device: { search: \"device\" } }, orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { values { % } } } }" => used;
    "UsageValues" Usage "{ sims(first: 100) { nodes { usage(input: { $october, attribution: CURRENT }) { totals { % } } } } }" => sims;
    "UsageValues" Usage "{ devices(first: 100) { nodes { usage(input: { $october, attribution: CURRENT }) { totals { % } } } } }" => devices_now;
    "UsageValues" Usage "{ customers(first: 100) { nodes { usage(input: { $october, attribution: CURRENT }) { totals { % } } } } }" => customers;
    "UsageValues" Usage "{ usage(input: { source: SESSION, $october }) { totals { % } } }" => one;
    "UsageValues" Usage "{ usage(input: { source: SESSION, $october, groupBy: [{ dimension: SIM }], having: { measure: { by: SESSIONS, eq: 1 } }, orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { values { % } } } }" => used_sims_of_one_session;
    "UsageValues" Usage "{ usage(input: { source: SESSION, $november, compareTo: PREVIOUS_PERIOD }) { previousTotals { % } } }" => one;
    "UsageValues" Usage "{ sims(first: 100) { nodes { usage(input: { source: SESSION, $october, attribution: CURRENT }) { totals { % } } } } }" => sims;
    "UsageValues" Usage "{ devices(first: 100) { nodes { usage(input: { source: SESSION, $october }) { totals { % } } } } }" => devices;
    "UsageValues" Usage "{ customers(first: 100) { nodes { usage(input: { source: SESSION, $october }) { totals { % } } } } }" => customers;
    "UsageValues" Usage "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { nodes { usage(input: { source: SESSION, $october }) { totals { % } } } } }" => networks;
    "UsageRow" Usage "{ usage(input: { $october }) { rows { % } } }" => one;
    "UsageRow" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM }], having: { measure: { by: BYTES_UP, gte: \"6000\" } }, orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { % } } }" => busy;
    "UsageRow" Usage "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }], top: { group: 0, n: 1, by: RECORDS }, others: true }) { rows { % } } }" => visited;
    "UsageRow" Usage "{ usage(input: { $november, compareTo: PREVIOUS_PERIOD }) { rows { % } } }" => one;
    "UsageRow" Usage "{ usage(input: { $october, groupBy: [{ dimension: STREAM }], limit: 0, others: true }) { rows { % } } }" => one;
    "UsageRow" Usage "{ usage(input: { $october, groupBy: [{ time: DAY }, { dimension: SIM }], orderBy: [{ by: { measure: BYTES_DOWN } }] }) { rows { % } } }" => each_of_sims;
    "UsageKey" Usage "{ usage(input: { $october, groupBy: [{ time: DAY }, { dimension: NETWORK }, { dimension: COUNTRY }, { dimension: CUSTOMER }, { dimension: SIM }], orderBy: [{ by: { measure: BYTES_DOWN } }] }) { rows { key { % } } } }" => each_of_sims;
    "UsageKey" Usage "{ usage(input: { $october, groupBy: [{ timePart: DAY_OF_MONTH }, { dimension: DEVICE }, { dimension: RADIO_ACCESS_TYPE }, { dimension: SERVICE }, { dimension: STREAM }], orderBy: [{ by: { measure: BYTES_DOWN } }] }) { rows { key { % } } } }" => each;
    "UsageKey" Usage "{ usage(input: { $october, groupBy: [{ time: DAY }, { dimension: SIM }, { dimension: SIM_STATE }, { dimension: SIM_CUSTOMER_NOW }, { simLabel: \"location\" }, { deviceLabel: \"rack\" }], orderBy: [{ by: { measure: BYTES_DOWN } }] }) { rows { key { % } } } }" => each;
    "UsageKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }, { dimension: CUSTOMER }, { simLabel: \"location\" }, { time: DAY }], limit: 0, others: true }) { rows { key { % } } } }" => one;
    "UsageKey" Usage "{ usage(input: { $october, attribution: CURRENT, groupBy: [{ time: DAY }, { dimension: CUSTOMER }, { dimension: DEVICE }, { dimension: SIM }], orderBy: [{ by: { measure: BYTES_DOWN } }] }) { rows { key { % } } } }" => each_of_sims;
    "UsageKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }, { time: DAY }], top: { group: 0, n: 1, by: RECORDS }, others: true }) { rows { key { % } } } }" => ranked_days;
    "UsageKey" Usage "{ sims(first: 100) { nodes { usage(input: { $october, attribution: CURRENT, groupBy: [{ time: DAY }, { dimension: NETWORK }, { dimension: CUSTOMER }, { dimension: DEVICE }] }) { rows { key { % } } } } } }" => |caller| if caller.sims().is_empty() { vec![] } else { each(caller) };
    "UsageKey" Usage "{ sims(first: 100) { nodes { usage(input: { $october, groupBy: [{ time: DAY }, { dimension: NETWORK }, { dimension: DEVICE }] }) { rows { key { % } } } } } }" => |caller| if caller.sims().is_empty() { vec![] } else { each(caller) };
    "UsageTextKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: COUNTRY }], orderBy: [{ by: { group: 0 }, direction: DESC }] }) { rows { key { country { % } } } } }" => visited;
    "UsageTextKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: STREAM }] }) { rows { key { stream { % } } } } }" => one;
    "UsageTextKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: RADIO_ACCESS_TYPE }] }) { rows { key { radioAccessType { % } } } } }" => one;
    "UsageTextKey" Usage "{ usage(input: { $october, groupBy: [{ simLabel: \"location\" }] }) { rows { key { simLabel(key: \"location\") { % } } } } }" => one;
    "UsageTextKey" Usage "{ usage(input: { $october, groupBy: [{ deviceLabel: \"rack\" }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { deviceLabel(key: \"rack\") { % } } } } }" => used;
    "UsageNetworkKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }], orderBy: [{ by: { group: 0 } }] }) { rows { key { network { % } } } } }" => visited;
    "UsageServiceKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: SERVICE }] }) { rows { key { service { % } } } } }" => one;
    "UsageSimStateKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM_STATE }] }) { rows { key { simState { % } } } } }" => one;
    "UsageCustomerKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: CUSTOMER }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { customer { % } } } } }" => owners;
    "UsageCustomerKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM_CUSTOMER_NOW }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { simCustomerNow { % } } } } }" => owners;
    "UsageCustomerKey" Usage "{ usage(input: { $october, attribution: CURRENT, groupBy: [{ dimension: CUSTOMER }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { customer { % } } } } }" => owners;
    "UsageSimKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { sim { % } } } } }" => used_sims;
    "UsageDeviceKey" Usage "{ usage(input: { $october, groupBy: [{ dimension: DEVICE }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { device { % } } } } }" => used;
    "Provenance" Usage "{ usage(input: { $october }) { provenance { % } } }" => one;
    "Provenance" Usage "{ usage(input: { period: { between: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" } } }) { provenance { % } } }" => one;
    "Provenance" Usage "{ sims(first: 100) { nodes { usage(input: { $october }) { provenance { % } } } } }" => sims;
    "Provenance" Usage "{ usage(input: { source: SESSION, $october }) { provenance { % } } }" => one;
    "Provenance" Usage "{ usage(input: { source: SESSION, period: { between: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" } } }) { provenance { % } } }" => one;
    "Provenance" Staff "{ usageReconciliation($days) { provenance { % } } }" => so_many::<2>;
    "Period" Staff "{ usageReconciliation($days) { period { % } } }" => one;
    "UsageReconciliation" Staff "{ usageReconciliation($days) { % } }" => one;
    "UsageReconciliationRow" Staff "{ usageReconciliation($days) { rows { % } } }" => apart;
    "UsagePair" Staff "{ usageReconciliation($days) { totals { % } } }" => one;
    "UsageBytes" Staff "{ usageReconciliation($days) { totals { cdr { % } } } }" => one;
    "UsageBytes" Staff "{ usageReconciliation($days) { totals { session { % } } } }" => one;
    "UsageBytes" Staff "{ usageReconciliation($days) { totals { difference { % } } } }" => one;
    "UsageBytes" Staff "{ usageReconciliation($days) { rows { cdr { % } } } }" => apart;
    "UsageBytes" Staff "{ usageReconciliation($days) { rows { session { % } } } }" => apart;
    "UsageBytes" Staff "{ usageReconciliation($days) { rows { difference { % } } } }" => apart;
    "TopNetworks" Usage "{ topNetworks(input: { $october, n: 1 }) { % } }" => one;
    "UnknownNetwork" Usage "{ unknownNetworks { % } }" => unknown;
    "TopNetwork" Usage "{ topNetworks(input: { $october }) { rows { % } } }" => visited;
    "TrafficShare" Usage "{ topNetworks(input: { $october, n: 1, by: TRAFFIC }) { others { % } } }" => telekom;
    "CubeCatalog" Usage "{ cubeCatalog { % } }" => one;
    "CubeMeasure" Usage "{ cubeCatalog { measures { % } } }" => so_many::<10>;
    "CubeDimension" Usage "{ cubeCatalog { dimensions { % } } }" => so_many::<10>;
    "CubeLabelGroup" Usage "{ cubeCatalog { labels { % } } }" => so_many::<2>;
    "CubeTable" Usage "{ cubeCatalog { tables { % } } }" => so_many::<18>;
    "Network" Readers "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { nodes { % } } }" => networks;
    "Network" Readers "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { edges { node { % } } } }" => networks;
    "Network" Readers "{ node(id: \"net_262-01\") { ... on Network { % } } }" => telekom;
    "Network" Usage "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }], orderBy: [{ by: { group: 0 } }] }) { rows { key { network { network { % } } } } } }" => visited;
    "NetworkConnection" Readers "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { % } }" => one;
    "NetworkEdge" Readers "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { edges { % } } }" => networks;
}

rows! { ROWS:
    "Usage.period" Usage "period { from }" => |at| json!({ "from": period(at)[0] });
    "Usage.rows" Usage "rows { values { records } }" => |at| json!([{ "values": { "records": counted(at) } }]);
    "Usage.totals" Usage "totals { records }" => |at| json!({ "records": counted(at) });
    "Usage.previousPeriod" Usage "previousPeriod { from }" => previous_period;
    "Usage.previousTotals" Usage "previousTotals { records }" => counted_before;
    "Usage.truncated" Usage "" => |_| json!(false);
    "Usage.provenance" Usage "provenance { tables }" => |at| json!({ "tables": tables(at) });
    "Period.from" Usage "" => |at| json!(period(at)[0]);
    "Period.to" Usage "" => |at| json!(period(at)[1]);
    "UsageRow.key" Usage "key { others }" => |at| json!({ "others": is_others(at) });
    "UsageRow.values" Usage "values { records }" => |at| json!({ "records": counted(at) });
    "UsageRow.previous" Usage "previous { records }" => counted_before;
    "UsageKey.others" Usage "" => |at| json!(is_others(at));
    "UsageKey.time" Usage "" => time;
    "UsageKey.timePart" Usage "timePart(part: DAY_OF_MONTH)" => |at| json!(day(at));
    "UsageKey.network" Usage "network { code }" => |at| keyed(at, json!({ "code": code(network_of(day(at))) }));
    "UsageKey.country" Usage "country { value }" => |at| json!({ "value": if day(at) == 1 { "DE" } else { "DK" } });
    "UsageKey.customer" Usage "customer { customer { slug } }" => |at| keyed(at, json!({ "customer": at.customer(at.n()).map(|n| json!({ "slug": slug(n) })) }));
    "UsageKey.sim" Usage "sim { sim { iccid } }" => |at| json!({ "sim": seen(at, &at.caller.sims()).map(|n| json!({ "iccid": at.iccid(n) })) });
    "UsageKey.device" Usage "device { device { name } }" => device;
    "UsageKey.radioAccessType" Usage "radioAccessType { value }" => |_| json!({ "value": "LTE" });
    "UsageKey.service" Usage "service { value }" => |_| json!({ "value": "DATA" });
    "UsageKey.stream" Usage "stream { value }" => |at| json!({ "value": format!("{}-gateway", at.tenant()) });
    "UsageKey.simState" Usage "simState { value }" => |at| json!({ "value": state(at)[1] });
    "UsageKey.simCustomerNow" Usage "simCustomerNow { customer { slug } }" => |at| json!({ "customer": at.customer(at.n()).map(|n| json!({ "slug": slug(n) })) });
    "UsageKey.simLabel" Usage "simLabel(key: \"location\") { value }" => |at| keyed(at, json!({ "value": if at.caller == POOL { Value::Null } else { json!("field") } }));
    "UsageKey.deviceLabel" Usage "deviceLabel(key: \"rack\") { value }" => |at| json!({ "value": format!("{}-{}", at.tenant(), at.n()) });
    "UsageTextKey.status" Usage "" => |at| word(at)[0].clone();
    "UsageTextKey.value" Usage "" => |at| word(at)[1].clone();
    "UsageNetworkKey.status" Usage "" => |_| json!("VALUE");
    "UsageNetworkKey.id" Usage "" => |at| network(at)[0].clone();
    "UsageNetworkKey.code" Usage "" => |at| network(at)[1].clone();
    "UsageNetworkKey.network" Usage "network { name }" => |at| json!({ "name": network(at)[3] });
    "UsageServiceKey.status" Usage "" => |_| json!("VALUE");
    "UsageServiceKey.value" Usage "" => |_| json!("DATA");
    "UsageSimStateKey.status" Usage "" => |at| state(at)[0].clone();
    "UsageSimStateKey.value" Usage "" => |at| state(at)[1].clone();
    "UsageCustomerKey.status" Usage "" => |at| json!(owner(at).0);
    "UsageCustomerKey.id" Usage "" => |at| if owner(at).0 == "VALUE" { json!("cus_*") } else { Value::Null };
    "UsageCustomerKey.customer" Usage "customer { slug }" => |at| json!(owner(at).1.map(|n| json!({ "slug": slug(n) })));
    "UsageSimKey.status" Usage "" => |at| json!(if at.caller == POOL { "HIDDEN" } else { "VALUE" });
    "UsageSimKey.id" Usage "" => |at| if at.caller == POOL { Value::Null } else { json!("sim_*") };
    "UsageSimKey.sim" Usage "sim { iccid }" => |at| json!(seen(at, &at.caller.sims()).map(|n| json!({ "iccid": at.iccid(n) })));
    "UsageDeviceKey.status" Usage "" => |_| json!("VALUE");
    "UsageDeviceKey.id" Usage "" => |_| json!("dev_*");
    "UsageDeviceKey.device" Usage "device { name }" => |at| json!({ "name": at.device(at.n()) });
    "UsageValues.bytesUp" Usage "" => |at| at.sum(sent(at));
    "UsageValues.bytesDown" Usage "" => |at| at.sum(down);
    "UsageValues.bytesTotal" Usage "" => |at| at.sum(if is_of_sessions(at.way.path) { |n, day| session_up(n, day) + down(n, day) } else { |n, day| up(n, day) + down(n, day) });
    "UsageValues.records" Usage "" => |at| at.sum(|_, _| 1);
    "UsageValues.units" Usage "" => |_| json!("0");
    "UsageValues.activeSims" Usage "" => |at| json!(sims_of(at));
    "UsageValues.averageBytesPerSim" Usage "" => |at| average(at, sims_of(at));
    "UsageValues.averageBytesPerRecord" Usage "" => |at| average(at, at.records().len());
    "UsageValues.sessions" Usage "" => |at| times(at, 1);
    "UsageValues.resets" Usage "" => |at| times(at, 3);
    "UsageReconciliation.period" Staff "period { from to }" => |_| json!({ "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z" });
    "UsageReconciliation.rows" Staff "rows { day }" => |at| apart(at.caller).iter().map(|_| json!({ "day": "2026-10-02T00:00:00Z" })).collect();
    "UsageReconciliation.truncated" Staff "" => |_| json!(false);
    "UsageReconciliation.totals" Staff "totals { difference { bytesUp } }" => |at| json!({ "difference": { "bytesUp": at.sum(|n, day| session_up(n, day) - up(n, day)) } });
    "UsageReconciliation.compared" Staff "" => |at| at.sum(|_, _| 1);
    "UsageReconciliation.differing" Staff "" => |at| at.sum(|_, day| u64::from(day == 2));
    "UsageReconciliation.provenance" Staff "provenance { source }" => |_| json!([{ "source": "CDR" }, { "source": "SESSION" }]);
    "UsageReconciliationRow.sim" Staff "sim { status sim { iccid } }" => |at| json!({ "status": "VALUE", "sim": { "iccid": at.iccid(at.n()) } });
    "UsageReconciliationRow.day" Staff "" => |_| json!("2026-10-02T00:00:00Z");
    "UsageReconciliationRow.cdr" Staff "cdr { bytesUp }" => |at| json!({ "bytesUp": bytes(at, up) });
    "UsageReconciliationRow.session" Staff "session { bytesUp }" => |at| json!({ "bytesUp": bytes(at, session_up) });
    "UsageReconciliationRow.difference" Staff "difference { bytesUp }" => |at| json!({ "bytesUp": bytes(at, |n, day| session_up(n, day) - up(n, day)) });
    "UsagePair.cdr" Staff "cdr { bytesDown }" => |at| json!({ "bytesDown": bytes(at, down) });
    "UsagePair.session" Staff "session { bytesDown }" => |at| json!({ "bytesDown": bytes(at, down) });
    "UsagePair.difference" Staff "difference { bytesDown }" => |_| json!({ "bytesDown": "0" });
    "UsageBytes.bytesUp" Staff "" => |at| bytes(at, counted_by(at)[0]);
    "UsageBytes.bytesDown" Staff "" => |at| bytes(at, counted_by(at)[1]);
    "Provenance.source" Usage "" => source;
    "Provenance.tables" Usage "" => tables;
    "Provenance.watermark" Usage "" => |at| if records(at.caller).is_empty() { Value::Null } else { json!("2026-11-21T12:00:00Z") };
    "Provenance.complete" Usage "" => |at| json!(reason(at)[0].is_null());
    "Provenance.reason" Usage "" => |at| reason(at)[0].clone();
    "Provenance.reasonText" Usage "" => |at| reason(at)[1].clone();
    "TopNetworks.period" Usage "period { from }" => |at| json!({ "from": period(at)[0] });
    "TopNetworks.rows" Usage "rows { bytes }" => |at| json!([{ "bytes": ranked(at)[0].to_string() }]);
    "TopNetworks.others" Usage "others { bytes }" => |at| json!({ "bytes": ranked(at)[1].to_string() });
    "TopNetworks.total" Usage "" => |at| at.sum(|n, day| up(n, day) + down(n, day));
    "TopNetworks.provenance" Usage "provenance { tables }" => |at| json!({ "tables": tables(at) });
    "UnknownNetwork.code" Usage "" => |_| json!("262-99");
    "UnknownNetwork.name" Usage "" => |_| json!("Unknown (262/99)");
    "TopNetwork.network" Usage "network { code }" => |at| json!({ "code": code(at.n()) });
    "TopNetwork.bytes" Usage "" => |at| json!(ranked(at)[at.n()].to_string());
    "TopNetwork.share" Usage "" => share;
    "TrafficShare.bytes" Usage "" => |at| json!(ranked(at)[at.n()].to_string());
    "TrafficShare.share" Usage "" => share;
    "CubeCatalog.measures" Usage "measures { measure }" => |_| MEASURES.iter().map(|(name, _)| json!({ "measure": name })).collect();
    "CubeCatalog.dimensions" Usage "dimensions { dimension }" => |_| DIMENSIONS.iter().map(|name| json!({ "dimension": name })).collect();
    "CubeCatalog.labels" Usage "labels { group }" => |_| LABELS.iter().map(|name| json!({ "group": name })).collect();
    "CubeCatalog.timeParts" Usage "" => |_| json!(["HOUR_OF_DAY", "DAY_OF_WEEK", "DAY_OF_MONTH", "MONTH_OF_YEAR"]);
    "CubeCatalog.grains" Usage "" => |_| json!(["HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"]);
    "CubeCatalog.tables" Usage "tables { table }" => |_| TABLES.iter().map(|name| json!({ "table": name })).collect();
    "CubeCatalog.maxRows" Usage "" => |_| json!(10_000);
    "CubeCatalog.maxGroups" Usage "" => |_| json!(6);
    "CubeCatalog.maxBuckets" Usage "" => |_| json!(10_000);
    "CubeMeasure.measure" Usage "" => |at| json!(MEASURES[at.n()].0);
    "CubeMeasure.description" Usage "" => any;
    "CubeMeasure.unit" Usage "" => |at| json!(MEASURES[at.n()].1);
    "CubeMeasure.additive" Usage "" => |at| json!(!(5..8).contains(&at.n()));
    "CubeMeasure.decimalPlaces" Usage "" => |at| json!(if (6..8).contains(&at.n()) { 2 } else { 0 });
    "CubeMeasure.sources" Usage "" => |at| sources(MEASURES[at.n()].0);
    "CubeDimension.dimension" Usage "" => |at| json!(DIMENSIONS[at.n()]);
    "CubeDimension.description" Usage "" => any;
    "CubeDimension.ofNow" Usage "" => |at| json!(at.n() > 7);
    "CubeDimension.sources" Usage "" => |at| sources(DIMENSIONS[at.n()]);
    "CubeLabelGroup.group" Usage "" => |at| json!(LABELS[at.n()]);
    "CubeLabelGroup.description" Usage "" => any;
    "CubeLabelGroup.ofNow" Usage "" => |_| json!(true);
    "CubeTable.table" Usage "" => |at| json!(TABLES[at.n()]);
    "CubeTable.source" Usage "" => |at| json!(if at.n() < 9 { "CDR" } else { "SESSION" });
    "CubeTable.retentionDays" Usage "" => |at| match TABLES[at.n()] {
        "CDR" => json!(390),
        "SESSION_LOG" => json!(7),
        _ => Value::Null,
    };
    "Network.id" Readers "" => |at| network(at)[0].clone();
    "Network.code" Readers "" => |at| network(at)[1].clone();
    "Network.mcc" Readers "" => |at| network(at)[2].clone();
    "Network.mnc" Readers "" => |_| json!("01");
    "Network.name" Readers "" => |at| network(at)[3].clone();
    "Network.operator" Readers "" => |at| network(at)[4].clone();
    "Network.countryCode" Readers "" => |at| network(at)[5].clone();
    "Network.country" Readers "" => |at| network(at)[6].clone();
    "Network.source" Readers "" => any;
    "Network.usage" Usage "usage(input: { $october }) { totals { records } }" => |at| json!({ "totals": { "records": at.sum(|_, _| 1) } });
    "NetworkConnection.edges" Readers "edges { node { code } }" => |_| codes().map(|code| json!({ "node": { "code": code } })).collect();
    "NetworkConnection.nodes" Readers "nodes { code }" => |_| codes().map(|code| json!({ "code": code })).collect();
    "NetworkConnection.pageInfo" Readers "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "NetworkConnection.totalCount" Readers "" => |_| json!(2);
    "NetworkEdge.cursor" Readers "" => any;
    "NetworkEdge.node" Readers "node { code }" => |at| json!({ "code": code(at.n()) });
}
