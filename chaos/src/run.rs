//! One run: a fresh world, deliveries while things go wrong, and the proof that everything counts once.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, Utc};
use rand::{RngExt as _, seq::SliceRandom as _};
use reqwest::Client;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    broker::Broker,
    client::Destination,
    dice::{Stream, dice},
    disk::Disk,
    lives::Lives,
    log::{Log, Tally},
    oracle::Asker,
    simulation::{self, Simulation},
    stage::{SPAN, Stage, broker_port},
    topic, world,
};

/// After the last fault every server must be ready within this time, and then everything delivered.
const PATIENCE: Duration = Duration::from_mins(1);
/// A run that takes longer is stuck.
const LONGEST: Duration = Duration::from_mins(4);
/// How long one answer may take when nothing is wrong.
const ANSWER: Duration = Duration::from_secs(30);

/// What is needed for any run.
pub(crate) struct Ground {
    /// The program.
    pub(crate) program: PathBuf,
    /// Folder with the engines' packages.
    pub(crate) engines: PathBuf,
    /// Script that runs a broker.
    pub(crate) kafka: PathBuf,
    /// Where the script finds what it needs.
    pub(crate) path: String,
    /// Where folders of runs go.
    pub(crate) data: PathBuf,
    /// The small disk.
    pub(crate) disk: Disk,
    /// Whether the logs of a run that passes are kept.
    pub(crate) keep: bool,
}

/// How a run ended.
pub(crate) struct Outcome {
    /// How often what happened.
    pub(crate) tally: Tally,
    /// What is not as promised; empty when all is.
    pub(crate) differences: Vec<String>,
    /// Where its logs are.
    pub(crate) folder: PathBuf,
    /// How long it took.
    pub(crate) time: Duration,
}

/// Runs one seed. What is not as promised is in the outcome; an error is one of the harness.
pub(crate) async fn run(ground: &Ground, seed: u64, now: DateTime<Utc>) -> Result<Outcome> {
    let started = Instant::now();
    let folder = ground.data.join(format!("seed-{seed}"));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let log = Arc::new(Log::new(&folder.join("events.log"))?);
    if let Err(error) = prove(ground, seed, now, &folder, &log).await {
        log.differs(format!("the run could not be finished: {error:#}"));
    }
    let differences = log.differences();
    let engines = ground.disk.path().join("engines");
    if !differences.is_empty() {
        keep(&engines, &folder).await?;
    } else if !ground.keep {
        fs::remove_dir_all(&folder)?;
    }
    clear(&engines).await?;
    Ok(Outcome {
        tally: log.tally(),
        differences,
        folder,
        time: started.elapsed(),
    })
}

/// The engines' folder goes where it outlives the small disk.
async fn keep(engines: &Path, folder: &Path) -> Result<()> {
    let mut copy = tokio::process::Command::new("cp");
    let status = copy
        .arg("-a")
        .arg(engines)
        .arg(folder.join("engines"))
        .status()
        .await?;
    ensure!(status.success(), "cannot keep {}", engines.display());
    Ok(())
}

