//! Every condition of every filter, alone and in pairs, with and without `not`; every list, to its end, in each order and
//! both directions, while rows are added.

mod world;

use std::{collections::BTreeSet, io::Cursor};

use domain::{Role, fleet};
use serde_json::{Value, json};
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// A list, what tells its rows apart, and conditions of which each holds for some rows and not for others.
struct List {
    field: &'static str,
    filter: &'static str,
    key: &'static str,
    conditions: Vec<(Value, BTreeSet<String>)>,
}

impl List {
    /// The keys of the rows that match, from one page that holds them all; `totalCount` agrees.
    async fn keys(&self, world: &World, filter: &Value) -> BTreeSet<String> {
        let Self {
            field,
            filter: input,
            key,
            ..
        } = self;
        let query = format!(
            "query($filter: {input}) {{ {field}(first: 200, filter: $filter) {{ totalCount nodes {{ {key} }} }} }}"
        );
        let answer = world.run(ADMIN, &query, json!({ "filter": filter })).await;
        assert_eq!(world::codes(&answer), [""; 0], "{field} {filter}: {answer}");
        let list = &answer["data"][field];
        let keys: BTreeSet<String> = keys_of(&list["nodes"], key);
        assert_eq!(list["totalCount"], json!(keys.len()), "{filter}");
        keys
    }
}

fn keys_of(nodes: &Value, key: &str) -> BTreeSet<String> {
    let nodes = nodes.as_array().expect("nodes").iter();
    nodes
        .map(|node| node[key].as_str().expect("a key").to_owned())
        .collect()
}

/// What each condition should give is told from the plain list, by a rule of the test's own.
#[expect(clippy::too_many_lines, reason = "a table of conditions")]
async fn lists(world: &World) -> Vec<List> {
    let all = world
        .run(
            ADMIN,
            "{ sims(first: 200) { nodes { id iccid state customer { id name } labels { key value } device { id } } }
               devices(first: 200) { nodes { id name kind state connectivity customer { id name } labels { key value } simulated } }
               customers(first: 200) { nodes { id slug name email } }
               labelDefinitions(first: 200) { nodes { id key } }
               networks(first: 200) { nodes { code name operator countryCode } } }",
            json!({}),
        )
        .await;
    let all = &all["data"];
    let rows = |list: &str| all[list]["nodes"].as_array().expect("rows").clone();
    let of = |rows: &[Value], key: &str, rule: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let matching = rows.iter().filter(|row| rule(row));
        matching
            .map(|row| row[key].as_str().expect("a key").to_owned())
            .collect()
    };
    let (sims, devices) = (rows("sims"), rows("devices"));
    let bosch = rows("customers")
        .into_iter()
        .find(|row| row["slug"] == "bosch")
        .expect("Bosch")["id"]
        .clone();
    let first = |rows: &[Value], key: &str| rows[0][key].clone();
    let carries = |row: &Value, key: &str, value: &str| {
        let labels = row["labels"].as_array().expect("labels");
        labels.contains(&json!({ "key": key, "value": value }))
    };
    let is_bosch = |row: &Value| row["customer"]["id"] == bosch;
    let sim = |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&sims, "iccid", rule));
    let device =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&devices, "name", rule));
    let short = sims[1]["iccid"].as_str().expect("an ICCID")[..19].to_owned();
    let customers = rows("customers");
    let customer =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&customers, "slug", rule));
    let definitions = rows("labelDefinitions");
    let definition =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&definitions, "key", rule));
    vec![
        List {
            field: "sims",
            filter: "SimFilter",
            key: "iccid",
            conditions: vec![
                sim(json!({ "search": "0000000000002" }), &|row| {
                    row["iccid"]
                        .as_str()
                        .is_some_and(|iccid| iccid.contains("0000000000002"))
                }),
                sim(json!({ "ids": [first(&sims, "id")] }), &|row| {
                    row["id"] == sims[0]["id"]
                }),
                sim(json!({ "iccids": [short] }), &|row| {
                    row["iccid"] == sims[1]["iccid"]
                }),
                sim(json!({ "states": ["SUSPENDED"] }), &|row| {
                    row["state"] == "SUSPENDED"
                }),
                sim(json!({ "customers": [bosch] }), &is_bosch),
                sim(json!({ "unassigned": true }), &|row| {
                    row["customer"].is_null()
                }),
                sim(
                    json!({ "label": { "key": "location", "values": ["depot"] } }),
                    &|row| carries(row, "location", "depot"),
                ),
                sim(json!({ "label": { "key": "shelf" } }), &|row| {
                    carries(row, "shelf", "1")
                }),
                sim(json!({ "simulated": true }), &|_| false),
            ],
        },
        List {
            field: "devices",
            filter: "DeviceFilter",
            key: "name",
            conditions: vec![
                device(json!({ "search": "DEVICE-2" }), &|row| {
                    row["name"] == "alpha-device-2"
                }),
                device(json!({ "ids": [first(&devices, "id")] }), &|row| {
                    row["id"] == devices[0]["id"]
                }),
                device(json!({ "names": ["alpha-device-1"] }), &|row| {
                    row["name"] == "alpha-device-1"
                }),
                device(json!({ "kinds": ["tracker"] }), &|row| {
                    row["kind"] == "tracker"
                }),
                device(json!({ "states": ["RETIRED"] }), &|_| false),
                device(json!({ "customers": [bosch] }), &is_bosch),
                device(json!({ "unassigned": true }), &|row| {
                    row["customer"].is_null()
                }),
                device(json!({ "connectivity": ["CELLULAR"] }), &|_| true),
                device(json!({ "connectivity": ["WIFI", "LORA"] }), &|_| false),
                device(
                    json!({ "label": { "key": "room", "values": ["lab"] } }),
                    &|row| carries(row, "room", "lab"),
                ),
                device(json!({ "simulated": true }), &|_| false),
            ],
        },
        List {
            field: "customers",
            filter: "CustomerFilter",
            key: "slug",
            conditions: vec![
                customer(json!({ "search": "BOS" }), &|row| row["slug"] == "bosch"),
                customer(json!({ "ids": [bosch] }), &|row| row["id"] == bosch),
                customer(json!({ "slugs": ["dyer", "nobody"] }), &|row| {
                    row["slug"] == "dyer"
                }),
            ],
        },
        List {
            field: "labelDefinitions",
            filter: "LabelDefinitionFilter",
            key: "key",
            conditions: vec![
                definition(json!({ "search": "CAT" }), &|row| row["key"] == "location"),
                definition(json!({ "ids": [first(&definitions, "id")] }), &|row| {
                    row["id"] == definitions[0]["id"]
                }),
                definition(json!({ "keys": ["owner"] }), &|row| row["key"] == "owner"),
            ],
        },
    ]
}

