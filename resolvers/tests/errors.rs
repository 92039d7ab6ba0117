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
    let between =
        |from: &str, to: &str| format!("period: {{ between: {{ from: {from}, to: {to} }} }}");
    let (october, november) = ("\"2026-10-01T00:00:00Z\"", "\"2026-11-01T00:00:00Z\"");
    let period = between(october, november);
    for (query, field) in [
        (usage(&format!("{{ {} }}", between("\"yesterday\"", november))), "input.period.between.from"),
        (usage(&format!("{{ {} }}", between(october, "5"))), "input.period.between.to"),
        (usage(&format!("{{ {} }}", between(november, october))), "input.period.between.to"),
        (usage("{ period: { preset: LAST_CENTURY } }"), "input.period.preset"),
        (usage(&format!("{{ {} }}", between("\"1800-01-01T00:00:00Z\"", "\"2100-01-01T00:00:00Z\""))), "input.period"),
        (usage(&format!("{{ {period}, limit: -1 }}")), "input.limit"),
        (usage(&format!("{{ {period}, offset: -1 }}")), "input.offset"),
        (usage(&format!("{{ {period}, timeZone: \"Mars/Olympus\" }}")), "input.timeZone"),
        (usage(&format!("{{ {period}, groupBy: [{{ dimension: SIM }}, {{ dimension: SIM }}] }}")), "input.groupBy.1"),
        (usage(&format!("{{ {period}, groupBy: [{{ time: DAY }}, {{ time: HOUR }}] }}")), "input.groupBy.1.time"),
        (usage(&format!("{{ {period}, orderBy: [{{ by: {{ group: 0 }} }}] }}")), "input.orderBy.0.by.group"),
        (usage(&format!("{{ {period}, top: {{ group: 0, n: 3, by: RECORDS }} }}")), "input.top.group"),
        (usage(&format!("{{ {period}, groupBy: [{{ time: DAY }}], top: {{ group: 0, n: 3, by: RECORDS }} }}")), "input.top.group"),
        (usage(&format!("{{ {period}, orderBy: [{{ by: {{ measure: RECORDS }} }}, {{ by: {{ group: -1 }} }}] }}")), "input.orderBy.1.by.group"),
        (usage(&format!("{{ {period}, top: {{ group: -1, n: 3, by: RECORDS }} }}")), "input.top.group"),
        (usage(&format!("{{ {period}, top: {{ group: 0, n: -1, by: RECORDS }} }}")), "input.top.n"),
        (usage(&format!("{{ {period}, having: {{ measure: {{ by: RECORDS }} }} }}")), "input.having.measure"),
        (usage(&format!("{{ {period}, having: {{ measure: {{ by: RECORDS, gt: \"0.001\" }} }} }}")), "input.having.measure.gt"),
        (usage(&format!("{{ {period}, having: {{ and: [{{ measure: {{ by: RECORDS, gt: 1 }} }}, {{ not: {{ or: [{{ measure: {{ by: RECORDS, gte: 1, lt: \"0.001\" }} }}] }} }}] }} }}")), "input.having.and.1.not.or.0.measure.lt"),
        (usage(&format!("{{ {period}, having: {{ measure: {{ by: RECORDS, gt: \"many\" }} }} }}")), "input.having.measure.gt"),
        (usage(&format!("{{ {period}, filter: {{ and: [{{ streams: [] }}, {{ not: {{ sims: [\"x\"] }} }}] }} }}")), "input.filter.and.1.not.sims"),
        (usage(&format!("{{ {period}, filter: {{ networks: [\"262-01\"] }} }}")), "input.filter.networks"),
        (usage(&format!("{{ {period}, filter: {{ networkCodes: [\"x\"] }} }}")), "input.filter.networkCodes"),
        (usage(&format!("{{ {period}, filter: {{ customers: [\"sim_00000000000000000000000000000000\"] }} }}")), "input.filter.customers"),
        (usage(&format!("{{ {period}, filter: {{ sim: {{ ids: [\"x\"] }} }} }}")), "input.filter.sim.ids"),
        (usage(&format!("{{ {period}, filter: {{ device: {{ saved: \"x\" }} }} }}")), "input.filter.device.saved"),
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
async fn what_a_source_does_not_know_is_refused_by_name() {
    let world = World::new().await;
    let totals = |source: &str, measure: &str| {
        format!(
            "{{ usage(input: {{ source: {source}, period: {{ preset: LAST_MONTH }} }}) {{ totals {{ {measure} }} }} }}"
        )
    };
    let sessions = |more: &str| {
        format!(
            "{{ usage(input: {{ source: SESSION, period: {{ preset: LAST_MONTH }}, {more} }}) {{ totals {{ records }} }} }}"
        )
    };
    for (query, field, text) in [
        (
            totals("SESSION", "units"),
            "input.source",
            "UNITS is not known of sessions",
        ),
        (
            totals("CDR", "resets"),
            "input.source",
            "RESETS is not known of usage records",
        ),
        (
            sessions("groupBy: [{ time: DAY }, { dimension: STREAM }]"),
            "input.groupBy.1",
            "STREAM is not known of sessions",
        ),
        (
            sessions("filter: { not: { services: [SMS] } }"),
            "input.filter",
            "SERVICE is not known of sessions",
        ),
    ] {
        let answer = world.run(ADMIN, &query, json!({})).await;
        let [code, said, ..] = refused(&world, &query, json!({})).await;
        assert_eq!(
            (code, said),
            (json!("INVALID_INPUT"), json!(field)),
            "{query}"
        );
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(text), "{message}");
    }
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
    let orders = vec![json!({ "by": { "measure": "RECORDS" } }); 9];
    let streams = vec![json!({ "streams": [] }); 101];
    let long = "k".repeat(1_048_576);
    let condition = json!({ "measure": { "by": "RECORDS", "gt": 1 } });
    let deep = (1..100).fold(condition.clone(), |below, _| json!({ "not": below }));
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
            question(json!({ "offset": 9_999, "limit": 2 })),
            json!("input.limit"),
            10_000,
            10_001,
        ),
        (
            usage,
            question(
                json!({ "groupBy": (0..40).map(|n| json!({ "simLabel": format!("{n}") })).collect::<Value>() }),
            ),
            json!("input.groupBy"),
            6,
            40,
        ),
        (
            usage,
            question(json!({ "groupBy": [{ "deviceLabel": long }] })),
            json!("input.groupBy.0.deviceLabel"),
            200,
            1_048_576,
        ),
        (
            usage,
            question(
                json!({ "groupBy": [{ "time": "HOUR" }], "period": { "between": { "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z" } } }),
            ),
            json!("input.period"),
            10_000,
            10_001,
        ),
        (
            usage,
            question(json!({ "orderBy": orders })),
            json!("input.orderBy"),
            8,
            9,
        ),
        (
            usage,
            question(json!({ "filter": { "or": streams } })),
            json!("input.filter"),
            100,
            102,
        ),
        (
            usage,
            question(json!({ "having": { "and": vec![condition; 100] } })),
            json!("input.having"),
            100,
            101,
        ),
        (
            usage,
            question(json!({ "having": deep })),
            json!("input.having"),
            50,
            100,
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
    let ask = |from: &str, to: &str| {
        format!(
            "{{ usage(input: {{ period: {{ between: {{ from: \"{from}\", to: \"{to}\" }} }} }}) {{ truncated }} }}"
        )
    };
    // Records of that time are gone.
    let query = ask("2024-10-01T00:00:01Z", "2024-10-02T00:30:00Z");
    let answer = world.run(ADMIN, &query, json!({})).await;
    assert_eq!(world::codes(&answer), ["NOT_EXACT"], "{answer}");
    let said = &answer["errors"][0]["extensions"];
    assert_eq!(said["from"], "2024-10-01T00:00:00Z", "{said}");
    assert_eq!(said["to"], "2024-10-02T01:00:00Z", "{said}");
    let [from, to] = ["from", "to"].map(|name| said[name].as_str().expect("a moment"));
    let answer = world.run(ADMIN, &ask(from, to), json!({})).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
    // Those of this time are there.
    let query = ask("2026-10-01T00:00:01Z", "2026-10-02T00:30:00Z");
    let answer = world.run(ADMIN, &query, json!({})).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
}

