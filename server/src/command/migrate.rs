//! `simcube migrate`: both schemas up to date.

use std::process::ExitCode;

use anyhow::Result;
use engines::Access;

use super::stores::Stores;
use crate::config::Config;

/// Bring the schemas of Postgres and ClickHouse up to date
///
/// `serve` does the same at its start. Doing it again changes nothing; two servers that start at once migrate once.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  DATABASE_URL=postgres://owner@db/simcube simcube migrate")]
pub(super) struct Args {
    /// Take the configured ClickHouse for that of the configured Postgres from now on, though it is another or an empty one.
    /// Usage that was accepted before stays known to Postgres, which calls it a duplicate when it comes again.
    #[arg(long)]
    adopt_usage_store: bool,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let stores = if args.adopt_usage_store {
        let stores = Stores::open_any(config, Access::Beside).await?;
        let adopted = stores.adopt().await;
        stores.close().await;
        adopted?;
        println!("the usage store is adopted: `simcube verify` says what differs");
        return Ok(ExitCode::SUCCESS);
    } else {
        Stores::open(config, Access::Beside).await?
    };
    stores.close().await;
    println!("both schemas are up to date");
    Ok(ExitCode::SUCCESS)
}
