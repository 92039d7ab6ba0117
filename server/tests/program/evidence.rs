//! Usage, what it is summed up from and what was done as files of every format, compared with what GraphQL and the stores answer.

use chrono::DateTime;
use serde_json::{Value, json};

use crate::{
    export::{
        RECORDS, Rows, SIMS, asked, compare, empty_is_nothing, exported, fleet, listed, rows,
        usage, with_moments,
    },
    http::{answer, client},
    support::{Program, Server},
};

/// What the files are asked for.
const OCTOBER: &str =
    r#"{"period": {"between": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}}}"#;
const PERIOD: &str = "{between: {from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\"}}";

/// SIMs of the fleet whose customer and device changed before anything was used.
const MOVED: std::ops::Range<usize> = 1_000..1_050;

/// Records besides those that are all alike.
const OTHERS: usize = 40;

/// A name that was typed to be a formula.
const FORMULA: &str = "=1+1 \"quoted\"";

fn iccid(n: usize) -> String {
    format!("89445010000000{n:05}")
}

/// Some SIMs go to another customer, with another device.
fn moves(program: &Program) {
    let lines: String = MOVED
        .map(|n| {
            let iccid = iccid(n);
            format!("Third,{iccid},4477009{n:05},ACTIVE,@other-{n},,2025-06-01T12:30:00Z\n")
        })
        .collect();
    let head = "customer,iccid,msisdn,state,device,labels,valid_from\n";
    let file = program.file("moves.csv", &format!("{head}{lines}"));
    program.print(&["import", &file, "--tenant", "acme"]);
}

