//! Usage as a stream, for notebooks: what is answered, to whom, and what becomes of readers that stop and of statements that fail.

use std::fs;

use http::{HeaderMap, StatusCode};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use testkit::Gate;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    export::{RECORDS, compare, exported, fleet, of_arrow, of_duckdb, usage},
    http::{answer, client, code},
    support::{Program, Server},
};

/// As many rows as there are records, more than a page of GraphQL has.
fn question() -> Value {
    json!({
        "measures": ["BYTES_TOTAL", "RECORDS", "ACTIVE_SIMS", "AVERAGE_BYTES_PER_RECORD"],
        "period": {"between": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}},
        "group_by": [
            {"time": "DAY"}, {"dimension": "CUSTOMER"}, {"dimension": "SIM"}, {"dimension": "NETWORK"}, {"sim_label": "note"},
        ],
    })
}

fn ask(server: &Server, token: &str, question: &Value) -> RequestBuilder {
    let url = format!("{}/api/v1/usage", server.url);
    client().post(url).bearer_auth(token).json(question)
}

fn told<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_every_format_is_the_file_of_the_same_question() {
    let program = Program::new();
    fleet(&program);
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    usage(&server, &token).await;
    let asked = program.file("question.json", &question().to_string());
    let (rows, manifest) = exported(&program, "usage", &["--question", &asked]);
    assert_eq!(rows.len(), RECORDS);
    for (accept, media, format) in [
        ("text/csv", "text/csv; charset=utf-8", "csv"),
        ("application/x-ndjson", "application/x-ndjson", "ndjson"),
        ("*/*", "application/x-ndjson", "ndjson"),
        (
            "application/vnd.apache.arrow.stream, */*;q=0.1",
            "application/vnd.apache.arrow.stream",
            "arrow",
        ),
    ] {
        let request = ask(&server, &token, &question()).header("accept", accept);
        let answered = request.send().await.expect("an answer");
        assert_eq!(answered.status(), StatusCode::OK);
        let headers = answered.headers().clone();
        assert_eq!(told(&headers, "content-type"), media);
        assert_eq!(
            told(&headers, "simcube-period"),
            "2026-10-01T00:00:00Z/2026-11-01T00:00:00Z"
        );
        assert_eq!(told(&headers, "simcube-tables"), "usage_day");
        assert_eq!(told(&headers, "simcube-scope"), "tenant");
        assert_eq!(
            told(&headers, "simcube-watermark"),
            manifest["provenance"]["watermark"]
        );
        assert!(!headers.contains_key("simcube-closed"));
        let path = program.file(&format!("answer.{format}"), "");
        fs::write(&path, answered.bytes().await.expect("all of it")).expect("written");
        let read = match format {
            "arrow" => of_arrow(&path, &manifest),
            format => of_duckdb(&path, format, &manifest),
        };
        compare(&read, &rows, accept);
    }
    let nobody = program.token("acme", "viewer");
    let answered = ask(&server, &nobody, &question())
        .send()
        .await
        .expect("an answer");
    assert_eq!(answered.status(), StatusCode::OK, "a viewer reads usage");
    assert_eq!(told(answered.headers(), "simcube-scope"), "part");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_refused_before_anything_is_sent() {
    let program = Program::new();
    fleet(&program);
    program.print(&["tenant", "create", "other"]);
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    let url = format!("{}/api/v1/usage", server.url);
    let sound = question();
    let with = |name: &str, value: Value| {
        let mut question = question();
        question[name] = value;
        question
    };
    let long = with("measures", vec!["RECORDS"; 200_000].into());
    let hours = json!({"between": {"from": "2016-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}});
    let mut of_ten_years = with("period", hours);
    of_ten_years["group_by"] = json!([{"time": "HOUR"}]);
    let by_half_hour =
        json!({"between": {"from": "2020-01-01T00:30:00Z", "to": "2020-01-02T00:00:00Z"}});
    let at = "+262142-12-31T23:59:59.999999999Z";
    let last = json!({"preset_at": {"preset": "LAST_30_DAYS", "at": at}});
    let mut of_the_last_moment = with("period", last);
    of_the_last_moment["time_zone"] = "Asia/Kolkata".into();
    let cases = [
        (client().post(&url).json(&sound), 401, "UNAUTHENTICATED"),
        (ask(&server, "no token", &sound), 401, "UNAUTHENTICATED"),
        (
            client().post(&url).bearer_auth(&token).body("{}"),
            415,
            "INVALID_INPUT",
        ),
        (
            ask(&server, &token, &sound).header("accept", "image/png"),
            406,
            "INVALID_INPUT",
        ),
        (
            ask(&server, &token, &sound).header("accept", "text/csv;q=0"),
            406,
            "INVALID_INPUT",
        ),
        (ask(&server, &token, &json!([])), 400, "INVALID_INPUT"),
        (
            ask(&server, &token, &with("colour", "red".into())),
            400,
            "INVALID_INPUT",
        ),
        (
            ask(&server, &token, &with("time_zone", "Mars/Base".into())),
            400,
            "INVALID_INPUT",
        ),
        (ask(&server, &token, &long), 413, "LIMIT_EXCEEDED"),
        (ask(&server, &token, &of_ten_years), 400, "LIMIT_EXCEEDED"),
        (
            ask(&server, &token, &with("period", by_half_hour)),
            400,
            "NOT_EXACT",
        ),
        (
            ask(&server, &token, &of_the_last_moment),
            400,
            "INVALID_INPUT",
        ),
        (client().get(&url).bearer_auth(&token), 405, "INVALID_INPUT"),
    ];
    for (n, (request, status, expected)) in cases.into_iter().enumerate() {
        let (found, _, said) = answer(request).await;
        assert_eq!(
            (found.as_u16(), code(&said)),
            (status, expected),
            "{n}: {said}"
        );
    }
    // Whose usage it is comes from the token.
    let other = program.token("other", "tenant_admin");
    let answered = ask(&server, &other, &sound)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answered.status(), StatusCode::OK);
    assert!(!answered.headers().contains_key("simcube-watermark"));
    assert_eq!(answered.text().await.expect("text"), "");
    // By default a customer's users see no usage.
    let customer = program.customer_token("acme", "emoji");
    let (status, _, said) = answer(ask(&server, &customer, &sound)).await;
    assert_eq!(
        (status, code(&said)),
        (StatusCode::FORBIDDEN, "FORBIDDEN"),
        "{said}"
    );
}

/// Asks for more than a connection holds on its way, and takes the head of the answer only.
async fn begin(server: &Server, token: &str) -> TcpStream {
    let address = server
        .url
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let mut stream = socket.connect(address).await.expect("connected");
    let body = long().to_string();
    let request = format!(
        "POST /api/v1/usage HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         accept: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("a status");
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

/// The chunk that ends a body (RFC 9112, 7.1).
const LAST: &[u8] = b"\r\n0\r\n\r\n";

/// What there is to read, to its end or to where the connection breaks: the last chunk tells which.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    bytes
}

/// A question whose answer takes more than what is on its way between three programs: a row for each SIM and hour.
fn long() -> Value {
    let mut long = question();
    long["group_by"] = json!([{"time": "HOUR"}, {"dimension": "SIM"}]);
    long["fill"] = "ZERO".into();
    long
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fails_on_its_way_is_cut_off_and_a_reader_that_stops_is_given_up() {
    let program = Program::new();
    fleet(&program);
    let [_, cubes] = program.servers();
    let (address, database) = cubes.rsplit_once('/').expect("a database");
    let gate = Gate::before(address).await;
    let url = format!("{}/{database}", gate.url());
    let server = program.serve(&[("CLICKHOUSE_URL", &url)]).await;
    let token = program.token("acme", "tenant_admin");
    usage(&server, &token).await;

    // The cubes go away: what was sent is not an answer, and the connection says so.
    let stream = begin(&server, &token).await;
    gate.cut();
    let cut = rest(stream).await;
    assert!(
        !cut.is_empty() && !cut.ends_with(LAST),
        "{} bytes are told as all of it",
        cut.len()
    );

    // Nobody reads: four of them would leave the tenant no turn.
    let idle = program.serve(&[("SIMCUBE_HTTP__IDLE_SECONDS", "1")]).await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        stalled.push(begin(&idle, &token).await);
    }
    let answered = ask(&idle, &token, &question())
        .send()
        .await
        .expect("an answer");
    assert_eq!(answered.status(), StatusCode::OK);
    assert_eq!(
        answered.bytes().await.map(|bytes| bytes.is_empty()).ok(),
        Some(false)
    );
    // The first of them had to go, the others may still have been in time.
    let cut = rest(stalled.remove(0)).await;
    assert!(!cut.ends_with(LAST), "it was not given up");
}
