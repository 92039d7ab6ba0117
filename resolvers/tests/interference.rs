//! Non-interference: whatever happens in another tenant, or in the part of the fleet that a caller does not see, every byte of
//! that caller's answers stays the same: lists, counts, objects, errors and usage, kept or new.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use domain::Role;
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::json;
use world::{
    Caller, POOL, World,
    happening::{Change, DEVICELESS, ELSEWHERE, SIMLESS, change},
    table::{Filled, all_ways},
};

/// Every decision is drawn from it.
const SEED: [u8; 32] = [8; 32];
const CHANGES: usize = 200;
/// Changes after which everything is asked again.
const STRIDE: usize = 40;

const BOSCH: Caller = Caller("alpha", Role::CustomerUser, Some("bosch"));
const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// Those whose answers must not change: everything of one customer, devices alone by switches and by grants, and the whole
/// of another tenant; a viewer, and customers to whom one area is closed.
const WATCHERS: [Caller; 8] = [
    BOSCH,
    Caller("alpha", Role::CustomerUser, Some("dyer")),
    POOL,
    Caller("beta", Role::TenantAdmin, None),
    Caller("alpha", Role::Viewer, Some("bosch")),
    Caller("alpha", Role::CustomerUser, Some(SIMLESS)),
    Caller("alpha", Role::CustomerUser, Some(DEVICELESS)),
    Caller("alpha", Role::CustomerUser, Some("usageless")),
];

/// What can be asked besides every field by every way: searches, orders, filters, and ids that are guessed.
const MORE: &[&str] = &[
    "{ devices(filter: { search: \"device\" }) { totalCount nodes { id name labels { key value } } } }",
    "{ devices(filter: { label: { key: \"hidden1\" } }) { totalCount } }",
    "{ devices(filter: { unassigned: true }) { totalCount nodes { id } } }",
    "{ devices(orderBy: { field: CREATED_AT, direction: DESC }) { totalCount nodes { name updatedAt } pageInfo { startCursor endCursor hasNextPage } } }",
    "{ devices(last: 2) { edges { cursor node { name customer { name slug } } } } }",
    "{ sims(filter: { or: [{ search: \"89\" }, { states: [SUSPENDED] }] }) { totalCount nodes { iccid updatedAt } } }",
    "{ sims(filter: { label: { key: \"location\" } }, last: 3) { totalCount pageInfo { startCursor } nodes { labels { key value } } } }",
    "{ sim(by: { iccid: \"8944501000000000003\" }) { id } }",
    "{ customers(filter: { search: \"o\" }) { totalCount nodes { name simCounts { state count } } } }",
    "{ customer(by: { slug: \"3m\" }) { name } }",
    "{ node(id: \"sim_00000000000000000000000000000000\") { id } }",
    "{ simCounts(groupBy: [{ dimension: STATE }, { dimension: CUSTOMER }]) { total truncated rows { count key { state customer { status id } } } } }",
    "{ simCounts(groupBy: [{ label: \"secret1\" }, { label: \"location\" }], filter: { unassigned: false }) { total rows { count key { label(key: \"secret1\") { status value } } } } }",
    "{ savedFilters(filter: { search: \"e\" }) { totalCount nodes { id name filter } } }",
    "{ sims(filter: { saved: \"fil_00000000000000000000000000000000\" }) { totalCount } }",
    "{ labelDefinitions(filter: { search: \"e\" }) { nodes { key options } totalCount } }",
    "{ networks(first: 200) { totalCount nodes { name usage(input: { $october }) { totals { records activeSims } } } } }",
];

