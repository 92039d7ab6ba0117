//! Files of every data set in every format, read by others and compared with what GraphQL answers.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
};

use analytics::usage::CubeQuery;
use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    http::{answer, client},
    support::{PROGRAM, Program, Server},
    workbook,
};

/// Text that was typed to be something else, beside text that is only unusual.
const LABEL: &str = r#"=HYPERLINK("http://evil.example", "click")"#;
const CUSTOMERS: [&str; 4] = [
    r#"Smith "& Sons", Ltd"#,
    "😀 Emoji",
    "Acme שלום بكم",
    "-1+1",
];

/// How texts of a CSV file are read back, as its manifest says it.
const TEXT_RULE: &str = "a text that begins with = + - @ ' tab or CR has an apostrophe in front: take one apostrophe away \
    from each text that begins with one";

/// The same as `DuckDB` does it, of a column `name`, as the README says it.
const UNDONE: &str = "CASE WHEN starts_with(name, '''') THEN name[2:] ELSE name END";

/// SIMs of the fleet: more than a page of a file.
pub(crate) const SIMS: usize = 2_300;

/// Usage records, each a row of its own: more than a page of usage has.
pub(crate) const RECORDS: usize = 12_000;

/// The rows of a file or of an answer: text by column, nothing where there is nothing.
pub(crate) type Rows = Vec<BTreeMap<String, Option<String>>>;

