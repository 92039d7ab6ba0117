//! What the usage store refuses is seen by the operator, tried again, and counted.

use std::time::Duration;

use ::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    http::{answer, client, counts, fleet, record},
    support::{Program, Server},
};

async fn ready(server: &Server) -> (StatusCode, Value) {
    let (status, _, value) = answer(client().get(format!("{}/health/ready", server.url))).await;
    (status, value)
}

/// Waits until the server says this word of its health, and returns all that it says.
async fn until(server: &Server, word: &str) -> Value {
    let waiting = async {
        loop {
            let (status, value) = ready(server).await;
            assert_eq!(status, StatusCode::OK, "{value}");
            if value["status"] == word {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(2), waiting).await;
    waited.unwrap_or_else(|_| panic!("not {word}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_record_degrades_the_server_until_it_is_counted() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let sender = program.token("alpha", "ingest");
    let (_, well) = ready(&server).await;
    let checks = [
        "postgres",
        "clickhouse",
        "recovery",
        "ledger",
        "quarantine",
        "proof",
        "settling",
        "payloads",
        "months",
        "expiry",
        "filters",
        "sessions",
        "disk",
        "issuer",
        "files",
        "exports",
        "exports_swept",
        "notifications_swept",
        "schedules",
    ];
    let ok: Value = checks.iter().map(|name| (*name, json!("ok"))).collect();
    assert_eq!(well, json!({ "status": "ok", "checks": ok }));

    program
        .on_cubes("ALTER TABLE cdr ADD CONSTRAINT poison CHECK record_id != '2'")
        .await;
    let records = json!([record("1", 100), record("2", 200)]);
    let deliver = || {
        let request = client().post(format!("{}/api/v1/ingest/cdrs", server.url));
        answer(request.bearer_auth(&sender).json(&records))
    };
    let (status, _, reply) = deliver().await;
    assert_eq!(status, StatusCode::ACCEPTED, "{reply}");
    assert_eq!(counts(&reply), [2, 2, 0, 0, 1], "{reply}");
    let degraded = until(&server, "degraded").await;
    assert_eq!(degraded["checks"]["quarantine"], "degraded");
    let (status, _, reply) = deliver().await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(counts(&reply), [2, 0, 2, 0, 1], "{reply}");
    let listed = program.print(&["quarantine"]);
    assert!(
        listed.contains("1 records") && listed.ends_with("1 quarantined batches"),
        "{listed}"
    );

    program
        .on_cubes("ALTER TABLE cdr DROP CONSTRAINT poison")
        .await;
    let released = program.print(&["quarantine", "--retry"]);
    assert_eq!(released, "1 batches are tried again");
    until(&server, "ok").await;
    // It is on its way now; a repeated delivery waits for it.
    let (status, _, reply) = deliver().await;
    assert_eq!((status, counts(&reply)), (StatusCode::OK, [2, 0, 2, 0, 0]));
    let proved = program.print(&["verify"]);
    assert!(proved.ends_with("0 differences"), "{proved}");
}
