//! A list costs the same number of statements whatever its page size.

mod world;

use domain::Role;
use serde_json::json;
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

#[tokio::test]
async fn a_page_costs_the_same_statements_for_one_row_and_for_all() {
    let world = World::new().await;
    let nested = [
        "query($n: Int!) { sims(first: $n) { totalCount nodes { iccid customer { name } device { name } labels { key value } } } }",
        "query($n: Int!) { sims(first: $n) { edges { node { customer { name simCounts { count } } device { name labels { key } } } } } }",
        "query($n: Int!) { devices(first: $n) { nodes { name customer { name } labels { key } sims { iccid labels { key } customer { name } } } } }",
        "query($n: Int!) { customers(first: $n) { nodes { name simCounts { state count } } } }",
    ];
    for query in nested {
        let (one, few) = world.run_counted(ADMIN, query, json!({ "n": 1 })).await;
        let (all, many) = world.run_counted(ADMIN, query, json!({ "n": 100 })).await;
        assert_eq!(
            (world::codes(&one), world::codes(&all)),
            (vec![], vec![]),
            "{query}"
        );
        assert_eq!(few, many, "{query}");
        assert!(few > 2, "statements are counted at all");
    }
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition_in_both_directions() {
    let world = World::new().await;
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        sims(first: $first, after: $after, last: $last, before: $before) {
            nodes { iccid } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let all =
        world.run(ADMIN, query, json!({ "first": 100 })).await["data"]["sims"]["nodes"].clone();
    let (mut forward, mut after) = (Vec::new(), json!(null));
    loop {
        let page = world
            .run(ADMIN, query, json!({ "first": 3, "after": after }))
            .await["data"]["sims"]
            .clone();
        forward.extend(page["nodes"].as_array().expect("nodes").clone());
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(json!(forward), all);
    let (mut backward, mut before) = (Vec::new(), json!(null));
    loop {
        let page = world
            .run(ADMIN, query, json!({ "last": 3, "before": before }))
            .await["data"]["sims"]
            .clone();
        backward.splice(0..0, page["nodes"].as_array().expect("nodes").clone());
        if page["pageInfo"]["hasPreviousPage"] == json!(false) {
            break;
        }
        before = page["pageInfo"]["startCursor"].clone();
    }
    assert_eq!(json!(backward), all);
    let garbage = world
        .run(ADMIN, query, json!({ "first": 3, "after": "nonsense" }))
        .await;
    assert_eq!(world::codes(&garbage), ["INVALID_CURSOR"]);
    let cursor = forward_cursor(&world, query).await;
    let other = "query($after: String) { sims(after: $after, filter: { states: [ACTIVE] }) { nodes { iccid } } }";
    let refused = world.run(ADMIN, other, json!({ "after": cursor })).await;
    assert_eq!(world::codes(&refused), ["INVALID_CURSOR"]);
}

async fn forward_cursor(world: &World, query: &str) -> serde_json::Value {
    world.run(ADMIN, query, json!({ "first": 1 })).await["data"]["sims"]["pageInfo"]["endCursor"]
        .clone()
}