pub(crate) fn fleet(program: &Program) {
    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut csv =
        "customer,iccid,imsi,msisdn,state,device,labels,device_labels,valid_from\n".to_owned();
    for n in 0..SIMS {
        let customer = CUSTOMERS
            .get(n % 5)
            .map_or(String::new(), |name| quoted(name));
        let label = if n % 3 == 0 {
            quoted(&format!("note={LABEL}"))
        } else {
            String::new()
        };
        let (device, of_device) = match n % 4 {
            0 => (format!("@tracker-{n}"), quoted(&format!("note={LABEL}"))),
            2 => (format!("@tracker-{n}"), String::new()),
            _ => Default::default(),
        };
        csv.push_str(&format!(
            "{customer},89445010000000{n:05},2345010000{n:05},4477009{n:05},ACTIVE,{device},{label},{of_device},2024-01-01\n"
        ));
    }
    let file = program.file("fleet.csv", &csv);
    let output = program.run(&["import", &file, "--tenant", "acme"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", said);
}

pub(crate) async fn usage(server: &Server, token: &str) {
    let record = |n: usize| {
        let (day, hour) = (1 + n / 400, n % 24);
        let network = ["262-02", "310-260"][n % 2];
        json!({
            "record_id": format!("r-{n}"), "source": "test", "iccid": format!("89445010000000{:05}", n % 400),
            "mcc_mnc": network, "radio_access_type": "LTE", "service": "DATA",
            "start": format!("2026-10-{day:02}T{hour:02}:00:00Z"), "end": format!("2026-10-{day:02}T{hour:02}:10:00Z"),
            "bytes_up": 900_000_000_000_000_u64 + n as u64, "bytes_down": n,
        })
    };
    let records: Vec<Value> = (0..RECORDS).map(record).collect();
    let url = format!("{}/api/v1/ingest/cdrs", server.url);
    let request = client().post(url).bearer_auth(token).json(&records);
    let (_, _, answered) = answer(request).await;
    assert_eq!(answered["accepted"], RECORDS, "{answered}");
}

pub(crate) async fn asked(server: &Server, token: &str, query: &str) -> Value {
    let (_, _, mut answered) = answer(crate::http::graphql(server, token, query)).await;
    assert!(answered.get("errors").is_none(), "{answered}");
    answered["data"].take()
}

/// All nodes of a list, page by page.
pub(crate) async fn listed(server: &Server, token: &str, list: &str, fields: &str) -> Vec<Value> {
    let (mut nodes, mut after) = (Vec::new(), String::new());
    loop {
        let query = format!(
            "{{ list: {list}(first: 200{after}) {{ edges {{ node {{ {fields} }} }} pageInfo {{ endCursor hasNextPage }} }} }}"
        );
        let data = asked(server, token, &query).await;
        let edges = data["list"]["edges"].as_array().expect("edges");
        nodes.extend(edges.iter().map(|edge| edge["node"].clone()));
        let page = &data["list"]["pageInfo"];
        if page["hasNextPage"] != true {
            return nodes;
        }
        after = format!(", after: {}", page["endCursor"]);
    }
}

/// A value of an answer as a file's text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    }
}

/// Rows of an answer, by columns and where their values are.
pub(crate) fn rows(nodes: &[Value], columns: &[(&str, &str)]) -> Rows {
    let row = |node: &Value| {
        let cell = |(name, pointer): &(&str, &str)| {
            let value = node.pointer(pointer).and_then(text);
            ((*name).to_owned(), value)
        };
        columns.iter().map(cell).collect()
    };
    nodes.iter().map(row).collect()
}

/// Exports to a file of every format, which readers read alike; returns the rows and the manifest.
pub(crate) fn exported(program: &Program, data_set: &str, more: &[&str]) -> (Rows, Value) {
    let mut files = ["csv", "parquet", "xlsx", "ndjson", "arrow"].map(|format| {
        let out = program.file(&format!("{data_set}.{format}"), "what was there before");
        let words = [
            "export", data_set, "--tenant", "acme", "--format", format, "--out", &out,
        ];
        program.print(&[&words[..], more].concat());
        let manifest = fs::read_to_string(format!("{out}.manifest.json")).expect("a manifest");
        let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
        let mut bytes = Vec::new();
        let mut file = File::open(&out).expect("a file");
        file.read_to_end(&mut bytes).expect("read");
        assert_eq!(manifest["bytes"], bytes.len());
        assert_eq!(manifest["sha256"], sha256(&out));
        let rule = manifest["textRule"].as_str();
        assert_eq!(rule, (format == "csv").then_some(TEXT_RULE), "{format}");
        let rows = match format {
            "xlsx" => workbook::read(Path::new(&out), &manifest),
            "arrow" => of_arrow(&out, &manifest),
            format => of_duckdb(&out, format, &manifest),
        };
        assert_eq!(manifest["rows"], rows.len(), "{format}");
        // To standard output, the same bytes.
        let printed = program.run(&[&words[..6], more].concat());
        assert!(
            printed.status.success() && printed.stdout == bytes,
            "{format}"
        );
        (rows, manifest)
    });
    let (ours, manifest) = files[1].clone();
    for (rows, other) in &mut files {
        assert_eq!(other["totals"], manifest["totals"]);
        assert_eq!(other["columns"], manifest["columns"]);
        compare(rows, &ours, &format!("{data_set}: {}", other["format"]));
    }
    (ours, manifest)
}

/// Row by row, so that a difference is one row.
pub(crate) fn compare(left: &Rows, right: &Rows, what: &str) {
    assert_eq!(left.len(), right.len(), "{what}");
    for (n, (left, right)) in left.iter().zip(right).enumerate() {
        assert_eq!(left, right, "{what}: row {n}");
    }
}

pub(crate) fn sha256(path: &str) -> String {
    let output = Command::new("sha256sum")
        .arg(path)
        .output()
        .expect("sha256sum");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split(' ').next().expect("a hash").to_owned()
}

/// Names and kinds of the columns.
pub(crate) fn columns(manifest: &Value) -> Vec<(String, String)> {
    let columns = manifest["columns"].as_array().expect("columns");
    let word = |value: &Value| value.as_str().expect("text").to_owned();
    columns
        .iter()
        .map(|column| (word(&column["name"]), word(&column["kind"])))
        .collect()
}

/// A moment in milliseconds, which is what all formats keep.
fn moment(text: &str) -> String {
    let moment: DateTime<Utc> = text.parse().expect("a moment");
    moment.trunc_subsecs(3).timestamp_millis().to_string()
}

pub(crate) fn of_duckdb(path: &str, format: &str, manifest: &Value) -> Rows {
    let columns = columns(manifest);
    let read = match format {
        "csv" => {
            format!("read_csv('{path}', all_varchar = true, header = true, strict_mode = true)")
        }
        "ndjson" => {
            let names = columns
                .iter()
                .map(|(name, _)| format!("{name:?}: 'VARCHAR'"));
            let names: Vec<String> = names.collect();
            let names = names.join(", ");
            format!("read_json('{path}', format = 'newline_delimited', columns = {{{names}}})")
        }
        _ => format!("read_parquet('{path}')"),
    };
    let selected = columns.iter().map(|(name, kind)| {
        let column = format!("\"{}\"", name.replace('"', "\"\""));
        match (kind.as_str(), format) {
            ("MOMENT", "parquet") => format!("epoch_us({column})::VARCHAR AS {column}"),
            ("TEXT", "csv") => format!("{} AS {column}", UNDONE.replace("name", &column)),
            _ => format!("{column}::VARCHAR AS {column}"),
        }
    });
    let selected: Vec<String> = selected.collect();
    if format == "parquet" {
        check_types(&read, &columns);
    }
    let rows = duckdb(&format!("SELECT {} FROM {read}", selected.join(", ")));
    let cell = |(name, kind): &(String, String), text: String| match (kind.as_str(), format) {
        ("MOMENT", "csv" | "ndjson") => moment(&text),
        ("MOMENT", _) => {
            let micros: i64 = text.parse().unwrap_or_else(|_| panic!("{name}: {text}"));
            (micros / 1_000).to_string()
        }
        _ => text,
    };
    rows.into_iter()
        .map(|mut row| {
            let cells = columns.iter().map(|column| {
                let text = row.remove(&column.0).expect("a column");
                (column.0.clone(), text.map(|text| cell(column, text)))
            });
            let row: BTreeMap<_, _> = cells.collect();
            empty_is_nothing(row)
        })
        .collect()
}

/// A stream of Arrow, read by its library for JavaScript.
pub(crate) fn of_arrow(path: &str, manifest: &Value) -> Rows {
    let columns = columns(manifest);
    let read: Value = serde_json::from_slice(&script("arrow.mjs", path)).expect("JSON");
    let types = columns.iter().map(|(_, kind)| match kind.as_str() {
        "TEXT" => "Utf8",
        "FLAG" => "Bool",
        "COUNT" => "Uint64",
        "INTEGER" => "Int64",
        "SUM" => "Decimal[38e0]",
        "AVERAGE" => "Decimal[38e+2]",
        "MOMENT" => "Timestamp<MICROSECOND, UTC>",
        other => panic!("{other}"),
    });
    assert!(
        read["types"].as_array().expect("types").iter().eq(types),
        "{}",
        read["types"]
    );
    for told in [
        "dataSet",
        "question",
        "questionSha256",
        "period",
        "columns",
        "closed",
        "textRule",
    ] {
        assert_eq!(read["head"][told], manifest[told], "{told}");
    }
    // What is read of records is known after the last one, and this stands before the first.
    let foreseen: &[&str] = match manifest["dataSet"].as_str() {
        Some("records") => &[],
        _ => &["tables", "watermark"],
    };
    for told in foreseen {
        let of = |manifest: &Value| manifest["provenance"][told].clone();
        assert_eq!(of(&read["head"]), of(manifest), "{told}");
    }
    let rows: Rows = serde_json::from_value(read["rows"].clone()).expect("rows");
    rows.into_iter().map(empty_is_nothing).collect()
}

/// The types of a file's columns are those of its manifest.
fn check_types(read: &str, columns: &[(String, String)]) {
    let described = duckdb(&format!(
        "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {read})"
    ));
    let expected = columns.iter().map(|(name, kind)| {
        let kind = match kind.as_str() {
            "TEXT" => "VARCHAR",
            "FLAG" => "BOOLEAN",
            "COUNT" => "UBIGINT",
            "INTEGER" => "BIGINT",
            "SUM" => "DECIMAL(38,0)",
            "AVERAGE" => "DECIMAL(38,2)",
            "MOMENT" => "TIMESTAMP WITH TIME ZONE",
            other => panic!("{other}"),
        };
        (Some(name.as_str()), Some(kind))
    });
    let described = described
        .iter()
        .map(|row| (row["column_name"].as_deref(), row["column_type"].as_deref()));
    assert!(described.eq(expected), "{columns:?}");
}

/// What a statement answers, read by an engine that is not ours.
pub(crate) fn duckdb(sql: &str) -> Rows {
    serde_json::from_slice(&script("rows.mjs", sql)).expect("rows")
}

/// What a reader says that is not ours.
pub(crate) fn script(name: &str, argument: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../analytics/tests/duckdb");
    let output = Command::new("node")
        .arg(folder.join(name))
        .arg(argument)
        .output();
    let output = output.expect("Node.js");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    output.stdout
}

/// An empty cell of CSV and Excel says nothing.
pub(crate) fn empty_is_nothing(
    row: BTreeMap<String, Option<String>>,
) -> BTreeMap<String, Option<String>> {
    let cells = row.into_iter();
    cells
        .map(|(name, text)| (name, text.filter(|text| !text.is_empty())))
        .collect()
}

/// The answer's moments as the files' readers spell them.
pub(crate) fn with_moments(mut rows: Rows, names: &[&str]) -> Rows {
    for row in &mut rows {
        for name in names {
            let cell = row.get_mut(*name).expect("a column");
            *cell = cell.take().map(|text| moment(&text));
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_data_set_is_in_every_format_what_graphql_answers() {
    let program = Program::new();
    fleet(&program);
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    usage(&server, &token).await;

    let moments = ["created_at", "updated_at"];
    let fields = "id iccid imsi msisdn state customer { id name } device { id name } simulated createdAt updatedAt labels { value }";
    let answered = rows(
        &listed(&server, &token, "sims", fields).await,
        &[
            ("sim_id", "/id"),
            ("iccid", "/iccid"),
            ("imsi", "/imsi"),
            ("msisdn", "/msisdn"),
            ("state", "/state"),
            ("customer_id", "/customer/id"),
            ("customer", "/customer/name"),
            ("device_id", "/device/id"),
            ("device", "/device/name"),
            ("simulated", "/simulated"),
            ("created_at", "/createdAt"),
            ("updated_at", "/updatedAt"),
            ("label:note", "/labels/0/value"),
        ],
    );
    let answered = with_moments(answered, &moments);
    assert_eq!(answered.len(), SIMS);
    let hyperlinks = |rows: &Rows| {
        let labels = rows.iter().filter_map(|row| row["label:note"].as_deref());
        labels.filter(|label| *label == LABEL).count()
    };
    assert_eq!(hyperlinks(&answered), SIMS.div_ceil(3));
    let (files, manifest) = exported(&program, "sims", &[]);
    compare(&files, &answered, "sims");
    assert_eq!(manifest["tenant"], "acme");
    let filter = r#"{"or": [{"search": "8944501000000000001"}, {"unassigned": true}]}"#;
    let (filtered, manifest) = exported(&program, "sims", &["--filter", filter]);
    let listed_so = "sims(filter: {or: [{search: \"8944501000000000001\"}, {unassigned: true}]}, orderBy: {field: ICCID, direction: ASC}, first: 1) { totalCount }";
    let total = asked(&server, &token, &format!("{{ list: {listed_so} }}")).await;
    assert_eq!(total["list"]["totalCount"], filtered.len());
    assert_eq!(manifest["question"]["or"][1]["unassigned"], true);

    let fields = "id name kind state connectivity customer { id name } sims { iccid } simulated createdAt updatedAt labels { value }";
    let mut nodes = listed(&server, &token, "devices", fields).await;
    for node in &mut nodes {
        let words = node["connectivity"].as_array().expect("a list").iter();
        let words: Vec<&str> = words.filter_map(Value::as_str).collect();
        node["connectivity"] = words.join(" ").into();
    }
    let columns = [
        ("device_id", "/id"),
        ("name", "/name"),
        ("kind", "/kind"),
        ("state", "/state"),
        ("connectivity", "/connectivity"),
        ("customer_id", "/customer/id"),
        ("customer", "/customer/name"),
        ("iccids", "/sims/0/iccid"),
        ("simulated", "/simulated"),
        ("created_at", "/createdAt"),
        ("updated_at", "/updatedAt"),
        ("label:note", "/labels/0/value"),
    ];
    let answered = with_moments(rows(&nodes, &columns), &moments);
    let answered: Rows = answered.into_iter().map(empty_is_nothing).collect();
    assert_eq!(hyperlinks(&answered), SIMS.div_ceil(4));
    compare(&exported(&program, "devices", &[]).0, &answered, "devices");

    contacts(&server, &token).await;
    let fields = "id slug name firstName lastName email phone createdAt archivedAt visibility { devices sims sessions usage billing }";
    let nodes = listed(&server, &token, "customers", fields).await;
    let columns = [
        ("customer_id", "/id"),
        ("slug", "/slug"),
        ("name", "/name"),
        ("first_name", "/firstName"),
        ("last_name", "/lastName"),
        ("email", "/email"),
        ("phone", "/phone"),
        ("sees_devices", "/visibility/devices"),
        ("sees_sims", "/visibility/sims"),
        ("sees_sessions", "/visibility/sessions"),
        ("sees_usage", "/visibility/usage"),
        ("sees_billing", "/visibility/billing"),
        ("created_at", "/createdAt"),
        ("archived_at", "/archivedAt"),
    ];
    let answered = with_moments(rows(&nodes, &columns), &["created_at", "archived_at"]);
    for (name, _) in columns {
        let mut values = answered.iter().filter_map(|row| row[name].as_deref());
        assert!(values.any(|text| text != "false"), "nothing in {name}");
    }
    let (files, _) = exported(&program, "customers", &[]);
    compare(&files, &answered, "customers");
    for name in CUSTOMERS {
        assert!(
            files.iter().any(|row| row["name"].as_deref() == Some(name)),
            "{name}"
        );
    }

    usage_is_what_graphql_answers(&program, &server, &token).await;
}

/// Customers of which there is more to say than a name, and one that is not served any more.
async fn contacts(server: &Server, token: &str) {
    let listed = listed(server, token, "customers", "id").await;
    let (id, archived) = (&listed[0]["id"], &listed[1]["id"]);
    let change = format!(
        "mutation {{ \
         updateCustomer(input: {{customerId: {id}, firstName: \"-Ada\", lastName: \"O'Brien, \\\"A\\\"\", email: \"ada@acme.example\", phone: \"+49 30 1\"}}) {{ userErrors {{ message }} }} \
         setCustomerVisibility(input: {{customerId: {id}, visibility: {{devices: true, sims: true, sessions: true, usage: true, billing: true}}}}) {{ userErrors {{ message }} }} \
         archiveCustomer(input: {{customerId: {archived}}}) {{ userErrors {{ message }} }} }}"
    );
    let changed = asked(server, token, &change).await;
    for (name, payload) in changed.as_object().expect("payloads") {
        assert_eq!(payload["userErrors"], json!([]), "{name}");
    }
}

async fn usage_is_what_graphql_answers(program: &Program, server: &Server, token: &str) {
    let columns = [
        ("day", "/key/time"),
        ("customer_id", "/key/customer/id"),
        ("customer", "/key/customer/customer/name"),
        ("sim_id", "/key/sim/id"),
        ("iccid", "/key/sim/sim/iccid"),
        ("network", "/key/network/code"),
        ("sim_label:note", "/key/simLabel/value"),
        ("bytes_total", "/values/bytesTotal"),
        ("records", "/values/records"),
        ("active_sims", "/values/activeSims"),
        ("average_bytes_per_record", "/values/averageBytesPerRecord"),
    ];
    let (mut answered, mut bytes, mut watermark) = (Rows::new(), 0, Value::Null);
    // A page has at most 10,000 rows.
    for (from, to) in [("10-01", "10-16"), ("10-16", "11-01")] {
        let query = format!(
            "{{ usage(input: {{period: {{between: {{from: \"2026-{from}T00:00:00Z\", to: \"2026-{to}T00:00:00Z\"}}}}, \
             groupBy: [{{time: DAY}}, {{dimension: CUSTOMER}}, {{dimension: SIM}}, {{dimension: NETWORK}}, {{simLabel: \"note\"}}]}}) {{ \
             rows {{ key {{ time customer {{ id customer {{ name }} }} sim {{ id sim {{ iccid }} }} network {{ code }} \
             simLabel(key: \"note\") {{ value }} }} values {{ bytesTotal records activeSims averageBytesPerRecord }} }} \
             totals {{ bytesTotal }} provenance {{ watermark }} }} }}"
        );
        let mut data = asked(server, token, &query).await;
        let nodes = data["usage"]["rows"].as_array().expect("rows");
        answered.extend(with_moments(rows(nodes, &columns), &["day"]));
        let total = text(&data["usage"]["totals"]["bytesTotal"]).expect("a total");
        bytes += total.parse::<i128>().expect("a number");
        watermark = data["usage"]["provenance"]["watermark"].take();
    }
    assert_eq!(answered.len(), RECORDS);
    let question = json!({
        "measures": ["BYTES_TOTAL", "RECORDS", "ACTIVE_SIMS", "AVERAGE_BYTES_PER_RECORD"],
        "period": {"between": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}},
        "group_by": [
            {"time": "DAY"}, {"dimension": "CUSTOMER"}, {"dimension": "SIM"}, {"dimension": "NETWORK"}, {"sim_label": "note"},
        ],
    });
    let question = program.file("question.json", &question.to_string());
    let (files, manifest) = exported(program, "usage", &["--question", &question]);
    compare(&files, &answered, "usage");
    let question = CubeQuery::deserialize(&manifest["question"]).expect("a question");
    let fingerprint = question.fingerprint().expect("a hash");
    let fingerprint = fingerprint.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(manifest["questionSha256"], fingerprint);
    assert_eq!(manifest["totals"]["bytes_total"], bytes.to_string());
    assert_eq!(manifest["totals"]["records"], RECORDS.to_string());
    assert_eq!(manifest["totals"].get("active_sims"), None);
    let origin = &manifest["provenance"];
    assert_eq!(origin["whole"]["bytes_total"], bytes.to_string());
    assert_eq!(origin["truncated"], false);
    let milliseconds = |value: &Value| moment(value.as_str().expect("a moment"));
    assert_eq!(milliseconds(&origin["watermark"]), milliseconds(&watermark));
    assert_eq!(manifest["period"]["to"], "2026-11-01T00:00:00Z");
    assert_eq!(manifest["timeZone"], "UTC");
}

#[test]
fn what_cannot_be_exported_is_refused_with_its_code_and_leaves_no_file() {
    let program = Program::new();
    program.print(&["tenant", "create", "acme"]);
    let ten_years = r#"{"measures": ["RECORDS"], "group_by": [{"time": "HOUR"}],
        "period": {"between": {"from": "2016-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}}"#;
    let cases: [(&[&str], i32, &str); 9] = [
        (
            &["invoices", "--tenant", "acme"],
            2,
            "invalid value 'invoices'",
        ),
        (
            &["sims", "--tenant", "nobody"],
            2,
            "there is no tenant `nobody`",
        ),
        (
            &["sims", "--tenant", "acme", "--filter", "{"],
            2,
            "INVALID_INPUT: this is no filter",
        ),
        (
            &[
                "sims",
                "--tenant",
                "acme",
                "--filter",
                r#"{"colour": "red"}"#,
            ],
            2,
            "INVALID_INPUT: this is no filter",
        ),
        (
            &[
                "sims",
                "--tenant",
                "acme",
                "--filter",
                r#"{"saved": "fil_00000000000000000000000000000001"}"#,
            ],
            1,
            "NOT_FOUND: no such saved filter",
        ),
        (
            &["usage", "--tenant", "acme"],
            2,
            "usage takes a --question",
        ),
        (
            &["usage", "--tenant", "acme", "--question", "/nowhere.json"],
            2,
            "cannot read /nowhere.json",
        ),
        (
            &["usage", "--tenant", "acme", "--question", ten_years],
            1,
            "LIMIT_EXCEEDED",
        ),
        (
            &[
                "sims",
                "--tenant",
                "acme",
                "--filter",
                r#"{"label": {"key": 1}}"#,
            ],
            2,
            "INVALID_INPUT",
        ),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for (words, status, sentence) in cases {
        let out = folder.join("file");
        let out = out.to_string_lossy();
        let command = [&["export"], words, &["--format", "csv", "--out", &out]].concat();
        let output = program.run(&command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {error}");
        assert!(error.contains(sentence), "{words:?}: {error}");
        assert_eq!(
            fs::read_dir(folder).expect("a folder").count(),
            0,
            "{words:?}"
        );
    }
}

#[test]
fn what_csv_says_in_front_of_texts_is_undone_as_the_readme_says() {
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(UNDONE), "the tests do it in another way");
}

#[test]
fn a_terminal_is_shown_how_far_a_file_is_and_nothing_else_is() {
    let program = Program::new();
    fleet(&program);
    let out = program.file("sims.csv", "");
    let words = [
        "export", "sims", "--tenant", "acme", "--format", "csv", "--out", &out,
    ];
    // What is no terminal gets the sentence that ends it.
    let output = program.run(&words);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let command = program.command(&words);
    let environment = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let line = format!("stty cols 100 && {PROGRAM} {}", words.join(" "));
    let output = Command::new("/usr/bin/script")
        .args(["-qec", &line, "/dev/null"])
        .env_clear()
        .envs(environment)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output();
    let output = output.expect("script");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("of 2,300 rows"), "{shown:?}");
}

#[test]
fn what_is_no_file_is_not_replaced_by_one() {
    let program = Program::new();
    program.print(&["tenant", "create", "acme"]);
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("taken");
    fs::create_dir(&out).expect("a folder");
    let words = [
        "export", "sims", "--tenant", "acme", "--format", "csv", "--out",
    ];
    let output = program.run(&[&words[..], &[&*out.to_string_lossy()]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("INVALID_INPUT"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    // A disk that is full says so, and no manifest claims anything.
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("a device");
    let output = program.command(&words[..6]).stdout(full).output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
}
