//! A list costs the same number of statements, of both stores, whatever its page size.

mod world;

use analytics::CdrRow;
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use domain::{
    Role,
    id::{BatchId, CustomerId, DeviceId, SimId},
};
use serde_json::{Value, json};
use testkit::Gate;
use uuid::Uuid;
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// Rows of every kind.
const MANY: usize = 100;

/// Every list that relations, lists or usage hang on, and how many statements of the cubes it takes. `$n` rows are asked for;
/// `$s` is a subject with so many grants.
const QUESTIONS: &[(u64, &str)] = &[
    (
        0,
        "sims(first: $n) { totalCount nodes { iccid customer { name } device { name } labels { key value } } }",
    ),
    (
        0,
        "sims(first: $n) { edges { node { customer { name simCounts { count } } device { name labels { key } customer { name } } } } }",
    ),
    (
        0,
        "sims(first: $n) { nodes { assignments { from customer { name } } device { assignments { to customer { name } } } } }",
    ),
    (
        0,
        "devices(first: $n) { totalCount nodes { name customer { name } labels { key } sims { iccid labels { key } customer { name } } } }",
    ),
    (
        0,
        "devices(first: $n) { nodes { assignments { from to customer { name simCounts { count } } } } }",
    ),
    (
        0,
        "customers(first: $n) { totalCount nodes { name simCounts { state count } } }",
    ),
    (
        0,
        "customers(first: $n) { nodes { sims(first: 2) { totalCount nodes { iccid device { name } labels { key } assignments { from } } } } }",
    ),
    (
        0,
        "customers(first: $n) { nodes { devices(first: 2) { totalCount edges { node { name labels { key } sims { iccid } assignments { from } } } } } }",
    ),
    (
        0,
        "segmentGrants(subject: $s) { subject customer { name simCounts { count } } sim { iccid device { name } labels { key } } device { name sims { iccid } labels { key } } }",
    ),
    (
        0,
        "labelDefinitions(first: $n) { totalCount nodes { key options } }",
    ),
    (
        0,
        "savedFilters(first: $n) { totalCount nodes { name kind filter } }",
    ),
    (
        0,
        "exports(first: $n) { totalCount nodes { name state question error { code } } }",
    ),
    (
        0,
        "exportSchedules(first: $n) { totalCount nodes { name question dueAt } }",
    ),
    (
        0,
        "notifications(first: $n) { totalCount nodes { objectId kind name } }",
    ),
    (
        0,
        "sims(first: $n, filter: { saved: $saved }) { totalCount nodes { iccid customer { name } labels { key value } device { name } } }",
    ),
    (
        0,
        "customers(first: $n) { nodes { sims(first: 2, filter: { saved: $saved }) { totalCount nodes { iccid } } } }",
    ),
    (0, "networks(first: $n) { totalCount nodes { name } }"),
    (
        1,
        "usage(input: { $october, groupBy: [{ dimension: SIM }, { dimension: DEVICE }, { dimension: CUSTOMER }, { dimension: NETWORK }], limit: $n }) { rows { key { sim { status sim { iccid labels { key } assignments { from } } } device { status device { name sims { iccid } } } customer { status customer { name simCounts { count } } } network { network { name } } } values { records activeSims } } totals { bytesTotal } provenance { watermark } }",
    ),
    (
        1,
        "usage(input: { $october, groupBy: [{ dimension: SIM }, { dimension: SIM_CUSTOMER_NOW }], limit: $n, others: true, attribution: CURRENT }) { rows { key { others sim { sim { iccid } } simCustomerNow { status customer { name } } } values { records } } }",
    ),
    (
        1,
        "sims(first: $n) { nodes { usage(input: { $october }) { totals { records activeSims } rows { values { bytesTotal } } } } }",
    ),
    (
        1,
        "sims(first: $n) { nodes { usage(input: { $october, groupBy: [{ simLabel: \"location\" }, { time: DAY }], filter: { sim: { states: [ACTIVE] } }, limit: 5 }) { totals { records } rows { key { time simLabel(key: \"location\") { value } } values { bytesTotal } } } } }",
    ),
    (
        1,
        "devices(first: $n) { nodes { usage(input: { $october, limit: 5, groupBy: [{ dimension: NETWORK }] }) { rows { key { network { status network { name } } } values { bytesUp } } } } }",
    ),
    (
        1,
        "customers(first: $n) { nodes { usage(input: { $october, limit: 5, groupBy: [{ time: DAY }], compareTo: PREVIOUS_PERIOD, attribution: CURRENT }) { rows { key { time } values { bytesDown } previous { bytesDown } } } } }",
    ),
    (
        1,
        "networks(first: $n) { nodes { usage(input: { $october }) { totals { records } } } }",
    ),
    (
        4,
        "sims(first: $n) { nodes { iccid lastActivityAt currentNetworkName liveSession { status networkName } sessionLog(first: 2) { nodes { timestamp networkName } } usage(input: { $october }) { totals { records } } } }",
    ),
    (
        2,
        "liveSessions(first: $n) { totalCount nodes { sessionId networkName sim { iccid customer { name } } } }",
    ),
    (
        2,
        "sessionHistory(first: $n) { totalCount nodes { sessionId networkName sim { iccid labels { key } } } }",
    ),
    (
        2,
        "sims(first: $n) { nodes { usage(input: { $october }) { totals { records } } device { usage(input: { $october }) { totals { records } } } } }",
    ),
    (
        2,
        "sims(first: $n) { nodes { a: usage(input: { $october }) { totals { records } } b: usage(input: { period: { preset: LAST_MONTH } }) { totals { records } } } }",
    ),
    (
        2,
        "customers(first: $n) { nodes { usage(input: { $october }) { totals { records } } sims(first: 2) { nodes { usage(input: { $october }) { totals { records } } } } } }",
    ),
];

