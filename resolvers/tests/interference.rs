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
    happening::{Change, ELSEWHERE, change},
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
/// of another tenant.
const WATCHERS: [Caller; 4] = [
    BOSCH,
    Caller("alpha", Role::CustomerUser, Some("dyer")),
    POOL,
    Caller("beta", Role::TenantAdmin, None),
];

/// What can be asked besides every field by every way: searches, orders, filters, and ids that are guessed.
const MORE: [&str; 21] = [
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
    "{ networks(first: 200) { totalCount nodes { name usage(input: { $october, limit: 10 }) { totals { records activeSims } } } } }",
    "{ usage(input: { $october, grain: DAY, dimensions: [SERVICE, NETWORK, RADIO_ACCESS_TYPE] }) { truncated rows { periodStart service networkCode radioAccessType bytesUp bytesDown bytesTotal records activeSims } totals { bytesUp bytesDown bytesTotal records activeSims } provenance { table watermark complete reason } } }",
    "{ usage(input: { $october, grain: WEEK, dimensions: [SIM, DEVICE, CUSTOMER], limit: 3, orderBy: [{ by: { measure: BYTES_TOTAL }, direction: DESC }, { by: { measure: ACTIVE_SIMS } }] }) { truncated rows { simId deviceId customerId bytesTotal activeSims } totals { bytesTotal activeSims } } }",
    "{ usage(input: { $october, filter: { not: { sources: [\"elsewhere\"] } }, dimensions: [SOURCE, COUNTRY] }) { rows { source countryCode records } totals { records activeSims } } }",
    "{ usage(input: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\", grain: YEAR }) { rows { periodStart records activeSims bytesTotal } totals { records activeSims } provenance { table watermark complete reason } } }",
];

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
        for document in MORE {
            documents.push(filled.fill(world, document).await);
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
            let is_versioned = !document.contains("ingest");
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
        usage(input: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" }) { totals { records bytesTotal } provenance { watermark } } }";
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
