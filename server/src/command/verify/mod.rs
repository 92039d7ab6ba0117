//! `simcube verify`: ledger = records = every cube = what a simulation expects.

mod oracle;
mod table;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use engines::Access;
use ingest::verify::{Repaired, Report, Waiting};

use super::stores::{Stores, explain};
use crate::config::Config;

/// Differences printed; the rest is counted.
const SHOWN: usize = 50;

/// Compare the ledger of the intake with the records and with every cube
///
/// Prints a table and every difference. Exit code 0: all agree; 1: something differs. Beside a running server too: intake stands
/// still for a moment, and the output says for how long. With --oracle it also compares the usage that a simulation expects,
/// by everything that the cubes know.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube verify --oracle oracle")]
pub(super) struct Args {
    /// Folder that `simulate --oracle` wrote; several are compared one after the other
    #[arg(long, value_name = "DIR")]
    oracle: Vec<PathBuf>,
    /// Repair what differs, from the journal and the records up, then compare again
    #[arg(long)]
    repair: bool,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let expected = args.oracle.iter().map(|folder| oracle::read(folder));
    let expected: Vec<_> = expected.collect::<Result<_>>()?;
    let stores = Stores::open(config, Access::Beside).await?;
    let outcome = verify(&stores, &args, config, &expected).await;
    stores.close().await;
    let (differences, count) = outcome?;
    for line in differences.iter().take(SHOWN) {
        println!("differs: {line}");
    }
    if count > SHOWN as u64 {
        println!("and {} more differences", count - SHOWN as u64);
    }
    println!("{count} differences");
    Ok(if count == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The first differences, and how many there are.
async fn verify(
    stores: &Stores,
    args: &Args,
    config: &Config,
    expected: &[oracle::Expected],
) -> Result<(Vec<String>, u64)> {
    let operator = stores.operator(&config.intake);
    let looked = async {
        if args.repair {
            let repaired = operator.repair().await?;
            print_repair(&repaired);
            Ok(repaired.report)
        } else {
            operator.verify().await
        }
    };
    let report = looked
        .await
        .map_err(|error: domain::Error| explain(&error))?;
    print(&report);
    let mut count = report.count();
    let mut differences = report.differences;
    for expected in expected {
        let found = oracle::compare(stores, expected).await?;
        count += found.len() as u64;
        differences.extend(found);
    }
    Ok((differences, count))
}

fn print_repair(repaired: &Repaired) {
    for sentence in &repaired.done {
        println!("repaired: {sentence}");
    }
    for sentence in &repaired.refused {
        println!("not repaired: {sentence}");
    }
}

fn print(report: &Report) {
    print!("{}", table::render(&report.lines));
    let waiting = |what: &str, waiting: Waiting| {
        if waiting.parts > 0 {
            println!(
                "{what}: {} records in {} batches",
                waiting.records, waiting.parts
            );
        }
    };
    waiting("on the way", report.on_the_way);
    waiting("quarantined", report.quarantined);
    if report.expired > 0 {
        println!(
            "{} batches are not compared, since their records may have expired",
            report.expired
        );
    }
    if report.without_records {
        println!("usage whose records may have expired is compared among the cubes only");
    }
    println!(
        "intake stood still for {} ms",
        report.stood_still.as_millis()
    );
}