const OCTOBER: &str =
    "period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }";

/// Alpha with a hundred rows of everything, each SIM with a customer, a device, a label, a grant and usage of its own.
async fn large() -> (World, Gate) {
    let mut world = World::new().await;
    let admin = world.scope(ADMIN).await;
    let mut csv = String::from("iccid,state,customer,device,labels,device_labels\n");
    for n in 0..MANY {
        csv.push_str(&format!(
            "8944503{n:012},ACTIVE,Customer {n},device-{n},label-{n}=x,rack-{n}=y\n"
        ));
    }
    world.import(&admin, csv).await;
    let ask = "{ sims(first: 100, filter: { search: \"8944503\" }) { nodes { id customer { id } device { id } } } }";
    let found = world.run(ADMIN, ask, json!({})).await;
    let sims = found["data"]["sims"]["nodes"].as_array().expect("SIMs");
    assert_eq!(sims.len(), MANY);
    let ids = |of: &dyn Fn(&Value) -> Value| sims.iter().map(of).collect::<Vec<_>>();
    for (subject, many) in [("many", MANY), ("one", 1)] {
        let input = json!({
            "subject": subject,
            "simIds": ids(&|sim| sim["id"].clone())[..many],
            "deviceIds": ids(&|sim| sim["device"]["id"].clone())[..many],
            "customerIds": ids(&|sim| sim["customer"]["id"].clone())[..many],
        });
        world.change(ADMIN, "grantSegment", input).await;
    }
    for n in 0..MANY {
        let input =
            json!({ "name": format!("{n}"), "filter": { "sim": { "states": ["ACTIVE"] } } });
        world.change(ADMIN, "createSavedFilter", input).await;
        let input = json!({ "dataSet": { "sims": {} }, "format": "CSV" });
        world.change(ADMIN, "createExport", input).await;
    }
    world.by_hand(&format!(
        "INSERT INTO schedule (tenant_id, kind, name, request, time_zone, created_by, asker, next_month, ends_at, created_at, updated_at)
         SELECT tenant_id, 'EXPORT', n::text, '{{}}', 'UTC', 'x', '{{}}', '2026-11-01', '2026-12-01', created_at, created_at
         FROM tenant, generate_series(1, {MANY}) AS n WHERE slug = 'alpha';
         INSERT INTO notification (tenant_id, subject, kind, object_id, name, created_at)
         SELECT tenant_id, '{}', 'EXPORT_COMPLETE', uuidv7(), n::text, created_at
         FROM tenant, generate_series(1, {MANY}) AS n WHERE slug = 'alpha'",
        ADMIN.subject()
    ));
    world.usage_of_all(sims).await;
    // Of all SIMs, so that the first one of any list has a session as the others do.
    let ask = "{ sims(first: 200) { nodes { id customer { id } } } }";
    let found = world.run(ADMIN, ask, json!({})).await;
    let all = found["data"]["sims"]["nodes"].as_array().expect("SIMs");
    world.sessions_of(admin.tenant(), ids_of(all)).await;
    let gate = world.gate().await;
    (world, gate)
}

