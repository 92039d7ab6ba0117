//! `simcube simulate`: a made-up fleet and its usage, through the real intake.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use domain::{Clock as _, Role, SystemClock};
use simulator::{Endpoint, Faults, FleetPlan, Topics, Via, oracle};

use super::{consume::settings, serve::on_signal, token};
use crate::{auth::development::Claims, config::Config, refused::Refused, stop::Stop};

/// A simulation may take long, and its token must last.
const TTL: Duration = Duration::from_hours(24);

/// Send a simulated fleet and its usage to a running server
///
/// The same seed gives the same records, byte for byte. Sending them again, in another order or other batches, counts
/// nothing twice. With --oracle the expected totals are written as Parquet before anything is sent. With --live it goes on
/// day after day until it is told to stop.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  simcube simulate --tenant acme --seed 7 --sims 1000 --days 30 \
    --until 2026-11-01 --faults all \\\n    --to http://127.0.0.1:8080 --oracle oracle\n  simcube verify --oracle oracle\n  \
    simcube simulate --tenant acme --sessions --live --speed 60"
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
    /// Days of usage [default: 30]; live: how long ago it begins [default: 1, at the clock's speed 0]
    #[arg(long)]
    days: Option<u32>,
    /// Sessions, too, in the last days of the range [5 without a number; live: in all of it]. The tenant must take rollups so
    /// old: by default those of the last seven days
    #[arg(
        long,
        value_name = "DAYS",
        num_args = 0..=1,
        default_value_t = 0,
        default_missing_value = "5"
    )]
    sessions: u32,
    /// How records travel: http, or kafka, through the topics of the configuration. What has no topic comes over HTTP
    #[arg(long, default_value = "http", value_parser = via)]
    via: Via,
    /// Go on without an end, each record when its time has come
    #[arg(long, conflicts_with_all = ["until", "oracle", "order"])]
    live: bool,
    /// How much faster than the clock time passes until it has caught up
    #[arg(long, value_name = "N", default_value_t = 1, requires = "live",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    speed: u32,
    /// End of the range: a date or an RFC 3339 time, UTC [default: today]
    #[arg(long, value_name = "DATE", value_parser = moment)]
    until: Option<DateTime<Utc>>,
    /// What goes wrong on the way: all, none, or a list such as duplicates,late
    #[arg(long, default_value = "none", value_parser = faults)]
    faults: Faults,
    /// Base URL of the server [default: the configured address]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Token with `INVENTORY_WRITE`, `CDRS_WRITE` and `SESSIONS_WRITE` [default: a development token]
    #[arg(long)]
    token: Option<String>,
    /// Folder for the expected totals
    #[arg(long, value_name = "DIR")]
    oracle: Option<PathBuf>,
    /// Records per delivery
    #[arg(long, default_value_t = 2000)]
    batch: usize,
    /// Records per second at most, all together [default: as many as are taken]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_second: Option<u32>,
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

fn via(text: &str) -> Result<Via, String> {
    match text {
        "http" => Ok(Via::Http),
        "kafka" => Ok(Via::Kafka),
        _ => Err("http or kafka".to_owned()),
    }
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let now = SystemClock.now();
    let plan = plan(&args, now);
    if !args.live {
        plan.check(now)
            .map_err(|error| Refused(error.to_string()))?;
    }
    let target = target(&args, config)?;
    if let Some(folder) = &args.oracle {
        let manifest = oracle::write(&plan, folder)?;
        eprintln!(
            "{} records and {} rollups of sessions are expected; the totals are in {}",
            manifest.records,
            manifest.rollups,
            folder.display()
        );
    }
    let progress = simulator::progress_bar();
    let summary = if args.live {
        let stop = Stop::default();
        on_signal(&stop)?;
        let from = begin(&args, now);
        let stopped = stop.asked();
        simulator::live(
            &plan,
            &target,
            from,
            args.speed,
            &SystemClock,
            stopped,
            &progress,
        )
        .await
    } else {
        simulator::run(&plan, &target, now, &progress).await
    };
    match summary {
        Ok(summary) => println!("{summary}"),
        Err(simulator::Error::Plan(error)) => bail!(Refused(error.to_string())),
        Err(error) => bail!(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// When time begins to pass in a live simulation: what is as fast as the clock never catches up, so it begins now.
fn begin(args: &Args, now: DateTime<Utc>) -> DateTime<Utc> {
    let days = args.days.unwrap_or(u32::from(args.speed > 1));
    now - TimeDelta::days(days.into())
}

/// Where to send to, and by which way.
fn target(args: &Args, config: &Config) -> Result<Endpoint> {
    let address = || format!("http://{}", config.listen);
    let to = args.to.clone().unwrap_or_else(address);
    let token = match &args.token {
        Some(token) => token.clone(),
        None => administrator(config, &args.tenant)?,
    };
    let target = Endpoint::new(&to, &token)?;
    Ok(match args.via {
        Via::Http => target,
        Via::Kafka => {
            let kafka = settings(config)?;
            let topics = Topics::new(&kafka.brokers, &kafka.cdrs, &kafka.sessions)?;
            target.through(topics)
        }
    })
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
    let days = args.days.unwrap_or(30);
    let mut plan = FleetPlan::new(&args.tenant, args.seed, args.sims, days, until);
    plan.sessions = args.sessions;
    plan.via = args.via;
    plan.per_second = args.per_second;
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
