//! The operations that the playground shows.

use ::http::StatusCode;
use std::time::Duration;

use chrono::TimeDelta;
use domain::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    http::{answer, client},
    support::Program,
};

/// How long the export of the examples is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// What every answer has, whatever it is about.
const FRAME: [&str; 7] = [
    "key",
    "network",
    "pageInfo",
    "period",
    "previousPeriod",
    "provenance",
    "truncated",
];

/// Whether something in an answer is neither nothing nor zero.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            let is_frame = |name: &str, value: &Value| FRAME.contains(&name) && !value.is_string();
            let mut fields = fields.iter();
            fields.any(|(name, value)| !is_frame(name, value) && says_something(value))
        }
        Value::Array(values) => values.iter().any(says_something),
        Value::String(text) => match text.parse::<f64>() {
            Ok(number) => number.abs() > 0.0,
            Err(_) => !text.is_empty(),
        },
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() > 0.0),
        Value::Bool(_) | Value::Null => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_the_playground_has_an_answer() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    program.print(&["tenant", "create", "alpha"]);
    let fleet = "iccid,state,customer,device,device_labels,valid_from\n\
                 8944500112233445501,ACTIVE,Bosch,Tracker,location=warehouse,2024-01-01\n\
                 8944500112233445519,INACTIVE,,,,\n";
    let file = program.file("fleet.csv", fleet);
    program.print(&["import", &file, "--tenant", "alpha"]);
    // In the running hour, and so in the running month.
    let now = SystemClock.now();
    let at = now.to_rfc3339();
    let record = |iccid: &str| {
        json!({
            "record_id": iccid, "source": "gateway", "iccid": iccid, "mcc_mnc": "262-01",
            "radio_access_type": "LTE", "service": "DATA", "start": at, "end": at, "bytes_up": 1, "bytes_down": 2,
        })
    };
    let records = [record("8944500112233445501"), record("8944500112233445527")];
    let rollups = [json!({
        "session_id": "4711", "iccid": "8944500112233445501", "event_timestamp": at, "mcc_mnc": "26202",
        "radio_access_type": "6", "ip_address": "10.0.0.1", "total_bytes_in": 1, "total_bytes_out": 2,
        "request_type": "UPDATE", "cell_id": "26202-17-4",
    })];
    for (kind, events, taken) in [
        ("cdrs", &records[..], [1, 1]),
        ("sessions", &rollups, [1, 0]),
    ] {
        let delivery = client().post(format!("{}/api/v1/ingest/{kind}", server.url));
        let delivery = delivery.bearer_auth(program.token("alpha", "ingest"));
        let (status, _, reply) = answer(delivery.json(events)).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        assert_eq!(
            json!([reply["accepted"], reply["rejected"]]),
            json!(taken),
            "{reply}"
        );
    }

    let token = program.token("alpha", "tenant_admin");
    assert!(!playground::OPERATIONS.is_empty());
    let ask = async |name: &str, operation: &str, variables: Value| {
        let request = client().post(format!("{}/graphql", server.url));
        let request = request
            .bearer_auth(&token)
            .json(&json!({ "query": operation, "variables": variables }));
        let (status, _, value) = answer(request).await;
        assert_eq!(status, StatusCode::OK, "{name}: {value}");
        assert_eq!(value.get("errors"), None, "{name}: {value}");
        value["data"].clone()
    };
    let days = json!({ "from": now - TimeDelta::days(1), "to": now + TimeDelta::days(1) });
    for (name, operation) in playground::OPERATIONS {
        // Days of its own choice are those on which something was used.
        let is_of_days = operation.contains("$from: DateTime! = \"2026");
        let variables = if is_of_days { &days } else { &json!({}) };
        if operation.contains("notifications(") {
            let done = timeout(PATIENCE, async {
                let export = "{ exports(filter: { states: [COMPLETE] }) { totalCount } }";
                while ask(name, export, json!({})).await["exports"]["totalCount"] != 1 {
                    sleep(Duration::from_millis(50)).await;
                }
            });
            done.await.expect("the export of the examples is made");
        }
        let data = ask(name, operation, variables.clone()).await;
        for (field, value) in data.as_object().expect("fields") {
            assert!(
                says_something(value),
                "{name} shows nothing as {field}: {value}"
            );
            let refused = value["userErrors"].as_array().map_or(0, Vec::len);
            assert_eq!(refused, 0, "{name}: {value}");
        }
    }

    // The one that was saved is of SIMs without a customer; there is none.
    let saved = playground::OPERATIONS
        .iter()
        .find(|(name, _)| name.ends_with("saved-filters"));
    let (name, operation) = saved.expect("an example of saved filters");
    let all = ask(name, operation, json!({})).await;
    let saved = json!({ "saved": all["savedFilters"]["nodes"][0]["id"] });
    let variables = json!({ "filter": saved, "usageFilter": { "sim": saved } });
    let met = ask(name, operation, variables).await;
    for (data, sims, bytes) in [(&all, 2, "3"), (&met, 0, "0")] {
        assert_eq!(data["sims"]["totalCount"], sims, "{data}");
        assert_eq!(data["usage"]["totals"]["bytesTotal"], bytes, "{data}");
    }
}