/// The ids of SIMs, with their customers.
fn ids_of(sims: &[Value]) -> impl Iterator<Item = (SimId, Option<CustomerId>)> {
    let id = |value: &Value| value["id"].as_str().map(str::to_owned);
    sims.iter().map(move |sim| {
        let customer = id(&sim["customer"]).and_then(|id| id.parse().ok());
        (
            id(sim).and_then(|id| id.parse().ok()).expect("an id"),
            customer,
        )
    })
}

impl World {
    /// A record of each SIM, in one batch.
    async fn usage_of_all(&self, sims: &[Value]) {
        let batch = BatchId::new(Uuid::now_v7());
        let tenant = self.scope(ADMIN).await.tenant();
        let start = Utc.with_ymd_and_hms(2026, 10, 4, 3, 0, 0).unwrap();
        let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
        let row = |sim: &Value| {
            let identity = Uuid::now_v7();
            CdrRow {
                tenant,
                customer: Some(id(&sim["customer"]).parse::<CustomerId>().expect("an id")),
                sim: id(sim).parse::<SimId>().expect("an id"),
                device: Some(id(&sim["device"]).parse::<DeviceId>().expect("an id")),
                network: "262-01".into(),
                rat: "NR".into(),
                service: "DATA".into(),
                source: "elsewhere".into(),
                record_id: identity.to_string(),
                identity,
                start,
                end: start + TimeDelta::minutes(1),
                bytes_up: 1,
                bytes_down: 1,
                units: 0,
                sign: 1,
                batch,
                received_at: self.now,
            }
        };
        let rows: Vec<CdrRow> = sims.iter().map(row).collect();
        self.apply(batch, &rows).await;
    }
}

/// Objects of an answer that are in lists.
fn rows(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(rows).sum(),
        Value::Array(values) => values.len() + values.iter().map(rows).sum::<usize>(),
        _ => 0,
    }
}

