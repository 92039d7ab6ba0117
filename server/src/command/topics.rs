//! `simcube topics`: topics are made, looked at, skipped in, and forgotten.

use std::{process::ExitCode, str::FromStr};

use anyhow::Result;
use clap::Subcommand;
use engines::Access;
use ingest::topic::{
    Settings,
    manage::{self, To},
};

use super::{
    consume::settings,
    stores::{Stores, explain},
};
use crate::config::Config;

/// Make topics of Kafka, look at them, skip messages that are lost, or forget partitions that are gone
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  KAFKA_BROKERS=kafka:9092 simcube topics create --partitions 12 --replication 3"
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make the topics that are missing, each with one for its dead letters
    Create {
        /// Partitions of each
        #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=10_000))]
        partitions: i32,
        /// Brokers that have each message
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
        replication: i32,
    },
    /// Say whether all topics are there, and have what was not read yet; exit code 1 if something is wrong
    Check,
    /// Go on reading a partition elsewhere; messages in between are not read
    Skip {
        /// The topic
        #[arg(long)]
        topic: String,
        /// The partition
        #[arg(long)]
        partition: i32,
        /// Where to go on: an offset, `earliest` or `latest`
        #[arg(long)]
        to: Place,
    },
    /// Wait no more for what a partition had that is gone
    Forget {
        /// The topic
        #[arg(long)]
        topic: String,
        /// The partition
        #[arg(long)]
        partition: i32,
        /// The cluster that it went with, as `topics check` names it; without it, the partition is missing in the cluster that is there
        #[arg(long)]
        cluster: Option<String>,
    },
}

/// Where an operator goes on.
#[derive(Clone, Copy, Debug)]
struct Place(To);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<i64>()) {
            ("earliest", _) => Ok(Self(To::Earliest)),
            ("latest", _) => Ok(Self(To::Latest)),
            (_, Ok(offset)) if offset >= 0 => Ok(Self(To::Offset(offset))),
            _ => Err("an offset, `earliest` or `latest`".to_owned()),
        }
    }
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let settings = settings(config)?;
    if let Action::Create {
        partitions,
        replication,
    } = args.action
    {
        return create(&settings, partitions, replication).await;
    }
    let stores = Stores::open(config, Access::Beside).await?;
    let outcome = match args.action {
        Action::Check | Action::Create { .. } => check(&settings, &stores).await,
        Action::Skip {
            topic,
            partition,
            to,
        } => {
            let skipped = manage::skip(&settings, &stores.db, &topic, partition, to.0).await;
            skipped.map(|(from, to)| {
                println!("{topic}/{partition} goes on at offset {to} and not at {from}");
                ExitCode::SUCCESS
            })
        }
        Action::Forget {
            topic,
            partition,
            cluster,
        } => {
            let cluster = cluster.as_deref();
            let forgotten = manage::forget(&settings, &stores.db, cluster, &topic, partition).await;
            forgotten.map(|()| {
                println!("{topic}/{partition} is waited for no more");
                ExitCode::SUCCESS
            })
        }
    };
    stores.close().await;
    outcome.map_err(|error| explain(&error))
}

async fn create(settings: &Settings, partitions: i32, replication: i32) -> Result<ExitCode> {
    let made = manage::create(settings, partitions, replication).await;
    for made in made.map_err(|error| explain(&error))? {
        let what = if made.existed { "is there" } else { "made" };
        println!("{}: {what}", made.topic);
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(settings: &Settings, stores: &Stores) -> domain::Result<ExitCode> {
    let findings = manage::check(settings, &stores.db).await?;
    for finding in &findings {
        println!("{}: {}", finding.what, finding.found);
    }
    let wrong = findings.iter().any(|finding| finding.wrong);
    Ok(ExitCode::from(u8::from(wrong)))
}
