//! What sessions say: to whom, until when, and how far back.

mod world;

use analytics::SessionRow;
use chrono::{TimeDelta, TimeZone as _, Utc};
use domain::{
    Role,
    id::{CustomerId, SimId},
    tenant::{self, SetSettings},
};
use serde_json::{Value, json};
use world::{Caller, World, session::rollup};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);
const BOSCH: Caller = Caller("alpha", Role::CustomerUser, Some("bosch"));

/// Alpha's SIMs with the customers that they have now, by number.
async fn fleet(world: &World) -> Vec<(SimId, Option<CustomerId>)> {
    let ask = "{ sims(first: 7) { nodes { id customer { id } } } }";
    let answer = world.run(ADMIN, ask, json!({})).await;
    let nodes = answer["data"]["sims"]["nodes"]
        .as_array()
        .expect("SIMs")
        .clone();
    let id = |value: &Value| value["id"].as_str().map(str::to_owned);
    let sim = |node: &Value| {
        let sim = id(node).and_then(|id| id.parse().ok()).expect("an id");
        (sim, id(&node["customer"]).and_then(|id| id.parse().ok()))
    };
    nodes.iter().map(sim).collect()
}

/// Alpha with a session of every SIM, seven seconds after noon.
async fn world() -> World {
    let world = World::new().await;
    let tenant = world.scope(ADMIN).await.tenant();
    let fleet = fleet(&world).await;
    world.sessions_of(tenant, fleet).await;
    world.move_clock(world.now + TimeDelta::seconds(7));
    world
}

async fn data(world: &World, caller: Caller, query: &str) -> Value {
    let answer = world.run(caller, query, json!({})).await;
    assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
    answer["data"].clone()
}

/// Status of the first SIM's session, and whether the answer was kept.
async fn status(world: &World) -> (Value, bool) {
    let query = "{ sims(first: 1) { nodes { liveSession { status } } } liveSessions(first: 1) { nodes { status } } }";
    let (answer, is_kept) = world.ask(ADMIN, query, json!({})).await;
    let answer: Value = serde_json::from_slice(&answer).expect("json");
    let data = &answer["data"];
    let status = data["liveSessions"]["nodes"][0]["status"].clone();
    assert_eq!(data["sims"]["nodes"][0]["liveSession"]["status"], status);
    (status, is_kept)
}

#[tokio::test]
async fn an_answer_is_kept_for_as_long_as_a_session_is_online() {
    let world = world().await;
    assert_eq!(status(&world).await, (json!("ONLINE"), false));
    assert_eq!(status(&world).await, (json!("ONLINE"), true));
    // The newest rollup is of 11:54:59.
    let last = Utc.with_ymd_and_hms(2026, 11, 21, 12, 9, 59).unwrap();
    world.move_clock(last);
    assert_eq!(status(&world).await.0, json!("ONLINE"));
    world.move_clock(last + TimeDelta::milliseconds(1));
    assert_eq!(status(&world).await, (json!("STALE"), false));
    assert_eq!(status(&world).await, (json!("STALE"), true));

    let system = world.db.system().await.expect("system");
    let set = SetSettings {
        session_minutes: Some(Some(10)),
        ..SetSettings::default()
    };
    tenant::set(&system, "alpha", set).await.expect("set");
    system.commit().await.expect("commit");
    assert_eq!(status(&world).await, (json!("ONLINE"), false));
}

#[tokio::test]
async fn what_is_asked_by_status_changes_with_the_clock() {
    let world = world().await;
    let online = "{ liveSessions(filter: { statuses: [ONLINE] }) { totalCount } }";
    let stale = "{ liveSessions(filter: { statuses: [STALE] }) { totalCount } }";
    let count =
        async |query| data(&world, ADMIN, query).await["liveSessions"]["totalCount"].clone();
    assert_eq!(
        (count(online).await, count(stale).await),
        (json!(7), json!(0))
    );
    world.move_clock(world.now + TimeDelta::minutes(10) - TimeDelta::seconds(3));
    assert_eq!(
        (count(online).await, count(stale).await),
        (json!(3), json!(4))
    );
}