/// Records of other services and networks, in no device and of nobody, and some that are refused.
async fn others(server: &Server, token: &str) {
    let record = |n: usize| {
        let service = ["SMS", "VOICE"][n % 2];
        let mut record = json!({
            "record_id": format!("{FORMULA} {n}"), "source": "other", "iccid": iccid(n % 10),
            "service": service, "start": format!("2026-10-30T10:{n:02}:00.123Z"),
            "end": format!("2026-10-30T10:{n:02}:30Z"), "bytes_up": 0, "bytes_down": 0, "units": n,
        });
        if n.is_multiple_of(3) {
            record["mcc_mnc"] = "999-99".into();
        }
        record
    };
    let mut records: Vec<Value> = (0..OTHERS).map(record).collect();
    let refused = [
        json!({ "record_id": FORMULA, "source": "other", "iccid": "8999999999999999999",
            "service": "DATA", "start": "2026-10-30T10:00:00Z", "end": "2026-10-30T10:01:00Z", "bytes_up": 1, "bytes_down": 1 }),
        json!({ "note": "two\nlines, \"quotes\" and 😀" }),
        json!({ "record_id": "late", "source": "=other", "iccid": iccid(1), "service": "DATA",
            "start": "1999-10-30T10:00:00Z", "end": "1999-10-30T10:01:00Z", "bytes_up": 1, "bytes_down": 1 }),
    ];
    records.extend(refused);
    let url = format!("{}/api/v1/ingest/cdrs", server.url);
    let request = client().post(url).bearer_auth(token).json(&records);
    let (_, _, answered) = answer(request).await;
    assert_eq!(answered["accepted"], OTHERS, "{answered}");
    assert_eq!(answered["rejected"], 3, "{answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_its_evidence_are_in_every_format_what_was_counted_and_done() {
    let program = Program::new();
    fleet(&program);
    moves(&program);
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    usage(&server, &token).await;
    others(&server, &token).await;

    let by_customer = fixed(&program, &server, &token, "customerUsage").await;
    let by_network = fixed(&program, &server, &token, "networkUsage").await;
    let records = records(&program, &server, &token).await;
    for name in ["bytes_up", "bytes_down", "units", "records"] {
        assert_eq!(
            by_customer["totals"][name], records["totals"][name],
            "{name}"
        );
        assert_eq!(
            by_network["totals"][name], records["totals"][name],
            "{name}"
        );
    }
    filters(&program);
    assignments(&program);
    rejections(&program, &server, &token).await;
    accounting(&program, &server, &token).await;
    audit(&program);
}

/// Usage by fixed groups is what the question with these groups answers, and says of networks what the dictionary says.
async fn fixed(program: &Program, server: &Server, token: &str, data_set: &str) -> Value {
    let groups = match data_set {
        "customerUsage" => "[{dimension: CUSTOMER}, {dimension: NETWORK}, {dimension: SERVICE}]",
        _ => "[{dimension: NETWORK}, {dimension: SERVICE}]",
    };
    let customer = match data_set {
        "customerUsage" => "customer { id customer { name } }",
        _ => "",
    };
    let query = format!(
        "{{ usage(input: {{period: {PERIOD}, groupBy: {groups}}}) {{ rows {{ key {{ {customer} \
         network {{ code network {{ name countryCode }} }} service {{ value }} }} \
         values {{ bytesUp bytesDown bytesTotal units records activeSims }} }} }} }}"
    );
    let data = asked(server, token, &query).await;
    let nodes = data["usage"]["rows"].as_array().expect("rows");
    let mut columns = vec![
        ("network", "/key/network/code"),
        ("network_name", "/key/network/network/name"),
        ("country", "/key/network/network/countryCode"),
        ("service", "/key/service/value"),
        ("bytes_up", "/values/bytesUp"),
        ("bytes_down", "/values/bytesDown"),
        ("bytes_total", "/values/bytesTotal"),
        ("units", "/values/units"),
        ("records", "/values/records"),
        ("active_sims", "/values/activeSims"),
    ];
    if data_set == "customerUsage" {
        columns.push(("customer_id", "/key/customer/id"));
        columns.push(("customer", "/key/customer/customer/name"));
    }
    let answered = rows(nodes, &columns);
    assert!(answered.len() > 5, "{answered:?}");
    let (files, manifest) = exported(program, data_set, &["--question", OCTOBER]);
    compare(&files, &answered, data_set);
    assert_eq!(manifest["provenance"]["whole"], {
        let mut totals = manifest["totals"].clone();
        totals["active_sims"] = "400".into();
        totals
    });
    assert_eq!(manifest["timeZone"], "UTC");
    manifest
}

/// A moment of the stores in milliseconds, as text.
fn milliseconds(name: &str) -> String {
    format!("toString(toUnixTimestamp64Milli({name}))")
}

/// Records are the rows of their table in the order of its key, each with what its objects are known by.
async fn records(program: &Program, server: &Server, token: &str) -> Value {
    let id = |prefix: &str, column: &str| {
        format!(
            "if({column} = toUUID('00000000-0000-0000-0000-000000000000'), NULL, \
             concat('{prefix}_', replaceAll(toString({column}), '-', '')))"
        )
    };
    let [start, end, received] = ["start", "end", "received_at"].map(milliseconds);
    let (sim, customer, device, batch) = (
        id("sim", "sim"),
        id("cus", "customer"),
        id("dev", "device"),
        id("bat", "batch"),
    );
    let statement = format!(
        "SELECT record_id, source AS stream, {start} AS begun, {end} AS ended, {received} AS received, {sim} AS sim_id, \
         {customer} AS customer_id, {device} AS device_id, nullIf(toString(network), '') AS network, \
         nullIf(toString(rat), '') AS radio_access_type, service, toString(bytes_up) AS bytes_up, toString(bytes_down) AS bytes_down, \
         toString(units) AS units, toString(sign) AS records, {batch} AS batch_id \
         FROM cdr ORDER BY cdr.customer, cdr.sim, cdr.start, cdr.identity FORMAT JSONEachRow"
    );
    let mut stored: Vec<Value> = (program.of_cubes(&statement).await.lines())
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(stored.len(), RECORDS + OTHERS);
    let sims = listed(server, token, "sims", "id iccid").await;
    let customers = listed(server, token, "customers", "id name").await;
    let devices = listed(server, token, "devices", "id name").await;
    let networks = listed(server, token, "networks", "id: code name countryCode").await;
    for row in &mut stored {
        for (key, column, objects, field) in [
            ("sim_id", "iccid", &sims, "iccid"),
            ("customer_id", "customer", &customers, "name"),
            ("device_id", "device", &devices, "name"),
            ("network", "network_name", &networks, "name"),
            ("network", "country", &networks, "countryCode"),
        ] {
            let found = objects.iter().find(|it| it["id"] == row[key]);
            row[column] = found.map_or(Value::Null, |it| it[field].clone());
        }
    }
    let names = [
        ("record_id", "/record_id"),
        ("stream", "/stream"),
        ("start", "/begun"),
        ("end", "/ended"),
        ("received_at", "/received"),
        ("sim_id", "/sim_id"),
        ("iccid", "/iccid"),
        ("customer_id", "/customer_id"),
        ("customer", "/customer"),
        ("device_id", "/device_id"),
        ("device", "/device"),
        ("network", "/network"),
        ("network_name", "/network_name"),
        ("country", "/country"),
        ("radio_access_type", "/radio_access_type"),
        ("service", "/service"),
        ("bytes_up", "/bytes_up"),
        ("bytes_down", "/bytes_down"),
        ("units", "/units"),
        ("records", "/records"),
        ("batch_id", "/batch_id"),
    ];
    let stored = rows(&stored, &names);
    let (files, manifest) = exported(program, "records", &["--question", OCTOBER]);
    compare(&files, &stored, "records");
    assert_eq!(
        manifest["totals"]["records"],
        (RECORDS + OTHERS).to_string()
    );
    let origin = &manifest["provenance"];
    assert_eq!(origin["tables"], json!(["cdr"]));
    assert_eq!(origin["truncated"], false);
    let newest = program
        .of_cubes("SELECT toString(toUnixTimestamp64Milli(max(received_at))) FROM cdr FORMAT TSV")
        .await;
    let watermark = origin["watermark"].as_str().expect("a watermark");
    let watermark: DateTime<chrono::Utc> = watermark.parse().expect("a moment");
    assert_eq!(watermark.timestamp_millis().to_string(), newest.trim());
    manifest
}

/// The same filters as of a question to the cubes, those of the inventory included.
fn filters(program: &Program) {
    let count = |filter: &str| {
        let question = OCTOBER.replacen('{', &format!("{{\"filter\": {filter}, "), 1);
        let (files, manifest) = exported(program, "records", &["--question", &question]);
        let asked: Value = serde_json::from_str(filter).expect("JSON");
        assert_eq!(manifest["question"]["filter"], asked);
        files.len()
    };
    let sms = count(r#"{"in": {"dimension": "SERVICE", "values": [{"text": "SMS"}]}}"#);
    assert_eq!(sms, OTHERS / 2);
    let german = count(r#"{"in": {"dimension": "COUNTRY", "values": [{"text": "DE"}]}}"#);
    assert_eq!(german, RECORDS / 2);
    let one = r#"{"sim": {"search": "8944501000000000007"}}"#;
    assert_eq!(count(one), RECORDS / 400 + OTHERS / 10);
    let neither = format!(
        r#"{{"and": [{one}, {{"not": {{"in": {{"dimension": "STREAM", "values": [{{"text": "other"}}]}}}}}}]}}"#
    );
    assert_eq!(count(&neither), RECORDS / 400);
}

/// The customers and devices of SIMs, by a statement that makes spans in another way.
fn assignments(program: &Program) {
    let stored = program.texts(
        "WITH span AS (
           SELECT sim_id, at AS since, lead(at) OVER (PARTITION BY sim_id ORDER BY at) AS until FROM (
             SELECT sim_id, unnest(ARRAY[coalesce(lower(valid), '-infinity'), coalesce(upper(valid), 'infinity')]) AS at
             FROM (SELECT sim_id, valid FROM sim_customer UNION ALL SELECT sim_id, valid FROM sim_device) AS valid
             GROUP BY sim_id, at) AS bound)
         SELECT json_build_object(
           'sim_id', 'sim_' || replace(sim.sim_id::text, '-', ''), 'iccid', iccid,
           'customer_id', 'cus_' || replace(customer.customer_id::text, '-', ''), 'customer', customer.name,
           'device_id', 'dev_' || replace(device.device_id::text, '-', ''), 'device', device.name,
           'valid_from', (extract(epoch FROM nullif(since, '-infinity')) * 1000)::bigint,
           'valid_to', (extract(epoch FROM nullif(until, 'infinity')) * 1000)::bigint)::text
         FROM span JOIN sim USING (sim_id)
           LEFT JOIN sim_customer ON sim_customer.sim_id = span.sim_id AND sim_customer.valid @> since
           LEFT JOIN customer ON customer.customer_id = sim_customer.customer_id
           LEFT JOIN sim_device ON sim_device.sim_id = span.sim_id AND sim_device.valid @> since
           LEFT JOIN device ON device.device_id = sim_device.device_id
         WHERE until IS NOT NULL AND (customer.customer_id IS NOT NULL OR device.device_id IS NOT NULL)
         ORDER BY iccid COLLATE \"C\", since",
    );
    let columns = [
        "sim_id",
        "iccid",
        "customer_id",
        "customer",
        "device_id",
        "device",
        "valid_from",
        "valid_to",
    ];
    let stored = of_json(&stored, &columns);
    let (files, manifest) = exported(program, "assignments", &[]);
    compare(&files, &stored, "assignments");
    assert_eq!(manifest["period"], Value::Null);
    let third = |row: &&std::collections::BTreeMap<String, Option<String>>| {
        row["customer"].as_deref() == Some("Third")
    };
    assert_eq!(files.iter().filter(third).count(), MOVED.len());
    assert!(files.len() > SIMS / 5 * 4 + MOVED.len());
    let filter = r#"{"search": "8944501000000001000"}"#;
    let (of_one, _) = exported(program, "assignments", &["--filter", filter]);
    let spans: Vec<_> = of_one
        .iter()
        .map(|row| (row["customer"].as_deref(), row["device"].as_deref()))
        .collect();
    assert_eq!(spans.last(), Some(&(Some("Third"), Some("@other-1000"))));
    assert!(spans.len() > 1, "{spans:?}");
}

/// Lines of JSON as rows.
fn of_json(lines: &[String], columns: &[&str]) -> Rows {
    let pointers: Vec<String> = columns.iter().map(|name| format!("/{name}")).collect();
    let columns: Vec<(&str, &str)> = columns
        .iter()
        .copied()
        .zip(pointers.iter().map(String::as_str))
        .collect();
    let nodes: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    rows(&nodes, &columns)
        .into_iter()
        .map(empty_is_nothing)
        .collect()
}

async fn rejections(program: &Program, server: &Server, token: &str) {
    let fields = "receivedAt source recordId code message raw";
    let mut nodes = listed(server, token, "ingestRejections", fields).await;
    // The newest come first there.
    nodes.reverse();
    let columns = [
        ("received_at", "/receivedAt"),
        ("source", "/source"),
        ("record_id", "/recordId"),
        ("code", "/code"),
        ("message", "/message"),
        ("raw", "/raw"),
    ];
    let answered = with_moments(rows(&nodes, &columns), &["received_at"]);
    let answered: Rows = answered.into_iter().map(empty_is_nothing).collect();
    let (files, _) = exported(program, "ingestRejections", &[]);
    compare(&files, &answered, "ingestRejections");
    assert_eq!(files.len(), 3);
    let filter = r#"{"and": [{"codes": ["UNKNOWN_ICCID"]}, {"received": {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}}]}"#;
    let (unknown, manifest) = exported(program, "ingestRejections", &["--filter", filter]);
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0]["record_id"].as_deref(), Some(FORMULA));
    let asked: Value = serde_json::from_str(filter).expect("JSON");
    assert_eq!(manifest["question"], asked);
}

