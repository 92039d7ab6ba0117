//! What an error tells a program, and how scalars are read and printed.

mod world;

use domain::Role;
use serde_json::{Value, json};
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// Code, field, limit and actual of the only error.
async fn refused(world: &World, query: &str, variables: Value) -> [Value; 4] {
    let answer = world.run(ADMIN, query, variables).await;
    let errors = answer["errors"].as_array().map_or(0, Vec::len);
    assert_eq!(errors, 1, "{query}: {answer}");
    let said = &answer["errors"][0]["extensions"];
    ["code", "field", "limit", "actual"].map(|name| said[name].clone())
}

#[tokio::test]
async fn a_malformed_value_is_an_input_error_that_names_its_field() {
    let world = World::new().await;
    let usage = |input: &str| format!("{{ usage(input: {input}) {{ truncated }} }}");
    let period = "from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\"";
    for (query, field) in [
        (usage("{ from: \"yesterday\", to: \"2026-11-01T00:00:00Z\" }"), "input.from"),
        (usage("{ from: \"2026-10-01T00:00:00Z\", to: 5 }"), "input.to"),
        (usage("{ from: \"2026-11-01T00:00:00Z\", to: \"2026-10-01T00:00:00Z\" }"), "input.to"),
        (usage(&format!("{{ {period}, limit: -1 }}")), "input.limit"),
        (usage(&format!("{{ {period}, dimensions: [SIM, SIM] }}")), "input.dimensions"),
        (usage(&format!("{{ {period}, orderBy: [{{ by: {{ period: true }} }}] }}")), "input.orderBy"),
        (usage(&format!("{{ {period}, filter: {{ and: [{{ sources: [] }}, {{ not: {{ sims: [\"x\"] }} }}] }} }}")), "input.filter.and.1.not.sims"),
        (usage(&format!("{{ {period}, filter: {{ networks: [\"262-01\"] }} }}")), "input.filter.networks"),
        (usage(&format!("{{ {period}, filter: {{ networkCodes: [\"x\"] }} }}")), "input.filter.networkCodes"),
        ("{ sims(filter: { or: [{ not: { ids: [\"cus_1\"] } }] }) { totalCount } }".to_owned(), "filter.or.0.not.ids"),
        ("{ ingestRejections(filter: { received: { from: \"x\", to: \"2026-11-01T00:00:00Z\" } }) { totalCount } }".to_owned(), "filter.received.from"),
        ("{ networks(filter: { ids: [\"262-01\"] }) { totalCount } }".to_owned(), "filter.ids"),
        ("{ sims(first: -1) { totalCount } }".to_owned(), "first"),
        ("{ device(id: \"sim_1\") { id } }".to_owned(), "id"),
        ("{ node(id: \"sim_1\") { id } }".to_owned(), "id"),
        ("{ sim(by: { iccid: \"1\" }) { id } }".to_owned(), "by.iccid"),
        ("{ customer(by: { id: \"1\" }) { id } }".to_owned(), "by.id"),
    ] {
        let [code, said, ..] = refused(&world, &query, json!({})).await;
        assert_eq!((code, said), (json!("INVALID_INPUT"), json!(field)), "{query}");
    }
    let query = "query($from: DateTime!) { ingestAccounting(from: $from, to: \"2026-11-01T00:00:00Z\") { hour } }";
    let [code, field, ..] = refused(&world, query, json!({ "from": "2026-10-01" })).await;
    assert_eq!((code, field), (json!("INVALID_INPUT"), json!("from")));
    let [code, field, ..] =
        refused(&world, "{ sims(after: \"x\") { totalCount } }", json!({})).await;
    assert_eq!((code, field), (json!("INVALID_CURSOR"), json!("after")));
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of limits")]
async fn what_exceeds_a_limit_says_which_and_by_what() {
    let world = World::new().await;
    let sim = "{ sims(first: 1) { nodes { id } } }";
    let sim = world.run(ADMIN, sim, json!({})).await["data"]["sims"]["nodes"][0]["id"].clone();
    let ids = |count: usize| vec!["sim_00000000000000000000000000000000"; count];
    let question = |more: Value| {
        let mut input = world::october();
        for (name, value) in more.as_object().expect("fields") {
            input[name] = value.clone();
        }
        json!({ "input": input })
    };
    let usage = "query($input: UsageInput!) { usage(input: $input) { truncated } }";
    let sims = "query($filter: SimFilter!) { sims(filter: $filter) { totalCount } }";
    let periods = vec![json!({ "by": { "period": true } }); 7];
    let sources = vec![json!({ "sources": [] }); 101];
    for (query, variables, field, limit, actual) in [
        (
            "{ sims(first: 201) { totalCount } }",
            json!({}),
            json!("first"),
            200,
            201,
        ),
        (
            "{ sims(last: 202) { totalCount } }",
            json!({}),
            json!("last"),
            200,
            202,
        ),
        (
            sims,
            json!({ "filter": { "ids": ids(201) } }),
            json!("filter.ids"),
            200,
            201,
        ),
        (
            sims,
            json!({ "filter": { "search": "x".repeat(201) } }),
            json!("filter.search"),
            200,
            201,
        ),
        (
            sims,
            json!({ "filter": { "or": vec![json!({ "unassigned": true }); 51] } }),
            json!("filter"),
            100,
            104,
        ),
        (
            usage,
            question(json!({ "limit": 10_001 })),
            json!("input.limit"),
            10_000,
            10_001,
        ),
        (
            usage,
            question(json!({ "dimensions": ["SIM", "CUSTOMER", "DEVICE", "NETWORK", "SOURCE"] })),
            json!("input.dimensions"),
            4,
            5,
        ),
        (
            usage,
            question(json!({ "orderBy": periods })),
            json!("input.orderBy"),
            6,
            7,
        ),
        (
            usage,
            question(json!({ "filter": { "or": sources } })),
            json!("input.filter"),
            100,
            101,
        ),
        (
            "mutation($ids: [ID!]!) { grantSegment(input: { subject: \"eve\", simIds: $ids }) { grants { id } } }",
            json!({ "ids": ids(201) }),
            json!("simIds"),
            200,
            201,
        ),
        (
            "mutation($sim: ID!, $keys: [String!]!) { setSimLabels(input: { simId: $sim, remove: $keys }) { sim { id } } }",
            json!({ "sim": sim, "keys": vec!["k"; 101] }),
            Value::Null,
            100,
            101,
        ),
    ] {
        let said = refused(&world, query, variables).await;
        assert_eq!(
            said,
            [json!("LIMIT_EXCEEDED"), field, json!(limit), json!(actual)],
            "{query}"
        );
    }
}

#[tokio::test]
async fn what_is_not_exact_says_what_would_do() {
    let world = World::new().await;
    let query = "{ usage(input: { from: \"2026-10-01T00:00:01Z\", to: \"2026-10-02T00:30:00Z\" }) { truncated } }";
    let answer = world.run(ADMIN, query, json!({})).await;
    assert_eq!(world::codes(&answer), ["NOT_EXACT"]);
    let suggestion = &answer["errors"][0]["extensions"]["suggestion"];
    assert_eq!(
        suggestion,
        "from 2026-10-01T00:00:00Z to 2026-10-02T01:00:00Z"
    );
}

#[tokio::test]
async fn times_are_read_at_any_offset_and_printed_in_utc() {
    let world = World::new().await;
    let query = "query($input: UsageInput!) { tenant { createdAt } usage(input: $input) {
        rows { periodStart } totals { records } provenance { watermark table } } }";
    let at = |from: &str, to: &str| json!({ "input": { "from": from, "to": to, "grain": "DAY", "orderBy": [{ "by": { "period": true } }] } });
    let utc = at("2026-10-01T00:00:00Z", "2026-10-03T00:00:00Z");
    let utc = world.run(ADMIN, query, utc).await["data"].clone();
    assert_eq!(utc["tenant"]["createdAt"], "2026-11-21T12:00:00Z");
    assert_eq!(
        utc["usage"]["rows"],
        json!([{ "periodStart": "2026-10-01T00:00:00Z" }, { "periodStart": "2026-10-02T00:00:00Z" }])
    );
    let provenance = json!({ "watermark": "2026-11-21T12:00:00Z", "table": "USAGE_DAY_SMALL" });
    assert_eq!(utc["usage"]["provenance"], provenance);
    let offset = at("2026-10-01T02:00:00+02:00", "2026-10-02T19:00:00-05:00");
    assert_eq!(world.run(ADMIN, query, offset).await["data"], utc);
}