#[tokio::test]
async fn a_log_reaches_back_as_far_as_it_is_kept_and_says_so() {
    let world = world().await;
    let (sim, customer) = fleet(&world).await[0];
    let tenant = world.scope(ADMIN).await.tenant();
    let old = SessionRow {
        customer,
        ..rollup(tenant, sim, "old", world.now - TimeDelta::days(8))
    };
    world.apply_sessions(&mut [old]).await;
    let query = "{ sessionHistory(filter: { from: \"2026-11-01T00:00:00Z\" }) { totalCount from clamped }
        inside: sessionHistory(filter: { from: \"2026-11-21T11:54:00Z\", to: \"2026-11-21T11:54:59Z\" }) { totalCount from clamped }
        before: sessionHistory(filter: { to: \"2026-11-10T00:00:00Z\" }) { totalCount clamped }
        liveSessions { totalCount }
        sims(first: 1) { nodes { lastActivityAt sessionLog { totalCount from clamped } } } }";
    let expected = json!({
        "sessionHistory": { "totalCount": 14, "from": "2026-11-14T12:01:00Z", "clamped": true },
        "inside": { "totalCount": 6, "from": "2026-11-21T11:54:00Z", "clamped": false },
        "before": { "totalCount": 0, "clamped": false },
        "liveSessions": { "totalCount": 7 },
        "sims": { "nodes": [{
            "lastActivityAt": "2026-11-21T11:54:59Z",
            "sessionLog": { "totalCount": 2, "from": "2026-11-14T12:01:00Z", "clamped": false },
        }] },
    });
    assert_eq!(data(&world, ADMIN, query).await, expected);
    // A log that is not there any more does not take away when a SIM was seen last.
    world.move_clock(world.now + TimeDelta::days(30));
    let query = "{ sims(first: 1) { nodes { lastActivityAt liveSession { status } sessionLog { totalCount } } } }";
    let expected = json!([{ "lastActivityAt": "2026-11-21T11:54:59Z", "liveSession": null, "sessionLog": { "totalCount": 0 } }]);
    assert_eq!(data(&world, ADMIN, query).await["sims"]["nodes"], expected);
}

#[tokio::test]
async fn whoever_has_a_sim_now_sees_nothing_of_before() {
    let world = world().await;
    let fleet = fleet(&world).await;
    let tenant = world.scope(ADMIN).await.tenant();
    // The first SIM was another one's, and one that is another's was Bosch's.
    let (mine, theirs) = (fleet[0], fleet[3]);
    let (bosch, other) = (mine.1, theirs.1);
    let ago = |minutes| world.now - TimeDelta::minutes(minutes);
    let mut rows = [
        SessionRow {
            customer: other,
            ..rollup(tenant, mine.0, "before", ago(60))
        },
        SessionRow {
            customer: bosch,
            network: "262-01".into(),
            ..rollup(tenant, theirs.0, "lost", ago(1))
        },
    ];
    world.apply_sessions(&mut rows).await;
    let query = "{ sessionHistory(first: 50) { nodes { sessionId networkName sim { iccid } } } liveSessions(first: 1) { nodes { sessionId sim { iccid } } } }";
    let seen = data(&world, BOSCH, query).await;
    let nodes = seen["sessionHistory"]["nodes"].as_array().expect("rollups");
    assert_eq!(nodes.len(), 7, "{seen}");
    assert!(!seen.to_string().contains("before"), "{seen}");
    // What was the caller's stays so; whose the SIM is now does not show.
    assert_eq!(nodes[0]["sessionId"], "lost", "{seen}");
    assert_eq!(nodes[0]["sim"], Value::Null, "{seen}");
    assert!(
        !nodes[0]["networkName"].to_string().contains("262"),
        "{seen}"
    );
    assert_eq!(
        seen["liveSessions"]["nodes"][0],
        json!({ "sessionId": "lost", "sim": null })
    );
    let all = data(&world, ADMIN, query).await;
    assert_eq!(
        all["sessionHistory"]["nodes"].as_array().map(Vec::len),
        Some(16)
    );
    // It cannot be found by asking for it, either.
    let iccid = world::iccid(world::rich::prefix("alpha"), 3);
    let query = format!("{{ sessionHistory(filter: {{ iccid: \"{iccid}\" }}) {{ totalCount }} }}");
    for (caller, count) in [(BOSCH, 0), (ADMIN, 3)] {
        assert_eq!(
            data(&world, caller, &query).await["sessionHistory"]["totalCount"],
            count
        );
    }
    let other = other.expect("a customer");
    let query =
        format!("{{ sessionHistory(filter: {{ customers: [\"{other}\"] }}) {{ totalCount }} }}");
    for (caller, count) in [(BOSCH, 0), (ADMIN, 5)] {
        assert_eq!(
            data(&world, caller, &query).await["sessionHistory"]["totalCount"],
            count
        );
    }
}

#[tokio::test]
async fn pages_of_sessions_join_and_their_cursors_are_their_own() {
    let world = world().await;
    for list in ["sessionHistory", "liveSessions"] {
        let ids = |page: &Value| -> Vec<Value> {
            let nodes = page["nodes"].as_array().expect("nodes").iter();
            nodes
                .map(|node| json!([node["sessionId"], node["timestamp"]]))
                .collect()
        };
        let ask = async |arguments: &str| {
            let query = format!(
                "{{ {list}({arguments}) {{ nodes {{ sessionId timestamp }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
            );
            data(&world, ADMIN, &query).await[list].clone()
        };
        let all = ids(&ask("first: 100").await);
        let (mut forward, mut arguments) = (Vec::new(), "first: 3".to_owned());
        loop {
            let page = ask(&arguments).await;
            forward.extend(ids(&page));
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            arguments = format!("first: 3, after: {}", page["pageInfo"]["endCursor"]);
        }
        assert_eq!(forward, all);
        let (mut backward, mut arguments) = (Vec::new(), "last: 3".to_owned());
        loop {
            let page = ask(&arguments).await;
            backward.splice(0..0, ids(&page));
            if page["pageInfo"]["hasPreviousPage"] == json!(false) {
                break;
            }
            arguments = format!("last: 3, before: {}", page["pageInfo"]["startCursor"]);
        }
        assert_eq!(backward, all);
    }
    let query = "{ sims(first: 2) { nodes { sessionLog(first: 1) { pageInfo { endCursor } } } } }";
    let nodes = data(&world, ADMIN, query).await["sims"]["nodes"].clone();
    let cursor = &nodes[0]["sessionLog"]["pageInfo"]["endCursor"];
    let query = format!(
        "{{ sims(first: 2) {{ nodes {{ sessionLog(first: 1, after: {cursor}) {{ nodes {{ timestamp }} }} }} }} }}"
    );
    let answer = world.run(ADMIN, &query, json!({})).await;
    assert_eq!(world::codes(&answer), ["INVALID_CURSOR"], "{answer}");
    let log = &answer["data"]["sims"]["nodes"][0]["sessionLog"]["nodes"];
    assert_eq!(*log, json!([{ "timestamp": "2026-11-21T11:49:59Z" }]));
}

#[tokio::test]
async fn what_no_session_can_be_is_refused_by_name() {
    let world = World::new().await;
    for (filter, code, field) in [
        ("iccid: \"12\"", "INVALID_INPUT", "filter.iccid"),
        ("network: \"nowhere\"", "INVALID_INPUT", "filter.network"),
        (
            "customers: [\"sim_1\"]",
            "INVALID_INPUT",
            "filter.customers",
        ),
        (
            "from: \"2026-11-21T00:00:00Z\", to: \"2026-11-20T00:00:00Z\"",
            "INVALID_INPUT",
            "filter.to",
        ),
    ] {
        let query = format!("{{ sessionHistory(filter: {{ {filter} }}) {{ clamped }} }}");
        let answer = world.run(ADMIN, &query, json!({})).await;
        assert_eq!(world::codes(&answer), [code], "{answer}");
        assert_eq!(
            answer["errors"][0]["extensions"]["field"], field,
            "{answer}"
        );
    }
}
