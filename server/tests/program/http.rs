//! What the server answers over HTTP: statuses, limits and errors without internals.

use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use domain::{Clock as _, SystemClock};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::{Program, Server};

const ICCID: &str = "8988303000000000017";

pub(crate) fn client() -> Client {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .expect("an HTTP client")
}

/// An answer, with the promises that hold for every answer already checked.
pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, HeaderMap, Value) {
    let response: Response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    for name in [
        "x-request-id",
        "x-content-type-options",
        "content-security-policy",
        "cache-control",
    ] {
        assert!(headers.contains_key(name), "{name} is missing");
    }
    let text = response.text().await.expect("a body");
    for internal in [
        "panicked",
        "SELECT",
        "sqlx",
        "postgres://",
        ".rs:",
        "stack",
        "127.0.0.1",
    ] {
        assert!(!text.contains(internal), "{internal} shows: {text}");
    }
    let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
    (status, headers, value)
}

pub(crate) fn graphql(server: &Server, token: &str, query: &str) -> RequestBuilder {
    let body = json!({ "query": query });
    client()
        .post(format!("{}/graphql", server.url))
        .bearer_auth(token)
        .json(&body)
}

pub(crate) fn code(value: &Value) -> &str {
    value
        .pointer("/errors/0/extensions/code")
        .or(value.get("code"))
        .and_then(Value::as_str)
        .unwrap_or("none")
}

pub(crate) fn fleet(program: &Program, tenant: &str) {
    program.print(&["tenant", "create", tenant, "--name", tenant]);
    let csv = format!(
        "iccid,state,customer,device,valid_from\n{ICCID},ACTIVE,Bosch,Tracker,2024-01-01\n"
    );
    let file = program.file("fleet.csv", &csv);
    program.print(&["import", &file, "--tenant", tenant]);
}

pub(crate) fn record(id: &str, bytes: u64) -> Value {
    let at = SystemClock.now() - chrono::TimeDelta::hours(2);
    let at = at.format("%Y-%m-%dT%H:00:00Z").to_string();
    json!({
        "record_id": id, "source": "test", "iccid": ICCID, "mcc_mnc": "262-02", "radio_access_type": "LTE",
        "service": "DATA", "start": at, "end": at, "bytes_up": bytes, "bytes_down": 1,
    })
}

const GRAPHQL: &str = "POST /graphql";
const CDRS: &str = "POST /api/v1/ingest/cdrs";
const SESSIONS: &str = "POST /api/v1/ingest/sessions";
const JSON: &str = "content-type: application/json";

/// Method and path, headers, body, and what must come of it.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [u8],
    u16,
    &'static str,
);