/// The example that has all of a dashboard.
const DASHBOARD: &str = include_str!("../../playground/operations/20-dashboard.graphql");

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_costs_the_same_statements_for_ten_sims_and_for_a_hundred_thousand() {
    let mut world = World::new().await;
    let cubes = world.gate().await;
    // Its thirty days are those in which there is usage.
    world.move_clock(world.now - TimeDelta::days(32));
    let admin = world.scope(ADMIN).await;
    let mut costs = Vec::new();
    for (sims, more) in [(10, 7..10), (1_000, 10..1_000), (100_000, 0..0)] {
        let row = |n| format!("8944503{n:012},ACTIVE,Customer {},device-{n}\n", n % 50);
        let rows: String = more.map(row).collect();
        if rows.is_empty() {
            // An import of so many takes long.
            world.by_hand(&format!(
                "INSERT INTO sim (tenant_id, sim_id, iccid, state, created_at, updated_at)
                 SELECT tenant_id, uuidv7(), '8944504' || lpad(n::text, 12, '0'), 'ACTIVE', now(), now()
                 FROM tenant, generate_series(1001, {sims}) AS n WHERE slug = 'alpha'"
            ));
        } else {
            let csv = format!("iccid,state,customer,device\n{rows}");
            world.import(&admin, csv).await;
        }
        let ask = "{ sims(last: 200, filter: { search: \"8944503\" }) { nodes { id customer { id } device { id } } } }";
        let found = world.run(ADMIN, ask, json!({})).await;
        let found = found["data"]["sims"]["nodes"].as_array().expect("SIMs");
        world.usage_of_all(found).await;
        // What is small and rarely changes is kept.
        world.run_counted(ADMIN, DASHBOARD, json!({})).await;
        let before = cubes.asked();
        let (answer, (statements, _)) = world.run_counted(ADMIN, DASHBOARD, json!({})).await;
        assert_eq!(world::codes(&answer), [""; 0], "{answer}");
        let data = &answer["data"];
        assert_eq!(data["sims"]["total"], sims, "{data}");
        for field in ["customers", "devices"] {
            assert_eq!(
                data[field]["rows"].as_array().map(Vec::len),
                Some(6),
                "{data}"
            );
        }
        assert_eq!(days(&data["days"]), 30, "{data}");
        for field in ["customerSeries", "simSeries", "deviceSeries"] {
            let nodes = data[field]["nodes"].as_array().expect("nodes");
            let points: Vec<usize> = nodes.iter().map(|node| days(&node["usage"])).collect();
            assert_eq!(points, [30; 5], "{field} of {data}");
        }
        costs.push((statements, cubes.asked() - before));
    }
    // One of the cubes for each question to them, also where it is about the objects of a page, and one that says whether it is complete.
    assert_eq!(costs, [(26, 9); 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_more_objects_than_a_statement_is_about_takes_another_one() {
    let mut world = World::new().await;
    let row = |n| format!("8944503{n:012},ACTIVE,Customer {},device-{n}\n", n % 30);
    let rows: String = (0..1_200).map(row).collect();
    let csv = format!("iccid,state,customer,device\n{rows}");
    world.import(&world.scope(ADMIN).await, csv).await;
    let cubes = world.gate().await;
    world.ask_for_whole_types();
    let query = format!(
        "{{ customers(first: 50) {{ nodes {{ sims(first: 40) {{ nodes {{ usage(input: {{ {OCTOBER} }}) {{ totals {{ records }} rows {{ values {{ records }} }} }} }} }} }} }} }}"
    );
    let answer = world.run(ADMIN, &query, json!({})).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
    let customers = answer["data"]["customers"]["nodes"].as_array();
    let sims = customers
        .into_iter()
        .flatten()
        .filter_map(|customer| customer["sims"]["nodes"].as_array());
    let sims: Vec<&Value> = sims.flatten().collect();
    // Those that there are in each tenant from the beginning belong to two more.
    assert_eq!(sims.len(), 1_200 + 5);
    let used = sims
        .iter()
        .filter(|sim| sim["usage"]["totals"]["records"] == "3");
    assert_eq!(used.count(), 5);
    assert!(
        sims.iter()
            .all(|sim| sim["usage"]["rows"].as_array().map(Vec::len) == Some(1))
    );
    assert_eq!(cubes.asked(), 2);
}

/// How many rows there are of days in a row, the earliest first.
fn days(usage: &Value) -> usize {
    let rows = usage["rows"].as_array().expect("rows");
    let begin = |row: &Value| {
        let time = row["key"]["time"].as_str().expect("a time");
        time.parse::<DateTime<Utc>>().expect("a moment")
    };
    let begins: Vec<DateTime<Utc>> = rows.iter().map(begin).collect();
    // One of them may have an hour more or less.
    let is_day = |pair: &[DateTime<Utc>]| (23..=25).contains(&(pair[1] - pair[0]).num_hours());
    assert!(begins.windows(2).all(is_day), "{begins:?}");
    begins.len()
}

/// The id of a saved filter of SIMs.
async fn saved(world: &World) -> String {
    let query = "{ savedFilters(first: 1) { nodes { id } } }";
    let answer = world.run(ADMIN, query, json!({})).await;
    answer["data"]["savedFilters"]["nodes"][0]["id"].to_string()
}

/// On several threads, as in the program: what is loaded together must not hang on who is faster.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_costs_the_same_statements_for_one_row_and_for_a_hundred() {
    let (world, cubes) = large().await;
    // Whoever asks is known by now.
    world.run(ADMIN, "{ me { role } }", json!({})).await;
    let saved = saved(&world).await;
    for (expected, question) in QUESTIONS {
        let ask = async |n: usize, subject: &str| {
            let query = question
                .replace("$october", OCTOBER)
                .replace("$saved", &saved)
                .replace("$n", &n.to_string())
                .replace("$s", &json!(subject).to_string());
            let before = cubes.asked();
            let query = format!("{{ {query} }}");
            let (answer, (statements, _)) = world.run_counted(ADMIN, &query, json!({})).await;
            assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
            let asked = cubes.asked() - before;
            (rows(&answer["data"]), (statements, asked))
        };
        // Customers and keys of labels that nobody asked for lately take a statement each.
        ask(MANY, "many").await;
        let ((few, of_one), (many, of_all)) = (ask(1, "one").await, ask(MANY, "many").await);
        assert!(
            many >= MANY && few < MANY / 2,
            "{few} and {many}: {question}"
        );
        assert_eq!(of_one, of_all, "of one row and of {MANY}: {question}");
        // Opening the snapshot is two, so that a list takes three at least.
        assert!(
            of_one.0 >= 3 || question.starts_with("usage"),
            "counted at all"
        );
        assert_eq!(of_one.1, *expected, "of the cubes: {question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_usage_needs_of_the_inventory_takes_a_statement_each() {
    let (world, cubes) = large().await;
    let saved = saved(&world).await;
    let ask = async |input: &str| {
        let input = input.replace("$saved", &saved);
        let query =
            format!("{{ usage(input: {{ {OCTOBER}{input} }}) {{ totals {{ records }} }} }}");
        // Whoever asks is known by now, and so are saved filters.
        world.run_counted(ADMIN, &query, json!({})).await;
        let before = cubes.asked();
        let (answer, (statements, _)) = world.run_counted(ADMIN, &query, json!({})).await;
        assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
        assert_eq!(cubes.asked() - before, 1, "{query}");
        statements
    };
    let plain = ask("").await;
    for (more, input) in [
        (
            0,
            "groupBy: [{ dimension: SIM }, { time: DAY }], having: { measure: { by: RECORDS, gt: 1 } }, top: { group: 0, n: 3, by: RECORDS }, others: true, compareTo: PREVIOUS_YEAR",
        ),
        (1, "groupBy: [{ simLabel: \"location\" }]"),
        (1, "groupBy: [{ deviceLabel: \"location\" }]"),
        (1, "groupBy: [{ dimension: SIM_STATE }]"),
        (
            1,
            "groupBy: [{ dimension: SIM_CUSTOMER_NOW }], attribution: CURRENT",
        ),
        (
            2,
            "groupBy: [{ dimension: CUSTOMER }, { dimension: DEVICE }], attribution: CURRENT",
        ),
        (1, "filter: { sim: { states: [ACTIVE] } }"),
        (
            1,
            "filter: { or: [{ sim: { states: [ACTIVE] } }, { not: { sim: { states: [ACTIVE] } } }] }",
        ),
        (
            1,
            "filter: { device: { label: { key: \"rack-1\" } } }, groupBy: [{ dimension: NETWORK }]",
        ),
        (2, "filter: { sim: { saved: $saved } }"),
    ] {
        let statements = ask(&format!(", {input}")).await;
        assert_eq!(statements, plain + more, "{input}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
async fn what_makes_no_sense_is_refused_before_the_cubes_are_asked() {
    let (world, cubes) = large().await;
    let long = "k".repeat(1_048_576);
    let deep = (1..100).fold(
        json!({ "measure": { "by": "RECORDS", "gt": 1 } }),
        |below, _| json!({ "not": below }),
    );
    let labels: Value = (0..40)
        .map(|n| json!({ "simLabel": format!("{n}") }))
        .collect();
    let between = |from: &str, to: &str| json!({ "between": { "from": from, "to": to } });
    let sim = "sim_00000000000000000000000000000000";
    for (code, field, more) in [
        (
            "INVALID_INPUT",
            json!("input.timeZone"),
            json!({ "timeZone": "Mars/Olympus" }),
        ),
        (
            "INVALID_INPUT",
            json!("input.period.between.to"),
            json!({ "period": between("2026-11-01T00:00:00Z", "2026-10-01T00:00:00Z") }),
        ),
        (
            "INVALID_INPUT",
            json!("input.period"),
            json!({ "period": between("1800-01-01T00:00:00Z", "2100-01-01T00:00:00Z") }),
        ),
        (
            "LIMIT_EXCEEDED",
            json!("input.period"),
            json!({ "period": between("1980-01-01T00:00:00Z", "2100-01-01T00:00:00Z"), "groupBy": [{ "time": "DAY" }] }),
        ),
        (
            "NOT_EXACT",
            json!("input.period"),
            json!({ "period": between("2026-10-01T00:00:00.5Z", "2026-10-02T00:00:00Z") }),
        ),
        (
            "NOT_EXACT",
            json!("input.period"),
            json!({ "period": between("2020-10-01T00:30:00Z", "2026-10-02T00:00:00Z") }),
        ),
        (
            "LIMIT_EXCEEDED",
            json!("input.limit"),
            json!({ "groupBy": [{ "dimension": "SIM" }], "limit": 10_001 }),
        ),
        (
            "LIMIT_EXCEEDED",
            json!("input.groupBy"),
            json!({ "groupBy": labels }),
        ),
        (
            "INVALID_INPUT",
            json!("input.groupBy.1"),
            json!({ "groupBy": [{ "time": "DAY" }, { "time": "DAY" }] }),
        ),
        (
            "LIMIT_EXCEEDED",
            json!("input.groupBy.0.simLabel"),
            json!({ "groupBy": [{ "simLabel": long }] }),
        ),
        (
            "LIMIT_EXCEEDED",
            json!("input.having"),
            json!({ "having": deep }),
        ),
        (
            "INVALID_INPUT",
            json!("input.filter.devices"),
            json!({ "filter": { "devices": [sim] } }),
        ),
        (
            "INVALID_INPUT",
            json!("input.filter.sim.ids"),
            json!({ "filter": { "sim": { "ids": ["nonsense"] } } }),
        ),
        (
            "NOT_FOUND",
            json!("input.filter.sim.saved"),
            json!({ "filter": { "sim": { "saved": "fil_00000000000000000000000000000000" } } }),
        ),
    ] {
        let mut input = world::october();
        for (name, value) in more.as_object().expect("fields") {
            input[name] = value.clone();
        }
        let query = "query($input: UsageInput!) { usage(input: $input) { totals { records } } }";
        let before = cubes.asked();
        let (answer, (statements, _)) = world
            .run_counted(ADMIN, query, json!({ "input": input }))
            .await;
        let what = more.to_string().chars().take(200).collect::<String>();
        // The snapshot is opened by two, and what is saved is looked up.
        let most = if code == "NOT_FOUND" { 3 } else { 2 };
        assert!(statements <= most, "{statements} for {what}");
        assert_eq!(world::codes(&answer), [code], "{what}: {answer}");
        assert_eq!(
            answer["errors"][0]["extensions"]["field"], field,
            "{what}: {answer}"
        );
        assert_eq!(cubes.asked(), before, "{what}");
    }
    let query = "{ usage(input: { period: { preset: LAST_MONTH } }) { rows { key { time } } } }";
    let before = cubes.asked();
    let answer = world.run(ADMIN, query, json!({})).await;
    assert_eq!(world::codes(&answer), ["INVALID_INPUT"], "{answer}");
    // Ids of others are as ids of nothing, which is a question like any other.
    let query = format!(
        "{{ usage(input: {{ {OCTOBER}, filter: {{ sims: [\"{sim}\"] }} }}) {{ totals {{ records }} }} }}"
    );
    assert_eq!(cubes.asked(), before);
    let answer = world.run(ADMIN, &query, json!({})).await;
    assert_eq!(
        answer["data"]["usage"]["totals"]["records"], "0",
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_about_an_object_that_is_refused_leaves_the_others_alone() {
    let (world, _) = large().await;
    let query = format!(
        "{{ sims(first: 2) {{ nodes {{ good: usage(input: {{ {OCTOBER} }}) {{ totals {{ records }} }} \
         bad: usage(input: {{ period: {{ between: {{ from: \"2020-10-01T00:30:00Z\", to: \"2020-11-01T00:00:00Z\" }} }} }}) {{ totals {{ records }} }} }} }} }}"
    );
    let answer = world.run(ADMIN, &query, json!({})).await;
    assert_eq!(world::codes(&answer), ["NOT_EXACT"; 2], "{answer}");
    let nodes = answer["data"]["sims"]["nodes"].as_array().expect("SIMs");
    for node in nodes {
        assert_eq!(node["good"]["totals"]["records"], "3", "{answer}");
        assert_eq!(node["bad"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_takes_two_round_trips() {
    let (world, _) = large().await;
    let saved = saved(&world).await;
    // The opening, and the list with its total and labels. Labels of a narrowed list follow it, and so do devices. What is saved is
    // looked up before.
    for (expected, question) in [
        (2, "sims(first: 100) { totalCount nodes { iccid } }"),
        (
            2,
            "sims(first: 100) { totalCount nodes { iccid customer { name } labels { key value } } }",
        ),
        (
            2,
            "devices(first: 100) { nodes { name customer { name } labels { key } } }",
        ),
        (
            3,
            "sims(first: 100, filter: { states: [ACTIVE] }) { nodes { iccid labels { key value } } }",
        ),
        (
            3,
            "sims(first: 100, filter: { saved: $saved }) { totalCount nodes { iccid customer { name } } }",
        ),
        (
            4,
            "sims(first: 100, filter: { saved: $saved }) { nodes { iccid labels { key value } device { name } } }",
        ),
        (
            3,
            "sims(first: 100) { nodes { iccid labels { key } device { name } } }",
        ),
        (
            3,
            "devices(first: 100, filter: { search: \"device\" }) { nodes { name labels { key } sims { iccid } } }",
        ),
        (
            2,
            "a: sims(first: 1) { nodes { iccid } } b: devices(first: 1) { nodes { name } } customers { totalCount }",
        ),
    ] {
        let query = format!("{{ {} }}", question.replace("$saved", &saved));
        // Whoever asks is known by now.
        world.run(ADMIN, "{ me { role } }", json!({})).await;
        // A connection that has prepared nothing takes more: in as many requests as there may be connections, one meets one that has.
        let mut least = u64::MAX;
        for _ in 0..100 {
            let (answer, (_, trips)) = world.run_counted(ADMIN, &query, json!({})).await;
            assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
            least = least.min(trips);
            if least <= expected {
                break;
            }
        }
        assert_eq!(least, expected, "{question}");
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
