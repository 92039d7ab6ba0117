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
use tokio::{
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{
    client::Destination,
    dice::{Stream, dice},
    disk::Disk,
    fault::Signals,
    log::{Log, Tally},
    oracle::Asker,
    stage::{Engines, Server, Stage},
    world,
};

/// How long things go wrong.
const SPAN: Duration = Duration::from_secs(7);
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

async fn prove(
    ground: &Ground,
    seed: u64,
    now: DateTime<Utc>,
    folder: &Path,
    log: &Arc<Log>,
) -> Result<()> {
    let opened = Stage::open(
        &ground.program,
        &ground.engines,
        folder,
        ground.disk.clone(),
        servers(seed),
        log.clone(),
    );
    let (stage, engines) = opened.await.context("the engines do not start")?;
    let http = Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .build()?;
    let sides = sides(&stage, seed, now, &http, log).await?;
    let servers = stage.serve(&engines)?;
    ready(&stage, &http).await.context("at the start")?;
    log.event("everything is ready");
    let (over, all_over) = watch::channel(());
    let mut lives = Lives::begin(seed, engines, servers, &all_over);
    let survived = survive(seed, &stage, &sides, &http, log, &mut lives);
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
    sides: &[Side],
    http: &Client,
    log: &Log,
    lives: &mut Lives,
) -> Result<()> {
    let mut clients = deliver(seed, sides);
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
    log.event("all is delivered");
    for side in sides {
        again(seed, &side.target).await?;
    }
    compare(stage, sides, http, log).await?;
    for panic in stage.panics()? {
        log.differs(panic);
    }
    Ok(())
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
        let token = async |role| {
            stage
                .print(&["token", "--tenant", slug, "--role", role])
                .await
        };
        let (ingest, admin) = (token("ingest").await?, token("tenant_admin").await?);
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

/// The processes, each with somebody who breaks it and starts it again.
struct Lives {
    engines: JoinHandle<Result<Engines>>,
    servers: Vec<JoinHandle<Result<Server>>>,
    calm: Vec<oneshot::Receiver<()>>,
}

impl Lives {
    fn begin(
        seed: u64,
        engines: Engines,
        servers: Vec<Server>,
        over: &watch::Receiver<()>,
    ) -> Self {
        let mut calm = Vec::new();
        let mut signals = || {
            let (calmed, receive) = oneshot::channel();
            calm.push(receive);
            Signals {
                calm: calmed,
                over: over.clone(),
            }
        };
        let engines = tokio::spawn(engines.live(dice(seed, Stream::Engines), SPAN, signals()));
        let servers = (0..).zip(servers).map(|(number, server)| {
            tokio::spawn(server.live(dice(seed, Stream::Server(number)), SPAN, signals()))
        });
        let servers = servers.collect();
        Self {
            engines,
            servers,
            calm,
        }
    }

    /// Waits until the last fault is over.
    async fn calm(&mut self) -> Result<()> {
        while let Some(last) = self.calm.last_mut() {
            last.await
                .context("a process could not be started again: see events.log")?;
            self.calm.pop();
        }
        Ok(())
    }

    /// Ends all processes, the servers first.
    async fn end(self) -> Result<()> {
        for server in self.servers {
            server.await??.process.stop(ANSWER).await?;
        }
        self.engines.await??.process.stop(ANSWER).await?;
        Ok(())
    }
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

/// The program's own proof, and the oracle.
async fn compare(stage: &Stage, sides: &[Side], http: &Client, log: &Log) -> Result<()> {
    let (agrees, said) = stage.run(&["verify"]).await?;
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
    for side in sides {
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
