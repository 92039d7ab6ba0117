//! `simcube tenant`: the companies whose fleets live here.

use std::process::ExitCode;

use anyhow::Result;
use domain::tenant::{self, NewTenant};
use engines::Access;

use super::stores::{Stores, explain};
use crate::config::Config;

/// Manage tenants
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube tenant create acme --name \"Acme\"")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Create a tenant
    #[command(after_help = "Example:\n  simcube tenant create acme --name \"Acme\"")]
    Create {
        /// Short name in tokens and on the command line: a-z, 0-9 and -
        slug: String,
        /// Name for people [default: the slug]
        #[arg(long)]
        name: Option<String>,
    },
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let Command::Create { slug, name } = args.command;
    let stores = Stores::open(config, Access::Beside).await?;
    let name = name.unwrap_or_else(|| slug.clone());
    let created = create(
        &stores,
        NewTenant {
            slug,
            name,
            simulated: false,
        },
    )
    .await;
    stores.close().await;
    let tenant = created.map_err(|error| explain(&error))?;
    println!("{} {}", tenant.slug, tenant.id);
    Ok(ExitCode::SUCCESS)
}

async fn create(stores: &Stores, new: NewTenant) -> domain::Result<tenant::Tenant> {
    let cx = stores.db.system().await?;
    let tenant = tenant::create(&cx, new).await?;
    cx.commit().await?;
    Ok(tenant)
}
