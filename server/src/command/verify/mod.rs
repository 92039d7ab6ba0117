//! `simcube verify`: ledger = records = every cube = what a simulation expects.

mod oracle;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use analytics::{
    System,
    cube::Level,
    verify::{Census, Count, Table},
};
use anyhow::Result;
use chrono::{DateTime, Utc};
use domain::{Clock as _, Code, SystemClock, SystemCx, id::TenantId, journal, tenant};
use ingest::pipeline::{Intake, NoFault, Settings};

use super::stores::{Stores, explain};
use crate::{config::Config, engines::Access};

/// While a server counts, ledger and cubes are moments apart: a difference must outlast this many looks.
const LOOKS: u32 = 4;
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Differences printed; the rest is counted.
const SHOWN: usize = 50;

/// Compare the ledger of the intake with the records and with every cube
///
/// Prints a table and every difference. Exit code 0: all agree; 1: something differs. With --oracle it also compares the
/// usage that a simulation expects, record by record of every SIM and day.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube verify --oracle oracle")]
pub(super) struct Args {
    /// Folder that `simulate --oracle` wrote
    #[arg(long, value_name = "DIR")]
    oracle: Option<PathBuf>,
    /// Rebuild cube partitions that differ from the records, then compare again
    #[arg(long)]
    repair: bool,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let expected = args.oracle.as_deref().map(oracle::read).transpose()?;
    let stores = Stores::open(config, Access::Beside).await?;
    let outcome = verify(&stores, &args, config.intake.settings(), expected.as_ref()).await;
    stores.close().await;
    let differences = outcome?;
    for line in differences.iter().take(SHOWN) {
        println!("differs: {line}");
    }
    if differences.len() > SHOWN {
        println!("and {} more differences", differences.len() - SHOWN);
    }
    println!("{} differences", differences.len());
    Ok(if differences.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn verify(
    stores: &Stores,
    args: &Args,
    settings: Settings,
    expected: Option<&oracle::Expected>,
) -> Result<Vec<String>> {
    if stores.is_holder() {
        // No server runs: what a crash left in the journal is counted now, as a server's start would.
        let intake = Intake::new(stores.store.clone(), stores.db.clone(), settings, NoFault);
        intake.recover().await.map_err(|error| explain(&error))?;
    }
    let mut report = look(stores, args.repair).await?;
    for _ in 1..LOOKS {
        if report.differences.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        report = look(stores, args.repair).await?;
    }
    print!("{}", table::render(&report.lines));
    let mut differences = report.differences;
    if let Some(expected) = expected {
        differences.extend(oracle::compare(stores, expected).await?);
    }
    Ok(differences)
}

/// What one look found.
struct Report {
    lines: Vec<table::Line>,
    differences: Vec<String>,
}

/// Compares while nothing is applied, and mends first what differs from the records if asked to.
async fn look(stores: &Stores, repair: bool) -> Result<Report> {
    let looked = async {
        let cx = stores.db.system().await?;
        journal::freeze_apply(&cx).await?;
        let system = System::new(SystemClock.now());
        if repair {
            mend(stores, &system).await?;
        }
        compare(stores, &cx, &system).await
    };
    looked.await.map_err(|error| explain(&error))
}

/// Rebuilds every cube partition that differs from the records.
async fn mend(stores: &Stores, system: &System) -> domain::Result<()> {
    let verification = stores.store.verify(system, None).await?;
    let broken: BTreeSet<(Level, DateTime<Utc>)> = verification
        .differences
        .iter()
        .filter(|difference| difference.reference == Table::Records)
        .filter_map(|difference| match difference.table {
            Table::Cube(level) => Some((level, difference.cell.start, difference.width)),
            Table::Records => None,
        })
        // A difference over a year may lie in any of its months; the monthly comparison names those.
        .filter(|(level, _, width)| *level == Level::Year || *width == Level::Month)
        .map(|(level, start, _)| (level, start))
        .collect();
    let mut done = BTreeSet::new();
    for (level, moment) in broken {
        let partition = level.partition_at(moment).map(|(partition, _)| partition);
        if !done.insert((level, partition)) {
            continue;
        }
        match stores.store.repair(system, level, moment).await {
            Ok(repaired) => println!(
                "repaired {} {}: {} became {}",
                repaired.level,
                repaired.partition,
                table::sums(&repaired.before),
                table::sums(&repaired.after)
            ),
            // The others can still be mended; this one stays in the list of differences.
            Err(error) if error.code() == Code::Conflict => println!("not repaired: {error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn compare(stores: &Stores, cx: &SystemCx, system: &System) -> domain::Result<Report> {
    let (names, ledger) = ledger(cx).await?;
    let verification = stores.store.verify(system, None).await?;
    let hours = stores.store.census(system, Level::Hour, None).await?;
    let years = stores.store.census(system, Level::Year, None).await?;
    let name = |tenant: TenantId| {
        names
            .get(&tenant)
            .cloned()
            .unwrap_or_else(|| tenant.to_string())
    };
    let mut differences = against_ledger(&ledger, &hours, &name);
    for difference in &verification.differences {
        let cell = &difference.cell;
        differences.push(format!(
            "{} {} {}: {} says {}, {} says {}",
            name(cell.tenant),
            cell.source,
            cell.start.format("%Y-%m-%d"),
            difference.reference,
            table::sums(&difference.expected),
            difference.table,
            table::sums(&difference.found)
        ));
    }
    let lines = lines(&ledger, &years, &name);
    Ok(Report { lines, differences })
}

/// Accepted records by tenant, source and hour of event.
type Ledger = BTreeMap<(TenantId, String, DateTime<Utc>), Count>;

async fn ledger(cx: &SystemCx) -> domain::Result<(BTreeMap<TenantId, String>, Ledger)> {
    let mut names = BTreeMap::new();
    let mut ledger = Ledger::new();
    for tenant in tenant::list(cx).await? {
        for row in journal::ledger(cx, tenant.id).await? {
            let count = Count {
                records: i64::try_from(row.accepted).map_err(domain::Error::internal)?,
                bytes_up: i128::try_from(row.bytes_up).map_err(domain::Error::internal)?,
                bytes_down: i128::try_from(row.bytes_down).map_err(domain::Error::internal)?,
                units: 0,
            };
            ledger.insert((tenant.id, row.source, row.hour), count);
        }
        names.insert(tenant.id, tenant.slug);
    }
    Ok((names, ledger))
}

/// The hour cube outlives the records, and is compared with them elsewhere. The ledger does not know units.
fn against_ledger(
    ledger: &Ledger,
    hours: &Census,
    name: &impl Fn(TenantId) -> String,
) -> Vec<String> {
    let mut cube: Ledger = BTreeMap::new();
    for (cell, counts) in hours {
        let found = counts
            .get(&Table::Cube(Level::Hour))
            .copied()
            .unwrap_or_default();
        let key = (cell.tenant, cell.source.clone(), cell.start);
        cube.insert(key, Count { units: 0, ..found });
    }
    let mut keys: Vec<_> = ledger.keys().chain(cube.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let of = |map: &Ledger, key| map.get(key).copied().unwrap_or_default();
    keys.into_iter()
        .filter(|key| of(ledger, key) != of(&cube, key))
        .map(|key| {
            format!(
                "{} {} {}: the ledger says {}, usage_hour says {}",
                name(key.0),
                key.1,
                key.2.format("%Y-%m-%dT%H:00Z"),
                table::sums(&of(ledger, key)),
                table::sums(&of(&cube, key))
            )
        })
        .collect()
}

/// One line per tenant and source, over all time.
fn lines(ledger: &Ledger, years: &Census, name: &impl Fn(TenantId) -> String) -> Vec<table::Line> {
    let mut lines: BTreeMap<(String, String), table::Line> = BTreeMap::new();
    let mut line = |tenant, source: &str, column: usize, count: &Count| {
        let key = (name(tenant), source.to_owned());
        let line = lines
            .entry(key.clone())
            .or_insert_with(|| table::Line::new(key.0, key.1));
        line.add(column, count);
    };
    for ((tenant, source, _), count) in ledger {
        if count.records != 0 {
            line(*tenant, source, 0, count);
        }
    }
    for (cell, counts) in years {
        for (table, count) in counts {
            let column = match table {
                Table::Records => 1,
                Table::Cube(level) => 2 + *level as usize,
            };
            line(cell.tenant, &cell.source, column, count);
        }
    }
    lines.into_values().collect()
}
