//! `simcube import`: a fleet from a CSV file.

use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use domain::fleet::{self, Report};
use engines::Access;

use super::{
    say,
    stores::{Stores, explain},
};
use crate::{config::Config, refused::Refused};

/// Import a fleet from a CSV file
///
/// UTF-8 with commas. Columns, by header: customer, iccid, imsi, msisdn, state, device, `device_kind`, labels, `device_labels`,
/// simulated, `valid_from`; iccid and state are required. Several rows of one ICCID with other `valid_from` are its assignment
/// history, and a device goes with the SIM in it. Importing the same file again changes nothing. Bad rows are listed with their
/// line and do not stop the others; then the exit code is 1.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube import fleet.csv --tenant alpha")]
pub(super) struct Args {
    /// The CSV file
    #[arg(value_name = "FLEET.csv")]
    file: PathBuf,
    /// Slug of the tenant
    #[arg(long, value_name = "SLUG")]
    tenant: String,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let file = File::open(&args.file)
        .map_err(|error| Refused(format!("cannot read {}: {error}", args.file.display())))?;
    let stores = Stores::open(config, Access::Beside).await?;
    let imported = import(&stores, &args.tenant, BufReader::new(file)).await;
    stores.close().await;
    let report = imported?;
    print(&report);
    Ok(if report.rejected == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn import(stores: &Stores, slug: &str, file: BufReader<File>) -> Result<Report> {
    let scope = stores.administrator(slug).await?;
    let mut rows = 0;
    let progress = |chunk: &Report| {
        rows += chunk.rows;
        say(format_args!("\r{rows} rows"));
    };
    let imported = fleet::import_file(&stores.db, &scope, file, &stores.store, progress).await;
    if rows == 0 {
        return imported.map_err(|error| explain(&error));
    }
    say("\n");
    imported
        .map_err(|error| explain(&error))
        .with_context(|| format!("the import stopped; the first {rows} rows are done and stay"))
}

fn print(report: &Report) {
    for error in &report.errors {
        println!(
            "line {}: {}: {}",
            error.line,
            error.code.as_ref(),
            error.reason
        );
    }
    let listed = u64::try_from(report.errors.len()).unwrap_or(u64::MAX);
    if listed < report.rejected {
        println!("and {} more rejected rows", report.rejected - listed);
    }
    println!(
        "{} rows: {} created, {} updated, {} unchanged, {} rejected",
        report.rows, report.created, report.updated, report.unchanged, report.rejected
    );
}