#[tokio::test]
async fn a_key_is_selected_only_where_it_was_grouped_by() {
    let world = World::new().await;
    let groups = json!([{ "dimension": "NETWORK" }, { "time": "DAY" }, { "timePart": "HOUR_OF_DAY" }, { "simLabel": "location" }]);
    let mut input = world::october();
    input["groupBy"] = groups;
    for (keys, is_grouped) in [
        ("network { code } time } } } }", true),
        (
            "n: network { code } ... { t: time } ...K } } } } fragment K on UsageKey { ... on UsageKey { others } }",
            true,
        ),
        ("__typename others } } } }", true),
        (
            "timePart(part: HOUR_OF_DAY) simLabel(key: $key) { value } } } } }",
            true,
        ),
        ("sim @include(if: $no) { id } time } } } }", true),
        ("sim @skip(if: true) { id } time } } } }", true),
        ("... @include(if: false) { sim { id } } time } } } }", true),
        (
            "...K @skip(if: true) time } } } } fragment K on UsageKey { sim { id } }",
            true,
        ),
        (
            "time } } rows @skip(if: true) { key { sim { id } } } } }",
            true,
        ),
        (
            "...K ... { ...K } } } } } fragment K on UsageKey { time network { code } }",
            true,
        ),
        ("sim @include(if: true) { id } time } } } }", false),
        (
            "...K time ...K } } } } fragment K on UsageKey { s: stream { value } }",
            false,
        ),
        (
            "...K @skip(if: true) ...K } } } } fragment K on UsageKey { stream { value } }",
            false,
        ),
        ("time } } rows { key { sim { id } } } } }", false),
        ("sim { id } } } } }", false),
        ("network: country { value } } } } }", false),
        (
            "... { ...K } } } } } fragment K on UsageKey { a: others s: stream { value } }",
            false,
        ),
        ("timePart(part: DAY_OF_WEEK) } } } }", false),
        ("time simLabel(key: \"owner\") { value } } } } }", false),
        (
            "a: simLabel(key: $key) { value } b: deviceLabel(key: $key) { value } } } } }",
            false,
        ),
        (
            "others ... @skip(if: $no) { simState { value } } } } } }",
            false,
        ),
    ] {
        let more = [
            ("$no", "$no: Boolean! = false"),
            ("$key", "$key: String! = \"location\""),
        ];
        let more = more.into_iter().filter(|(name, _)| keys.contains(name));
        let more: String = more.map(|(_, defined)| format!(", {defined}")).collect();
        let query = format!(
            "query($input: UsageInput!{more}) {{ usage(input: $input) {{ rows {{ key {{ {keys}"
        );
        let variables = json!({ "input": input });
        if is_grouped {
            let answer = world.run(ADMIN, &query, variables).await;
            assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
            assert!(
                !answer.to_string().contains("\"sim\":"),
                "{query}: {answer}"
            );
        } else {
            let [code, field, ..] = refused(&world, &query, variables).await;
            assert_eq!(
                (code, field),
                (json!("INVALID_INPUT"), json!("input.groupBy")),
                "{query}"
            );
        }
    }
    // A page asks its objects together and says it for each of them.
    let query = "{ sims(first: 1) { nodes { usage(input: { period: { preset: LAST_MONTH } }) { rows { key { time } } } } } }";
    let [code, field, ..] = refused(&world, query, json!({})).await;
    assert_eq!(
        (code, field),
        (json!("INVALID_INPUT"), json!("input.groupBy"))
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of what is closed")]
async fn what_is_closed_is_null_with_one_error_and_the_rest_answers() {
    let world = World::new().await;
    let id = "{ customer(by: { slug: \"bosch\" }) { id } }";
    let id = world.run(ADMIN, id, json!({})).await["data"]["customer"]["id"].clone();
    let bosch = Caller("alpha", Role::CustomerUser, Some("bosch"));
    let open = async |sims: bool, devices: bool| {
        let visibility = json!({ "devices": devices, "sims": sims, "usage": true, "sessions": false, "billing": false });
        let input = json!({ "customerId": id, "visibility": visibility });
        world.change(ADMIN, "setCustomerVisibility", input).await;
    };
    let query = "query($input: UsageInput!) { usage(input: $input) { rows { key { time } values { activeSims records averageBytesPerSim bytesUp } } totals { activeSims records } } }";
    let mut input = world::october();
    input["groupBy"] = json!([{ "time": "MONTH" }]);
    open(false, true).await;
    let answer = world.run(bosch, query, json!({ "input": input })).await;
    assert_eq!(world::codes(&answer), ["FORBIDDEN"], "{answer}");
    assert_eq!(answer["errors"][0]["path"], json!(["usage"]), "{answer}");
    let expected = json!({
        "rows": [{
            "key": { "time": "2026-10-01T00:00:00Z" },
            "values": { "activeSims": null, "records": "9", "averageBytesPerSim": null, "bytesUp": "18000" },
        }],
        "totals": { "activeSims": null, "records": "9" },
    });
    assert_eq!(answer["data"]["usage"], expected);

    // What rows depend on is refused as a whole: to know who is left out or comes first is to know it.
    let (sims, devices) = ("SIMs", "devices");
    for (area, input) in [
        (sims, "groupBy: [{ dimension: SIM }]"),
        (sims, "groupBy: [{ dimension: SIM_STATE }]"),
        (sims, "groupBy: [{ dimension: SIM_CUSTOMER_NOW }]"),
        (sims, "groupBy: [{ simLabel: \"location\" }]"),
        (devices, "groupBy: [{ dimension: DEVICE }]"),
        (devices, "groupBy: [{ deviceLabel: \"location\" }]"),
        (sims, "filter: { sims: [] }"),
        (
            sims,
            "filter: { or: [{ sims: [\"sim_00000000000000000000000000000001\"] }] }",
        ),
        (
            devices,
            "filter: { devices: [\"dev_00000000000000000000000000000001\"] }",
        ),
        (sims, "filter: { not: { sim: { states: [ACTIVE] } } }"),
        (devices, "filter: { or: [{ devices: [] }] }"),
        (devices, "filter: { device: { search: \"x\" } }"),
        (
            sims,
            "groupBy: [{ dimension: NETWORK }], having: { not: { measure: { by: ACTIVE_SIMS, gt: 1 } } }",
        ),
        (
            sims,
            "groupBy: [{ dimension: NETWORK }], orderBy: [{ by: { measure: AVERAGE_BYTES_PER_SIM } }]",
        ),
        (
            sims,
            "groupBy: [{ dimension: NETWORK }], top: { group: 0, n: 1, by: ACTIVE_SIMS }, others: true",
        ),
        (
            sims,
            "groupBy: [{ dimension: NETWORK }], orderBy: [{ by: { measure: ACTIVE_SIMS } }], compareTo: PREVIOUS_YEAR",
        ),
        (sims, "attribution: CURRENT"),
        (
            sims,
            "groupBy: [{ dimension: CUSTOMER }], attribution: CURRENT",
        ),
    ] {
        let query = format!(
            "{{ usage(input: {{ period: {{ preset: LAST_MONTH }}, {input} }}) {{ totals {{ records }} }} }}"
        );
        open(area == devices, area == sims).await;
        let answer = world.run(bosch, &query, json!({})).await;
        assert_eq!(
            world::codes(&answer),
            ["FORBIDDEN"],
            "{area}: {query}: {answer}"
        );
        assert_eq!(answer["data"]["usage"], Value::Null);
        let field = answer.pointer("/errors/0/extensions/field");
        assert!(field.is_some_and(Value::is_string), "{query}: {answer}");
        open(true, true).await;
        let answer = world.run(bosch, &query, json!({})).await;
        assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
    }
    // Sessions are closed to Bosch.
    let query = "{ usage(input: { source: SESSION, period: { preset: LAST_MONTH } }) { totals { records } } }";
    let answer = world.run(bosch, query, json!({})).await;
    assert_eq!(world::codes(&answer), ["FORBIDDEN"], "{answer}");
    let field = answer.pointer("/errors/0/extensions/field");
    assert_eq!(field, Some(&json!("input.source")), "{answer}");
    // What is closed is not offered.
    for (area, measures, dimensions, label) in
        [(sims, 6, 7, "DEVICE_LABEL"), (devices, 8, 9, "SIM_LABEL")]
    {
        open(area == devices, area == sims).await;
        let query =
            "{ cubeCatalog { measures { measure } dimensions { dimension } labels { group } } }";
        let answer = world.run(bosch, query, json!({})).await;
        let offered = |list: &str| answer["data"]["cubeCatalog"][list].as_array().map(Vec::len);
        let found = (offered("measures"), offered("dimensions"));
        assert_eq!(
            found,
            (Some(measures), Some(dimensions)),
            "{area}: {answer}"
        );
        let labels = &answer["data"]["cubeCatalog"]["labels"];
        assert_eq!(*labels, json!([{ "group": label }]), "{area}");
    }
    open(false, true).await;
    let query = "{ devices(first: 3) { nodes { usage(input: { period: { preset: LAST_MONTH }, compareTo: PREVIOUS_PERIOD }) { totals { records activeSims } previousTotals { activeSims records } } } } }";
    let answer = world.run(bosch, query, json!({})).await;
    assert_eq!(
        world::codes(&answer),
        ["FORBIDDEN"; 3],
        "one for each device: {answer}"
    );
    let totals = answer.pointer("/data/devices/nodes/0/usage/totals");
    assert_eq!(
        totals,
        Some(&json!({ "records": "3", "activeSims": null })),
        "{answer}"
    );
}

#[tokio::test]
async fn what_a_question_needs_of_the_inventory_is_refused_at_its_place() {
    let world = World::new().await;
    let id = "{ customer(by: { slug: \"bosch\" }) { id } }";
    let id = world.run(ADMIN, id, json!({})).await["data"]["customer"]["id"].clone();
    let visibility = json!({ "devices": true, "sims": false, "usage": true, "sessions": false, "billing": false });
    let input = json!({ "customerId": id, "visibility": visibility });
    world.change(ADMIN, "setCustomerVisibility", input).await;
    let bosch = Caller("alpha", Role::CustomerUser, Some("bosch"));
    let saved = "saved: \"fil_00000000000000000000000000000000\"";
    for (caller, input, code, field) in [
        (
            ADMIN,
            format!("filter: {{ and: [{{ streams: [] }}, {{ not: {{ sim: {{ {saved} }} }} }}] }}"),
            "NOT_FOUND",
            "input.filter.and.1.not.sim.saved",
        ),
        (
            ADMIN,
            format!("filter: {{ or: [{{ device: {{ {saved} }} }}] }}"),
            "NOT_FOUND",
            "input.filter.or.0.device.saved",
        ),
        (
            bosch,
            "groupBy: [{ time: DAY }, { simLabel: \"location\" }]".to_owned(),
            "FORBIDDEN",
            "input.groupBy.1.simLabel",
        ),
        (
            bosch,
            "groupBy: [{ dimension: SIM_STATE }]".to_owned(),
            "FORBIDDEN",
            "input.groupBy.0.dimension",
        ),
        (
            bosch,
            "groupBy: [{ dimension: NETWORK }, { dimension: SIM_CUSTOMER_NOW }]".to_owned(),
            "FORBIDDEN",
            "input.groupBy.1.dimension",
        ),
        (
            bosch,
            "filter: { not: { sim: { states: [] } } }".to_owned(),
            "FORBIDDEN",
            "input.filter.not.sim",
        ),
        (
            bosch,
            "groupBy: [{ dimension: CUSTOMER }], attribution: CURRENT".to_owned(),
            "FORBIDDEN",
            "input.attribution",
        ),
    ] {
        let query = format!(
            "{{ usage(input: {{ period: {{ preset: LAST_MONTH }}, {input} }}) {{ truncated }} }}"
        );
        let answer = world.run(caller, &query, json!({})).await;
        let said = &answer["errors"][0]["extensions"];
        assert_eq!(
            (&said["code"], &said["field"]),
            (&json!(code), &json!(field)),
            "{query}: {answer}"
        );
    }
}

#[tokio::test]
async fn times_are_read_at_any_offset_and_printed_in_utc() {
    let world = World::new().await;
    let query = "query($input: UsageInput!) { tenant { createdAt } usage(input: $input) {
        period { from to } rows { key { time } } totals { records } provenance { watermark tables } } }";
    let at = |from: &str, to: &str| json!({ "input": { "period": { "between": { "from": from, "to": to } }, "groupBy": [{ "time": "DAY" }] } });
    let utc = at("2026-10-01T00:00:00Z", "2026-10-03T00:00:00Z");
    let utc = world.run(ADMIN, query, utc).await["data"].clone();
    assert_eq!(utc["tenant"]["createdAt"], "2026-11-21T12:00:00Z");
    assert_eq!(
        utc["usage"]["rows"],
        json!([{ "key": { "time": "2026-10-01T00:00:00Z" } }, { "key": { "time": "2026-10-02T00:00:00Z" } }])
    );
    let provenance = json!({ "watermark": "2026-11-21T12:00:00Z", "tables": ["USAGE_DAY_SMALL"] });
    assert_eq!(utc["usage"]["provenance"], provenance);
    let offset = at("2026-10-01T02:00:00+02:00", "2026-10-02T19:00:00-05:00");
    assert_eq!(world.run(ADMIN, query, offset).await["data"], utc);
}

