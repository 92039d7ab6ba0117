//! `simcube config`: what is in force, and what each knob is for.

use std::process::ExitCode;

use crate::config::Config;

/// Print the effective configuration as TOML, every knob documented, secrets masked
///
/// Layers, weakest first: defaults, the file (simcube.toml or --config), the environment, flags. Every knob has
/// a variable: `SIMCUBE_LISTEN`, `SIMCUBE_OIDC__ISSUER`; and `DATABASE_URL`, `CLICKHOUSE_URL`,
/// `OIDC_ISSUER`, `OIDC_AUDIENCE` without a prefix. Unknown keys are refused.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  SIMCUBE_HTTP__REQUEST_SECONDS=5 simcube config > simcube.toml")]
pub(super) struct Args {}

pub(super) fn run(_: &Args, config: &Config) -> anyhow::Result<ExitCode> {
    print!("{}", config.render()?);
    Ok(ExitCode::SUCCESS)
}
