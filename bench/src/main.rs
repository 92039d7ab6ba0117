//! Side-by-side benchmarks: how much of what the engines can do is left after everything that Simcube adds.
//!
//! Nothing here is an absolute number to be proud of. Each workload is measured beside a peer, a floor or an older program, on
//! the same data and by turns, and what counts is the ratio. `README.md` beside this crate says what is
//! compared and why that is fair.

mod against;
mod broker;
mod client;
mod cube;
mod deliveries;
mod engine;
mod files;
mod fleet;
mod intake;
mod page;
mod pages;
mod peers;
mod plain;
mod process;
mod program;
mod record;
mod report;
mod sharing;
mod stage;
mod topics;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use domain::{Clock as _, SystemClock};
use engines::{Engines, Settings};
use mimalloc::MiMalloc;
use server::config::Config;

use crate::{
    peers::Places,
    program::{Installation, Program},
    report::Report,
    stage::Stage,
};

/// Rounds of a comparison, and of those that decide about more than one line at a time.
const ROUNDS: u32 = 5;
const MORE_ROUNDS: u32 = 9;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Side-by-side benchmarks of Simcube
#[derive(Parser)]
struct Args {
    /// Folder with the engines' npm packages
    #[arg(long, env = "SIMCUBE_ENGINES", value_name = "FOLDER")]
    engines: PathBuf,
    /// Data folder of the run; it is emptied
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Only these workloads
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Workload::value_variants().to_vec())]
    only: Vec<Workload>,
    /// Compare this `simcube` with the one that was built, and nothing else
    #[arg(long, value_name = "PROGRAM", conflicts_with = "only")]
    against: Option<PathBuf>,
    /// Rounds of every comparison [default: 5; 9 of peers and against]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: Option<u32>,
    /// Folder with the peers' programs
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))]
    peers: PathBuf,
    /// Processes of each peer [default: as many as there are cores]
    #[arg(long, value_name = "COUNT")]
    peer_processes: Option<usize>,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the result as a Markdown table
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// A page of SIMs with customer and labels
    Page,
    /// Questions to the usage cubes
    Cube,
    /// Exactly-once intake of usage records
    Intake,
    /// Usage records and rollups of sessions from topics of Kafka
    Topics,
    /// Files of usage records
    Files,
    /// One-record deliveries over many connections
    Deliveries,
    /// Several tenants at the same time
    Sharing,
    /// A page of SIMs beside other GraphQL servers and the floor
    Peers,
}

impl Workload {
    /// Whether it is measured on a server process of its own, rather than in this one.
    fn is_outside(self) -> bool {
        matches!(self, Self::Deliveries | Self::Sharing | Self::Peers)
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(bench(args))
}

/// Measures and writes it down. The exit code is 1 when something is slower than the older program.
async fn bench(args: &Args) -> Result<ExitCode> {
    let mut report = Report::new(SystemClock.now());
    let mut is_slower = false;
    match &args.against {
        Some(theirs) => {
            let rounds = args.rounds.unwrap_or(MORE_ROUNDS);
            let measured = against::run(&args.engines, &args.data, theirs, rounds).await?;
            report.add(measured.table);
            is_slower = measured.is_slower;
        }
        None => Box::pin(workloads(args, &mut report)).await?,
    }
    let report = report.finish()?;
    print!("{}", report.text());
    for (path, content) in [
        (&args.json, report.json()?),
        (&args.markdown, report.markdown()),
    ] {
        if let Some(path) = path {
            std::fs::write(path, content)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(ExitCode::from(u8::from(is_slower)))
}

async fn workloads(args: &Args, report: &mut Report) -> Result<()> {
    let config = Config {
        data: args.data.clone(),
        engines: Some(args.engines.clone()),
        ..Config::default()
    };
    let (outside, inside): (Vec<_>, Vec<_>) = args.only.iter().partition(|w| w.is_outside());
    say("starting the engines");
    let engines = Engines::open_empty(Settings::from(&config)).await?;
    let rounds = args.rounds.unwrap_or(ROUNDS);
    let measured = measure(args, rounds, &inside, &engines, &config, report).await;
    engines.close().await;
    measured?;
    measure_outside(args, &outside, !inside.is_empty(), report).await
}

async fn measure(
    args: &Args,
    rounds: u32,
    workloads: &[Workload],
    engines: &Engines,
    config: &Config,
    report: &mut Report,
) -> Result<()> {
    if workloads.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    let stage = Stage::build(engines, config).await?;
    let peers = &args.peers;
    for workload in workloads {
        let comparisons = match workload {
            Workload::Page => page::run(&stage, rounds).await,
            Workload::Cube => cube::run(&stage, rounds).await,
            Workload::Topics => topics::run(&stage, &args.engines, rounds).await,
            Workload::Files => files::run(&stage, peers, rounds).await,
            _ => intake::run(&stage, rounds).await,
        };
        report.extend(comparisons.with_context(|| format!("the workload {workload:?} failed"))?);
    }
    say_time(started);
    Ok(())
}

/// On a server process of its own, which goes on with the data folder.
async fn measure_outside(
    args: &Args,
    workloads: &[Workload],
    is_filled: bool,
    report: &mut Report,
) -> Result<()> {
    if workloads.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    let mut program = Program::start(Installation::built(&args.engines, &args.data)?).await?;
    let (peers, others): (Vec<_>, Vec<_>) =
        (workloads.iter()).partition(|workload| **workload == Workload::Peers);
    // First, while nobody else has SIMs in the tables that the peers read.
    if !peers.is_empty() {
        let places = Places {
            engines: &args.engines,
            peers: &args.peers,
            is_filled,
            processes: args.peer_processes.unwrap_or_else(report::cores),
        };
        let rounds = args.rounds.unwrap_or(MORE_ROUNDS);
        let table = peers::run(&program, &places, rounds).await;
        report.add(table.context("the workload Peers failed")?);
    }
    if !others.is_empty() {
        program.add_tenants().await?;
    }
    let rounds = args.rounds.unwrap_or(ROUNDS);
    for workload in others {
        let comparisons = match workload {
            Workload::Sharing => sharing::run(&program, rounds).await,
            _ => deliveries::run(&program, rounds).await,
        };
        report.extend(comparisons.with_context(|| format!("the workload {workload:?} failed"))?);
    }
    program.stop().await?;
    say_time(started);
    Ok(())
}

fn say_time(started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    say(&format!("measured in {seconds:.0} s"));
}

/// Progress, for whoever waits.
fn say(text: &str) {
    eprintln!("bench: {text}");
}

/// An error of the product with the cause that clients never see.
fn explain(error: &domain::Error) -> anyhow::Error {
    match error.cause() {
        Some(cause) => anyhow::anyhow!("{error}: {cause}"),
        None => anyhow::anyhow!("{error}"),
    }
}
