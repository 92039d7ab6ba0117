//! Rows that are written as text read as those that the library executes field by field.

mod world;

use std::collections::BTreeSet;

use async_graphql::{
    Positioned,
    parser::types::{BaseType, FieldDefinition, Type},
};
use domain::Role;
use serde_json::{Value, json};
use world::{Caller, World, contract::Contract};

/// Fields that always have to be waited for: each is loaded for all rows at once.
const WAITED_FOR: &[&str] = &[
    "Customer.simCounts",
    "Device.assignments",
    "Device.sims",
    "Export.downloadUrl",
    "Export.parts",
    "ExportSchedule.dueAt",
    "Sim.assignments",
    "Sim.currentNetworkName",
    "Sim.lastActivityAt",
    "Sim.liveSession",
];

/// Fields whose documents hold two fields of one key: these are left to the library.
const MERGED: &str = "me { role role }";

/// The type that a field shows, below lists and non-nulls.
fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => base(item),
    }
}

/// What is selected of a type: all that takes no arguments, and of other objects what has no fields.
fn selection(contract: &Contract, ty: &str, depth: usize) -> String {
    let fields = contract.objects().find(|(name, _)| *name == ty);
    let Some((_, fields)) = fields else {
        return String::new();
    };
    let field = |field: &Positioned<FieldDefinition>| {
        let (name, below) = (&field.node.name.node, base(&field.node.ty.node));
        let is_object = contract.objects().any(|(name, _)| name == below);
        match (field.node.arguments.is_empty(), is_object) {
            (false, _) => None,
            (true, false) => Some(name.to_string()),
            (true, true) if depth == 0 => None,
            (true, true) => Some(format!("{name} {}", selection(contract, below, depth - 1))),
        }
    };
    let fields: Vec<String> = fields.iter().filter_map(field).collect();
    format!("{{ __typename {} }}", fields.join(" "))
}

/// The answer, and whether it holds written text.
async fn ask(world: &World, caller: Caller, query: &str) -> (Value, bool) {
    let (response, _) = world.answered(caller, query, json!({})).await;
    let is_written = format!("{:?}", response.data).contains("RawValue");
    let answer = serde_json::to_value(response).expect("json");
    assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
    (answer["data"].clone(), is_written)
}

/// Asks both ways and says whether the first one was written.
async fn alike(world: &World, caller: Caller, list: &str) -> bool {
    let (written, is_written) = ask(world, caller, &format!("{{ {list} }}")).await;
    let (mut executed, is_still) = ask(world, caller, &format!("{{ {list} {MERGED} }}")).await;
    assert!(!is_still, "{list}");
    executed.as_object_mut().expect("data").remove("me");
    assert_eq!(written.to_string(), executed.to_string(), "{list}");
    is_written
}

#[tokio::test]
async fn every_field_of_every_list_is_written_as_it_is_executed() {
    let (world, contract) = (World::rich().await, Contract::new());
    let mut waited_for = BTreeSet::new();
    for list in contract.lists() {
        let (_, queries) = contract
            .objects()
            .find(|(name, _)| *name == "Query")
            .expect("queries");
        let connection = queries
            .iter()
            .find(|field| field.node.name.node == list.field);
        let connection = base(&connection.expect("the list").node.ty.node);
        let node = connection.strip_suffix("Connection").expect("a connection");
        let (_, fields) = contract
            .objects()
            .find(|(name, _)| *name == node)
            .expect("a node");
        for field in fields.iter().map(|field| &field.node) {
            if !field.arguments.is_empty() {
                continue;
            }
            let below = selection(&contract, base(&field.ty.node), 0);
            let name = &field.name.node;
            for caller in [
                Caller("alpha", Role::TenantAdmin, None),
                Caller("alpha", Role::PlatformAdmin, None),
            ] {
                let rows = format!(
                    "{}(first: 50) {{ nodes {{ a: {name} {below} }} edges {{ cursor node {{ {name} {below} }} }} }}",
                    list.field
                );
                if !alike(&world, caller, &rows).await {
                    waited_for.insert(format!("{node}.{name}"));
                }
            }
        }
    }
    let expected: BTreeSet<String> = WAITED_FOR.iter().copied().map(str::to_owned).collect();
    assert_eq!(waited_for, expected);
}

