//! Lists under saved filters: the same as under what is saved, and nothing for whoever may not use them.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use super::{
    ADMIN,
    condition::lists,
    world::{self, CALLERS, Caller, World},
};

/// Every decision is drawn from it.
const SEED: [u8; 32] = [10; 32];

/// Trees over these conditions.
pub(crate) fn filters(conditions: Vec<Value>) -> impl Strategy<Value = Value> {
    let one = prop::sample::select(conditions);
    let one = prop_oneof![9 => one, 1 => Just(json!({}))];
    one.prop_recursive(4, 24, 3, |part| {
        let parts = || prop::collection::vec(part.clone(), 0..3);
        prop_oneof![
            parts().prop_map(|parts| json!({ "and": parts })),
            parts().prop_map(|parts| json!({ "or": parts })),
            part.clone().prop_map(|part| json!({ "not": part })),
            (part.clone(), parts()).prop_map(|(part, parts)| json!({ "not": part, "or": parts })),
        ]
    })
}

pub(crate) fn runner() -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    TestRunner::new_with_rng(Config::default(), rng)
}

/// The payload of a change of a saved filter.
async fn change(world: &World, mutation: &str, input: Value) -> Value {
    let (first, rest) = mutation.split_at(1);
    let ty = format!("{}{rest}Input", first.to_uppercase());
    let query = format!(
        "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ savedFilter {{ id filter }} userErrors {{ code field }} }} }}"
    );
    let answer = world.run(ADMIN, &query, json!({ "input": input })).await;
    let payload = &answer["data"][mutation];
    assert_eq!(payload["userErrors"], json!([]), "{input}: {answer}");
    payload["savedFilter"].clone()
}

#[tokio::test]
async fn a_list_under_a_saved_filter_is_the_list_under_what_is_saved() {
    let world = super::world().await;
    let all = lists(&world).await;
    let mut runner = runner();
    for (field, kind) in [("sims", "sim"), ("devices", "device")] {
        let list = all.iter().find(|list| list.field == field).expect("a list");
        let plain = list.conditions.iter().map(|(filter, _)| filter.clone());
        let plain = plain.filter(|filter| filter.get("saved").is_none());
        let filters = filters(plain.collect());
        for number in 0..60 {
            let filter = filters.new_tree(&mut runner).expect("a tree").current();
            let input =
                json!({ "name": format!("{field} {number}"), "filter": { kind: filter.clone() } });
            let saved = change(&world, "createSavedFilter", input).await;
            let expected = list.keys(&world, &filter).await;
            let named = json!({ "saved": saved["id"] });
            assert_eq!(list.keys(&world, &named).await, expected, "{filter}");
            let rest = list.keys(&world, &json!({ "not": filter })).await;
            let other = list.keys(&world, &json!({ "not": named })).await;
            assert_eq!(other, rest, "not {filter}");
            // What is shown can be asked as it is, and saved again without becoming another one.
            let shown = &saved["filter"];
            assert_eq!(list.keys(&world, shown).await, expected, "{shown}");
            let input = json!({ "savedFilterId": saved["id"], "filter": { kind: shown } });
            let again = change(&world, "updateSavedFilter", input).await;
            assert_eq!(again["filter"], *shown, "{filter}");
        }
    }
}

