//! Who may select what: every field of every object type, as every role, in two tenants.
//!
//! The table below is the documentation of the policy. A field without a row fails the test, and so does a row
//! without a field. No answer to Alpha may hold a byte of Beta.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use domain::Role;
use serde_json::{Value, json};
use world::{
    CALLERS, Caller, World,
    fields::{self, FIELDS},
};

/// `Type.field` of every object type in the contract.
fn contract() -> BTreeSet<String> {
    let document = parse_schema(resolvers::sdl()).expect("valid SDL");
    let mut fields = BTreeSet::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(ty) = definition else {
            continue;
        };
        if let TypeKind::Object(object) = &ty.node.kind {
            let name = &ty.node.name.node;
            fields.extend(
                object
                    .fields
                    .iter()
                    .map(|field| format!("{name}.{}", field.node.name.node)),
            );
        }
    }
    fields
}

#[test]
fn every_field_of_the_contract_has_a_row() {
    let table: BTreeSet<String> = FIELDS.iter().map(|(path, ..)| (*path).to_owned()).collect();
    let contract = contract();
    let missing: Vec<_> = contract.difference(&table).collect();
    let stale: Vec<_> = table.difference(&contract).collect();
    assert!(
        missing.is_empty(),
        "fields without a row in FIELDS: {missing:#?}"
    );
    assert!(stale.is_empty(), "rows without a field: {stale:#?}");
    assert_eq!(table.len(), FIELDS.len(), "a field has one row");
}

