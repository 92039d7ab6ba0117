//! Side-by-side benchmarks: how much of what the engines can do is left after everything that Simcube adds.
//!
//! Nothing here is an absolute number to be proud of. Each workload is measured beside a peer or a floor in the same
//! process, on the same data and by turns, and what counts is the ratio. `README.md` beside this crate says what is
//! compared and why that is fair.

mod client;
mod cube;
mod deliveries;
mod engine;
mod fleet;
mod intake;
mod page;
mod plain;
mod program;
mod report;
mod sharing;
mod stage;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use domain::{Clock as _, SystemClock};
use engines::{Engines, Settings};
use mimalloc::MiMalloc;
use server::config::Config;

use crate::{program::Program, report::Report, stage::Stage};

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
    /// Rounds of every comparison
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
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
    /// One-record deliveries over many connections
    Deliveries,
    /// Several tenants at the same time
    Sharing,
}

impl Workload {
    /// Whether it is measured on a server process of its own, rather than in this one.
    fn is_outside(self) -> bool {
        matches!(self, Self::Deliveries | Self::Sharing)
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let report = runtime.block_on(async {
        let config = Config {
            data: args.data.clone(),
            engines: Some(args.engines.clone()),
            ..Config::default()
        };
        let mut report = Report::new(SystemClock.now());
        let (outside, inside): (Vec<_>, Vec<_>) = args.only.iter().partition(|w| w.is_outside());
        say("starting the engines");
        let engines = Engines::open_empty(Settings::from(&config)).await?;
        let measured = measure(args.rounds, &inside, &engines, &config, &mut report).await;
        engines.close().await;
        measured?;
        measure_outside(args, &outside, &mut report).await?;
        anyhow::Ok(report)
    })?;
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
    Ok(())
}

async fn measure(
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
    for workload in workloads {
        let comparisons = match workload {
            Workload::Page => page::run(&stage, rounds).await,
            Workload::Cube => cube::run(&stage, rounds).await,
            _ => intake::run(&stage, rounds).await,
        };
        report.extend(comparisons.with_context(|| format!("the workload {workload:?} failed"))?);
    }
    say_time(started);
    Ok(())
}

/// On a server process of its own, which goes on with the data folder.
async fn measure_outside(args: &Args, workloads: &[Workload], report: &mut Report) -> Result<()> {
    if workloads.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    let program = Program::start(&args.engines, &args.data).await?;
    for workload in workloads {
        let comparisons = match workload {
            Workload::Sharing => sharing::run(&program, args.rounds).await,
            _ => deliveries::run(&program, args.rounds).await,
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