#[tokio::test]
async fn rows_are_written_for_whoever_sees_a_part() {
    let world = World::rich().await;
    for caller in [
        Caller("alpha", Role::CustomerUser, Some("bosch")),
        Caller("alpha", Role::Viewer, Some("bosch")),
        Caller("beta", Role::TenantAdmin, None),
    ] {
        for list in [
            "liveSessions(first: 50) { nodes { sessionId timestamp networkName radioAccessType ipAddress bytesIn bytesOut status } totalCount }",
            "sessionHistory(first: 50) { from clamped edges { cursor node { sessionId timestamp networkName radioAccessType ipAddress bytesIn bytesOut } } }",
            "sims(first: 50) { nodes { id iccid imsi state customer { name visibility { usage } } labels { key value } device { name } } totalCount }",
            "devices { edges { node { name connectivity sims { iccid state } } } pageInfo { endCursor } }",
            "usage(input: { period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }, groupBy: [{ dimension: SIM }, { dimension: NETWORK }, { dimension: STREAM }, { time: DAY }], limit: 100 }) { rows { key { others time network { status id code } sim { id } stream { status value } } values { bytesUp bytesTotal records units activeSims averageBytesPerRecord } } totals { records } }",
            "usage(input: { period: { between: { from: \"2026-11-01T00:00:00Z\", to: \"2026-12-01T00:00:00Z\" } }, compareTo: PREVIOUS_PERIOD, groupBy: [{ dimension: CUSTOMER }, { dimension: COUNTRY }], limit: 100, others: true }) { rows { key { others customer { id } country { status value } } values { bytesUp averageBytesPerSim } previous { bytesUp averageBytesPerSim } } }",
        ] {
            assert!(alike(&world, caller, list).await, "{list}");
        }
    }
}

#[tokio::test]
async fn what_text_cannot_say_is_left_to_the_library() {
    let world = World::rich().await;
    let admin = Caller("alpha", Role::TenantAdmin, None);
    for (written, rows) in [
        (
            true,
            "{ nodes { ...F } } } fragment F on Sim { iccid ... { state } ... on Sim { imsi } ",
        ),
        (
            true,
            "{ nodes { iccid @include(if: true) imsi @skip(if: true) } }",
        ),
        (false, "{ nodes { iccid iccid } }"),
        (false, "{ nodes { iccid } nodes { state } }"),
        (
            false,
            "{ nodes { labels { key } ... { labels { value } } } }",
        ),
        (
            false,
            "{ nodes { ... on Node { id ... on Device { name } } } }",
        ),
        (false, "{ nodes { device { labels { key } } } }"),
        (false, "{ nodes { iccid assignments { from } } }"),
    ] {
        let query = format!("{{ sims(first: 5) {rows} }}");
        let (data, is_written) = ask(&world, admin, &query).await;
        assert_eq!(is_written, written, "{query}: {data}");
    }
    // What is merged has the fields of both.
    let query = "{ sims(first: 5) { nodes { labels { key } ...F } } } fragment F on Sim { labels { value } }";
    let (data, _) = ask(&world, admin, query).await;
    let labels = data
        .pointer("/sims/nodes")
        .and_then(Value::as_array)
        .expect("rows");
    let label = labels
        .iter()
        .find_map(|sim| sim["labels"].get(0))
        .expect("a label");
    assert!(
        label["key"].is_string() && label["value"].is_string(),
        "{label}"
    );
}