/// Questions about usage: each has what `$all` stands for, and `$rows` with the quantities of rows.
const USAGE: &[&str] = &[
    // In a zone, by what the cells know.
    "{ usage(input: { $october, timeZone: \"Europe/Berlin\", groupBy: [{ time: DAY }, { dimension: SERVICE }, { dimension: NETWORK }, { dimension: RADIO_ACCESS_TYPE }] }) { rows { key { time service { value } network { status code } radioAccessType { value } } $rows } $all } }",
    "{ usage(input: { $october, filter: { not: { streams: [\"elsewhere\"] } }, groupBy: [{ dimension: STREAM }, { dimension: COUNTRY }] }) { rows { key { stream { value } country { status value } } $rows } $all } }",
    "{ usage(input: { period: { between: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" } }, groupBy: [{ time: YEAR }] }) { rows { key { time } $rows } $all } }",
    "{ usage(input: { period: { preset: LAST_30_DAYS }, groupBy: [{ time: DAY }], fill: ZERO, compareTo: PREVIOUS_PERIOD }) { rows { key { time } $rows previous { bytesUp records } } $all previousTotals { bytesUp records } } }",
    // Objects.
    "{ usage(input: { $october, groupBy: [{ time: WEEK }, { dimension: SIM }], limit: 3, others: true, orderBy: [{ by: { measure: BYTES_TOTAL }, direction: DESC }, { by: { measure: ACTIVE_SIMS } }] }) { rows { key { others time sim { status id sim { iccid state } } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ dimension: DEVICE }], others: true, limit: 2 }) { rows { key { others device { status id device { name labels { key value } } } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ dimension: CUSTOMER }] }) { rows { key { customer { status id customer { name } } } $rows } $all } }",
    // What SIMs and devices are now.
    "{ usage(input: { $october, groupBy: [{ dimension: SIM_STATE }] }) { rows { key { simState { status value } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ dimension: SIM_CUSTOMER_NOW }], others: true, limit: 1 }) { rows { key { others simCustomerNow { status id customer { name } } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ simLabel: \"location\" }, { simLabel: \"secret1\" }, { simLabel: \"own1\" }] }) { rows { key { location: simLabel(key: \"location\") { status value } secret: simLabel(key: \"secret1\") { status value } own: simLabel(key: \"own1\") { status value } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ deviceLabel: \"rack\" }, { deviceLabel: \"hidden1\" }] }) { rows { key { rack: deviceLabel(key: \"rack\") { status value } hidden: deviceLabel(key: \"hidden1\") { status value } } $rows } $all } }",
    "{ usage(input: { $october, attribution: CURRENT, groupBy: [{ dimension: CUSTOMER }, { dimension: DEVICE }] }) { rows { key { customer { status id } device { status id } } $rows } $all } }",
    "{ usage(input: { $october, attribution: CURRENT, filter: { or: [{ customers: [$customer] }, { unassigned: true }] }, groupBy: [{ time: DAY }] }) { rows { key { time } $rows } $all } }",
    "{ usage(input: { $october, attribution: CURRENT, filter: { devices: [$device] } }) { $all } }",
    // Filters, of the inventory too.
    "{ usage(input: { $october, filter: { sim: { states: [ACTIVE] } } }) { $all } }",
    "{ usage(input: { $october, filter: { not: { sim: { states: [SUSPENDED] } } } }) { $all } }",
    "{ usage(input: { $october, filter: { not: { sim: { unassigned: false } } }, groupBy: [{ dimension: NETWORK }] }) { rows { key { network { code } } $rows } $all } }",
    "{ usage(input: { $october, filter: { sim: { label: { key: \"location\" } } } }) { $all } }",
    "{ usage(input: { $october, filter: { not: { sim: { search: \"89445\" } } } }) { $all } }",
    "{ usage(input: { $october, filter: { sim: { saved: $saved } } }) { $all } }",
    "{ usage(input: { $october, filter: { device: { label: { key: \"rack\" } } } }) { $all } }",
    "{ usage(input: { $october, filter: { not: { device: { search: \"device-6\" } } } }) { $all } }",
    "{ usage(input: { $october, filter: { device: { unassigned: true } } }) { $all } }",
    "{ usage(input: { $october, filter: { not: { customers: [$customer] } } }) { $all } }",
    "{ usage(input: { $october, filter: { sims: [$sim] } }) { $all } }",
    // Conditions, order and the largest.
    "{ usage(input: { $october, groupBy: [{ dimension: SIM }], having: { not: { measure: { by: BYTES_TOTAL, lt: \"90000\" } } }, others: true, limit: 1 }) { rows { key { others sim { id } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }], having: { or: [{ measure: { by: ACTIVE_SIMS, gte: 2 } }, { measure: { by: AVERAGE_BYTES_PER_SIM, gt: \"0.5\" } }] } }) { rows { key { network { code } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ dimension: CUSTOMER }], having: { measure: { by: AVERAGE_BYTES_PER_RECORD, gt: 1 } }, orderBy: [{ by: { measure: AVERAGE_BYTES_PER_RECORD }, direction: DESC }], offset: 1, limit: 1 }) { rows { key { customer { id } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }], orderBy: [{ by: { measure: ACTIVE_SIMS }, direction: DESC }] }) { rows { key { network { code } } values { records } } } }",
    "{ usage(input: { $october, groupBy: [{ dimension: NETWORK }, { time: DAY }], top: { group: 0, n: 1, by: BYTES_TOTAL }, others: true }) { rows { key { others time network { code } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ dimension: STREAM }, { time: WEEK }], top: { group: 0, n: 1, by: ACTIVE_SIMS }, others: true, fill: NULL }) { rows { key { others time stream { value } } $rows } $all } }",
    "{ usage(input: { $october, groupBy: [{ timePart: HOUR_OF_DAY }, { timePart: DAY_OF_WEEK }], fill: ZERO }) { rows { key { hour: timePart(part: HOUR_OF_DAY) day: timePart(part: DAY_OF_WEEK) } $rows } $all } }",
    // Beside another period.
    "{ usage(input: { $november, compareTo: PREVIOUS_PERIOD, groupBy: [{ dimension: CUSTOMER }, { dimension: SERVICE }], others: true }) { rows { key { others customer { id } service { value } } $rows previous { bytesUp records averageBytesPerRecord } } $all previousTotals { bytesUp records averageBytesPerRecord } } }",
    "{ usage(input: { period: { between: { from: \"2027-10-01T00:00:00Z\", to: \"2027-11-01T00:00:00Z\" } }, timeZone: \"Europe/Berlin\", compareTo: PREVIOUS_YEAR, groupBy: [{ time: DAY }], fill: ZERO, others: true }) { rows { key { others time } previous { bytesUp records activeSims } } previousTotals { bytesUp records activeSims } } }",
    // By sessions.
    "{ usage(input: { source: SESSION, $october, groupBy: [{ time: WEEK }, { dimension: SIM }], limit: 3, others: true, orderBy: [{ by: { measure: SESSIONS }, direction: DESC }, { by: { measure: ACTIVE_SIMS } }] }) { rows { key { others time sim { status id sim { iccid state } } } values { bytesTotal sessions resets } } totals { bytesUp sessions resets activeSims } provenance { tables watermark complete reason } } }",
    "{ usage(input: { source: SESSION, $october, groupBy: [{ dimension: NETWORK }] }) { rows { key { network { code } } values { records bytesTotal sessions } } } }",
    "{ usageReconciliation(from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\") { rows { sim { id } difference { bytesUp } } totals { cdr { bytesUp } session { bytesUp } } compared differing provenance { watermark } } }",
    // The largest networks, and what there is to ask.
    "{ topNetworks(input: { $october, n: 1, filter: { not: { streams: [\"elsewhere\"] } } }) { rows { bytes share network { code } } others { bytes share } total provenance { tables watermark complete } } }",
    "{ cubeCatalog { measures { measure } dimensions { dimension } labels { group } tables { table } } }",
    // Objects of a page.
    "{ sims(first: 20) { nodes { iccid usage(input: { $october, groupBy: [{ time: DAY }], limit: 5, fill: ZERO, attribution: CURRENT }) { rows { key { time } $rows } $all } } } }",
    "{ devices(first: 20) { nodes { name usage(input: { $october, groupBy: [{ dimension: SIM_STATE }], attribution: CURRENT, limit: 5 }) { rows { key { simState { status value } } $rows } $all } } } }",
    "{ customers(first: 20) { nodes { name usage(input: { $november, compareTo: PREVIOUS_PERIOD, groupBy: [{ dimension: NETWORK }], limit: 2, others: true }) { rows { key { others network { code } } $rows previous { records } } $all previousTotals { records } } } } }",
    "{ customers(first: 20) { nodes { name usage(input: { $october, attribution: CURRENT, filter: { not: { sim: { states: [SUSPENDED] } } } }) { $all } } } }",
];

