//! `simcube tenant`: the companies whose fleets live here.

use std::{process::ExitCode, str::FromStr};

use anyhow::Result;
use domain::tenant::{self, NewTenant, SetSettings, TenantError};
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
    /// Show how long a tenant's usage records, sessions and files are kept, and how many bytes of files, or set it
    #[command(
        after_help = "Example:\n  simcube tenant settings acme --record-days 730 --export-bytes default\n\n\
                      Fewer days of records take effect ten days later at the earliest, and may be taken back until then.\n\
                      More days of sessions take effect as the log grows into them: what came before is not kept longer."
    )]
    Settings {
        /// Short name of the tenant
        slug: String,
        /// Days that usage records are kept, 60 to 3650, or `default`; sums are kept for ever
        #[arg(long, value_name = "DAYS")]
        record_days: Option<Own<u16>>,
        /// Days that the log of sessions is kept, 1 to 90, or `default`; sums are kept for ever
        #[arg(long, value_name = "DAYS")]
        session_days: Option<Own<u16>>,
        /// Minutes between two rollups of a session that goes on, 1 to 1440, or `default`; a session without one for three times as
        /// long is stale
        #[arg(long, value_name = "MINUTES")]
        session_minutes: Option<Own<u16>>,
        /// Days that files of exports are kept, 1 to 3650, or `default`
        #[arg(long, value_name = "DAYS")]
        export_days: Option<Own<u16>>,
        /// Bytes of files of exports that the tenant keeps at most, or `default`
        #[arg(long, value_name = "BYTES")]
        export_bytes: Option<Own<u64>>,
    },
}

/// A value of the tenant's own, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Own<T>(Option<T>);

impl<T: FromStr> FromStr for Own<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        match text {
            "default" => Ok(Self(None)),
            number => number.parse().map(|own| Self(Some(own))),
        }
    }
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let stores = Stores::open(config, Access::Beside).await?;
    let said = match args.command {
        Command::Create { slug, name } => {
            let name = name.unwrap_or_else(|| slug.clone());
            let new = NewTenant {
                slug,
                name,
                simulated: false,
            };
            let created = create(&stores, new).await;
            created.map(|tenant| format!("{} {}", tenant.slug, tenant.id))
        }
        Command::Settings {
            slug,
            record_days,
            session_days,
            session_minutes,
            export_days,
            export_bytes,
        } => {
            let set = SetSettings {
                record_days: record_days.map(|Own(days)| days),
                session_days: session_days.map(|Own(days)| days),
                session_minutes: session_minutes.map(|Own(minutes)| minutes),
                export_days: export_days.map(|Own(days)| days),
                export_bytes: export_bytes.map(|Own(bytes)| bytes),
            };
            let shown = settings(&stores, &slug, set).await;
            shown.map(|settings| told(&settings, &config.exports.settings()))
        }
    };
    stores.close().await;
    println!("{}", said.map_err(|error| explain(&error))?);
    Ok(ExitCode::SUCCESS)
}

/// The settings of a tenant, after what is set is set.
async fn settings(
    stores: &Stores,
    slug: &str,
    set: SetSettings,
) -> domain::Result<tenant::Settings> {
    let cx = stores.db.system().await?;
    let tenant = if set == SetSettings::default() {
        let found = tenant::find(&cx, slug).await?;
        found.ok_or(TenantError::NotFound)?
    } else {
        let tenant = tenant::set(&cx, slug, set).await?;
        cx.commit().await?;
        tenant
    };
    Ok(tenant.settings)
}

fn told(settings: &tenant::Settings, defaults: &exports::Settings) -> String {
    let records = settings.records;
    let since = records.since().map_or_else(String::new, |since| {
        format!(", all there since {}", since.format("%Y-%m-%dT%H:%MZ"))
    });
    let own = |is_own: bool| if is_own { "" } else { " (default)" };
    format!(
        "record days   {}{since}\nsession days  {}\nsession mins  {}{}\nexport days   {}{}\nexport bytes  {}{}",
        records.days(),
        settings.sessions.days(),
        settings.session_interval(),
        own(settings.session_minutes.is_some()),
        defaults.retention(settings).num_days(),
        own(settings.export_days.is_some()),
        defaults.quota(settings),
        own(settings.export_bytes.is_some()),
    )
}

async fn create(stores: &Stores, new: NewTenant) -> domain::Result<tenant::Tenant> {
    let cx = stores.db.system().await?;
    let tenant = tenant::create(&cx, new).await?;
    cx.commit().await?;
    Ok(tenant)
}