async fn accounting(program: &Program, server: &Server, token: &str) {
    for hour_of in ["EVENT", "RECEIPT"] {
        let query = format!(
            "{{ ingestAccounting(from: \"1990-01-01T00:00:00Z\", to: \"2030-01-01T00:00:00Z\", hourOf: {hour_of}) \
             {{ hour source received accepted duplicate rejected bytesUp bytesDown }} }}"
        );
        let data = asked(server, token, &query).await;
        let nodes = data["ingestAccounting"].as_array().expect("rows");
        let columns = [
            ("hour", "/hour"),
            ("source", "/source"),
            ("received", "/received"),
            ("accepted", "/accepted"),
            ("duplicate", "/duplicate"),
            ("rejected", "/rejected"),
            ("bytes_up", "/bytesUp"),
            ("bytes_down", "/bytesDown"),
        ];
        let answered = with_moments(rows(nodes, &columns), &["hour"]);
        let answered: Rows = answered.into_iter().map(empty_is_nothing).collect();
        let question = json!({
            "period": {"between": {"from": "1990-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}}, "hour_of": hour_of,
        });
        let words = ["--question", &question.to_string()];
        let (files, manifest) = exported(program, "ingestAccounting", &words);
        compare(&files, &answered, hour_of);
        let totals = &manifest["totals"];
        assert_eq!(totals["received"], (RECORDS + OTHERS + 3).to_string());
        assert_eq!(totals["accepted"], (RECORDS + OTHERS).to_string());
        assert_eq!(totals["rejected"], "3");
    }
}

fn audit(program: &Program) {
    let stored = program.texts(
        "SELECT json_build_object('at', (extract(epoch FROM date_trunc('milliseconds', at)) * 1000)::bigint, 'actor', actor, \
         'role', role, 'action', action, 'object', subject, 'detail', detail::text)::text \
         FROM audit ORDER BY audit.at, audit_id",
    );
    let columns = ["at", "actor", "role", "action", "object", "detail"];
    let stored = of_json(&stored, &columns);
    let question = r#"{"period": {"between": {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}}}"#;
    let (files, manifest) = exported(program, "audit", &["--question", question]);
    compare(&files, &stored, "audit");
    assert!(files.len() >= 3, "{files:?}");
    assert!(
        files
            .iter()
            .any(|row| row["action"].as_deref() == Some("fleet.import"))
    );
    let names_a_sim = |detail: &str| detail.contains("894450") || detail.contains("447700");
    assert!(
        !files
            .iter()
            .filter_map(|row| row["detail"].as_deref())
            .any(names_a_sim)
    );
    assert_eq!(manifest["period"]["from"], "2020-01-01T00:00:00Z");
    let before = r#"{"period": {"between": {"from": "2020-01-01T00:00:00Z", "to": "2021-01-01T00:00:00Z"}}}"#;
    let (none, _) = exported(program, "audit", &["--question", before]);
    assert_eq!(none, Rows::new());
}

#[test]
fn what_these_data_sets_cannot_be_asked_is_refused_with_its_code() {
    let program = Program::new();
    program.print(&["tenant", "create", "acme"]);
    let old = r#"{"period": {"between": {"from": "2016-01-01T00:00:00Z", "to": "2016-02-01T00:00:00Z"}}}"#;
    let unknown = r#"{"period": {"preset": "SOME_DAY"}}"#;
    let cases = [
        (
            "customerUsage",
            "--filter",
            "{}",
            2,
            "customerUsage takes a --question",
        ),
        (
            "assignments",
            "--question",
            "{}",
            2,
            "assignments takes a --filter and no --question",
        ),
        ("records", "--question", old, 1, "NOT_EXACT"),
        ("ingestAccounting", "--question", "{}", 2, "INVALID_INPUT"),
        ("audit", "--question", unknown, 2, "INVALID_INPUT"),
    ];
    for (data_set, option, json, status, sentence) in cases {
        let words = [
            "export", data_set, "--tenant", "acme", "--format", "csv", option, json,
        ];
        let output = program.run(&words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {error}");
        assert!(error.contains(sentence), "{words:?}: {error}");
    }
}
