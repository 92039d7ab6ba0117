//! How many SIMs there are: what counting the list says, for every caller and whatever the groups.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy as _, ValueTree as _};
use serde_json::{Value, json};

use super::{
    ADMIN,
    condition::lists,
    saved::{filters, runner},
    world::{self, CALLERS, Caller, POOL, World},
};

/// What is grouped by, and what is selected of the keys.
const GROUPINGS: [(&str, &str); 6] = [
    ("", ""),
    ("{ dimension: STATE }", "state"),
    ("{ dimension: CUSTOMER }", "customer { status id }"),
    (
        "{ label: \"location\" }",
        "location: label(key: \"location\") { status value }",
    ),
    (
        "{ label: \"shelf\" }, { dimension: CUSTOMER }",
        "customer { status id } shelf: label(key: \"shelf\") { status value }",
    ),
    (
        "{ label: \"location\" }, { label: \"nothing\" }",
        "location: label(key: \"location\") { status value } nothing: label(key: \"nothing\") { status value }",
    ),
];

/// The SIMs of a filter as a caller sees them.
const SIMS: &str = "query($filter: SimFilter) { sims(first: 200, filter: $filter) {
    totalCount nodes { id state customer { id } labels { key value } } } }";

/// The key that a SIM should be counted under, by a rule of the test's own.
fn key_of(sim: &Value, selected: &str, owned: &[Value]) -> Value {
    let mut key = json!({});
    if selected.contains("state") {
        key["state"] = sim["state"].clone();
    }
    if selected.contains("customer") {
        let id = &sim["customer"]["id"];
        let status = match (id.is_null(), owned.contains(&sim["id"])) {
            (false, _) => "VALUE",
            (true, true) => "HIDDEN",
            (true, false) => "UNASSIGNED",
        };
        key["customer"] = json!({ "status": status, "id": id });
    }
    for label in ["location", "shelf", "nothing"] {
        if selected.contains(label) {
            let labels = sim["labels"].as_array().expect("labels");
            let value = labels.iter().find(|it| it["key"] == label);
            let value = value.map_or(Value::Null, |it| it["value"].clone());
            let status = if value.is_null() {
                "UNASSIGNED"
            } else {
                "VALUE"
            };
            key[label] = json!({ "status": status, "value": value });
        }
    }
    key
}

