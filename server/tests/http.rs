//! What the server answers over HTTP: statuses, limits, errors without internals, and its end.

mod support;

use std::time::Duration;

use domain::{Clock as _, SystemClock};
use futures::StreamExt as _;
use http::{Method, StatusCode};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use support::{Program, Server};

const ICCID: &str = "8988303000000000017";

fn client() -> Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::builder().pool_max_idle_per_host(0).build().expect("an HTTP client")
}

/// An answer, with the promises that hold for every answer already checked.
async fn answer(request: RequestBuilder) -> (StatusCode, http::HeaderMap, Value) {
    let response: Response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    for name in ["x-request-id", "x-content-type-options", "content-security-policy", "cache-control"] {
        assert!(headers.contains_key(name), "{name} is missing");
    }
    let text = response.text().await.expect("a body");
    for internal in ["panicked", "SELECT", "sqlx", "postgres://", ".rs:", "stack", "127.0.0.1"] {
        assert!(!text.contains(internal), "{internal} shows: {text}");
    }
    let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
    (status, headers, value)
}

fn graphql(server: &Server, token: &str, query: &str) -> RequestBuilder {
    let body = json!({ "query": query });
    client().post(format!("{}/graphql", server.url)).bearer_auth(token).json(&body)
}

fn code(value: &Value) -> &str {
    value.pointer("/errors/0/extensions/code").or(value.get("code")).and_then(Value::as_str).unwrap_or("none")
}

fn fleet(program: &Program, tenant: &str) {
    program.print(&["tenant", "create", tenant, "--name", tenant]);
    let csv = format!("iccid,state,customer,device,valid_from\n{ICCID},ACTIVE,Bosch,Tracker,2024-01-01\n");
    let file = program.file("fleet.csv", &csv);
    program.print(&["import", &file, "--tenant", tenant]);
}

