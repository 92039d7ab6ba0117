//! Breaks the running program and proves that every acknowledged record is counted once.
//!
//! A run starts the engines in one process on a small disk, two or five servers beside it, a broker of Kafka and a consumer. Clients
//! deliver the records of two tenants over HTTP; of two more, the program simulates records and sessions, through topics and over
//! HTTP. Meanwhile servers and consumer are killed, stopped and ended, and so are engines and broker; the engines' disk fills up.
//! At the end the ledger, the records, all cubes, an oracle of the harness and those of the simulations must agree, and each message of a
//! topic must have been read once. Every decision comes from the run's seed; what real time makes of the decisions is not the same
//! twice.
//!
//! It knows the program by its commands and its HTTP API only, and depends on none of its crates.

mod aim;
mod broker;
mod client;
mod dice;
mod disk;
mod fault;
mod lives;
mod log;
mod oracle;
mod process;
mod run;
mod simulation;
mod stage;
mod topic;
mod world;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use chrono::Utc;
use clap::Parser;

use crate::{disk::Disk, log::Tally, run::Ground};

/// Break the running program and prove that it counts once
#[derive(Parser)]
struct Args {
    /// Folder with the engines' npm packages
    #[arg(long, env = "SIMCUBE_ENGINES", value_name = "FOLDER")]
    engines: PathBuf,
    /// Script that runs a broker: STATE PORT
    #[arg(long, value_name = "FILE")]
    kafka: PathBuf,
    /// Where the script finds its interpreter, Node and Java
    #[arg(long, env = "PATH", value_name = "FOLDERS", hide_env_values = true)]
    path: String,
    /// Where logs go, and the data of runs that fail
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// A small disk of its own, 1 GB or so, that may be filled
    #[arg(long, value_name = "FOLDER")]
    disk: PathBuf,
    /// Seed of the first run; each further run takes the next number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs
    #[arg(long, default_value_t = 10)]
    runs: u64,
    /// Keep the logs of runs that pass, too
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    // Only fails when a provider is installed already, which serves as well.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    match harness(&Args::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything and says how many runs failed.
fn harness(args: &Args) -> Result<u64> {
    let ground = Ground {
        // Built beside it.
        program: std::env::current_exe()?.with_file_name("simcube"),
        engines: args
            .engines
            .canonicalize()
            .context("no folder with engines")?,
        kafka: std::path::absolute(&args.kafka)?,
        path: args.path.clone(),
        data: std::path::absolute(&args.data)?,
        disk: Disk::new(&args.disk)?,
        keep: args.keep,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let ended = AtomicU64::new(0);
        tokio::select! {
            failed = runs(args, &ground, &ended) => failed,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                let ended = ended.load(Ordering::Relaxed);
                let (seed, rest) = (args.seed + ended, args.runs - ended);
                anyhow::bail!("interrupted; go on: ./dev chaos --seed {seed} --runs {rest}")
            }
        }
    })
}

/// Counts the runs that ended in `ended`.
async fn runs(args: &Args, ground: &Ground, ended: &AtomicU64) -> Result<u64> {
    let (mut total, mut failed) = (Tally::default(), 0);
    for (number, seed) in (1..=args.runs).zip(args.seed..) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a run begins now; everything else is reckoned from it"
        )]
        let now = Utc::now();
        let outcome = run::run(ground, seed, now).await?;
        let word = if outcome.differences.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        eprintln!(
            "chaos: run {number} of {}, seed {seed}: {word} in {:.1} s: {}",
            args.runs,
            outcome.time.as_secs_f64(),
            outcome.tally
        );
        if !outcome.differences.is_empty() {
            failed += 1;
            for difference in &outcome.differences {
                eprintln!("chaos:   {difference}");
            }
            eprintln!("chaos:   kept in {}", outcome.folder.display());
            eprintln!("chaos:   again: ./dev chaos --seed {seed} --runs 1");
        }
        total += outcome.tally;
        ended.store(number, Ordering::Relaxed);
    }
    eprintln!("chaos: in all: {total}");
    eprintln!(
        "chaos: {} of {} runs passed, {failed} failed",
        args.runs - failed,
        args.runs
    );
    Ok(failed)
}
