//! What the program says and does while one of its stores is out of reach, and when it is back.

use std::{sync::Arc, time::Duration};

use ::http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    http::{answer, client, counts, fleet, record},
    support::{Program, Server},
};

/// What is between the program and a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Connections end, and new ones end at once.
    Cut,
    /// Nothing arrives any more, and nobody says so.
    Silent,
}

/// The way to a store, which the test can close.
struct Gate {
    address: String,
    way: watch::Sender<Way>,
}

impl Gate {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (way, seen) = watch::channel(Way::Open);
        let server: Arc<str> = server.into();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), seen.clone()));
            }
        });
        Self { address, way }
    }

    fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

/// Passes bytes on, until the way is cut. A connection that went silent is of no use afterwards, as after a real outage.
async fn pass(mut client: TcpStream, server: Arc<str>, mut way: watch::Receiver<Way>) {
    let mut changed = way.clone();
    if *way.borrow() == Way::Open {
        let Ok(mut store) = TcpStream::connect(&*server).await else {
            return;
        };
        tokio::select! {
            // Whoever hangs up has had enough.
            copied = tokio::io::copy_bidirectional(&mut client, &mut store) => { copied.ok(); return; }
            closed = changed.wait_for(|way| *way != Way::Open) => { closed.map(drop).ok(); }
        }
    }
    // The connection is held for as long as the way is silent.
    way.wait_for(|way| *way != Way::Silent).await.map(drop).ok();
}

/// `URL` with another host and port, and the host and port that it had.
fn through(url: &str, address: &str) -> String {
    let host = host(url);
    url.replace(&host, address)
}

fn host(url: &str) -> String {
    let url = reqwest::Url::parse(url).expect("a URL");
    let name = url.host_str().expect("a host");
    format!("{name}:{}", url.port().expect("a port"))
}

async fn health(server: &Server, route: &str) -> (StatusCode, Value) {
    let (status, _, value) = answer(client().get(format!("{}/health/{route}", server.url))).await;
    (status, value)
}

async fn until(server: &Server, status: StatusCode) -> Value {
    let is_ready = status == StatusCode::OK;
    until_said(server, |said| (said["status"] != "not ready") == is_ready).await
}

/// What readiness says once it says this. Work in the background that failed is tried again within a minute.
async fn until_said(server: &Server, is_said: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let (_, value) = health(server, "ready").await;
            if is_said(&value) {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(2), waiting).await;
    waited.expect("readiness says so")
}

/// Nobody waits longer for an answer, whatever it says.
async fn in_time<T>(answered: impl Future<Output = T>) -> T {
    let answered = tokio::time::timeout(Duration::from_secs(40), answered).await;
    answered.expect("an answer in time")
}

struct World {
    program: Program,
    server: Server,
    /// Postgres, ClickHouse.
    gates: [Gate; 2],
    admin: String,
    sender: String,
}

impl World {
    async fn new() -> Self {
        let program = Program::new();
        let [database, cubes] = program.servers();
        let gates = [
            Gate::to(&host(&database)).await,
            Gate::to(&host(&cubes)).await,
        ];
        let settings = [
            ("DATABASE_URL", through(&database, &gates[0].address)),
            ("CLICKHOUSE_URL", through(&cubes, &gates[1].address)),
        ];
        let settings = settings.each_ref().map(|(name, url)| (*name, url.as_str()));
        let server = program.serve(&settings).await;
        fleet(&program, "alpha");
        Self {
            admin: program.token("alpha", "tenant_admin"),
            sender: program.token("alpha", "ingest"),
            program,
            server,
            gates,
        }
    }

    /// The code of the first error of an answer, if there is any; no answer shows internals.
    async fn ask(&self, query: &str) -> Option<String> {
        let request = client().post(format!("{}/graphql", self.server.url));
        let request = request.bearer_auth(&self.admin);
        let asked = answer(request.json(&json!({ "query": query })));
        let (_, _, value) = in_time(asked).await;
        let code = value.pointer("/errors/0/extensions/code")?;
        Some(code.as_str().expect("a code").to_owned())
    }

    async fn deliver(&self, id: &str) -> (StatusCode, Value) {
        let request = client().post(format!("{}/api/v1/ingest/cdrs", self.server.url));
        let request = request.bearer_auth(&self.sender);
        let delivered = answer(request.json(&json!([record(id, 7)])));
        let (status, _, reply) = in_time(delivered).await;
        (status, reply)
    }
}

const SIMS: &str = "{ sims { totalCount } }";
const USAGE: &str = "{ usage(input: { period: { between: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" } } }) { totals { records } } }";

/// Closes the way to a store, looks around, and opens it again.
async fn outage(way: Way, store: usize) {
    let world = World::new().await;
    let names = ["postgres", "clickhouse"];
    assert_eq!(world.deliver("before").await.0, StatusCode::OK);
    until(&world.server, StatusCode::OK).await;

    world.gates[store].set(way);
    let said = until(&world.server, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(said["status"], "not ready", "{said}");
    for (name, word) in [(names[store], "down"), (names[1 - store], "ok")] {
        assert_eq!(said["checks"][name], word, "{said}");
    }
    let sentence = ["Postgres does not answer.", "ClickHouse does not answer."][store];
    let problems = said["problems"].as_array().expect("sentences");
    assert!(problems.contains(&json!(sentence)), "{said}");
    assert_eq!(health(&world.server, "live").await.0, StatusCode::OK);
    let unavailable = Some("UNAVAILABLE".to_owned());
    // A question that nobody refuses and nobody answers ends with the time that it has.
    let unanswered = match (way, store) {
        (Way::Silent, 1) => Some("LIMIT_EXCEEDED".to_owned()),
        _ => unavailable.clone(),
    };
    assert_eq!(world.ask(USAGE).await, unanswered);
    let sims = world.ask(SIMS).await;
    assert_eq!(sims, if store == 0 { unavailable } else { None });
    let (status, reply) = world.deliver("meanwhile").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reply}");
    assert_eq!(reply["code"], "UNAVAILABLE", "{reply}");

    world.gates[store].set(Way::Open);
    let said = until_said(&world.server, |said| said["status"] == "ok").await;
    assert_eq!(said.get("problems"), None);
    assert_eq!(
        [world.ask(USAGE).await, world.ask(SIMS).await],
        [None, None]
    );
    let again = async {
        loop {
            let (status, reply) = world.deliver("meanwhile").await;
            if status == StatusCode::OK {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let reply = tokio::time::timeout(Duration::from_mins(1), again).await;
    let [received, accepted, duplicate, ..] = counts(&reply.expect("taken in"));
    assert_eq!((received, accepted + duplicate), (1, 1));
    let (status, reply) = world.deliver("before").await;
    assert_eq!((status, counts(&reply)), (StatusCode::OK, [1, 0, 1, 0, 0]));
    let proved = world.program.print(&["verify"]);
    assert!(proved.ends_with("0 differences"), "{proved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_nothing_is_answered_and_all_is_well_when_it_is_back() {
    outage(Way::Cut, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_clickhouse_the_fleet_is_answered_and_all_is_well_when_it_is_back() {
    outage(Way::Cut, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_went_silent_is_noticed_and_given_up() {
    outage(Way::Silent, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clickhouse_that_went_silent_is_noticed_and_given_up() {
    outage(Way::Silent, 1).await;
}
