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
pub(super) struct Args {}

pub(super) async fn run(_: Args, config: &Config) -> Result<ExitCode> {
    let stores = Stores::open(config, Access::Beside).await?;
    stores.close().await;
    println!("both schemas are up to date");
    Ok(ExitCode::SUCCESS)
}