/// Alpha's fleet, with rows that differ in everything that can be asked for.
async fn world() -> World {
    let world = World::new().await;
    let admin = world.scope(ADMIN).await;
    let csv = "iccid,state,customer,device,device_kind,labels,device_labels\n\
        8944501000000000101,SUSPENDED,Bosch,alpha-tracker-1,tracker,location=depot;shelf=1,room=lab\n\
        8944501000000000102,SUSPENDED,,alpha-tracker-2,tracker,location=depot,room=hall\n\
        8944501000000000103,ACTIVE,Dyer,alpha-meter-1,meter,shelf=1,\n";
    let report = fleet::import_file(&world.db, &admin, Cursor::new(csv), &world.store, |_| ());
    assert_eq!(report.await.expect("imported").created, 3);
    world
}

#[tokio::test]
async fn no_condition_is_ignored_alone_in_pairs_or_under_not() {
    let world = world().await;
    for list in lists(&world).await {
        let all = list.keys(&world, &json!({})).await;
        assert!(all.len() > 1, "{}", list.field);
        assert_eq!(list.keys(&world, &json!({ "and": [] })).await, all);
        assert!(list.keys(&world, &json!({ "or": [] })).await.is_empty());
        assert_eq!(
            list.keys(&world, &json!({ "not": { "or": [] } })).await,
            all
        );
        for (filter, expected) in &list.conditions {
            assert_eq!(&list.keys(&world, filter).await, expected, "{filter}");
            let rest: BTreeSet<String> = all.difference(expected).cloned().collect();
            assert_eq!(
                list.keys(&world, &json!({ "not": filter })).await,
                rest,
                "not {filter}"
            );
        }
        for (one, of_one) in &list.conditions {
            for (other, of_other) in &list.conditions {
                let both: BTreeSet<String> = of_one.intersection(of_other).cloned().collect();
                let either: BTreeSet<String> = of_one.union(of_other).cloned().collect();
                let (and, or) = (
                    json!({ "and": [one, other] }),
                    json!({ "or": [one, other] }),
                );
                assert_eq!(list.keys(&world, &and).await, both, "{and}");
                assert_eq!(list.keys(&world, &or).await, either, "{or}");
                let mut fields = one.as_object().expect("fields").clone();
                let beside = other.as_object().expect("fields").clone();
                if fields.keys().all(|field| !beside.contains_key(field)) {
                    fields.extend(beside);
                    let fields = Value::Object(fields);
                    assert_eq!(list.keys(&world, &fields).await, both, "{fields}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_empty_list_of_values_matches_nothing_and_null_is_no_condition() {
    let world = world().await;
    for (field, input, conditions) in [
        (
            "sims",
            "SimFilter",
            &["ids", "iccids", "states", "customers"][..],
        ),
        (
            "devices",
            "DeviceFilter",
            &[
                "ids",
                "names",
                "kinds",
                "states",
                "customers",
                "connectivity",
            ],
        ),
        ("customers", "CustomerFilter", &["ids", "slugs"]),
        (
            "labelDefinitions",
            "LabelDefinitionFilter",
            &["ids", "keys"],
        ),
        ("networks", "NetworkFilter", &["ids", "codes", "countries"]),
        ("ingestBatches", "IngestBatchFilter", &["ids", "states"]),
        (
            "ingestRejections",
            "RejectionFilter",
            &["sources", "codes", "recordIds"],
        ),
    ] {
        let query =
            format!("query($filter: {input}) {{ {field}(filter: $filter) {{ totalCount }} }}");
        let count = async |filter: Value| {
            let answer = world.run(ADMIN, &query, json!({ "filter": filter })).await;
            assert_eq!(world::codes(&answer), [""; 0], "{field} {filter}");
            answer["data"][field]["totalCount"].clone()
        };
        let all = count(Value::Null).await;
        for condition in conditions {
            assert_eq!(
                count(json!({ *condition: [] })).await,
                0,
                "{field} {condition}"
            );
            assert_eq!(
                count(json!({ *condition: null })).await,
                all,
                "{field} {condition}"
            );
        }
    }
}

#[tokio::test]
async fn a_filter_is_bounded_and_says_which_field_is_wrong() {
    let world = world().await;
    let query = "query($filter: SimFilter) { sims(filter: $filter) { totalCount } }";
    let error = async |filter: Value| {
        let answer = world.run(ADMIN, query, json!({ "filter": filter })).await;
        answer["errors"][0]["extensions"].clone()
    };
    let many: Vec<Value> = (0..101).map(|_| json!({ "simulated": true })).collect();
    let refused = error(json!({ "or": many })).await;
    assert_eq!(refused["code"], "LIMIT_EXCEEDED");
    assert_eq!(
        (&refused["limit"], refused["actual"].as_u64() > Some(100)),
        (&json!(100), true)
    );
    let refused = error(json!({ "iccids": ["12"] })).await;
    assert_eq!(
        (&refused["code"], &refused["field"]),
        (&json!("INVALID_INPUT"), &json!("filter.iccids"))
    );
    let ids: Vec<String> = (0..201)
        .map(|_| "sim_00000000000000000000000000000000".to_owned())
        .collect();
    let refused = error(json!({ "not": { "ids": ids } })).await;
    assert_eq!(
        (&refused["limit"], &refused["actual"]),
        (&json!(200), &json!(201))
    );
}

#[tokio::test]
async fn every_list_is_paged_to_its_end_in_each_order_while_rows_are_added() {
    let world = world().await;
    let admin = world.scope(ADMIN).await;
    let mut added = 200;
    for (field, order, key, fields) in [
        ("sims", "SimOrder", "iccid", &["ICCID", "CREATED_AT"][..]),
        ("devices", "DeviceOrder", "name", &["NAME", "CREATED_AT"]),
        ("customers", "CustomerOrder", "slug", &["NAME", "SLUG"]),
        ("labelDefinitions", "LabelDefinitionOrder", "key", &["KEY"]),
        ("networks", "NetworkOrder", "code", &["CODE"]),
    ] {
        let small = if field == "networks" { 150 } else { 2 };
        let query = format!(
            "query($order: {order}!, $first: Int, $after: String, $last: Int, $before: String) {{
                {field}(orderBy: $order, first: $first, after: $after, last: $last, before: $before) {{
                    nodes {{ {key} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        for by in fields {
            for direction in ["ASC", "DESC"] {
                let order = json!({ "field": by, "direction": direction });
                let before = every_key(&world, field, key).await;
                for forward in [true, false] {
                    let mut seen: Vec<String> = Vec::new();
                    let mut cursor = Value::Null;
                    loop {
                        let page = if forward {
                            json!({ "order": order, "first": small, "after": cursor })
                        } else {
                            json!({ "order": order, "last": small, "before": cursor })
                        };
                        let answer = world.run(ADMIN, &query, page).await;
                        let page = &answer["data"][field];
                        let nodes = page["nodes"].as_array().expect("nodes").iter();
                        seen.extend(
                            nodes.map(|node| node[key].as_str().expect("a key").to_owned()),
                        );
                        let info = &page["pageInfo"];
                        let (more, next) = if forward {
                            ("hasNextPage", "endCursor")
                        } else {
                            ("hasPreviousPage", "startCursor")
                        };
                        if info[more] == json!(false) {
                            break;
                        }
                        cursor = info[next].clone();
                        if field != "networks" && seen.len() < 8 {
                            added += 1;
                            let csv = format!(
                                "iccid,state,customer,device,labels\n89445010000000{added:05},ACTIVE,C{added},d{added},k{added}=v\n"
                            );
                            let report = fleet::import_file(
                                &world.db,
                                &admin,
                                Cursor::new(csv),
                                &world.store,
                                |_| (),
                            );
                            assert_eq!(report.await.expect("imported").created, 1);
                        }
                    }
                    let distinct: BTreeSet<String> = seen.iter().cloned().collect();
                    assert_eq!(
                        distinct.len(),
                        seen.len(),
                        "{field} by {order}: nothing comes twice"
                    );
                    assert!(
                        distinct.is_superset(&before),
                        "{field} by {order}: nothing is left out"
                    );
                }
            }
        }
    }
}

async fn every_key(world: &World, field: &str, key: &str) -> BTreeSet<String> {
    let query = format!(
        "query($after: String) {{ {field}(first: 200, after: $after) {{ nodes {{ {key} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut keys, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let answer = world.run(ADMIN, &query, json!({ "after": after })).await;
        let page = &answer["data"][field];
        keys.extend(keys_of(&page["nodes"], key));
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return keys;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test]
async fn a_customer_has_its_own_pages_of_sims_and_devices() {
    let world = world().await;
    let answer = world
        .run(
            ADMIN,
            "{ customers(first: 200) { nodes { slug
                sims(first: 2, filter: { states: [ACTIVE] }) { totalCount nodes { iccid customer { slug } } pageInfo { hasNextPage endCursor } }
                devices(first: 1, orderBy: { field: NAME, direction: DESC }) { totalCount nodes { name customer { slug } } } } } }",
            json!({}),
        )
        .await;
    assert_eq!(world::codes(&answer), [""; 0]);
    let customers = answer["data"]["customers"]["nodes"]
        .as_array()
        .expect("customers")
        .clone();
    let of = |slug: &str| {
        customers
            .iter()
            .find(|row| row["slug"] == slug)
            .expect("there")
            .clone()
    };
    let (bosch, dyer) = (of("bosch"), of("dyer"));
    assert_eq!(
        (&bosch["sims"]["totalCount"], &dyer["sims"]["totalCount"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(bosch["sims"]["nodes"].as_array().map(Vec::len), Some(2));
    assert_eq!(bosch["sims"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(bosch["devices"]["totalCount"], 4);
    assert_eq!(bosch["devices"]["nodes"][0]["name"], "alpha-tracker-1");
    for customer in [&bosch, &dyer] {
        for node in customer["sims"]["nodes"].as_array().expect("nodes") {
            assert_eq!(node["customer"]["slug"], customer["slug"]);
        }
    }
    // The rest of one customer's.
    let after = &bosch["sims"]["pageInfo"]["endCursor"];
    let rest = world
        .run(
            ADMIN,
            "query($after: String) { customer(by: { slug: \"bosch\" }) {
                sims(first: 2, after: $after, filter: { states: [ACTIVE] }) { nodes { iccid } pageInfo { hasNextPage } } } }",
            json!({ "after": after }),
        )
        .await;
    let rest = &rest["data"]["customer"]["sims"];
    assert_eq!(rest["nodes"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["pageInfo"]["hasNextPage"], false);
}

#[tokio::test]
async fn a_customer_is_not_told_whose_a_sim_was_before() {
    let world = world().await;
    let admin = world.scope(ADMIN).await;
    let csv = "iccid,state,customer,device,valid_from\n\
        8944501000000000301,ACTIVE,Dyer,alpha-moved,2026-01-01\n\
        8944501000000000301,ACTIVE,Bosch,alpha-moved,2026-02-01\n";
    let report = fleet::import_file(&world.db, &admin, Cursor::new(csv), &world.store, |_| ());
    assert_eq!(report.await.expect("imported").rejected, 0);
    let query =
        "{ sim(by: { iccid: \"8944501000000000301\" }) { assignments { customer { slug } from to }
                   device { assignments { customer { slug } from to } } } }";
    let whole = json!([
        { "customer": { "slug": "dyer" }, "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z" },
        { "customer": { "slug": "bosch" }, "from": "2026-02-01T00:00:00Z", "to": null },
    ]);
    let shown = world.run(ADMIN, query, json!({})).await["data"]["sim"].clone();
    assert_eq!(
        (&shown["assignments"], &shown["device"]["assignments"]),
        (&whole, &whole)
    );
    let bosch = Caller("alpha", Role::CustomerUser, Some("bosch"));
    let shown = world.run(bosch, query, json!({})).await["data"]["sim"].clone();
    let own = json!([whole[1]]);
    assert_eq!(
        (&shown["assignments"], &shown["device"]["assignments"]),
        (&own, &own)
    );
}
