//! The command line: one file per subcommand.
//!
//! Exit codes: 0 done; 1 it failed, or what was verified differs; 2 it could not begin (usage, configuration, a
//! port in use).

mod config;
mod consume;
mod demo;
mod engines;
mod export;
mod import;
mod migrate;
mod network;
mod quarantine;
mod rate_card;
mod replay;
mod sdl;
mod serve;
mod simulate;
mod source;
mod stores;
mod tenant;
mod token;
mod topics;
mod verify;

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Config, Flags, Log, LogFormat},
    refused::Refused,
};

/// One GraphQL API for SIM and device fleets, whose numbers can be proved.
#[derive(Parser)]
#[command(
    name = "simcube",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    /// Data folder [default: data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file [default: simcube.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Tenant(tenant::Args),
    Token(token::Args),
    Import(import::Args),
    Export(export::Args),
    Simulate(simulate::Args),
    Verify(verify::Args),
    Network(network::Args),
    Quarantine(quarantine::Args),
    RateCard(rate_card::Args),
    Source(source::Args),
    Topics(topics::Args),
    Consume(consume::Args),
    Replay(replay::Args),
    Migrate(migrate::Args),
    Config(config::Args),
    Sdl(sdl::Args),
    Engines(engines::Args),
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Only fails when a provider is installed already, which serves as well.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            say(format_args!("simcube: {error:#}\n"));
            ExitCode::from(if error.is::<Refused>() { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        config: cli.config,
        data: cli.data,
        listen: cli.command.listen(),
    };
    let config =
        Config::load(&flags, std::env::vars()).map_err(|error| Refused(format!("{error:#}")))?;
    log(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(cli.command.run(config))
}

impl Command {
    fn listen(&self) -> Option<String> {
        match self {
            Self::Serve(args) => args.listen.clone(),
            _ => None,
        }
    }

    async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(args) => Box::pin(serve::run(args, config)).await,
            Self::Tenant(args) => tenant::run(args, &config).await,
            Self::Token(args) => token::run(&args, &config),
            Self::Import(args) => import::run(args, &config).await,
            Self::Export(args) => Box::pin(export::run(args, &config)).await,
            Self::Simulate(args) => simulate::run(args, &config).await,
            Self::Verify(args) => verify::run(args, &config).await,
            Self::Quarantine(args) => quarantine::run(args, &config).await,
            Self::Network(args) => network::run(args, &config).await,
            Self::RateCard(args) => rate_card::run(&args),
            Self::Source(args) => source::run(args, &config).await,
            Self::Topics(args) => topics::run(args, &config).await,
            Self::Consume(args) => consume::run(args, &config).await,
            Self::Replay(args) => replay::run(args, &config).await,
            Self::Migrate(args) => migrate::run(args, &config).await,
            Self::Config(args) => config::run(&args, &config),
            Self::Sdl(args) => Ok(sdl::run(&args)),
            Self::Engines(args) => engines::run(args, &config).await,
        }
    }
}

/// Log lines go to standard error; standard output belongs to what a command prints.
fn log(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| Refused(format!("log.level is not a filter: {error}")))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(|| Lossy);
    match log.format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Says something to the person at the terminal, if there is one.
fn say(text: impl Display) {
    write!(Lossy, "{text}").ok();
}

/// Standard error, which may be a closed pipe or a full disk: a line that cannot be written is lost, and nothing else. The
/// subscriber would report such an error to standard error once more, which panics in whatever wrote the line.
struct Lossy;

impl Write for Lossy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(io::stderr().write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