/// What every answer about usage is asked for, and every row.
const ALL: &str = "truncated period { from to } totals { bytesUp bytesDown bytesTotal records units activeSims averageBytesPerSim averageBytesPerRecord } provenance { tables watermark complete reason reasonText }";
const ROWS: &str = "values { bytesUp bytesDown bytesTotal records units activeSims averageBytesPerSim averageBytesPerRecord }";

/// Everything that a caller can ask.
struct Battery {
    caller: Caller,
    documents: Vec<String>,
}

impl Battery {
    async fn new(world: &World, caller: Caller) -> Self {
        let filled = Filled::new(world, caller).await;
        let mut documents = Vec::new();
        for way in all_ways().filter(|way| !way.is_change()) {
            documents.push(filled.fill(world, &way.document(way.rows())).await);
        }
        for document in MORE.iter().chain(USAGE) {
            let document = document.replace("$all", ALL).replace("$rows", ROWS);
            documents.push(filled.fill(world, &document).await);
        }
        Self { caller, documents }
    }

    /// The answers, byte for byte: those that are kept where they are, and what is asked is kept from now on.
    async fn ask(&self, world: &World) -> Vec<String> {
        let mut answers = Vec::new();
        for document in &self.documents {
            let (answer, _) = world.ask(self.caller, document, json!({})).await;
            let (again, kept) = world.ask(self.caller, document, json!({})).await;
            assert_eq!(again, answer, "{:?}: {document}", self.caller);
            let answer = String::from_utf8_lossy(&answer);
            // What is closed and what is not there are answers; a question that is none would never change.
            for code in [
                "INTERNAL",
                "VALIDATION_FAILED",
                "INVALID_INPUT",
                "LIMIT_EXCEEDED",
            ] {
                let said = format!("\"code\":\"{code}\"");
                assert!(
                    !answer.contains(&said),
                    "{:?}: {document}\n{answer}",
                    self.caller
                );
            }
            let is_versioned = !["ingest", "export", "notifications"]
                .iter()
                .any(|field| document.contains(field));
            let must_be_kept = is_versioned
                && !answer.starts_with("{\"errors\"")
                && !answer.contains("\"errors\":[");
            assert!(kept || !must_be_kept, "{:?}: {document}", self.caller);
            answers.push(format!("{:?}: {document}\n{answer}", self.caller));
        }
        answers
    }
}

