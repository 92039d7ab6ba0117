//! What holds of every change.

use domain::Role;
use serde_json::{Value, json};

use super::{
    ADMIN, change,
    world::{self, Caller, World},
};

#[tokio::test]
async fn everything_that_is_wrong_with_an_input_is_said_at_once() {
    let world = World::new().await;
    let input = json!({ "slug": "A B", "name": "", "email": "nobody" });
    let payload = change(&world, "createCustomer", input, "customer { id }").await;
    assert_eq!(fields(&payload), ["slug", "name", "email"]);
    let input = json!({ "key": "=", "options": [] });
    let payload = change(
        &world,
        "createLabelDefinition",
        input,
        "labelDefinition { id }",
    )
    .await;
    assert_eq!(fields(&payload), ["key", "options"]);
    let sim = world
        .run(ADMIN, "{ sims(first: 1) { nodes { id } } }", json!({}))
        .await["data"]["sims"]["nodes"][0]["id"]
        .clone();
    let input = json!({
        "simId": sim,
        "set": [{ "key": "owner", "value": "a" }, { "key": "owner", "value": "a" }, { "key": "location", "value": "x" }],
        "remove": ["location", "nothing"],
    });
    let payload = change(&world, "setSimLabels", input, "sim { id }").await;
    assert_eq!(
        fields(&payload),
        ["set.0", "set.1", "set.2", "remove.0", "remove.1"]
    );
}

fn fields(payload: &Value) -> Vec<&str> {
    let errors = payload["userErrors"].as_array().expect("errors");
    errors
        .iter()
        .map(|error| error["field"].as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn an_optional_variable_that_is_left_out_leaves_the_default() {
    let world = World::new().await;
    let ask = async |query: &str, variables: Value| {
        let answer = world.run(ADMIN, query, variables).await;
        assert_eq!(world::codes(&answer), [""; 0], "{answer}");
        answer["data"].clone()
    };
    let plain = ask("{ sims { nodes { iccid } } }", json!({})).await;
    let sims =
        "query($order: SimOrder, $direction: OrderDirection, $filter: SimFilter, $ids: [ID!]) {
        sims(orderBy: $order, filter: $filter) { ...page }
        again: sims(orderBy: { direction: $direction }, filter: { ids: $ids }) { ...page }
        deep: customers(first: 1) { nodes { sims(orderBy: $order) { totalCount } } } }
        fragment page on SimConnection { nodes { iccid } }";
    let left_out = ask(sims, json!({})).await;
    assert_eq!(
        (&left_out["sims"], &left_out["again"]),
        (&plain["sims"], &plain["sims"])
    );
    let given = ask(sims, json!({ "direction": "DESC" })).await;
    assert_ne!(given["again"], plain["sims"]);
}

#[tokio::test]
async fn what_is_read_after_a_change_in_one_document_has_it() {
    let world = World::new().await;
    let sim = world
        .run(ADMIN, "{ sims(first: 1) { nodes { id } } }", json!({}))
        .await["data"]["sims"]["nodes"][0]["id"]
        .clone();
    let twice = "mutation($sim: ID!) {
        a: setSimLabels(input: { simId: $sim, set: [{ key: \"owner\", value: \"first\" }] }) { sim { labels { key value } } }
        b: setSimLabels(input: { simId: $sim, set: [{ key: \"owner\", value: \"second\" }] }) { sim { labels { key value } } } }";
    let answer = world.run(ADMIN, twice, json!({ "sim": sim })).await["data"].clone();
    for (change, value) in [("a", "first"), ("b", "second")] {
        let labels = answer[change]["sim"]["labels"]
            .as_array()
            .expect("labels")
            .clone();
        assert!(
            labels.contains(&json!({ "key": "owner", "value": value })),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn only_those_who_may_change_it_do() {
    let world = World::new().await;
    for (role, customer) in [
        (Role::Support, None),
        (Role::Viewer, Some("bosch")),
        (Role::CustomerUser, Some("bosch")),
    ] {
        let caller = Caller("alpha", role, customer);
        for mutation in [
            "createCustomer(input: { slug: \"x\", name: \"x\" }) { customer { id } }",
            "createLabelDefinition(input: { key: \"x\" }) { labelDefinition { id } }",
        ] {
            let answer = world
                .run(caller, &format!("mutation {{ {mutation} }}"), json!({}))
                .await;
            assert_eq!(world::codes(&answer), ["FORBIDDEN"], "{caller:?}");
        }
    }
}
