//! One tenant takes all it can get, and another one does not notice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{Clock as _, SystemClock};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet, time::sleep};

use crate::support::{Program, Server};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Senders that let a body trickle.
const SLOW: usize = 8;
/// Connections that deliver without a pause.
const BUSY: usize = 100;
/// Records whose ids begin like this are refused by the usage store, so that every batch with one of them is cut.
const POISON: &str = "poison";
/// Deliveries of the other tenant.
const DELIVERIES: u64 = 40;

fn fleet(program: &Program, tenant: &str, iccid: &str) -> String {
    program.print(&["tenant", "create", tenant]);
    let file = program.file("fleet.csv", &format!("iccid,state\n{iccid},ACTIVE\n"));
    program.print(&["import", &file, "--tenant", tenant]);
    program.token(tenant, "ingest")
}

fn record(id: &str, iccid: &str) -> Value {
    let at = (SystemClock.now() - chrono::TimeDelta::hours(2)).format("%Y-%m-%dT%H:00:00Z");
    let at = at.to_string();
    json!([{ "record_id": id, "source": "gateway", "iccid": iccid, "mcc_mnc": "262-01", "radio_access_type": "LTE",
             "service": "DATA", "start": at, "end": at, "bytes_up": 1, "bytes_down": 2 }])
}

/// Sends a byte of a body every three seconds, as long as the server takes them.
async fn trickle(address: String, token: String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "POST /api/v1/ingest/cdrs HTTP/1.1\r\nhost: simcube\r\nauthorization: Bearer {token}\r\n\
         content-type: application/x-ndjson\r\ncontent-length: 1000000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    while stream.write_all(b" ").await.is_ok() {
        sleep(Duration::from_secs(3)).await;
    }
}

async fn deliver(client: &Client, server: &str, token: &str, record: &Value) -> StatusCode {
    let request = client.post(format!("{server}/api/v1/ingest/cdrs"));
    let answer = request.bearer_auth(token).json(record).send().await;
    answer.expect("an answer").status()
}

/// Starts everything that the first tenant does, and returns when its deliveries are being answered.
async fn starve(server: &Server, client: &Client, token: &str, iccid: &'static str) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    let address = server.url.trim_start_matches("http://");
    for _ in 0..SLOW {
        senders.spawn(trickle(address.to_owned(), token.to_owned()));
    }
    let answered = Arc::new(AtomicU64::new(0));
    let busy = (0..BUSY).map(|place| format!("busy-{place}"));
    for name in busy.chain([POISON.to_owned()]) {
        let (url, token, answered) = (server.url.clone(), token.to_owned(), answered.clone());
        let client = client.clone();
        senders.spawn(async move {
            for n in 0_u64.. {
                // It may well be turned away.
                let record = record(&format!("{name}-{n}"), iccid);
                deliver(&client, &url, &token, &record).await;
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while answered.load(Ordering::Relaxed) < 10 {
        tokio::task::yield_now().await;
    }
    senders
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_takes_all_it_can_get_costs_another_one_no_delivery() {
    const OURS: &str = "8988303000000000017";
    const THEIRS: &str = "8988303000000000025";
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let program = Program::new();
    // So little memory that those who send slowly would fill it.
    let little = [
        ("SIMCUBE_INTAKE__MEMORY_BYTES", "2097152"),
        ("SIMCUBE_INTAKE__BODY_BYTES", "524288"),
    ];
    let server = program.serve(&little).await;
    let poison = format!(
        "ALTER TABLE cdr ADD CONSTRAINT poison CHECK NOT startsWith(record_id, '{POISON}')"
    );
    program.on_cubes(&poison).await;
    let theirs = fleet(&program, "acme", THEIRS);
    let ours = fleet(&program, "birch", OURS);
    let client = Client::new();
    let starving = starve(&server, &client, &theirs, THEIRS).await;
    let mut refused = Vec::new();
    for n in 0..DELIVERIES {
        let status = deliver(&client, &server.url, &ours, &record(&n.to_string(), OURS)).await;
        if status != StatusCode::OK {
            refused.push((n, status));
        }
    }
    assert!(refused.is_empty(), "turned away: {refused:?}");
    // What the usage store refuses is quarantined when its time is over, however fast the others were.
    let begun = Instant::now();
    loop {
        let quarantined = program.print(&["quarantine"]);
        if quarantined.contains(" 1 records") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{quarantined}");
        sleep(Duration::from_millis(200)).await;
    }
    drop(starving);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_turn_does_not_come_is_throttled() {
    const QUESTION: &str = "{ usage(input: { period: { preset: LAST_7_DAYS }, filter: { sim: { states: [ACTIVE] } } }) { truncated } }";
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let program = Program::new();
    let server = program.serve(&[]).await;
    program.print(&["tenant", "create", "acme"]);
    let token = program.token("acme", "support");
    let client = Client::new();
    let lock = program
        .hold("LOCK TABLE sim IN ACCESS EXCLUSIVE MODE")
        .await;
    let mut asked = JoinSet::new();
    for _ in 0..5 {
        let request = client.post(format!("{}/graphql", server.url));
        let request = request
            .bearer_auth(&token)
            .json(&json!({ "query": QUESTION }));
        asked.spawn(async move {
            let answer = request.send().await.expect("an answer");
            let again = answer.headers().contains_key("retry-after");
            let status = answer.status();
            let body: Value = answer.json().await.expect("JSON");
            let code = body["errors"][0]["extensions"]["code"].clone();
            (status, again, code)
        });
    }
    // Four are being answered, as long as the fleet cannot be read.
    let first = asked.join_next().await.expect("five").expect("no panic");
    let throttled = (StatusCode::TOO_MANY_REQUESTS, true, json!("THROTTLED"));
    assert_eq!(first, throttled);
    drop(lock);
    while let Some(answered) = asked.join_next().await {
        let (status, ..) = answered.expect("no panic");
        assert_eq!(status, StatusCode::OK);
    }
}
