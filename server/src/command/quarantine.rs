//! `simcube quarantine`: what the usage store refused.

use std::process::ExitCode;

use anyhow::Result;
use domain::journal::Pending;
use engines::Access;
use ingest::operator::Operator;

use super::stores::{Stores, explain};
use crate::config::Config;

/// Batches listed.
const LISTED: u32 = 1_000;

/// List accepted records that the usage store refused, or try them again
///
/// They are kept in the journal and count as soon as the usage store takes them. A running server tries them again within
/// seconds of --retry.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube quarantine --retry")]
pub(super) struct Args {
    /// Try all of them again
    #[arg(long)]
    retry: bool,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let stores = Stores::open(config, Access::Beside).await?;
    let operator = stores.operator(&config.intake);
    let outcome = if args.retry {
        retry(&operator).await
    } else {
        list(&operator).await
    };
    drop(operator);
    stores.close().await;
    outcome.map_err(|error| explain(&error))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(operator: &Operator) -> domain::Result<()> {
    let batches = operator.quarantine(LISTED).await?;
    for Pending {
        batch,
        rows,
        created_at,
        reason,
        ..
    } in &batches
    {
        let reason = reason.as_deref().unwrap_or("no reason known");
        println!("{batch}  {created_at}  {rows} records  {reason}");
    }
    println!("{} quarantined batches", batches.len());
    Ok(())
}

async fn retry(operator: &Operator) -> domain::Result<()> {
    let retried = operator.retry().await?;
    println!("{} batches are tried again", retried.released);
    if let Some(settled) = retried.settled {
        println!(
            "{} counted, {} quarantined",
            settled.counted, settled.quarantined
        );
    }
    Ok(())
}