#[tokio::test]
async fn a_cursor_of_what_was_saved_before_is_refused() {
    let world = super::world().await;
    let input = json!({ "name": "a", "filter": { "sim": { "states": ["ACTIVE"] } } });
    let id = change(&world, "createSavedFilter", input).await["id"].clone();
    let query = "query($saved: ID!, $after: String) {
        sims(first: 1, after: $after, filter: { saved: $saved }) { nodes { iccid } pageInfo { endCursor } }
        customer(by: { slug: \"bosch\" }) { sims(first: 1, filter: { saved: $saved }) { totalCount } } }";
    let first = world.run(ADMIN, query, json!({ "saved": id })).await;
    let after = &first["data"]["sims"]["pageInfo"]["endCursor"];
    let next = json!({ "saved": id, "after": after });
    let renamed = json!({ "savedFilterId": id, "name": "b" });
    change(&world, "updateSavedFilter", renamed).await;
    let second = world.run(ADMIN, query, next.clone()).await;
    assert_eq!(world::codes(&second), [""; 0], "another name: {second}");
    let wider = json!({ "sim": { "states": ["ACTIVE", "SUSPENDED"] } });
    let changed = json!({ "savedFilterId": id, "filter": wider });
    change(&world, "updateSavedFilter", changed).await;
    let third = world.run(ADMIN, query, next).await;
    assert_eq!(world::codes(&third), ["INVALID_CURSOR"], "{third}");
    let of_bosch = |answer: &Value| answer["data"]["customer"]["sims"]["totalCount"].clone();
    assert_eq!([of_bosch(&first), of_bosch(&third)], [json!(3), json!(4)]);
}

/// Code and field of the only error, and how many statements it took.
async fn refused(world: &World, caller: Caller, query: &str, id: &Value) -> ([Value; 2], u64) {
    let variables = json!({ "id": id });
    let (answer, (statements, _)) = world.run_counted(caller, query, variables).await;
    let errors = answer["errors"].as_array().map_or(0, Vec::len);
    assert_eq!(errors, 1, "{query}: {answer}");
    let said = &answer["errors"][0]["extensions"];
    (["code", "field"].map(|name| said[name].clone()), statements)
}

#[tokio::test]
async fn what_is_not_there_or_of_the_other_kind_is_refused_before_a_list_is_read() {
    let world = super::world().await;
    let ids = "{ savedFilters(filter: { kinds: [DEVICE] }) { nodes { id } } }";
    let ids = world.run(ADMIN, ids, json!({})).await["data"]["savedFilters"]["nodes"].clone();
    let (devices, gone) = (&ids[0]["id"], json!(format!("fil_{}", "0".repeat(32))));
    // Opening the snapshot is two, looking it up is one.
    for (id, code, statements) in [(devices, "INVALID_INPUT", 3), (&gone, "NOT_FOUND", 3)] {
        for query in [
            "query($id: ID!) { sims(filter: { saved: $id }) { totalCount nodes { id } } }",
            "query($id: ID!) { sims(filter: { not: { or: [{ saved: $id }] } }) { nodes { id } } }",
            "query($id: ID!) { simCounts(groupBy: [{ dimension: STATE }], filter: { saved: $id }) { total } }",
        ] {
            let (said, asked) = refused(&world, ADMIN, query, id).await;
            assert_eq!(said, [json!(code), json!("filter.saved")], "{query}");
            assert_eq!(asked, statements, "{query}");
        }
    }
    for (query, id) in [
        (
            "query($id: ID!) { sims(filter: { saved: $id }) { totalCount } }",
            json!("sim_1"),
        ),
        (
            "query($id: ID!) { devices(filter: { and: [{ saved: $id }] }) { totalCount } }",
            json!(""),
        ),
    ] {
        let ([code, field], _) = refused(&world, ADMIN, query, &id).await;
        assert_eq!(code, "INVALID_INPUT");
        assert!(field.as_str().is_some_and(|field| field.ends_with("saved")));
    }
}

#[tokio::test]
async fn whoever_sees_a_part_of_the_fleet_uses_no_saved_filter() {
    let world = super::world().await;
    let ids = "{ savedFilters(filter: { kinds: [SIM] }) { nodes { id } } }";
    let id =
        world.run(ADMIN, ids, json!({})).await["data"]["savedFilters"]["nodes"][0]["id"].clone();
    let gone = json!(format!("fil_{}", "0".repeat(32)));
    for caller in CALLERS {
        let is_staff = world
            .scope(caller)
            .await
            .may(domain::Permission::SavedFiltersRead);
        let sees_all = *world.scope(caller).await.segments() == domain::scope::Segments::All;
        assert_eq!(is_staff, sees_all, "{caller:?}");
        if is_staff {
            continue;
        }
        // One that is there and one that never was are the same.
        for id in [&id, &gone] {
            let query = "query($id: ID!) { sims(filter: { saved: $id }) { totalCount } }";
            let ([code, _], _) = refused(&world, caller, query, id).await;
            assert_eq!(code, "FORBIDDEN", "{caller:?}");
        }
    }
}

#[tokio::test]
async fn what_is_saved_counts_towards_the_size_of_a_filter() {
    let world = super::world().await;
    let many = vec![json!({ "simulated": true }); 45];
    let input = json!({ "name": "many", "filter": { "sim": { "or": many } } });
    let id = change(&world, "createSavedFilter", input).await["id"].clone();
    let query = |times: usize| {
        let named = vec!["{ saved: $id }"; times].join(", ");
        format!("query($id: ID!) {{ sims(filter: {{ or: [{named}] }}) {{ totalCount }} }}")
    };
    let answer = world.run(ADMIN, &query(1), json!({ "id": id })).await;
    assert_eq!(answer["data"]["sims"]["totalCount"], 0, "{answer}");
    let ([code, field], _) = refused(&world, ADMIN, &query(3), &id).await;
    assert_eq!([code, field], [json!("LIMIT_EXCEEDED"), json!("filter")]);
}

#[tokio::test]
async fn the_deepest_filter_is_saved_and_used() {
    let world = super::world().await;
    let mut not = json!({ "states": ["ACTIVE"] });
    let mut joined = not.clone();
    for _ in 0..20 {
        not = json!({ "not": not });
        joined = json!({ "or": [{ "simulated": true }, joined] });
    }
    for (name, filter) in [("not", not), ("joined", joined)] {
        let input = json!({ "name": name, "filter": { "sim": filter } });
        let id = change(&world, "createSavedFilter", input).await["id"].clone();
        let query = "query($plain: SimFilter, $saved: SimFilter) {
            plain: sims(filter: $plain) { totalCount } saved: sims(filter: $saved) { totalCount } }";
        let filters = json!({ "plain": filter, "saved": { "saved": id } });
        let answer = world.run(ADMIN, query, filters).await;
        assert_eq!(answer["data"]["plain"], answer["data"]["saved"], "{answer}");
        assert!(answer["data"]["saved"]["totalCount"].as_u64() > Some(0));
    }
}
