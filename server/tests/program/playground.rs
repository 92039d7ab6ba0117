//! The operations that the playground shows.

use ::http::StatusCode;
use chrono::TimeDelta;
use domain::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::{
    http::{answer, client},
    support::Program,
};

/// Whether a list somewhere in an answer has an entry.
fn has_rows(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(has_rows),
        Value::Array(values) => !values.is_empty(),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_the_playground_has_an_answer() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    program.print(&["tenant", "create", "alpha"]);
    let fleet = "iccid,state,customer,device,device_labels,valid_from\n\
                 8944500112233445501,ACTIVE,Bosch,Tracker,location=warehouse,2024-01-01\n";
    let file = program.file("fleet.csv", fleet);
    program.print(&["import", &file, "--tenant", "alpha"]);
    let at = (SystemClock.now() - TimeDelta::hours(2)).to_rfc3339();
    let record = json!([{
        "record_id": "1", "source": "gateway", "iccid": "8944500112233445501", "mcc_mnc": "262-01",
        "radio_access_type": "LTE", "service": "DATA", "start": at, "end": at, "bytes_up": 1, "bytes_down": 2,
    }]);
    let delivery = client().post(format!("{}/api/v1/ingest/cdrs", server.url));
    let delivery = delivery.bearer_auth(program.token("alpha", "ingest"));
    let (status, _, reply) = answer(delivery.json(&record)).await;
    assert_eq!(status, StatusCode::OK, "{reply}");

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
        assert!(has_rows(&value["data"]), "{name} shows nothing: {value}");
        value["data"].clone()
    };
    for (name, operation) in playground::OPERATIONS {
        ask(name, operation, json!({})).await;
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
    for (data, sims, bytes) in [(&all, 1, "3"), (&met, 0, "0")] {
        assert_eq!(data["sims"]["totalCount"], sims, "{data}");
        assert_eq!(data["usage"]["totals"]["bytesTotal"], bytes, "{data}");
    }
}
