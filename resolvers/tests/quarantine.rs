//! Messages of topics that are nobody's: staff of the platform lists them, and nobody else learns that there are any.

mod world;

use domain::{Role, topic::Reason};
use serde_json::{Value, json};
use world::{CALLERS, Caller, World};

const STAFF: Caller = Caller("alpha", Role::PlatformAdmin, None);

async fn offsets(world: &World, arguments: &str) -> Vec<String> {
    let query = format!("{{ ingestQuarantine({arguments}) {{ nodes {{ offset }} }} }}");
    let answer = world.run(STAFF, &query, json!({})).await;
    assert_eq!(world::codes(&answer), [""; 0], "{arguments}: {answer}");
    let nodes = answer["data"]["ingestQuarantine"]["nodes"].as_array();
    let nodes = nodes.expect("nodes").iter();
    nodes
        .map(|node| node["offset"].as_str().expect("an offset").to_owned())
        .collect()
}

#[tokio::test]
async fn it_is_filtered_by_topic_reason_and_whether_it_was_released() {
    let world = World::new().await;
    world
        .quarantined(&[(1, Reason::InvalidKey), (2, Reason::UnknownIccid)])
        .await;
    world.by_hand(
        "UPDATE topic_quarantine SET topic = 'session.rollups', released_at = received_at WHERE message_offset = 2",
    );
    for (filter, expected) in [
        ("{ topics: [\"cdr.records\"] }", &["1"][..]),
        ("{ topics: [\"session.rollups\", \"none\"] }", &["2"]),
        ("{ topics: [] }", &[]),
        ("{ reasons: [INVALID_KEY] }", &["1"]),
        ("{ reasons: [UNKNOWN_ICCID, INVALID_KEY] }", &["1", "2"]),
        ("{ released: true }", &["2"]),
        ("{ not: { released: true } }", &["1"]),
        (
            "{ received: { from: \"2026-01-01T00:00:00Z\", to: \"2026-02-01T00:00:00Z\" } }",
            &[],
        ),
        (
            "{ or: [{ released: true }, { topics: [\"cdr.records\"] }] }",
            &["1", "2"],
        ),
    ] {
        let mut found = offsets(&world, &format!("filter: {filter}")).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{filter}");
    }
}

#[tokio::test]
async fn it_is_paged_both_ways_newest_first() {
    let world = World::new().await;
    for offset in 0..7 {
        world.quarantined(&[(offset, Reason::Malformed)]).await;
        let age = format!(
            "UPDATE topic_quarantine SET received_at = received_at - interval '1 hour' * (10 - {offset}) WHERE message_offset = {offset}"
        );
        world.by_hand(&age);
    }
    let newest_first: Vec<String> = (0..7).rev().map(|n: i32| n.to_string()).collect();
    for (size, place) in [("first", "after"), ("last", "before")] {
        let query = format!(
            "query($cursor: String) {{ ingestQuarantine({size}: 3, {place}: $cursor) {{
                edges {{ cursor node {{ offset }} }} totalCount
                pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let answer = world.run(STAFF, &query, json!({ "cursor": cursor })).await;
            let page = &answer["data"]["ingestQuarantine"];
            assert_eq!(page["totalCount"], 7, "{answer}");
            let edges = page["edges"].as_array().expect("edges").iter();
            let offsets =
                edges.map(|edge| edge["node"]["offset"].as_str().expect("text").to_owned());
            let offsets: Vec<String> = offsets.collect();
            let info = &page["pageInfo"];
            let (more, next) = if size == "first" {
                seen.extend(offsets);
                (&info["hasNextPage"], &info["endCursor"])
            } else {
                seen.splice(0..0, offsets);
                (&info["hasPreviousPage"], &info["startCursor"])
            };
            if *more == json!(false) {
                break;
            }
            cursor = next.clone();
        }
        assert_eq!(seen, newest_first, "{size}");
    }
    let query = "query($cursor: String!) { ingestQuarantine(filter: { released: true }, after: $cursor) { totalCount } }";
    let first = "{ ingestQuarantine(first: 1) { pageInfo { endCursor } } }";
    let answer = world.run(STAFF, first, json!({})).await;
    let cursor = &answer["data"]["ingestQuarantine"]["pageInfo"]["endCursor"];
    let answer = world.run(STAFF, query, json!({ "cursor": cursor })).await;
    assert_eq!(world::codes(&answer), ["INVALID_CURSOR"]);
}

#[tokio::test]
async fn nobody_else_learns_whether_there_is_anything() {
    let world = World::rich().await;
    let ask = "{ ingestQuarantine { totalCount nodes { text } } }";
    let mut said = Vec::new();
    for caller in CALLERS.into_iter().filter(|caller| *caller != STAFF) {
        let with = world.run(caller, ask, json!({})).await;
        assert_eq!(world::codes(&with), ["FORBIDDEN"], "{caller:?}");
        assert_eq!(with["data"]["ingestQuarantine"], Value::Null);
        said.push((caller, with["errors"][0]["message"].clone()));
    }
    world.by_hand("DELETE FROM topic_quarantine");
    for (caller, message) in said {
        let without = world.run(caller, ask, json!({})).await;
        assert_eq!(without["errors"][0]["message"], message, "{caller:?}");
    }
}