/// Empties the disk. After a run that could not be finished, processes may still be ending there.
async fn clear(engines: &Path) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let begun = Instant::now();
    while let Err(error) = fs::remove_dir_all(engines) {
        ensure!(begun.elapsed() < PATIENCE, "cannot clear the disk: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Servers on one pair of engines: mostly two, in every fifth run five.
fn servers(seed: u64) -> usize {
    if seed.is_multiple_of(5) { 5 } else { 2 }
}

/// A tenant's records on their way, and who may ask about them.
struct Side {
    target: Arc<Destination>,
    admin: String,
}

/// Everything that is delivered.
struct Load {
    sides: Vec<Side>,
    simulations: [Simulation; 2],
}

async fn prove(
    ground: &Ground,
    seed: u64,
    now: DateTime<Utc>,
    folder: &Path,
    log: &Arc<Log>,
) -> Result<()> {
    let port = broker_port()?;
    let mut broker = Broker::open(ground, folder, port, log.clone())?;
    let opened = Stage::open(
        &ground.program,
        &ground.engines,
        folder,
        ground.disk.clone(),
        servers(seed),
        port,
        log.clone(),
    );
    let (stage, engines) = opened.await.context("the engines do not start")?;
    let http = Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .build()?;
    let simulations = Simulation::draw(&mut dice(seed, Stream::Simulations), &stage, now);
    let load = Load {
        sides: sides(&stage, seed, now, &http, log).await?,
        simulations,
    };
    for Simulation { slug, .. } in &load.simulations {
        stage.print(&["tenant", "create", slug]).await?;
    }
    broker.ready().await.context("the broker does not start")?;
    let partitions = topic::PARTITIONS.to_string();
    stage
        .print(&["topics", "create", "--partitions", &partitions])
        .await?;
    let servers = stage.serve(&engines)?;
    ready(&stage, &http).await.context("at the start")?;
    log.event("everything is ready");
    let (over, all_over) = watch::channel(());
    let mut lives = Lives::begin(seed, engines, broker, servers, &all_over);
    let survived = survive(seed, &stage, &load, &http, log, &mut lives);
    let survived = tokio::time::timeout(LONGEST, survived).await;
    // Whoever does not listen has failed, which the end of its task tells.
    over.send(()).ok();
    let ended = lives.end().await;
    survived.with_context(|| format!("it did not end in {LONGEST:?}"))??;
    ended
}

/// Deliveries while things go wrong, and the proof.
async fn survive(
    seed: u64,
    stage: &Stage,
    load: &Load,
    http: &Client,
    log: &Log,
    lives: &mut Lives,
) -> Result<()> {
    let Load { sides, simulations } = load;
    let mut clients = deliver(seed, sides);
    let mut sending = JoinSet::new();
    for simulation in simulations {
        simulation.begin(stage, &mut sending);
    }
    lives.calm().await?;
    log.event("calm");
    let calm = Instant::now();
    ready(stage, http).await.context("after the last fault")?;
    log.count(|tally| tally.slowest_ready = calm.elapsed());
    log.event("every server is ready");
    let delivered = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(PATIENCE, delivered).await.is_err() {
        let open: usize = sides.iter().map(|side| side.target.open()).sum();
        bail!("{open} records are not acknowledged {PATIENCE:?} after every server is ready");
    }
    let sent = simulation::sent(sending, log);
    let sent = tokio::time::timeout(PATIENCE, sent).await;
    sent.with_context(|| {
        format!("a simulation is not sent {PATIENCE:?} after every server is ready")
    })??;
    log.event("all is delivered");
    topic::settled(stage, http, PATIENCE).await?;
    log.event("all is read and counted");
    for side in sides {
        again(seed, &side.target).await?;
    }
    let mut order = dice(seed, Stream::Last);
    for simulation in simulations {
        simulation.again(&mut order, stage, log).await?;
    }
    let ends = topic::settled(stage, http, PATIENCE).await?;
    log.count(|tally| tally.messages = ends.values().sum());
    log.event("everything once more is read and counted");
    compare(stage, load, http, log).await?;
    for Simulation { slug, .. } in simulations.iter().filter(|it| it.through_topics) {
        let token = token(stage, slug, "tenant_admin").await?;
        for difference in topic::compare(stage, http, &token, &ends).await? {
            log.differs(difference);
        }
    }
    for panic in stage.panics()? {
        log.differs(panic);
    }
    Ok(())
}

async fn token(stage: &Stage, slug: &str, role: &str) -> Result<String> {
    stage
        .print(&["token", "--tenant", slug, "--role", role])
        .await
}

/// Creates the tenants and their fleets.
async fn sides(
    stage: &Stage,
    seed: u64,
    now: DateTime<Utc>,
    http: &Client,
    log: &Arc<Log>,
) -> Result<Vec<Side>> {
    let mut sides = Vec::new();
    for tenant in world::tenants(&mut dice(seed, Stream::World), now) {
        let slug = tenant.slug;
        stage.print(&["tenant", "create", slug]).await?;
        let fleet = stage.file(&format!("{slug}.csv"), &tenant.fleet)?;
        stage.print(&["import", &fleet, "--tenant", slug]).await?;
        let ingest = token(stage, slug, "ingest").await?;
        let admin = token(stage, slug, "tenant_admin").await?;
        log.count(|tally| tally.records += tenant.records.len() as u64);
        let target = Destination::new(
            http.clone(),
            stage.urls.clone(),
            ingest,
            tenant,
            log.clone(),
            SPAN,
        );
        sides.push(Side {
            target: Arc::new(target),
            admin,
        });
    }
    Ok(sides)
}

/// Waits until every server says that it is ready.
async fn ready(stage: &Stage, http: &Client) -> Result<()> {
    for url in &stage.urls {
        let ready = async {
            loop {
                let asked = http
                    .get(format!("{url}/health/ready"))
                    .timeout(ANSWER)
                    .send()
                    .await;
                if asked.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, ready).await;
        waited.with_context(|| format!("{url} is not ready after {PATIENCE:?}"))?;
    }
    Ok(())
}

/// Several clients for each tenant, each until all is acknowledged. They end with what is returned.
fn deliver(seed: u64, sides: &[Side]) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let mut number = 0;
    for side in sides {
        for _ in 0..dice(seed, Stream::Client(number)).random_range(3..7) {
            number += 1;
            let (target, dice) = (side.target.clone(), dice(seed, Stream::Client(number)));
            clients.spawn(async move { target.deliver_all(dice).await });
        }
    }
    clients
}

/// Everything once more in another order: all of it must be known.
async fn again(seed: u64, target: &Destination) -> Result<()> {
    const TRIES: usize = 20;
    let mut dice = dice(seed, Stream::Last);
    let mut order: Vec<usize> = (0..target.tenant.records.len()).collect();
    order.shuffle(&mut dice);
    let mut late = 0;
    let mut rest = &order[..];
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(dice.random_range(1..=1_000).min(rest.len()));
        let mut tries = 0;
        let reply = loop {
            if let Some(reply) = target.deliver(&mut dice, batch, ANSWER).await {
                break reply;
            }
            tries += 1;
            ensure!(
                tries < TRIES,
                "{} records of the last delivery are not taken",
                batch.len()
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        late += reply.accepted;
        rest = after;
    }
    if late > 0 {
        let slug = target.tenant.slug;
        target.log.differs(format!(
            "{slug}: {late} records had been acknowledged and were not known"
        ));
    }
    Ok(())
}

/// The program's own proof with the oracles of the simulations, and the harness's oracle.
async fn compare(stage: &Stage, load: &Load, http: &Client, log: &Log) -> Result<()> {
    let mut words = vec!["verify"];
    for Simulation { oracle, .. } in &load.simulations {
        words.extend(["--oracle", oracle]);
    }
    let (agrees, said) = stage.run(&words).await?;
    log.event(format_args!("verify:\n{said}"));
    let last = said.lines().last().unwrap_or("it said nothing");
    if !agrees || last != "0 differences" {
        let listed = said
            .lines()
            .filter(|line| line.starts_with("differs"))
            .take(5)
            .collect::<Vec<_>>();
        log.differs(format!("verify: {last}: {}", listed.join("; ")));
    }
    for side in &load.sides {
        let Side { target, admin } = side;
        for url in &stage.urls {
            let asker = Asker {
                http,
                url,
                token: admin,
                records: &target.tenant.records,
            };
            for difference in asker.compare().await.context("the cubes cannot be asked")? {
                log.differs(format!("{} at {url}: {difference}", target.tenant.slug));
            }
        }
    }
    Ok(())
}