fn record(id: &str, bytes: u64) -> Value {
    let at = SystemClock.now() - chrono::TimeDelta::hours(2);
    let at = at.format("%Y-%m-%dT%H:00:00Z").to_string();
    json!({
        "record_id": id, "source": "test", "iccid": ICCID, "mcc_mnc": "262-02", "radio_access_type": "LTE",
        "service": "DATA", "start": at, "end": at, "bytes_up": bytes, "bytes_down": 1,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_in_order_get_coded_answers() {
    let program = Program::new();
    let server = program.serve(&[("SIMCUBE_HTTP__GRAPHQL_BODY_BYTES", "4000")]);
    fleet(&program, "alpha");
    let admin = program.token("alpha", "tenant_admin");
    let http = client();
    let at = |path: &str| format!("{}{path}", server.url);
    let post = || http.post(at("/graphql")).bearer_auth(&admin);
    let json = |request: RequestBuilder| request.header("content-type", "application/json");
    let big = json!({ "query": format!("{{ me {{ role }} }} # {}", "x".repeat(5000)) });
    let cases = [
        (http.get(at("/nothing")), 404, "NOT_FOUND"),
        (http.get(at(&format!("/{ICCID}"))), 404, "NOT_FOUND"),
        (http.delete(at("/health/live")), 405, "INVALID_INPUT"),
        (http.put(at("/graphql")), 405, "INVALID_INPUT"),
        (http.get(at("/api/v1/ingest/cdrs")), 405, "INVALID_INPUT"),
        (post().body("{}"), 415, "INVALID_INPUT"),
        (json(post()).header("content-encoding", "gzip").body("x"), 415, "INVALID_INPUT"),
        (json(post()).body("{"), 400, "INVALID_INPUT"),
        (json(post()).body(""), 400, "INVALID_INPUT"),
        (json(post()).body("[{\"query\":\"{ me { role } }\"}]"), 400, "INVALID_INPUT"),
        (json(post()).body("[".repeat(3000)), 400, "INVALID_INPUT"),
        (json(post()).body(vec![0xff, 0xfe, 0x00]), 400, "INVALID_INPUT"),
        (post().json(&big), 413, "LIMIT_EXCEEDED"),
        (post().header("accept", "text/csv").json(&json!({ "query": "{ me { role } }" })), 406, "INVALID_INPUT"),
        (http.get(at("/graphql?query=mutation{x}")).bearer_auth(&admin), 405, "INVALID_INPUT"),
        (http.get(at("/graphql?query={&query={")).bearer_auth(&admin), 400, "INVALID_INPUT"),
        (http.post(at("/api/v1/ingest/data-streamer")).bearer_auth(&admin), 400, "INVALID_INPUT"),
        (http.post(at("/api/v1/ingest/cdrs")).bearer_auth(&admin).header("content-type", "text/plain"), 415, "INVALID_INPUT"),
        (http.post(at("/api/v1/ingest/cdrs")).bearer_auth(&admin).header("content-encoding", "br"), 415, "INVALID_INPUT"),
        (json(http.post(at("/api/v1/ingest/cdrs")).bearer_auth(&admin)).body("{"), 400, "INVALID_INPUT"),
        (http.post(at("/api/v1/ingest/cdrs")).bearer_auth(program.token("alpha", "viewer")), 403, "FORBIDDEN"),
    ];
    for (request, status, expected) in cases {
        let shown = format!("{request:?}");
        let (found, _, value) = answer(request).await;
        assert_eq!((found.as_u16(), code(&value)), (status, expected), "{shown}");
    }
    // Well-formed requests whose document is refused: 200 as application/json, 400 as the newer type.
    for accept in ["application/json", "application/graphql-response+json"] {
        let refused = post().header("accept", accept).json(&json!({ "query": "{ nothing }" }));
        let (status, headers, value) = answer(refused).await;
        assert_eq!(status.as_u16(), if accept.ends_with("+json") { 400 } else { 200 });
        assert!(headers["content-type"].to_str().expect("text").starts_with(accept));
        assert!(value.get("data").is_none());
    }
    let (status, headers, _) = answer(http.put(at("/graphql"))).await;
    assert_eq!((status, &headers["allow"]), (StatusCode::METHOD_NOT_ALLOWED, &http::HeaderValue::from_static("POST")));
    let log = program.log();
    for secret in [ICCID, &admin, "mutation{x}"] {
        assert!(!log.contains(secret), "the log shows {secret}");
    }
    assert!(log.contains("route=\"/graphql\"") && log.contains("route=\"unmatched\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_enters_without_a_token_that_verifies() {
    let program = Program::new();
    let server = program.serve(&[]);
    program.print(&["tenant", "create", "alpha"]);
    let good = program.token("alpha", "tenant_admin");
    let cases = [
        (None, "no token"),
        (Some("Bearer".to_owned()), "an empty token"),
        (Some(format!("Basic {good}")), "another scheme"),
        (Some("Bearer a.b.c".to_owned()), "nonsense"),
        (Some(format!("Bearer {}x", good)), "a damaged signature"),
        (Some(format!("Bearer {}", program.token("nobody", "tenant_admin"))), "an unknown tenant"),
        (Some(format!("Bearer {}", program.customer_token("alpha", "nobody"))), "an unknown customer"),
    ];
    for (header, why) in &cases {
        for path in ["/graphql", "/api/v1/graphql", "/api/v1/ingest/cdrs", "/api/v1/ingest/data-streamer?stream=a"] {
            for method in [Method::POST, Method::GET] {
                if method == Method::GET && path.contains("ingest") {
                    continue;
                }
                let mut request = client().request(method, format!("{}{path}", server.url));
                if let Some(header) = header {
                    request = request.header("authorization", header);
                }
                let (status, headers, value) = answer(request).await;
                assert_eq!((status.as_u16(), code(&value)), (401, "UNAUTHENTICATED"), "{path}: {why}");
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
    let server = program.serve(&[]);
    fleet(&program, "alpha");
    let admin = program.token("alpha", "tenant_admin");
    let user = program.customer_token("alpha", "bosch");
    let devices = "{ devices(first: 5) { nodes { name } } }";
    let (_, _, before) = answer(graphql(&server, &user, devices)).await;
    assert_eq!(code(&before), "FORBIDDEN");
    let (_, _, list) = answer(graphql(&server, &admin, "{ customers(first: 5) { nodes { id } } }")).await;
    let id = list.pointer("/data/customers/nodes/0/id").and_then(Value::as_str).expect("a customer");
    let open = format!(
        "mutation {{ setCustomerVisibility(input: {{ customerId: \"{id}\", visibility: {{ devices: true, \
         sims: false, sessions: false, usage: false, billing: false }} }}) {{ customer {{ id }} }} }}"
    );
    let (_, _, changed) = answer(graphql(&server, &admin, &open)).await;
    assert_eq!(code(&changed), "none", "{changed}");
    let (_, _, after) = answer(graphql(&server, &user, devices)).await;
    assert_eq!(after.pointer("/data/devices/nodes/0/name"), Some(&json!("Tracker")), "{after}");
    let (_, _, sims) = answer(graphql(&server, &user, "{ sims(first: 1) { nodes { id } } }")).await;
    assert_eq!(code(&sims), "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_counted_once_and_its_sender_told() {
    let program = Program::new();
    let server = program.serve(&[]);
    fleet(&program, "alpha");
    let sender = program.token("alpha", "ingest");
    let url = format!("{}/api/v1/ingest/cdrs", server.url);
    let deliver = |records: Value| client().post(&url).bearer_auth(&sender).json(&records);
    let first = json!([record("1", 100), record("2", 200), { "record_id": "3" }]);
    let (status, _, reply) = answer(deliver(first)).await;
    assert_eq!(status, StatusCode::OK);
    let counts = |reply: &Value| {
        ["received", "accepted", "duplicate", "rejected"].map(|name| reply[name].as_u64().expect("a number"))
    };
    assert_eq!(counts(&reply), [3, 2, 0, 1], "{reply}");
    assert_eq!(reply.pointer("/rejections/0/index"), Some(&json!(2)));
    let (_, _, again) = answer(deliver(json!([record("2", 200), record("1", 100), record("1", 101)]))).await;
    assert_eq!(counts(&again), [3, 0, 2, 1], "{again}");
    assert_eq!(again.pointer("/rejections/0/code"), Some(&json!("CONFLICT")));
    let usage = "{ usage(input: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" }) \
                 { totals { bytesUp records } } }";
    let (_, _, total) = answer(graphql(&server, &program.token("alpha", "tenant_admin"), usage)).await;
    let totals = total.pointer("/data/usage/totals").expect("totals").to_string();
    assert!(totals.contains("300") && totals.contains('2'), "{total}");
    let (_, _, refused) = answer(graphql(&server, &sender, usage)).await;
    assert_eq!(code(&refused), "FORBIDDEN", "an ingest token only writes");
    assert!(!program.log().contains(ICCID));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_finishes_after_sigterm_and_the_exit_is_clean() {
    let program = Program::new();
    let mut server = program.serve(&[]);
    fleet(&program, "alpha");
    let (lines, body) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let request = client()
        .post(format!("{}/api/v1/ingest/cdrs", server.url))
        .bearer_auth(program.token("alpha", "ingest"))
        .header("content-type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(futures::stream::unfold(body, |mut body| async {
            Some((body.recv().await?, body))
        })));
    let sending = tokio::spawn(answer(request));
    lines.send(Ok(format!("{}\n", record("1", 5)))).await.expect("sent");
    let live = answer(client().get(format!("{}/health/ready", server.url))).await;
    assert_eq!(live.0, StatusCode::OK);
    server.terminate();
    until_refused(&server.url).await;
    lines.send(Ok(format!("{}\n", record("2", 5)))).await.expect("sent");
    drop(lines);
    let (status, _, reply) = sending.await.expect("not aborted");
    assert_eq!((status, &reply["accepted"]), (StatusCode::OK, &json!(2)), "{reply}");
    assert_eq!(server.wait(Duration::from_secs(20)), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_outlasts_the_grace_period_is_answered_503() {
    let program = Program::new();
    let mut server = program.serve(&[("SIMCUBE_HTTP__GRACE_SECONDS", "1")]);
    fleet(&program, "alpha");
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>("\n"))
        .then(|line| async { tokio::time::sleep(Duration::from_millis(50)).await; line });
    let request = client()
        .post(format!("{}/api/v1/ingest/cdrs", server.url))
        .bearer_auth(program.token("alpha", "ingest"))
        .header("content-type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(endless));
    let sending = tokio::spawn(answer(request));
    let ready = answer(client().get(format!("{}/health/ready", server.url))).await;
    assert_eq!(ready.0, StatusCode::OK);
    server.terminate();
    let (status, headers, value) = sending.await.expect("not aborted");
    assert_eq!((status.as_u16(), code(&value)), (503, "UNAVAILABLE"));
    assert!(headers.contains_key("retry-after"));
    assert_eq!(server.wait(Duration::from_secs(20)), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_cut_off_by_sigterm_under_load() {
    let program = Program::new();
    let mut server = program.serve(&[]);
    program.print(&["tenant", "create", "alpha"]);
    let token = program.token("alpha", "tenant_admin");
    let workers = (0..16).map(|_| {
        let request = graphql(&server, &token, "{ me { role permissions } }");
        tokio::spawn(async move {
            let mut served = 0_u32;
            loop {
                match request.try_clone().expect("a plain body").send().await {
                    Ok(response) => {
                        let status = response.status().as_u16();
                        assert!(status == 200 || status == 503, "{status}");
                        response.json::<Value>().await.expect("a whole answer");
                        served += 1;
                    }
                    // Not accepted any more, or taken by the kernel and never by the server.
                    Err(_) => return served,
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.terminate();
    let served = futures::future::join_all(workers).await;
    assert!(served.into_iter().map(|count| count.expect("every answer was whole")).sum::<u32>() > 16);
    assert_eq!(server.wait(Duration::from_secs(20)), Some(0));
}

/// Waits until the server accepts no more connections.
async fn until_refused(url: &str) {
    let address = url.strip_prefix("http://").expect("a URL");
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.expect("the listener closes");
}

#[test]
fn what_cannot_begin_says_so_in_a_sentence_and_exits_with_2() {
    let program = Program::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let unknown = program.file("unknown.toml", "lisen = \"x\"\n");
    let cases: [(&[&str], &str); 6] = [
        (&["serve", "--listen", &address], "is in use"),
        (&["serve", "--listen", "nonsense"], "cannot listen on nonsense"),
        (&["config", "--config", "/nowhere.toml"], "does not exist"),
        (&["config", "--config", &unknown], "lisen"),
        (&["token", "--tenant", "alpha", "--role", "customer_user"], "names a customer"),
        (&["import", "/nowhere.csv", "--tenant", "alpha"], "cannot read /nowhere.csv"),
    ];
    for (arguments, sentence) in cases {
        let output = program.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(sentence), "{arguments:?}: {error}");
        assert_eq!(error.trim().lines().count(), 1, "one sentence: {error}");
    }
}

#[test]
fn token_prints_only_the_token_and_config_no_secret() {
    let program = Program::new();
    let token = program.token("alpha", "support");
    assert_eq!(token.split('.').count(), 3);
    assert!(!token.contains(char::is_whitespace));
    let output = program
        .command(&["config"])
        .env("DATABASE_URL", "postgres://me:hunter2@localhost/x")
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("postgres://me:****@localhost/x") && !text.contains("hunter2"), "{text}");
    let refused = program
        .command(&["token", "--tenant", "alpha", "--role", "support"])
        .env("OIDC_ISSUER", "https://issuer.example")
        .output()
        .expect("the program runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty());
}
