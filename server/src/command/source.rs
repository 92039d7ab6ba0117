//! `simcube source`: where a tenant's usage comes from, and how far that is.

use std::process::ExitCode;

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Subcommand, ValueEnum};
use domain::{
    SystemCx,
    id::TenantId,
    journal::{self, Kind, Progress},
    tenant::{self, TenantError},
};
use engines::Access;

use super::stores::{Stores, explain};
use crate::config::Config;

/// Show how far the sources of a tenant's usage are, and say which are waited for
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube source retire acme old-gateway")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List them, with the moment up to which each is complete
    List {
        /// Short name of the tenant
        tenant: String,
    },
    /// Wait for a source no more: it ended. A new record of it ends that
    Retire {
        #[command(flatten)]
        of: Of,
    },
    /// Say how late the records of a source may come
    Lateness {
        #[command(flatten)]
        of: Of,
        /// Minutes, up to a year
        #[arg(long, value_parser = clap::value_parser!(u32).range(..=525_600))]
        minutes: u32,
    },
}

/// A source of a tenant.
#[derive(clap::Args)]
struct Of {
    /// Short name of the tenant
    tenant: String,
    /// The source, as its records name it
    source: String,
    /// What its records are
    #[arg(long, value_enum, default_value_t)]
    kind: Word,
}

/// A kind of records on the command line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Word {
    /// Usage records
    #[default]
    Cdr,
    /// Rollups of sessions
    Session,
}

impl From<Word> for Kind {
    fn from(word: Word) -> Self {
        match word {
            Word::Cdr => Self::Cdr,
            Word::Session => Self::Session,
        }
    }
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let stores = Stores::open(config, Access::Beside).await?;
    let shown = sources(&stores, args.action).await;
    stores.close().await;
    for source in shown.map_err(|error| explain(&error))? {
        println!("{}", told(&source));
    }
    Ok(ExitCode::SUCCESS)
}

/// The sources of the tenant, after what is to be changed is changed.
async fn sources(stores: &Stores, action: Action) -> domain::Result<Vec<Progress>> {
    let cx = stores.db.system().await?;
    let tenant = match action {
        Action::List { tenant } => id(&cx, &tenant).await?,
        Action::Retire { of } => {
            let tenant = id(&cx, &of.tenant).await?;
            journal::retire(&cx, tenant, of.kind.into(), &of.source).await?;
            tenant
        }
        Action::Lateness { of, minutes } => {
            let tenant = id(&cx, &of.tenant).await?;
            journal::set_lateness(&cx, tenant, of.kind.into(), &of.source, minutes).await?;
            tenant
        }
    };
    let sources = journal::progress_of(&cx, tenant).await?;
    cx.commit().await?;
    Ok(sources)
}

async fn id(cx: &SystemCx, slug: &str) -> domain::Result<TenantId> {
    let found = tenant::find(cx, slug).await?;
    Ok(found.ok_or(TenantError::NotFound)?.id)
}

fn told(source: &Progress) -> String {
    let moment = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!(
        "{} {}: {}, complete up to {} (newest event {}, newest receipt {}, {} minutes late at most)",
        source.kind.as_ref(),
        source.source,
        source.state.as_ref(),
        source
            .complete_up_to
            .map_or_else(|| "nothing".to_owned(), moment),
        moment(source.newest_event_at),
        moment(source.newest_received_at),
        source.lateness.num_minutes(),
    )
}
