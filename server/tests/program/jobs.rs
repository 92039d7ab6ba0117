//! Exports as jobs: from the request to the download, whatever happens to the processes in between.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::Role;
use http::{HeaderMap, StatusCode, header};
use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde_json::{Value, json};
use server::auth::development::Claims;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    http::{answer, client, code, graphql},
    store::Store,
    support::{Program, Server},
};

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// What holds every server back from beginning a job, while it is held.
pub(crate) const CLAIMING: &str = "SELECT pg_advisory_xact_lock(0x6a6f6273)";

pub(crate) fn fleet(program: &Program, sims: usize) {
    program.print(&["tenant", "create", "acme", "--name", "Acme"]);
    let mut csv = "iccid,state,customer,valid_from\n".to_owned();
    for n in 0..sims {
        let customer = ["Bosch", "Dyer"][n % 2];
        csv.push_str(&format!("8944501000{n:09},ACTIVE,{customer},2024-01-01\n"));
    }
    let file = program.file("fleet.csv", &csv);
    program.print(&["import", &file, "--tenant", "acme"]);
}

pub(crate) async fn asked(server: &Server, token: &str, query: &str) -> Value {
    let (_, _, value) = answer(graphql(server, token, query)).await;
    assert!(value.get("errors").is_none(), "{value}");
    value["data"].clone()
}

const FIELDS: &str = "id state rowsDone rowsExpected percent attempts bytes expiresAt error { code message } manifest downloadUrl";

/// Asks for a file of all SIMs.
pub(crate) async fn ask(server: &Server, token: &str, format: &str) -> String {
    let query = format!(
        "mutation {{ createExport(input: {{dataSet: {{sims: {{}}}}, format: {format}, name: \"All of them\"}}) {{ \
         export {{ {FIELDS} }} userErrors {{ message }} }} }}"
    );
    let data = asked(server, token, &query).await;
    let export = &data["createExport"]["export"];
    assert_eq!(export["state"], "QUEUED", "{data}");
    assert_eq!(export["downloadUrl"], Value::Null);
    export["id"].as_str().expect("an id").to_owned()
}

pub(crate) async fn show(server: &Server, token: &str, id: &str) -> Value {
    let query = format!("{{ export(id: \"{id}\") {{ {FIELDS} }} }}");
    asked(server, token, &query).await["export"].clone()
}