#[tokio::test]
async fn networks_are_taken_by_the_ids_that_are_shown_and_services_are_an_enum() {
    let world = World::new().await;
    let query = "query($input: UsageInput!) { usage(input: $input) { rows { key { network { id code network { id } } service { value } } } totals { records } } }";
    let ask = |filter: Value| {
        let mut input = world::october();
        input["groupBy"] = json!([{ "dimension": "NETWORK" }, { "dimension": "SERVICE" }]);
        input["filter"] = filter;
        json!({ "input": input })
    };
    let run = async |filter: Value| {
        let answer = world.run(ADMIN, query, ask(filter)).await;
        assert_eq!(world::codes(&answer), [""; 0], "{answer}");
        answer["data"]["usage"].clone()
    };
    let by_code = run(json!({ "networkCodes": ["262-01"] })).await;
    let key = json!({ "network": { "id": "net_262-01", "code": "262-01", "network": { "id": "net_262-01" } }, "service": { "value": "DATA" } });
    assert_eq!(
        by_code,
        json!({ "rows": [{ "key": key }], "totals": { "records": "7" } })
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

/// The number of rows of each answer about usage, and whether each says that there are more.
fn usage(nodes: &Value) -> Vec<(usize, bool)> {
    let nodes = nodes.as_array().expect("nodes").iter();
    let of = |usage: &Value| {
        let rows = usage["rows"].as_array().expect("rows").len();
        (rows, usage["truncated"] == true)
    };
    nodes.map(|node| of(&node["usage"])).collect()
}

#[tokio::test]
async fn the_limits_of_a_known_document_are_those_of_its_variables() {
    let world = World::new().await;
    let period =
        "period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }";
    let sims =
        "nodes { id iccid imsi msisdn state createdAt updatedAt device { id name state kind } }";
    let query = format!(
        "query($n: Int) {{ customers(first: $n) {{ nodes {{ sims(first: $n) {{ {sims} }} }} }} }}"
    );
    for _ in 0..2 {
        let answer = world.run(ADMIN, &query, json!({ "n": 1 })).await;
        assert_eq!(world::codes(&answer), [""; 0], "{answer}");
        let [code, _, limit, _] = refused(&world, &query, json!({ "n": 200 })).await;
        assert_eq!((code, limit), (json!("LIMIT_EXCEEDED"), json!(400_000)));
    }
    // 744 hours are more than the share of one of so many objects.
    let hours = format!(
        "usage(input: {{ {period}, groupBy: [{{ time: HOUR }}], fill: ZERO }}) {{ truncated rows {{ key {{ time }} }} }}"
    );
    let sims = format!("sims(first: $n) {{ nodes {{ {hours} }} }}");
    let devices = format!("devices(first: 20) {{ nodes {{ {hours} }} }}");
    for n in [7, 150, 200] {
        for query in [sims.clone(), format!("{sims} {devices} me {{ role }}")] {
            let query = format!("query($n: Int!) {{ {query} }}");
            let answer = world.run(ADMIN, &query, json!({ "n": n })).await;
            assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
            let shares = [("sims", n), ("devices", 20)].into_iter();
            for (list, parents) in shares.filter(|(list, _)| query.contains(list)) {
                let share = (10_000 / parents).min(744);
                let found = usage(&answer["data"][list]["nodes"]);
                assert_eq!(found, [(share, share < 744); 7], "{list}: {query}");
            }
        }
    }
}