const OUT_OF_ORDER: [Case; 21] = [
    ("GET /nothing", &[], b"", 404, "NOT_FOUND"),
    ("GET /8988303000000000017", &[], b"", 404, "NOT_FOUND"),
    ("DELETE /health/live", &[], b"", 405, "INVALID_INPUT"),
    ("PUT /graphql", &[], b"", 405, "INVALID_INPUT"),
    ("GET /api/v1/ingest/cdrs", &[], b"", 405, "INVALID_INPUT"),
    (GRAPHQL, &[], b"{}", 415, "INVALID_INPUT"),
    (
        GRAPHQL,
        &[JSON, "content-encoding: gzip"],
        b"x",
        415,
        "INVALID_INPUT",
    ),
    (GRAPHQL, &[JSON], b"{", 400, "INVALID_INPUT"),
    (GRAPHQL, &[JSON], b"", 400, "INVALID_INPUT"),
    (
        GRAPHQL,
        &[JSON],
        b"[{\"query\":\"{ me { role } }\"}]",
        400,
        "INVALID_INPUT",
    ),
    (GRAPHQL, &[JSON], &[b'['; 3000], 400, "INVALID_INPUT"),
    (GRAPHQL, &[JSON], &[0xff, 0xfe, 0x00], 400, "INVALID_INPUT"),
    (GRAPHQL, &[JSON], &[b' '; 5000], 413, "LIMIT_EXCEEDED"),
    (
        GRAPHQL,
        &[JSON, "accept: text/csv"],
        b"{}",
        406,
        "INVALID_INPUT",
    ),
    (
        "GET /graphql?query=mutation{x}",
        &[],
        b"",
        405,
        "INVALID_INPUT",
    ),
    (
        "GET /graphql?query={&query={",
        &[],
        b"",
        400,
        "INVALID_INPUT",
    ),
    (
        "POST /api/v1/ingest/data-streamer",
        &[],
        b"",
        400,
        "INVALID_INPUT",
    ),
    (
        CDRS,
        &["content-type: text/plain"],
        b"x",
        415,
        "INVALID_INPUT",
    ),
    (CDRS, &[JSON], b"{", 400, "INVALID_INPUT"),
    (
        SESSIONS,
        &["content-type: application/cloudevents+json"],
        b"x",
        415,
        "INVALID_INPUT",
    ),
    (SESSIONS, &[JSON], b"{", 400, "INVALID_INPUT"),
];

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_in_order_get_coded_answers() {
    let program = Program::new();
    let server = program
        .serve(&[("SIMCUBE_HTTP__GRAPHQL_BODY_BYTES", "4000")])
        .await;
    program.print(&["tenant", "create", "alpha"]);
    let admin = program.token("alpha", "tenant_admin");
    for (place, headers, body, status, expected) in OUT_OF_ORDER {
        let (method, path) = place.split_once(' ').expect("method and path");
        let method = method.parse::<Method>().expect("a method");
        let mut request = client().request(method, format!("{}{path}", server.url));
        for header in headers {
            let (name, value) = header.split_once(": ").expect("name and value");
            request = request.header(name, value);
        }
        let (found, _, value) = answer(request.bearer_auth(&admin).body(body)).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!(
            (found.as_u16(), code(&value)),
            (status, expected),
            "{place} {headers:?} {shown}"
        );
    }
    let viewer = program.token("alpha", "viewer");
    let cdrs = client().post(format!("{}/api/v1/ingest/cdrs", server.url));
    let (status, _, value) = answer(cdrs.bearer_auth(viewer)).await;
    assert_eq!((status.as_u16(), code(&value)), (403, "FORBIDDEN"));
    let (_, headers, _) = answer(client().put(format!("{}/graphql", server.url))).await;
    assert_eq!(headers["allow"], HeaderValue::from_static("POST"));
    let log = program.log();
    for secret in [ICCID, &admin, "mutation{x}"] {
        assert!(!log.contains(secret), "the log shows {secret}");
    }
    assert!(
        log.contains("route=\"/graphql\"") && log.contains("route=\"unmatched\""),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_media_type_says_200_of_a_refused_document_and_the_newer_400() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    program.print(&["tenant", "create", "alpha"]);
    let admin = program.token("alpha", "tenant_admin");
    for (accept, expected) in [
        ("application/json", 200),
        ("application/graphql-response+json", 400),
    ] {
        let refused = graphql(&server, &admin, "{ nothing }").header("accept", accept);
        let (status, headers, value) = answer(refused).await;
        assert_eq!(status.as_u16(), expected);
        assert!(
            headers["content-type"]
                .to_str()
                .expect("text")
                .starts_with(accept)
        );
        assert!(
            value.get("data").is_none() && code(&value) == "VALIDATION_FAILED",
            "{value}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_enters_without_a_token_that_verifies() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    program.print(&["tenant", "create", "alpha"]);
    let good = program.token("alpha", "tenant_admin");
    let cases = [
        (None, "no token"),
        (Some("Bearer".to_owned()), "an empty token"),
        (Some(format!("Basic {good}")), "another scheme"),
        (Some("Bearer a.b.c".to_owned()), "nonsense"),
        (Some(format!("Bearer {good}x")), "a damaged signature"),
        (
            Some(format!(
                "Bearer {}",
                program.token("nobody", "tenant_admin")
            )),
            "an unknown tenant",
        ),
        (
            Some(format!(
                "Bearer {}",
                program.customer_token("alpha", "nobody")
            )),
            "an unknown customer",
        ),
    ];
    for (header, why) in &cases {
        for path in [
            "/graphql",
            "/api/v1/graphql",
            "/api/v1/ingest/cdrs",
            "/api/v1/ingest/data-streamer?stream=a",
            "/api/v1/ingest/sessions",
        ] {
            for method in [Method::POST, Method::GET] {
                if method == Method::GET && path.contains("ingest") {
                    continue;
                }
                let query = if method == Method::GET {
                    "?query={__typename}"
                } else {
                    ""
                };
                let url = format!("{}{path}{query}", server.url);
                let mut request = client().request(method, url);
                if !path.contains("ingest") {
                    request = request.json(&json!({ "query": "{ __typename }" }));
                }
                if let Some(header) = header {
                    request = request.header("authorization", header);
                }
                let (status, headers, value) = answer(request).await;
                assert_eq!(
                    (status.as_u16(), code(&value)),
                    (401, "UNAUTHENTICATED"),
                    "{path}: {why}"
                );
                assert!(headers.contains_key("www-authenticate"), "{path}: {why}");
            }
        }
    }
    let (status, _, _) = answer(graphql(&server, &good, "{ me { role } }")).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_takes_effect_with_the_next_request() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let admin = program.token("alpha", "tenant_admin");
    let user = program.customer_token("alpha", "bosch");
    let devices = "{ devices(first: 5) { nodes { name } } }";
    let (_, _, before) = answer(graphql(&server, &user, devices)).await;
    assert_eq!(code(&before), "FORBIDDEN");
    let (_, _, list) = answer(graphql(
        &server,
        &admin,
        "{ customers(first: 5) { nodes { id } } }",
    ))
    .await;
    let id = list
        .pointer("/data/customers/nodes/0/id")
        .and_then(Value::as_str)
        .expect("a customer");
    let open = format!(
        "mutation {{ setCustomerVisibility(input: {{ customerId: \"{id}\", visibility: {{ devices: true, \
         sims: false, sessions: false, usage: false, billing: false }} }}) {{ customer {{ id }} }} }}"
    );
    let (_, _, changed) = answer(graphql(&server, &admin, &open)).await;
    assert_eq!(code(&changed), "none", "{changed}");
    let (_, _, after) = answer(graphql(&server, &user, devices)).await;
    assert_eq!(
        after.pointer("/data/devices/nodes/0/name"),
        Some(&json!("Tracker")),
        "{after}"
    );
    let (_, _, sims) = answer(graphql(
        &server,
        &user,
        "{ sims(first: 1) { nodes { id } } }",
    ))
    .await;
    assert_eq!(code(&sims), "FORBIDDEN");
}

/// The account of a delivery.
pub(crate) fn counts(reply: &Value) -> [u64; 5] {
    ["received", "accepted", "duplicate", "rejected", "pending"]
        .map(|name| reply[name].as_u64().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_nothing_but_noise_is_refused_and_accounted_for() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let sender = program.token("alpha", "ingest");
    let deliver = |body: String| {
        let request = client().post(format!("{}/api/v1/ingest/cdrs", server.url));
        let request = request.header("content-type", "application/x-ndjson");
        answer(request.bearer_auth(&sender).body(body))
    };
    let (status, _, reply) = deliver("hello\nworld\n".into()).await;
    assert_eq!((status.as_u16(), code(&reply)), (400, "INVALID_INPUT"));
    assert_eq!(counts(&reply), [2, 0, 0, 2, 0], "{reply}");
    let message = reply["message"].as_str().expect("a message");
    assert!(message.contains("nothing of the body"), "{message}");
    // Noise around a record is refused, and the record is not.
    let (status, _, reply) = deliver(format!("hello\n{}\n", record("1", 5))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(counts(&reply), [2, 1, 0, 1, 0], "{reply}");
    assert!(reply.get("code").is_none(), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_counted_once_and_its_sender_told() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let sender = program.token("alpha", "ingest");
    let url = format!("{}/api/v1/ingest/cdrs", server.url);
    let deliver = |records: Value| client().post(&url).bearer_auth(&sender).json(&records);
    let first = json!([record("1", 100), record("2", 200), { "record_id": "3" }]);
    let (status, _, reply) = answer(deliver(first)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(counts(&reply), [3, 2, 0, 1, 0], "{reply}");
    assert_eq!(reply.pointer("/rejections/0/index"), Some(&json!(2)));
    let (_, _, again) = answer(deliver(json!([
        record("2", 200),
        record("1", 100),
        record("1", 101)
    ])))
    .await;
    assert_eq!(counts(&again), [3, 0, 2, 1, 0], "{again}");
    assert_eq!(
        again.pointer("/rejections/0/code"),
        Some(&json!("CONFLICT"))
    );
    let usage = "{ usage(input: { period: { between: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" } } }) \
                 { totals { bytesUp records } } }";
    let (_, _, total) = answer(graphql(
        &server,
        &program.token("alpha", "tenant_admin"),
        usage,
    ))
    .await;
    let totals = total
        .pointer("/data/usage/totals")
        .expect("totals")
        .to_string();
    assert!(totals.contains("300") && totals.contains('2'), "{total}");
    let (_, _, refused) = answer(graphql(&server, &sender, usage)).await;
    assert_eq!(code(&refused), "FORBIDDEN", "an ingest token only writes");
    assert!(!program.log().contains(ICCID));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_is_counted_once_and_its_sender_told() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let url = format!("{}/api/v1/ingest/sessions", server.url);
    let deliver = |role: &str, rollups: Value| {
        let request = client()
            .post(&url)
            .bearer_auth(program.token("alpha", role));
        answer(request.json(&rollups))
    };
    let at = SystemClock.now() - chrono::TimeDelta::minutes(10);
    let rollup = |minute: i64, bytes: u64| {
        let at = at + chrono::TimeDelta::minutes(minute);
        json!({
            "session_id": "s", "iccid": ICCID, "event_timestamp": at.to_rfc3339(), "mcc_mnc": "26202",
            "radio_access_type": "6", "ip_address": "10.0.0.1", "total_bytes_in": bytes, "total_bytes_out": 1,
            "request_type": "UPDATE", "cell_id": "17",
        })
    };
    let all = json!([rollup(0, 100), rollup(5, 250), { "session_id": "x" }]);
    let (status, _, reply) = deliver("ingest", all.clone()).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert_eq!(counts(&reply), [3, 2, 0, 1, 0], "{reply}");
    assert_eq!(
        reply.pointer("/rejections/0/code"),
        Some(&json!("MISSING_TIME"))
    );
    let (_, _, again) = deliver("tenant_admin", all).await;
    assert_eq!(counts(&again), [3, 0, 2, 1, 0], "{again}");
    for role in ["support", "viewer"] {
        let (status, _, refused) = deliver(role, json!([rollup(0, 100)])).await;
        assert_eq!(
            (status.as_u16(), code(&refused)),
            (403, "FORBIDDEN"),
            "{role}"
        );
    }
    assert!(!program.log().contains(ICCID));
}
