//! `simcube rate-card`: whether a card says what usage costs, before anybody is to pay by it.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Subcommand;
use domain::rating::{Card, Rates};

use crate::refused::Refused;

/// Look at a rate card
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube rate-card check card.json")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say all that is wrong with a card, by code and place; exit code 1 if something is
    Check {
        /// The card as JSON (docs/rating.md)
        file: PathBuf,
    },
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let Action::Check { file } = &args.action;
    let refused = |error: &dyn std::fmt::Display| Refused(format!("{}: {error}", file.display()));
    let text = fs::read(file).map_err(|error| refused(&error))?;
    let card: Card = serde_json::from_slice(&text).map_err(|error| refused(&error))?;
    match card.check() {
        Ok(rates) => {
            println!("{}", told(&rates));
            Ok(ExitCode::SUCCESS)
        }
        Err(refusals) => {
            for refusal in refusals {
                let code = refusal.code.as_ref();
                println!("{code} {}: {}", refusal.field, refusal.message);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn told(rates: &Rates) -> String {
    format!(
        "{} {}: {} zones, {} for each SIM and month",
        rates.bill_period().as_ref(),
        rates.currency(),
        rates.zones().len(),
        rates.access_charge(),
    )
}
