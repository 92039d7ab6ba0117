//! `simcube simulate`: a made-up fleet and its usage, through the real intake.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::{Clock as _, Role, SystemClock};
use simulator::{Endpoint, Faults, FleetPlan, oracle};

use super::token;
use crate::{auth::development::Claims, config::Config, refused::Refused};

/// A simulation may take long, and its token must last.
const TTL: Duration = Duration::from_hours(24);

/// Send a simulated fleet and its usage to a running server
///
/// The same seed gives the same records, byte for byte. Sending them again, in another order or other batches, counts
/// nothing twice. With --oracle the expected totals are written as Parquet before anything is sent.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  simcube simulate --tenant acme --seed 7 --sims 1000 --days 30 \
    --until 2026-11-01 --faults all \\\n    --to http://127.0.0.1:8080 --oracle oracle\n  simcube verify --oracle oracle"
)]
pub(super) struct Args {
    /// Slug of the tenant, which must exist
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// Which of all possible fleets
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of SIMs
    #[arg(long, default_value_t = 100)]
    sims: u32,
    /// Days of usage
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// End of the range: a date or an RFC 3339 time, UTC [default: today]
    #[arg(long, value_name = "DATE", value_parser = moment)]
    until: Option<DateTime<Utc>>,
    /// What goes wrong on the way: all, none, or a list such as duplicates,late
    #[arg(long, default_value = "none", value_parser = faults)]
    faults: Faults,
    /// Base URL of the server [default: the configured address]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Token with `INVENTORY_WRITE` and `CDRS_WRITE` [default: a development token]
    #[arg(long)]
    token: Option<String>,
    /// Folder for the expected totals
    #[arg(long, value_name = "DIR")]
    oracle: Option<PathBuf>,
    /// Records per delivery
    #[arg(long, default_value_t = 2000)]
    batch: usize,
    /// Order of sending [default: the seed]; the records do not depend on it
    #[arg(long, value_name = "SEED")]
    order: Option<u64>,
    /// Fewest bytes of a data record
    #[arg(long, value_name = "BYTES")]
    min_bytes: Option<u64>,
    /// Most bytes of a data record
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
}

fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    let date = text.parse::<NaiveDate>().map(midnight);
    date.or_else(|_| text.parse())
        .map_err(|_| format!("`{text}` is neither a date nor an RFC 3339 time"))
}

fn faults(text: &str) -> Result<Faults, String> {
    text.parse()
        .map_err(|error: <Faults as std::str::FromStr>::Err| error.to_string())
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let now = SystemClock.now();
    let plan = plan(&args, now);
    plan.check(now)
        .map_err(|error| Refused(error.to_string()))?;
    let to = args
        .to
        .unwrap_or_else(|| format!("http://{}", config.listen));
    let token = match args.token {
        Some(token) => token,
        None => administrator(config, &args.tenant)?,
    };
    if let Some(folder) = &args.oracle {
        let manifest = oracle::write(&plan, folder)?;
        eprintln!(
            "{} records are expected; the totals are in {}",
            manifest.records,
            folder.display()
        );
    }
    let target = Endpoint::new(&to, &token)?;
    let summary = simulator::run(&plan, &target, now, &simulator::progress_bar()).await;
    match summary {
        Ok(summary) => println!("{summary}"),
        Err(error) => bail!(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// A development token that may import fleets and deliver usage.
pub(super) fn administrator(config: &Config, tenant: &str) -> Result<String> {
    let claims = Claims {
        tenant: tenant.to_owned(),
        role: Role::TenantAdmin,
        customer: None,
        subject: Some("simulator".to_owned()),
    };
    token::sign(config, &claims, TTL)
}

fn plan(args: &Args, now: DateTime<Utc>) -> FleetPlan {
    let today = now.date_naive().and_time(NaiveTime::MIN).and_utc();
    let until = args.until.unwrap_or(today);
    let mut plan = FleetPlan::new(&args.tenant, args.seed, args.sims, args.days, until);
    plan.faults = args.faults.clone();
    plan.batch = args.batch;
    plan.order_seed = args.order.unwrap_or(args.seed);
    plan.min_bytes = args.min_bytes.unwrap_or(plan.min_bytes);
    plan.max_bytes = args.max_bytes.unwrap_or(plan.max_bytes);
    plan
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn an_end_is_a_date_or_a_time() {
        let day = moment("2026-11-01").expect("a date");
        assert_eq!(moment("2026-11-01T00:00:00Z").expect("a time"), day);
        assert!(moment("November").is_err());
    }
}