#[tokio::test]
async fn networks_are_taken_by_the_ids_that_are_shown_and_services_are_an_enum() {
    let world = World::new().await;
    let query = "query($input: UsageInput!) { usage(input: $input) { rows { networkId networkCode service network { id } } totals { records } } }";
    let ask = |filter: Value| {
        let mut input = world::october();
        input["dimensions"] = json!(["NETWORK", "SERVICE"]);
        input["filter"] = filter;
        json!({ "input": input })
    };
    let run = async |filter: Value| {
        let answer = world.run(ADMIN, query, ask(filter)).await;
        assert_eq!(world::codes(&answer), [""; 0], "{answer}");
        answer["data"]["usage"].clone()
    };
    let by_code = run(json!({ "networkCodes": ["262-01"] })).await;
    let row = json!({ "networkId": "net_262-01", "networkCode": "262-01", "service": "DATA", "network": { "id": "net_262-01" } });
    assert_eq!(
        by_code,
        json!({ "rows": [row], "totals": { "records": "7" } })
    );
    assert_eq!(run(json!({ "networks": ["net_262-01"] })).await, by_code);
    assert_eq!(run(json!({ "networks": [] })).await["rows"], json!([]));
    assert_eq!(
        run(json!({ "services": ["DATA"] })).await["totals"]["records"],
        "21"
    );
    assert_eq!(
        run(json!({ "services": ["SMS"] })).await["totals"]["records"],
        "0"
    );
    let listed = "{ networks(filter: { ids: [\"net_262-01\"] }) { nodes { id code } } }";
    let listed = world.run(ADMIN, listed, json!({})).await["data"]["networks"]["nodes"].clone();
    assert_eq!(listed, json!([{ "id": "net_262-01", "code": "262-01" }]));
    assert!(!resolvers::sdl().contains("service: String"));
}

#[tokio::test]
async fn the_contract_says_what_our_scalars_are() {
    let sdl = resolvers::sdl();
    for (scalar, word) in [("BigInt", "decimal digits"), ("DateTime", "half-open")] {
        let declared = sdl
            .split(&format!("scalar {scalar} @specifiedBy(url: \"https://"))
            .collect::<Vec<_>>();
        assert_eq!(declared.len(), 2, "{scalar}");
        let words = declared[0].rsplit("\"\"\"").nth(1).unwrap_or_default();
        assert!(words.contains(word), "{words}");
    }
}