/// The question, and what stands where two answers to it begin to differ.
fn difference(then: &str, now: &str) -> Option<(String, String, String)> {
    let same = then.bytes().zip(now.bytes()).take_while(|(a, b)| a == b);
    let from = same.count();
    if then == now {
        return None;
    }
    let around = |text: &str| {
        let start = from.saturating_sub(100);
        text.chars().skip(start).take(300).collect::<String>()
    };
    let question = then.lines().next().unwrap_or_default().to_owned();
    Some((question, around(then), around(now)))
}

/// A world with a tenant elsewhere and the customer 3M, in which whole types can be asked for at once.
async fn world() -> World {
    let mut world = World::rich().await;
    world.ask_for_whole_types();
    world.tenant(ELSEWHERE, "8947007").await;
    world.release("alpha").await;
    world.closed_to_one_area().await;
    world
        .happen(Change::Assignment {
            customer: "3M",
            day: 1,
        })
        .await;
    world
}

/// What those who may see everything of a tenant are told.
async fn all_of(world: &World, tenant: &'static str) -> String {
    let ask = "{ sims(first: 200) { totalCount nodes { iccid state customer { id } labels { key value } assignments { customerId from to } } }
        devices(first: 200) { totalCount nodes { name customer { id } labels { key value } } }
        customers(first: 200) { totalCount nodes { slug firstName archivedAt visibility { sims usage } } }
        labelDefinitions(first: 200) { totalCount }
        savedFilters(first: 1) { totalCount }
        ingestBatches(first: 200) { totalCount } ingestRejections(first: 1) { totalCount }
        g0: segmentGrants(subject: \"somebody-0\") { id } g1: segmentGrants(subject: \"somebody-1\") { id } g2: segmentGrants(subject: \"somebody-2\") { id }
        usage(input: { period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } } }) { totals { records bytesTotal } provenance { watermark } } }";
    let admin = Caller(tenant, Role::TenantAdmin, None);
    let answer = world.run(admin, ask, json!({})).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
    answer.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_cannot_see_never_changes_its_answers() {
    eprintln!("seed {SEED:?}");
    let world = world().await;
    let mut batteries = Vec::new();
    for caller in WATCHERS {
        let battery = Battery::new(&world, caller).await;
        let before = battery.ask(&world).await;
        batteries.push((battery, before));
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut seen_by_admins: BTreeMap<String, bool> = BTreeMap::new();
    let mut told = BTreeMap::new();
    for tenant in ["alpha", ELSEWHERE] {
        told.insert(tenant, all_of(&world, tenant).await);
    }
    let mut happened = Vec::new();
    for number in 1..=CHANGES {
        let change = change().new_tree(&mut runner).expect("a change").current();
        world.happen(change.clone()).await;
        let now = all_of(&world, change.tenant()).await;
        let then = told.insert(change.tenant(), now.clone());
        *seen_by_admins.entry(change.kind()).or_default() |= then != Some(now);
        happened.push(change);
        if number % STRIDE > 0 {
            continue;
        }
        for (battery, before) in &batteries {
            for (then, now) in before.iter().zip(battery.ask(&world).await) {
                let differs = difference(then, &now);
                assert!(
                    differs.is_none(),
                    "at change {number}: {differs:?}, after {happened:?}"
                );
            }
        }
        happened.clear();
    }
    // Of each kind, at least one was seen by those who may see it: there was something to keep from the others.
    let unseen: Vec<&String> = seen_by_admins
        .iter()
        .filter_map(|(kind, seen)| (!seen).then_some(kind))
        .collect();
    assert!(unseen.is_empty(), "changed nothing: {unseen:?}");
    let kinds: BTreeSet<&str> = seen_by_admins
        .keys()
        .filter_map(|kind| kind.split(' ').next())
        .collect();
    assert_eq!(kinds.len(), 14, "every kind happened: {kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_does_see_changes_its_answers() {
    let world = world().await;
    let ask = "{ sims(first: 7) { nodes { id iccid customer { id } device { id name } } } }";
    let sims = world.run(ADMIN, ask, json!({})).await["data"]["sims"]["nodes"].clone();
    let dyer = WATCHERS[1];
    // SIM 1 is of Bosch and in a device of the pool; device 4 is of Dyer and of the pool.
    let label = |n: usize, value: &str| {
        let set = json!([{ "key": "rack", "value": value }]);
        (
            "setDeviceLabels",
            json!({ "deviceId": sims[n]["device"]["id"], "set": set }),
        )
    };
    let named = |name: &str| {
        let input = json!({ "customerId": sims[0]["customer"]["id"], "lastName": name });
        ("updateCustomer", input)
    };
    for (caller, (mutation, input)) in [
        (BOSCH, label(0, "new")),
        (BOSCH, named("Byron")),
        (
            BOSCH,
            (
                "setSimLabels",
                json!({ "simId": sims[0]["id"], "remove": ["owner"] }),
            ),
        ),
        (dyer, label(4, "newer")),
        (POOL, label(1, "newest")),
    ] {
        let battery = Battery::new(&world, caller).await;
        let before = battery.ask(&world).await;
        world.change(ADMIN, mutation, input).await;
        assert_ne!(before, battery.ask(&world).await, "{caller:?}: {mutation}");
    }
    for caller in [BOSCH, POOL] {
        let battery = Battery::new(&world, caller).await;
        let before = battery.ask(&world).await;
        world.record(ADMIN, &sims[1], 5, 7, ["262-01", "SMS"]).await;
        assert_ne!(before, battery.ask(&world).await, "{caller:?}: usage");
    }
    let beta = WATCHERS[3];
    let battery = Battery::new(&world, beta).await;
    let before = battery.ask(&world).await;
    let input = json!({ "key": "colour" });
    world.change(beta, "createLabelDefinition", input).await;
    assert_ne!(before, battery.ask(&world).await, "a label of Beta's own");
}
