//! Exports that are made every month, and what whoever asked is told.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock as _, Role, SystemClock, calendar::Zone, usage::Preset};
use http::StatusCode;
use serde_json::{Value, json};
use server::auth::development::Claims;
use tokio::time::{sleep, timeout};

use crate::{
    http::{answer, client, graphql},
    support::{Program, Server},
};

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

async fn asked(server: &Server, token: &str, query: &str) -> Value {
    let (_, _, value) = answer(graphql(server, token, query)).await;
    assert!(value.get("errors").is_none(), "{value}");
    value["data"].clone()
}

/// Has the month's usage by customer made in Berlin's months.
async fn schedule(server: &Server, token: &str, name: &str) -> String {
    let query = format!(
        "mutation {{ createExportSchedule(input: {{ dataSet: {{ customerUsage: {{ period: {{ preset: LAST_MONTH }}, \
         timeZone: \"Europe/Berlin\" }} }}, format: CSV, name: \"{name}\" }}) {{ exportSchedule {{ id }} userErrors {{ message }} }} }}"
    );
    let made = asked(server, token, &query).await;
    let id = made["createExportSchedule"]["exportSchedule"]["id"].as_str();
    id.unwrap_or_else(|| panic!("{made}")).to_owned()
}

/// As if a schedule had been made so many months ago.
fn set_back(program: &Program, name: &str, months: u32) {
    let set = program.texts(&format!(
        "UPDATE schedule SET next_month = (next_month - interval '{months} months')::date, ends_at = ends_at - interval '{months} months'
         WHERE name = '{name}' RETURNING name"
    ));
    assert_eq!(set, [name]);
}

/// Waits until so many exports of a schedule are complete; all that it asked for.
async fn complete(server: &Server, token: &str, id: &str, many: usize) -> Vec<Value> {
    let query = format!(
        "{{ exports(filter: {{ schedules: [\"{id}\"] }}, orderBy: {{ direction: ASC }}) {{ nodes {{ id name state manifest expiresAt error {{ message }} }} }} }}"
    );
    let mut exports = Vec::new();
    let waited = timeout(PATIENCE, async {
        loop {
            let data = asked(server, token, &query).await;
            exports.clone_from(data["exports"]["nodes"].as_array().expect("nodes"));
            let is_done = |export: &&Value| export["state"] == "COMPLETE";
            if exports.iter().filter(is_done).count() >= many {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "{exports:?}");
    exports
}

async fn file(server: &Server, token: &str, id: &str) -> (StatusCode, String) {
    let url = format!("{}/api/v1/exports/{id}/file", server.url);
    let response = client().get(url).bearer_auth(token).send().await;
    let response = response.expect("an answer");
    let status = response.status();
    (status, response.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn months_that_nobody_was_there_to_make_are_made_once_by_whichever_servers_start() {
    let program = Program::new();
    let mut server = program.serve(&[]).await;
    program.print(&["tenant", "create", "acme"]);
    let fleet = "iccid,state,customer,valid_from\n8944500112233445501,ACTIVE,Bosch,2024-01-01\n";
    let fleet = program.file("fleet.csv", fleet);
    program.print(&["import", &fleet, "--tenant", "acme"]);
    let berlin: Zone = "Europe/Berlin".parse().expect("a zone");
    let last = berlin.preset(Preset::LastMonth, SystemClock.now());
    let last = last.expect("last month");
    // Just before the month that has ended, in it, and just after it.
    let record = |name: &str, start: DateTime<Utc>| {
        json!({
            "record_id": name, "source": "gateway", "iccid": "8944500112233445501", "mcc_mnc": "262-01",
            "radio_access_type": "LTE", "service": "DATA", "start": start, "end": start, "bytes_up": 1, "bytes_down": 2,
        })
    };
    let records = [
        record("before", last.from() - TimeDelta::seconds(1)),
        record("first", last.from()),
        record("last", last.to() - TimeDelta::seconds(1)),
        record("after", last.to()),
    ];
    let delivery = client().post(format!("{}/api/v1/ingest/cdrs", server.url));
    let delivery = delivery.bearer_auth(program.token("acme", "ingest"));
    let (_, _, reply) = answer(delivery.json(&records)).await;
    assert_eq!(reply["accepted"], 4, "{reply}");

    let admin = program.token("acme", "tenant_admin");
    let id = schedule(&server, &admin, "Bills").await;
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    set_back(&program, "Bills", 3);
    let soon = [("SIMCUBE_EXPORTS__LATE_HOURS", "0")];
    let (server, beside) = tokio::join!(program.serve(&soon), program.serve(&soon));
    let exports = complete(&server, &admin, &id, 3).await;
    assert_eq!(exports.len(), 3, "{exports:?}");
    let newest = exports.last().expect("an export");
    let manifest = &newest["manifest"];
    assert_eq!(manifest["period"], json!(last));
    assert_eq!(manifest["totals"]["records"], "2", "{manifest}");
    let name = newest["name"].as_str().expect("a name");
    let month = berlin.local(last.from()).format("Bills %Y-%m").to_string();
    assert_eq!(name, month);

    // Everybody who looks after the tenant has the file.
    let claims = Claims {
        subject: Some("anna".into()),
        tenant: "acme".into(),
        role: Role::TenantAdmin,
        customer: None,
    };
    let (anna, _) = program.token_for(&claims, Duration::from_mins(10));
    let export = newest["id"].as_str().expect("an id");
    let (status, text) = file(&beside, &anna, export).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    let support = program.token("acme", "support");
    let (status, _) = file(&beside, &support, export).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    // Whoever made the schedule is told of each, and marks what was read.
    let ask = "{ notifications(filter: { unread: true }) { totalCount nodes { id kind name objectId } } }";
    let told = asked(&server, &admin, ask).await;
    assert_eq!(told["notifications"]["totalCount"], 3, "{told}");
    let nodes = told["notifications"]["nodes"].as_array().expect("nodes");
    assert!(nodes.iter().all(|told| told["kind"] == "EXPORT_COMPLETE"));
    let of_newest = nodes.iter().find(|told| told["objectId"] == export);
    let of_newest = of_newest.expect("one of the newest");
    assert_eq!(of_newest["name"], name);
    let mark = format!(
        "mutation {{ markNotificationsRead(input: {{ ids: [{}] }}) {{ unread userErrors {{ message }} }} }}",
        of_newest["id"]
    );
    let marked = asked(&beside, &admin, &mark).await;
    assert_eq!(marked["markNotificationsRead"]["unread"], 2, "{marked}");
    let of_anna = asked(&server, &anna, ask).await;
    assert_eq!(of_anna["notifications"]["totalCount"], 0);

    // The next start makes what is missing of another one, and nothing twice.
    let another = schedule(&server, &admin, "Others").await;
    server.kill().await;
    beside.kill().await;
    set_back(&program, "Others", 1);
    let server = program.serve(&soon).await;
    let exports = complete(&server, &admin, &another, 1).await;
    assert_eq!(exports.len(), 1, "{exports:?}");
    let exports = complete(&server, &admin, &id, 3).await;
    assert_eq!(exports.len(), 3, "{exports:?}");
}