#[tokio::test]
async fn a_known_document_is_refused_as_an_unknown_one() {
    let world = World::new().await;
    let admin = Caller("alpha", Role::TenantAdmin, None);
    // A variable without a value is left out, so that nobody has seen yet that it is of no use.
    for query in [
        "query($a: Int) { me { role } }",
        "query($a: Int) { sims(after: $a) { nodes { iccid } } }",
    ] {
        let first = world.run(admin, query, json!({})).await;
        assert_eq!(world::codes(&first), [""; 0], "{query}: {first}");
        let second = world.run(admin, query, json!({ "a": 1 })).await;
        assert_ne!(world::codes(&second), [""; 0], "{query}");
    }
    let pages = "nodes { iccid }";
    let made =
        "createCustomer(input: { slug: \"made\", name: $n }) @skip(if: $off) { customer { name } }";
    // The first answer comes from a document that is validated, the others from one that is known.
    for (query, sound, wrong) in [
        (
            format!("query($n: Int) {{ sims(first: $n) {{ {pages} }} }}"),
            json!({ "n": 1 }),
            json!({ "n": "x" }),
        ),
        (
            format!("query($n: Int) {{ sims(first: $n) {{ {pages} }} }}"),
            json!({ "n": 1 }),
            json!({ "n": 4_294_967_296_u64 }),
        ),
        (
            format!("query($a: String, $n: Int) {{ sims(first: $n, after: $a) {{ {pages} }} }}"),
            json!({ "n": 1 }),
            json!({ "n": 1, "a": 1 }),
        ),
        (
            format!("query($f: SimFilter) {{ sims(filter: $f) {{ {pages} }} }}"),
            json!({ "f": {} }),
            json!({ "f": { "nothing": 1 } }),
        ),
        (
            format!(
                "query($n: Int) {{ customers(first: $n) {{ nodes {{ sims(first: $n) {{ {pages} }} }} }} }}"
            ),
            json!({ "n": 1 }),
            json!({ "n": true }),
        ),
        (
            "query($b: Boolean = true) { me { role @include(if: $b) subject } }".into(),
            json!({ "b": true }),
            json!({ "b": null }),
        ),
        (
            "query($s: ID = \"rec\") { node(id: $s) { id } }".into(),
            json!({ "s": "x" }),
            json!({ "s": null }),
        ),
        (
            "query($s: String) { customers(filter: { slugs: [$s] }) { totalCount } }".into(),
            json!({ "s": "bosch" }),
            json!({}),
        ),
        (
            "query($s: String) { customers(filter: { slugs: [$s] }) { totalCount } }".into(),
            json!({ "s": "bosch" }),
            json!({ "s": null }),
        ),
        (
            "query($s: String) { customer(by: { slug: $s }) { name } }".into(),
            json!({ "s": "bosch" }),
            json!({ "s": null }),
        ),
        (
            format!("mutation($off: Boolean = true, $n: String!) {{ {made} }}"),
            json!({ "n": "x", "off": true }),
            json!({ "n": "x", "off": null }),
        ),
    ] {
        let fresh = world.run(admin, &format!("{query} "), wrong.clone()).await;
        assert_ne!(world::codes(&fresh), [""; 0], "{query}");
        for _ in 0..2 {
            world.run(admin, &query, sound.clone()).await;
        }
        let known = world.run(admin, &query, wrong).await;
        assert_eq!(known, fresh, "{query}");
    }
    // Variables of another operation mean something in a fragment of its own.
    let query = "query A { ...F } query B($n: Int!) { ...G } fragment F on Query { me { role } } fragment G on Query { sims(first: $n) { totalCount } }";
    for variables in [json!({}), json!({ "n": "x" })] {
        let named = |query: String| {
            let request = async_graphql::Request::new(query).operation_name("A");
            request.variables(async_graphql::Variables::from_json(variables.clone()))
        };
        let fresh = world.run_request(admin, named(format!("{query} "))).await;
        let known = world.run_request(admin, named(query.into())).await;
        assert_eq!(known, fresh, "{variables}");
    }
    // What one operation leaves out is not missed in the other one.
    let query = "query A($n: Int) { ...G } query B($n: Int!) { ...G } fragment G on Query { sims(first: $n) { totalCount } }";
    let request = async_graphql::Request::new(query).operation_name("A");
    let answer = world.run_request(admin, request).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
    for query in ["{ nothing }", "{ sims(first: \"x\") { nodes { iccid } } }"] {
        let first = world.run(admin, query, json!({})).await;
        assert_ne!(world::codes(&first), [""; 0], "{query}");
        assert_eq!(world.run(admin, query, json!({})).await, first, "{query}");
    }
}
