//! `simcube network`: what networks are called.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use domain::{
    Clock as _, SystemClock,
    identifier::Plmn,
    network::{Network, SetNetwork},
};
use engines::Access;

use super::stores::{Stores, explain};
use crate::config::Config;

/// Say what a network is called
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube network set 262-02 --name \"Vodafone Germany\"")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Set what is said of a network, for all tenants; a new version of the dictionary leaves it as it was set
    #[command(
        after_help = "Examples:\n  simcube network set 262-02 --name \"Vodafone Germany\"\n  \
                      simcube network set 262-99 --name \"Campus\" --country DE"
    )]
    Set {
        /// Code of the network, MCC-MNC
        network: String,
        /// Name shown to people
        #[arg(long)]
        name: Option<String>,
        /// Operating company
        #[arg(long)]
        operator: Option<String>,
        /// Country, ISO 3166-1 alpha-2 [default: as it is; of a new one that of the networks with its MCC]
        #[arg(long)]
        country: Option<String>,
    },
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let Action::Set {
        network,
        name,
        operator,
        country,
    } = args.action;
    let plmn = Plmn::parse(&network).map_err(|error| explain(&error))?;
    let set = SetNetwork {
        name,
        operator,
        country_code: country,
    };
    let stores = Stores::open(config, Access::Beside).await?;
    let now = SystemClock.now();
    let set = service::set_network(&stores.db, &stores.store, &plmn, set, now).await;
    stores.close().await;
    println!("{}", told(&set.map_err(|error| explain(&error))?));
    Ok(ExitCode::SUCCESS)
}

fn told(network: &Network) -> String {
    let mut said = format!("{} {}", network.plmn, network.name);
    for more in [&network.operator, &network.country].into_iter().flatten() {
        said.push_str(", ");
        said.push_str(more);
    }
    said
}
