//! `simcube replay`: messages are read again.

use std::process::ExitCode;

use anyhow::Result;
use engines::Access;
use ingest::{
    pipeline::{Intake, NoFault},
    topic::replay::{self, Replayed},
};

use super::{
    consume::settings,
    stores::{Stores, explain},
};
use crate::config::Config;

/// Read messages again, from a topic or from quarantine
///
/// What was counted is a duplicate, and what is older than intake takes is refused. No position moves: messages that were not read yet
/// are left to whoever reads the topic. What is a tenant's now leaves the quarantine.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  simcube replay --topic cdr.records --from 0\n  simcube replay --quarantine"
)]
pub(super) struct Args {
    /// Everything in quarantine
    #[arg(long, conflicts_with = "topic", required_unless_present = "topic")]
    quarantine: bool,
    /// A topic
    #[arg(long, requires = "from")]
    topic: Option<String>,
    /// The offset of each partition to begin at
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let of = match (&args.topic, args.from) {
        (Some(topic), Some(from)) => Some((settings(config)?, topic, from)),
        _ => None,
    };
    let stores = Stores::open(config, Access::Beside).await?;
    let intake = Intake::new(
        stores.store.clone(),
        stores.db.clone(),
        config.intake.settings(),
        NoFault,
    );
    let replayed = match of {
        Some((settings, topic, from)) => {
            replay::topic(&intake, &stores.db, &settings, topic, from).await
        }
        None => replay::quarantine(&intake, &stores.db).await,
    };
    drop(intake);
    stores.close().await;
    let Replayed {
        read,
        received,
        accepted,
        duplicate,
        rejected,
    } = replayed.map_err(|error| explain(&error))?;
    println!(
        "{read} messages: {received} received = {accepted} accepted + {duplicate} duplicate + {rejected} rejected"
    );
    Ok(ExitCode::SUCCESS)
}
