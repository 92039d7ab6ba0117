//! `simcube replay`: messages are read again.

use std::process::ExitCode;

use anyhow::Result;
use chrono::{Months, NaiveDate, NaiveTime};
use domain::Period;
use engines::Access;
use ingest::{
    pipeline::{Intake, NoFault},
    restore::{self, Left, Restored},
    topic::replay::{self, Replayed},
};

use super::{
    consume::settings,
    stores::{Stores, explain},
};
use crate::config::Config;

/// Lines of what was not put back.
const LISTED: usize = 1_000;

/// Read messages again, from a topic or from quarantine, or put back a month that the usage store lost
///
/// What was counted is a duplicate, and what is older than intake takes is refused. No position moves: messages that were not read yet
/// are left to whoever reads the topic. What is a tenant's now leaves the quarantine.
///
/// With --restore, what was accepted and is missing in the usage store is inserted again, with its batch and receipt, from the journal and
/// the topics. What neither has is listed; the exit code is 1 then.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  simcube replay --topic cdr.records --from 0\n  simcube replay --quarantine\n  \
                  simcube replay --restore --month 2026-10"
)]
pub(super) struct Args {
    /// Everything in quarantine
    #[arg(
        long,
        conflicts_with_all = ["topic", "restore"],
        required_unless_present_any = ["topic", "restore"]
    )]
    quarantine: bool,
    /// A topic
    #[arg(long, requires = "from", conflicts_with = "restore")]
    topic: Option<String>,
    /// The offset of each partition to begin at
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,
    /// What the usage store lost of a month
    #[arg(long, requires = "month")]
    restore: bool,
    /// The month in which that usage began, as 2026-10
    #[arg(long, value_parser = month, requires = "restore")]
    month: Option<Period>,
}

/// A month in UTC.
fn month(text: &str) -> Result<Period, String> {
    let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok();
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let next = first.and_then(|first| first.checked_add_months(Months::new(1)));
    let month = first
        .zip(next)
        .map(|(first, next)| Period::new(midnight(first), midnight(next)));
    month
        .and_then(Result::ok)
        .ok_or_else(|| "a month is written as 2026-10".to_owned())
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let of = match (&args.topic, args.from) {
        (Some(topic), Some(from)) => Some((settings(config)?, topic, from)),
        _ => None,
    };
    let stores = Stores::open(config, Access::Beside).await?;
    let intake = Intake::new(
        stores.store.clone(),
        stores.db.clone(),
        config.intake.settings(),
        NoFault,
    );
    let done = if let Some(month) = args.month {
        let topics = config.kafka.settings();
        let (store, db) = (&stores.store, &stores.db);
        let restored = restore::month(&intake, store, db, topics.as_ref(), month).await;
        restored.map(|restored| say_restored(&restored))
    } else {
        let replayed = match of {
            Some((settings, topic, from)) => {
                replay::topic(&intake, &stores.db, &settings, topic, from).await
            }
            None => replay::quarantine(&intake, &stores.db).await,
        };
        replayed.map(say_replayed)
    };
    drop(intake);
    stores.close().await;
    done.map_err(|error| explain(&error))
}

fn say_replayed(replayed: Replayed) -> ExitCode {
    let Replayed {
        read,
        received,
        accepted,
        duplicate,
        rejected,
    } = replayed;
    println!(
        "{read} messages: {received} received = {accepted} accepted + {duplicate} duplicate + {rejected} rejected"
    );
    ExitCode::SUCCESS
}

fn say_restored(restored: &Restored) -> ExitCode {
    println!(
        "{} records of topics and {} of the journal were put back: {} inserted, {} cells of cubes corrected",
        restored.from_topics,
        restored.from_journal,
        restored.settled.inserted,
        restored.settled.corrected
    );
    for left in restored.left.iter().take(LISTED) {
        let Left {
            tenant,
            kind,
            batch,
            received_at,
            records,
            why,
        } = left;
        let kind = kind.as_ref();
        println!("missing: {records} {kind} of {tenant}, {batch}, received {received_at}: {why}");
    }
    let records: u64 = restored.left.iter().map(|left| left.records).sum();
    let batches = restored.left.len();
    let quarantined = restored.settled.quarantined;
    if batches > 0 {
        println!("{records} records of {batches} batches are missing");
    }
    if quarantined > 0 {
        println!("{quarantined} batches are quarantined: simcube quarantine");
    }
    ExitCode::from(u8::from(batches > 0 || quarantined > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let december = month("2026-12").expect("a month");
        assert_eq!(december.from().to_rfc3339(), "2026-12-01T00:00:00+00:00");
        assert_eq!(december.to().to_rfc3339(), "2027-01-01T00:00:00+00:00");
        for text in ["2026", "2026-13", "12-2026", "2026-12-01"] {
            assert!(month(text).is_err(), "{text}");
        }
    }
}