/// Whether the field that an error is about is there, and null.
fn is_null(answer: &Value, error: &Value) -> bool {
    let place = error["path"].as_array().expect("a path").iter().try_fold(
        &answer["data"],
        |place, segment| {
            segment.as_str().map_or_else(
                || place.get(usize::try_from(segment.as_u64()?).ok()?),
                |name| place.get(name),
            )
        },
    );
    place == Some(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edge_answers_every_role_as_the_table_says() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    for (path, open, selection) in FIELDS {
        let (document, reach) = fields::document(path, selection);
        for caller in CALLERS {
            let query = fields::fill(&world, caller, &document).await;
            let answer = world.run(caller, &query, json!({})).await;
            let codes = world::codes(&answer);
            let expected = open.to(caller) && reach.to(caller);
            let as_told = if expected {
                codes.is_empty()
            } else {
                let refused = codes.iter().all(|code| code == "FORBIDDEN") && !codes.is_empty();
                refused
                    && answer["errors"]
                        .as_array()
                        .is_some_and(|errors| errors.iter().all(|error| is_null(&answer, error)))
            };
            if !as_told {
                wrong.push(format!(
                    "{path} as {caller:?}: open {expected}, got {codes:?} from {query}"
                ));
            }
            let text = answer.to_string();
            if text.contains("beta") || text.contains("8946007") {
                wrong.push(format!("{path} as {caller:?} shows Beta: {text}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn objects_out_of_reach_do_not_exist() {
    let world = World::new().await;
    let admin = |tenant| Caller(tenant, Role::TenantAdmin, None);
    let all = "{ tenant { id } sims { nodes { id iccid customer { slug } } } devices { nodes { id customer { slug } } } customers { nodes { id slug } } }";
    let alpha = world.run(admin("alpha"), all, json!({})).await["data"].clone();
    let beta = world.run(admin("beta"), all, json!({})).await["data"].clone();
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let id = |data: &Value, list: &str, slug: &str| {
        let nodes = data[list]["nodes"].as_array().expect("nodes").clone();
        let found = nodes
            .into_iter()
            .find(|n| n["slug"] == slug || n["customer"]["slug"] == slug);
        found.expect("one")["id"].clone()
    };
    for list in ["sims", "devices", "customers"] {
        let foreign = world
            .run(
                admin("alpha"),
                node,
                json!({ "id": id(&beta, list, "bosch") }),
            )
            .await;
        assert_eq!(
            world::codes(&foreign),
            ["NOT_FOUND"],
            "{list} of another tenant"
        );
        let bosch = Caller("alpha", Role::CustomerUser, Some("bosch"));
        let neighbour = world
            .run(bosch, node, json!({ "id": id(&alpha, list, "dyer") }))
            .await;
        assert_eq!(
            world::codes(&neighbour),
            ["NOT_FOUND"],
            "{list} of another customer"
        );
    }
    let tenant = world
        .run(admin("alpha"), node, json!({ "id": beta["tenant"]["id"] }))
        .await;
    assert_eq!(world::codes(&tenant), ["NOT_FOUND"]);
    let iccid = &beta["sims"]["nodes"][0]["iccid"];
    let by_iccid = "query($iccid: String!) { sim(by: { iccid: $iccid }) { id } }";
    let foreign = world
        .run(admin("alpha"), by_iccid, json!({ "iccid": iccid }))
        .await;
    let unknown = world
        .run(
            admin("alpha"),
            by_iccid,
            json!({ "iccid": "8900000000000000000" }),
        )
        .await;
    assert_eq!(
        (world::codes(&foreign), &foreign["errors"][0]["message"]),
        (
            vec!["NOT_FOUND".to_owned()],
            &unknown["errors"][0]["message"]
        )
    );
}

#[tokio::test]
async fn a_switch_and_a_pool_take_effect_on_the_next_request() {
    let world = World::new().await;
    let admin = Caller("alpha", Role::TenantAdmin, None);
    let dyer = Caller("alpha", Role::CustomerUser, Some("dyer"));
    let sims = "{ sims { totalCount } }";
    assert_eq!(
        world::codes(&world.run(dyer, sims, json!({})).await),
        ["FORBIDDEN"]
    );
    let id = world
        .run(
            admin,
            "{ customer(by: { slug: \"dyer\" }) { id } }",
            json!({}),
        )
        .await["data"]["customer"]["id"]
        .clone();
    let open = "mutation($id: ID!) { setCustomerVisibility(input: { customerId: $id, visibility: { devices: true, sims: true, sessions: false, usage: false, billing: false } }) { customer { visibility { sims } } } }";
    world.run(admin, open, json!({ "id": id })).await;
    assert_eq!(
        world.run(dyer, sims, json!({})).await["data"]["sims"]["totalCount"],
        2
    );

    let first = world
        .run(dyer, "{ sims(first: 1) { nodes { id } } }", json!({}))
        .await["data"]["sims"]["nodes"][0]["id"]
        .clone();
    let grant = "mutation($sub: String!, $sims: [ID!]!) { grantSegment(input: { subject: $sub, simIds: $sims }) { grants { id sim { id } } } }";
    let granted = world
        .run(
            admin,
            grant,
            json!({ "sub": "customer_user@alpha", "sims": [first] }),
        )
        .await;
    assert_eq!(
        world.run(dyer, sims, json!({})).await["data"]["sims"]["totalCount"],
        1,
        "the pool narrows"
    );
    let grant_id = granted["data"]["grantSegment"]["grants"][0]["id"].clone();
    let revoke = "mutation($id: ID!) { revokeSegment(input: { grantId: $id }) { grantId } }";
    world.run(admin, revoke, json!({ "id": grant_id })).await;
    assert_eq!(
        world.run(dyer, sims, json!({})).await["data"]["sims"]["totalCount"],
        2
    );
}

/// The devices that a caller sees: ids by name.
async fn devices(world: &World, caller: Caller) -> BTreeMap<String, Value> {
    let query = "{ devices { totalCount nodes { id name } } }";
    let answer = world.run(caller, query, json!({})).await;
    let devices = &answer["data"]["devices"];
    let nodes = devices["nodes"].as_array().expect("nodes");
    assert_eq!(devices["totalCount"], nodes.len());
    let name = |node: &Value| node["name"].as_str().expect("a name").to_owned();
    let pairs = nodes.iter().map(|node| (name(node), node["id"].clone()));
    pairs.collect()
}

#[tokio::test]
async fn a_device_is_seen_by_the_customer_that_it_belongs_to_now() {
    let world = World::new().await;
    let admin = Caller("alpha", Role::TenantAdmin, None);
    let (bosch, dyer) = (
        Caller("alpha", Role::CustomerUser, Some("bosch")),
        Caller("alpha", Role::CustomerUser, Some("dyer")),
    );
    let names = |devices: &BTreeMap<String, Value>| devices.keys().cloned().collect::<Vec<_>>();
    let before = devices(&world, dyer).await;
    assert_eq!(names(&before), ["alpha-device-3", "alpha-device-4"]);

    let file = world::fleet_file("alpha", "8944501");
    let iccid = |n: usize| {
        file.lines()
            .nth(n + 1)
            .and_then(|line| line.split(',').nth(1))
            .expect("an ICCID")
    };
    let moved = format!(
        "iccid,state,customer,device,valid_from\n{},ACTIVE,Bosch,alpha-device-3,2026-11-01\n\
         {},ACTIVE,Dyer,alpha-device-0,2026-11-01\n",
        iccid(3),
        iccid(0)
    );
    let import = "mutation($csv: String!) { importFleet(input: { csv: $csv }) { report { updated rejected } } }";
    let report = world.run(admin, import, json!({ "csv": moved })).await;
    assert_eq!(
        report["data"]["importFleet"]["report"],
        json!({ "updated": 2, "rejected": 0 })
    );

    assert_eq!(
        names(&devices(&world, dyer).await),
        ["alpha-device-0", "alpha-device-4"]
    );
    let left = &before["alpha-device-3"];
    let node = "query($id: ID!) { node(id: $id) { id } device(id: $id) { name } }";
    let answer = world.run(dyer, node, json!({ "id": left })).await;
    assert_eq!(world::codes(&answer), ["NOT_FOUND", "NOT_FOUND"]);
    let seen = devices(&world, bosch).await;
    assert_eq!(
        names(&seen),
        ["alpha-device-1", "alpha-device-2", "alpha-device-3"]
    );
    // What it used before stays with the customer of that time.
    let usage = "query($id: ID!, $october: UsageInput!) { device(id: $id) { usage(input: $october) { totals { records } } } }";
    let question = json!({ "id": left, "october": world::october() });
    for (caller, records) in [(bosch, 0), (admin, 3)] {
        let answer = world.run(caller, usage, question.clone()).await;
        let used = &answer["data"]["device"]["usage"]["totals"]["records"];
        assert_eq!(
            used.as_str().map_or(used.as_u64(), |n| n.parse().ok()),
            Some(records),
            "{answer}"
        );
    }
}