/// Waits until an export is what it is to be.
pub(crate) async fn until(
    server: &Server,
    token: &str,
    id: &str,
    is: impl Fn(&Value) -> bool,
) -> Value {
    let mut last = Value::Null;
    let waited = timeout(PATIENCE, async {
        loop {
            last = show(server, token, id).await;
            if is(&last) {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "{last}");
    last
}

pub(crate) fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |export| {
        let (now, over) = (&export["state"], ["COMPLETE", "FAILED", "CANCELLED"]);
        assert!(
            now == state || !over.iter().any(|end| now == end),
            "{export}"
        );
        now == state
    }
}

/// Asks for a file by REST, and waits for its end.
pub(crate) async fn ordered(server: &Server, token: &str, order: &Value) -> Value {
    let url = format!("{}/api/v1/exports", server.url);
    let (status, headers, made) = answer(client().post(&url).bearer_auth(token).json(order)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let place = headers["location"].to_str().expect("text");
    let place = format!("{}{place}", server.url);
    let ended = timeout(PATIENCE, async {
        loop {
            let (_, _, export) = answer(client().get(&place).bearer_auth(token)).await;
            if export["state"] != "QUEUED" && export["state"] != "RUNNING" {
                return export;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    ended.await.expect("in time")
}

pub(crate) async fn sent(request: RequestBuilder) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    (
        status,
        headers,
        response.bytes().await.expect("a body").to_vec(),
    )
}

pub(crate) fn file(server: &Server, token: &str, id: &str) -> RequestBuilder {
    let url = format!("{}/api/v1/exports/{id}/file", server.url);
    client().get(url).bearer_auth(token)
}

/// Files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// The same rows without a job.
fn exported(program: &Program, format: &str) -> Vec<u8> {
    let output = program.run(&["export", "sims", "--tenant", "acme", "--format", format]);
    assert!(output.status.success());
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_asked_for_made_and_given_to_whoever_asked() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, 3_000);
    let [admin, support] = ["tenant_admin", "support"].map(|role| program.token("acme", role));
    let id = ask(&server, &support, "CSV").await;
    let export = until(&server, &support, &id, is("COMPLETE")).await;
    assert_eq!(
        (&export["percent"], &export["attempts"]),
        (&json!(100), &json!(1))
    );
    assert_eq!(export["rowsDone"], "3000");
    let (status, headers, bytes) = sent(file(&server, &support, &id)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(bytes, exported(&program, "csv"));
    let manifest = &export["manifest"];
    assert_eq!(manifest["rows"], 3_000);
    assert_eq!(manifest["bytes"], bytes.len());
    taken_while_it_ran(&server, &support, &export).await;
    assert_eq!(
        headers[header::ETAG],
        format!("\"{}\"", manifest["sha256"].as_str().expect("a hash"))
    );
    assert_eq!(
        headers[header::CONTENT_DISPOSITION],
        "attachment; filename=\"All of them.csv\""
    );
    assert_eq!(headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    ranges(&server, &support, &id, &bytes).await;
    links(&server, &support, &id, &bytes).await;

    // Whoever looks after the tenant sees it and does not get it; others see nothing.
    let listed = asked(
        &server,
        &admin,
        &format!("{{ exports(filter: {{ids: [\"{id}\"]}}) {{ nodes {{ id downloadUrl requestedBy }} }} }}"),
    )
    .await;
    assert_eq!(listed["exports"]["nodes"][0]["id"], id);
    assert_eq!(listed["exports"]["nodes"][0]["downloadUrl"], Value::Null);
    for (token, shown) in [
        (&admin, StatusCode::OK),
        (&program.token("acme", "viewer"), StatusCode::NOT_FOUND),
    ] {
        let (status, _, _) = answer(file(&server, token, &id)).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let url = format!("{}/api/v1/exports/{id}", server.url);
        let (status, _, _) = answer(client().get(url).bearer_auth(token)).await;
        assert_eq!(status, shown);
    }
    program.print(&["tenant", "create", "other"]);
    let foreign = program.token("other", "tenant_admin");
    for id in [
        id.as_str(),
        "job_0123",
        "sim_00000000000070008000000000000001",
        "..",
    ] {
        let (status, _, _) = answer(file(&server, &foreign, id)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{id}");
    }
    let (status, _, _) =
        answer(client().get(format!("{}/api/v1/exports/{id}/file", server.url))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_a_bucket_is_given_out_by_the_bucket_itself() {
    let program = Program::new();
    let store = Store::Bucket(testkit::bucket());
    let settings = store.settings(&[]);
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    let server = program.serve(&settings.collect::<Vec<_>>()).await;
    fleet(&program, 3_000);
    let token = program.token("acme", "support");
    let id = ask(&server, &token, "CSV").await;
    let export = until(&server, &token, &id, is("COMPLETE")).await;
    let whole = exported(&program, "csv");
    let unled = Client::builder().redirect(Policy::none()).build();
    let unled = unled.expect("a client");
    let url = format!("{}/api/v1/exports/{id}/file", server.url);
    let (status, headers, _) = sent(unled.get(&url).bearer_auth(&token)).await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    let address = headers[header::LOCATION].to_str().expect("text");
    assert!(address.contains("X-Amz-Expires=60"), "{address}");
    // It takes no token.
    let (status, headers, bytes) = sent(client().get(address)).await;
    assert_eq!((status, bytes == whole), (StatusCode::OK, true));
    assert_eq!(
        headers[header::CONTENT_DISPOSITION],
        "attachment; filename=\"All of them.csv\""
    );
    assert_eq!(headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    let part = file(&server, &token, &id).header(header::RANGE, "bytes=10-19");
    let (status, _, some) = sent(part).await;
    assert_eq!(
        (status, some.as_slice()),
        (StatusCode::PARTIAL_CONTENT, &whole[10..20])
    );
    let link = export["downloadUrl"].as_str().expect("a link");
    let (_, _, bytes) = sent(client().get(format!("{}{link}", server.url))).await;
    assert!(bytes == whole);
    // Whoever may not have it is led nowhere.
    let other = program.token("acme", "viewer");
    let (status, headers, _) = sent(unled.get(&url).bearer_auth(&other)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(headers.get(header::LOCATION), None);
}

/// The snapshot of a file is of the time in which it was made.
async fn taken_while_it_ran(server: &Server, token: &str, export: &Value) {
    let query = format!("{{ export(id: {}) {{ startedAt endedAt }} }}", export["id"]);
    let job = asked(server, token, &query).await["export"].clone();
    let snapshot = &export["manifest"]["snapshotAt"];
    let moments = [&job["startedAt"], snapshot, &job["endedAt"]].map(|moment| {
        let moment = moment.as_str().expect("a moment").parse();
        DateTime::<Utc>::timestamp_micros(&moment.expect("a moment"))
    });
    assert!(moments.is_sorted(), "{job} {snapshot}");
}

async fn ranges(server: &Server, token: &str, id: &str, bytes: &[u8]) {
    let part = |range: &str| file(server, token, id).header(header::RANGE, range);
    let (status, headers, some) = sent(part("bytes=10-19")).await;
    assert_eq!(status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(some, &bytes[10..20]);
    assert_eq!(
        headers[header::CONTENT_RANGE],
        format!("bytes 10-19/{}", bytes.len())
    );
    let (_, _, last) = sent(part("bytes=-5")).await;
    assert_eq!(last, &bytes[bytes.len() - 5..]);
    let (status, headers, _) = sent(part(&format!("bytes={}-", bytes.len()))).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        headers[header::CONTENT_RANGE],
        format!("bytes */{}", bytes.len())
    );
    let (status, _, all) = sent(part("bytes=0-1").header(header::IF_RANGE, "\"another\"")).await;
    assert_eq!((status, all.len()), (StatusCode::OK, bytes.len()));
    let (_, headers, _) = sent(file(server, token, id)).await;
    let tag = headers[header::ETAG].clone();
    let (status, _, none) = sent(file(server, token, id).header(header::IF_NONE_MATCH, tag)).await;
    assert_eq!((status, none.len()), (StatusCode::NOT_MODIFIED, 0));
}

async fn links(server: &Server, token: &str, id: &str, bytes: &[u8]) {
    let link = show(server, token, id).await["downloadUrl"].clone();
    let link = link.as_str().expect("a link");
    let (status, _, got) = sent(client().get(format!("{}{link}", server.url))).await;
    assert_eq!((status, got.as_slice()), (StatusCode::OK, bytes));
    let another = ask(server, token, "CSV").await;
    until(server, token, &another, is("COMPLETE")).await;
    let (start, signature) = link.split_at(link.len() - 1);
    let other_digit = if signature == "0" { "1" } else { "0" };
    let later = link.replacen("expires=1", "expires=2", 1);
    for wrong in [
        format!("{start}{other_digit}"),
        start.to_owned(),
        link.replace(id, &another),
        later,
        link.replace("key=", "key=1"),
        format!("{link}&key=00000000-0000-7000-8000-000000000000"),
    ] {
        let (status, _, _) = answer(client().get(format!("{}{wrong}", server.url))).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_are_asked_for_at_once_those_beyond_what_may_be_open_are_refused_with_their_code()
 {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, 10);
    let token = program.token("acme", "support");
    // None of them is done meanwhile.
    let _held = program.hold(CLAIMING).await;
    let mut asking = JoinSet::new();
    for _ in 0..150 {
        let create = "mutation { createExport(input: {dataSet: {sims: {}}, format: CSV}) { export { id } userErrors { message } } }";
        asking.spawn(answer(graphql(&server, &token, create)));
    }
    let mut made = 0;
    while let Some(answered) = asking.join_next().await {
        let (_, _, told) = answered.expect("an answer");
        match told["data"]["createExport"]["export"]["id"].as_str() {
            Some(_) => made += 1,
            None => assert_eq!(code(&told), "LIMIT_EXCEEDED", "{told}"),
        }
    }
    assert_eq!(made, 100);
    let listed = asked(&server, &token, "{ exports { totalCount } }").await;
    assert_eq!(listed["exports"]["totalCount"], made);
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_asks_for_files_too_and_says_what_is_wrong_with_a_request() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, 10);
    let token = program.token("acme", "support");
    let post = |body: &Value| {
        let url = format!("{}/api/v1/exports", server.url);
        client().post(url).bearer_auth(&token).json(body)
    };
    let body = json!({
        "dataSet": "sims", "format": "parquet", "name": "Größe", "idempotencyKey": "one",
        "filter": { "search": "8944501000000000001" },
    });
    let (status, headers, made) = answer(post(&body)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(headers[header::LOCATION], format!("/api/v1/exports/{id}"));
    let (_, _, again) = answer(post(&body)).await;
    assert_eq!(again["id"], id, "the same key is the same export");
    let export = until(&server, &token, &id, is("COMPLETE")).await;
    assert_eq!(export["manifest"]["rows"], 1);
    let (_, headers, _) = sent(file(&server, &token, &id)).await;
    let name = headers[header::CONTENT_DISPOSITION].to_str().expect("text");
    assert!(
        name.ends_with("filename*=UTF-8''Gr%C3%B6%C3%9Fe.parquet"),
        "{name}"
    );
    let month =
        json!({ "between": { "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z" } });
    let backwards =
        json!({ "between": { "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z" } });
    for (field, body) in [
        ("", json!([])),
        ("", json!({ "dataSet": "sims" })),
        (
            "",
            json!({ "dataSet": "sims", "format": "csv", "colour": "red" }),
        ),
        ("dataSet", json!({ "dataSet": "invoices", "format": "csv" })),
        ("format", json!({ "dataSet": "sims", "format": "pdf" })),
        (
            "name",
            json!({ "dataSet": "sims", "format": "csv", "name": "../../etc/passwd" }),
        ),
        (
            "name",
            json!({ "dataSet": "sims", "format": "csv", "name": "" }),
        ),
        (
            "filter",
            json!({ "dataSet": "sims", "format": "csv", "filter": { "colour": "red" } }),
        ),
        ("question", json!({ "dataSet": "usage", "format": "csv" })),
        (
            "question",
            json!({ "dataSet": "usage", "format": "csv", "question": { "measures": ["MONEY"], "period": month } }),
        ),
        (
            "period.between.to",
            json!({ "dataSet": "records", "format": "csv", "question": { "period": backwards } }),
        ),
        (
            "idempotencyKey",
            json!({ "dataSet": "sims", "format": "csv", "idempotencyKey": "a b" }),
        ),
        (
            "idempotencyKey",
            json!({ "dataSet": "devices", "format": "csv", "idempotencyKey": "one" }),
        ),
    ] {
        let (status, _, refused) = answer(post(&body)).await;
        assert!(status.is_client_error(), "{body}: {refused}");
        assert_eq!(
            refused["field"].as_str().unwrap_or_default(),
            field,
            "{body}: {refused}"
        );
    }
    let known = asked(&server, &token, "{ exports { totalCount } }").await;
    assert_eq!(known["exports"]["totalCount"], 1, "nothing else was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_made_when_less_is_open_to_whoever_asked_by_then() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, 10);
    let admin = program.token("acme", "tenant_admin");
    let customers = asked(&server, &admin, "{ customers { nodes { id slug } } }").await;
    let ids = ["bosch", "dyer"].map(|slug| {
        let nodes = customers["customers"]["nodes"].as_array().expect("nodes");
        let found = nodes.iter().find(|node| node["slug"] == slug);
        found.expect(slug)["id"].as_str().expect("an id").to_owned()
    });
    let grant = |id: &str| {
        format!(
            "mutation {{ grantSegment(input: {{subject: \"vera\", customerIds: [\"{id}\"]}}) {{ grants {{ id }} userErrors {{ message }} }} }}"
        )
    };
    let granted = asked(&server, &admin, &grant(&ids[0])).await;
    let first = granted["grantSegment"]["grants"][0]["id"]
        .as_str()
        .expect("a grant")
        .to_owned();
    let claims = Claims {
        subject: Some("vera".into()),
        tenant: "acme".into(),
        role: Role::Viewer,
        customer: None,
    };
    let (viewer, _) = program.token_for(&claims, Duration::from_mins(10));
    // Nobody begins while this is held.
    let held = program.hold(CLAIMING).await;
    let [wider, narrower] = [
        ask(&server, &viewer, "CSV").await,
        ask(&server, &viewer, "CSV").await,
    ];
    asked(&server, &admin, &grant(&ids[1])).await;
    drop(held);
    let export = until(&server, &viewer, &wider, is("COMPLETE")).await;
    assert_eq!(
        export["manifest"]["rows"], 10,
        "what is open is what was open then, or more"
    );
    until(&server, &viewer, &narrower, is("COMPLETE")).await;
    let held = program.hold(CLAIMING).await;
    let narrower = ask(&server, &viewer, "CSV").await;
    let revoke = format!(
        "mutation {{ revokeSegment(input: {{grantId: \"{first}\"}}) {{ userErrors {{ message }} }} }}"
    );
    asked(&server, &admin, &revoke).await;
    drop(held);
    let export = until(&server, &viewer, &narrower, is("FAILED")).await;
    assert_eq!(export["error"]["code"], "RIGHTS_CHANGED");
    // What was made before is not given out any more.
    let (status, _, refused) = answer(file(&server, &viewer, &wider)).await;
    assert_eq!(
        (status, code(&refused)),
        (StatusCode::FORBIDDEN, "RIGHTS_CHANGED")
    );
    let kept = show(&server, &viewer, &wider).await;
    assert_eq!(kept["downloadUrl"], Value::Null);
    assert_eq!(kept["manifest"], Value::Null, "nor what it says of sums");
    assert_eq!(kept["rowsDone"], "10");
    // Asked for again, it is what is open now.
    let retry = format!(
        "mutation {{ retryExport(input: {{exportId: \"{narrower}\"}}) {{ export {{ state }} userErrors {{ message }} }} }}"
    );
    asked(&server, &viewer, &retry).await;
    let export = until(&server, &viewer, &narrower, is("COMPLETE")).await;
    assert_eq!(export["manifest"]["rows"], 5);
}
