//! `simcube quarantine`: what the usage store refused.

use std::process::ExitCode;

use anyhow::Result;
use domain::journal::{self, BatchState, Pending};
use engines::Access;
use ingest::pipeline::{Intake, NoFault};

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
    let outcome = if args.retry {
        retry(&stores, config).await
    } else {
        list(&stores).await
    };
    stores.close().await;
    outcome.map_err(|error| explain(&error))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(stores: &Stores) -> domain::Result<()> {
    let cx = stores.db.system().await?;
    let batches = journal::pending(&cx, BatchState::Quarantined, None, LISTED).await?;
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

async fn retry(stores: &Stores, config: &Config) -> domain::Result<()> {
    let settings = config.intake.settings();
    let intake = Intake::new(stores.store.clone(), stores.db.clone(), settings, NoFault);
    let released = intake.release().await?;
    println!("{released} batches are tried again");
    if stores.is_holder() {
        // No server runs that would.
        let settled = intake.settle().await?;
        println!(
            "{} counted, {} quarantined",
            settled.counted, settled.quarantined
        );
    }
    Ok(())
}