/// Compares counts with the list.
async fn compare(world: &World, caller: Caller, filter: &Value, owned: &[Value]) -> Vec<Value> {
    let variables = json!({ "filter": filter });
    let list = world.run(caller, SIMS, variables.clone()).await;
    let mut keys = Vec::new();
    for (groups, selected) in GROUPINGS {
        let key = if selected.is_empty() {
            String::new()
        } else {
            format!("key {{ {selected} }}")
        };
        let query = format!(
            "query($filter: SimFilter) {{ simCounts(groupBy: [{groups}], filter: $filter) {{ rows {{ {key} count }} total truncated }} }}"
        );
        let counts = world.run(caller, &query, variables.clone()).await;
        assert_eq!(world::codes(&counts), world::codes(&list), "{counts}");
        let Some(sims) = list["data"]["sims"]["nodes"].as_array() else {
            assert!(counts["data"]["simCounts"].is_null(), "{counts}");
            continue;
        };
        let counts = &counts["data"]["simCounts"];
        assert_eq!(counts["total"], list["data"]["sims"]["totalCount"]);
        assert_eq!(counts["truncated"], false);
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for sim in sims.iter().filter(|_| !selected.is_empty()) {
            let key = key_of(sim, selected, owned);
            *expected.entry(key.to_string()).or_default() += 1;
        }
        let rows = counts["rows"].as_array().expect("rows");
        let found: BTreeMap<String, u64> = rows
            .iter()
            .map(|row| {
                (
                    row["key"].to_string(),
                    row["count"].as_u64().expect("a count"),
                )
            })
            .collect();
        let sort = |map: &BTreeMap<String, u64>| -> BTreeMap<String, u64> {
            let sorted = |(key, count): (&String, &u64)| {
                let key: BTreeMap<String, Value> = serde_json::from_str(key).expect("an object");
                (json!(key).to_string(), *count)
            };
            map.iter().map(sorted).collect()
        };
        assert_eq!(
            sort(&found),
            sort(&expected),
            "{caller:?} {groups} {filter}"
        );
        assert_eq!(found.len(), rows.len(), "a key comes once");
        let order: Vec<_> = rows.iter().map(|row| row["count"].as_u64()).collect();
        assert!(order.is_sorted_by(|a, b| a >= b), "the largest first");
        keys.extend(rows.iter().map(|row| row["key"].clone()));
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_what_counting_the_list_says_for_every_caller() {
    let world = super::world().await;
    let all = world.run(ADMIN, SIMS, json!({})).await["data"]["sims"]["nodes"].clone();
    let all = all.as_array().expect("SIMs");
    let owned: Vec<Value> = all
        .iter()
        .filter(|sim| sim["customer"].is_object())
        .map(|sim| sim["id"].clone())
        .collect();
    // A pool of SIMs whose customers its viewer does not see, and of one that is nobody's.
    let nobodys = all.iter().find(|sim| sim["customer"].is_null());
    let pool = [
        &owned[0],
        &owned[1],
        &owned[4],
        &nobodys.expect("one")["id"],
    ];
    let input = json!({ "subject": POOL.subject(), "simIds": pool });
    world.change(ADMIN, "grantSegment", input).await;
    let lists = lists(&world).await;
    let sims = lists.iter().find(|list| list.field == "sims");
    let conditions = sims.expect("SIMs").conditions.iter();
    let conditions = conditions.map(|(filter, _)| filter.clone());
    let plain: Vec<Value> = conditions
        .filter(|filter| filter.get("saved").is_none())
        .collect();
    let (filters, mut runner) = (filters(plain), runner());
    let mut keys = Vec::new();
    for caller in CALLERS {
        keys.extend(compare(&world, caller, &json!({}), &owned).await);
        for _ in 0..12 {
            let filter = filters.new_tree(&mut runner).expect("a tree").current();
            keys.extend(compare(&world, caller, &filter, &owned).await);
        }
    }
    let statuses: Vec<String> = keys
        .iter()
        .map(|key| key["customer"]["status"].to_string())
        .collect();
    for status in ["\"VALUE\"", "\"UNASSIGNED\"", "\"HIDDEN\""] {
        assert!(statuses.iter().any(|it| it == status), "never {status}");
    }
}

#[tokio::test]
async fn equal_counts_come_by_key_and_what_has_no_value_last() {
    let world = super::world().await;
    let admin = world.scope(ADMIN).await;
    let csv = "iccid,state,labels\n\
        8944501000000000201,TERMINATED,tray=b\n8944501000000000202,TERMINATED,tray=B\n\
        8944501000000000203,INACTIVE,tray=a\n8944501000000000204,INACTIVE,tray=a\n8944501000000000205,INACTIVE,\n";
    world.import(&admin, csv.to_owned()).await;
    let query = "{ trays: simCounts(groupBy: [{ label: \"tray\" }], filter: { search: \"89445010000000002\" }) {
          total rows { count key { label(key: \"tray\") { status value } } } }
        states: simCounts(groupBy: [{ dimension: STATE }]) { rows { count key { state } } }
        available: simCounts(filter: { states: [INACTIVE], unassigned: true }) { total rows { count } } }";
    let answer = world.run(ADMIN, query, json!({})).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
    let data = &answer["data"];
    let tray = |count: u64, status: &str, value: Option<&str>| json!({ "count": count, "key": { "label": { "status": status, "value": value } } });
    assert_eq!(
        data["trays"],
        json!({ "total": 5, "rows": [
            tray(2, "VALUE", Some("a")), tray(1, "VALUE", Some("B")), tray(1, "VALUE", Some("b")), tray(1, "UNASSIGNED", None),
        ] })
    );
    let states = |count: u64, state: &str| json!({ "count": count, "key": { "state": state } });
    assert_eq!(
        data["states"]["rows"],
        json!([
            states(8, "ACTIVE"),
            states(3, "INACTIVE"),
            states(2, "SUSPENDED"),
            states(2, "TERMINATED")
        ])
    );
    assert_eq!(data["available"], json!({ "total": 3, "rows": [] }));
}

#[tokio::test]
async fn a_thousand_groups_are_shown_and_the_rest_is_said_to_be_there_in_the_same_statements() {
    let world = super::world().await;
    let admin = world.scope(ADMIN).await;
    let mut csv = String::from("iccid,state,customer,labels\n");
    for n in 0..1_001 {
        csv.push_str(&format!("8944504{n:012},ACTIVE,Bosch,serial={n}\n"));
    }
    world.import(&admin, csv).await;
    let query = "query($search: String!) { simCounts(groupBy: [{ label: \"serial\" }, { dimension: CUSTOMER }], filter: { search: $search }) {
        truncated total rows { count key { customer { customer { name } } label(key: \"serial\") { value } } } } }";
    let mut taken = Vec::new();
    for (search, rows, total) in [("8944504", 1_000, 1_001), ("8944504000000000001", 1, 1)] {
        let variables = json!({ "search": search });
        let (answer, (statements, _)) = world.run_counted(ADMIN, query, variables).await;
        assert_eq!(world::codes(&answer), [""; 0], "{answer}");
        let counts = &answer["data"]["simCounts"];
        assert_eq!(counts["rows"].as_array().map(Vec::len), Some(rows));
        assert_eq!(counts["total"], total);
        assert_eq!(counts["truncated"], json!(rows < total));
        taken.push(statements);
    }
    // Opening is two. The customer is known the second time.
    assert_eq!(taken, [4, 3], "opening, counts, customers");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_anything_is_counted() {
    let world = super::world().await;
    let ask = async |query: &str, variables: Value| {
        let (answer, (statements, _)) = world.run_counted(ADMIN, query, variables).await;
        assert_eq!(world::codes(&answer).len(), 1, "{query}: {answer}");
        let said = &answer["errors"][0]["extensions"];
        assert!(statements <= 2, "{query}: {statements}");
        ["code", "field"].map(|name| said[name].as_str().unwrap_or("").to_owned())
    };
    for (query, code, field) in [
        (
            "{ simCounts { rows { key { state } } } }",
            "INVALID_INPUT",
            "state",
        ),
        (
            "{ simCounts(groupBy: [{ dimension: STATE }]) { rows { key { state customer { id } } } } }",
            "INVALID_INPUT",
            "customer",
        ),
        (
            "{ simCounts(groupBy: [{ label: \"a\" }]) { rows { key { a: label(key: \"a\") { value } ...K } } } } fragment K on SimCountKey { b: label(key: \"b\") { value } }",
            "INVALID_INPUT",
            "label",
        ),
        (
            "{ simCounts(groupBy: [{ dimension: STATE }, { dimension: CUSTOMER }, { label: \"a\" }]) { total } }",
            "LIMIT_EXCEEDED",
            "groupBy",
        ),
        (
            "{ simCounts(groupBy: [{ dimension: STATE }, { dimension: STATE }]) { total } }",
            "INVALID_INPUT",
            "groupBy.1",
        ),
        (
            "{ simCounts(groupBy: [{ label: \"a\" }, { label: \"a\" }]) { total } }",
            "INVALID_INPUT",
            "groupBy.1",
        ),
        (
            "{ simCounts(groupBy: [{ label: \"a\\u0000\" }]) { total } }",
            "INVALID_INPUT",
            "groupBy.0.label",
        ),
        (
            "{ simCounts(filter: { customers: [\"sim_1\"] }) { total } }",
            "INVALID_INPUT",
            "filter.customers",
        ),
    ] {
        assert_eq!(ask(query, json!({})).await, [code, field], "{query}");
    }
    let long = "query($key: String!) { simCounts(groupBy: [{ label: $key }]) { total } }";
    let said = ask(long, json!({ "key": "x".repeat(1_000_000) })).await;
    assert_eq!(said, ["LIMIT_EXCEEDED", "groupBy.0.label"]);
    let missing = "query($key: String!) { simCounts(groupBy: [{ label: \"a\" }]) { rows { key { label(key: $key) { value } } } } }";
    let said = ask(missing, json!({ "key": "b" })).await;
    assert_eq!(said, ["INVALID_INPUT", "label"]);
    // What is not selected in the end is not asked for.
    let skipped = "query($no: Boolean!) { simCounts(groupBy: [{ dimension: STATE }]) { rows { key { state customer @include(if: $no) { id } } } } }";
    let answer = world.run(ADMIN, skipped, json!({ "no": false })).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
}
