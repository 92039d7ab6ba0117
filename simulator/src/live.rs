//! A plan without an end: day after day of it, sent as its time comes.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::Clock;
use indicatif::ProgressBar;
use tokio::time::Instant;

use crate::{
    block::{self, Block, Delivery, Inlet},
    plan::FleetPlan,
    run::{Pace, Summary, send, send_fleet},
    send::{Endpoint, Error},
};

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(200);
/// Until a record is there, after its begin: the longest lasts almost as long.
const RECORD: TimeDelta = TimeDelta::minutes(15);
/// How much later the late ones come, for each wave.
const LATE: TimeDelta = TimeDelta::hours(6);

/// Sends the fleet, and then its usage from `from` on, time passing `speed` times as fast as on the clock and never ahead of it, until
/// `stop` is over. The days of `plan` are not asked for; if it has any with sessions, all have.
///
/// # Errors
/// [`Error::Plan`] when an impossible plan begins at `from`, and otherwise when the server refuses or stays away.
pub async fn live(
    plan: &FleetPlan,
    target: &Endpoint,
    from: DateTime<Utc>,
    speed: u32,
    clock: &impl Clock,
    stop: impl Future<Output = ()>,
    progress: &ProgressBar,
) -> Result<Summary, Error> {
    let begin = from.duration_trunc(TimeDelta::days(1)).unwrap_or(from);
    let first = plan.day(begin);
    FleetPlan {
        until: from,
        ..first.clone()
    }
    .check(clock.now())?;
    let mut summary = Summary::default();
    let coming = Coming::new(plan, from, begin);
    tokio::select! {
        () = stop => {}
        ended = endless(&first, target, coming, speed, clock, progress, &mut summary) => match ended? {},
    }
    progress.finish();
    Ok(summary)
}

async fn endless(
    first: &FleetPlan,
    target: &Endpoint,
    mut coming: Coming<'_>,
    speed: u32,
    clock: &impl Clock,
    progress: &ProgressBar,
    summary: &mut Summary,
) -> Result<Infallible, Error> {
    send_fleet(first, target, progress, summary).await?;
    progress.set_message("live");
    progress.set_length(0);
    progress.set_position(0);
    let (begun, from) = (Instant::now(), coming.from);
    let mut pace = Pace::new(first.per_second);
    loop {
        let passed = TimeDelta::from_std(begun.elapsed().saturating_mul(speed));
        let now = passed.map_or(DateTime::<Utc>::MAX_UTC, |passed| from + passed);
        let due = coming.until(now.min(clock.now()));
        send(first, target, due, &mut pace, progress, summary).await?;
        tokio::time::sleep(TICK).await;
    }
}

/// What was not sent yet of the days that have begun.
struct Coming<'a> {
    plan: &'a FleetPlan,
    from: DateTime<Utc>,
    /// The first day that has not begun.
    next: DateTime<Utc>,
    by_time: BTreeMap<DateTime<Utc>, Vec<Delivery>>,
}

impl<'a> Coming<'a> {
    fn new(plan: &'a FleetPlan, from: DateTime<Utc>, begin: DateTime<Utc>) -> Self {
        Self {
            plan,
            from,
            next: begin,
            by_time: BTreeMap::new(),
        }
    }

    /// What is to be sent until `now`, in order of time.
    fn until(&mut self, now: DateTime<Utc>) -> Vec<Delivery> {
        while self.next <= now {
            self.begin_day();
        }
        let later = self.by_time.split_off(&now);
        let due = std::mem::replace(&mut self.by_time, later);
        due.into_values().flatten().collect()
    }

    fn begin_day(&mut self) {
        let day = self.plan.day(self.next);
        for number in 0..block::count(&day) {
            let waves = Block::new(&day, number).dated(&day);
            for (wave, late) in waves.into_iter().zip([0, 1, 2]) {
                for (at, delivery) in wave {
                    let lasts = match delivery.inlet {
                        Inlet::Gateway | Inlet::Streamer => RECORD,
                        Inlet::Sessions => TimeDelta::zero(),
                    };
                    let due = at + lasts + LATE * late;
                    if due >= self.from {
                        self.by_time.entry(due).or_default().push(delivery);
                    }
                }
            }
        }
        self.next += TimeDelta::days(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_come_one_after_the_other_and_nothing_comes_twice() {
        let moment = |text: &str| text.parse::<DateTime<Utc>>().expect("a moment");
        let from = moment("2026-11-20T12:00:00Z");
        let plan = FleetPlan {
            sessions: 1,
            ..FleetPlan::new("acme", 7, 30, 1, from)
        };
        let fleet = plan.day(moment("2026-11-20T00:00:00Z")).fingerprint();
        assert_eq!(
            fleet,
            plan.day(moment("2026-11-21T00:00:00Z")).fingerprint()
        );
        let mut coming = Coming::new(&plan, from, moment("2026-11-20T00:00:00Z"));
        assert!(coming.until(from).is_empty());
        let mut sent = Vec::new();
        for hours in 1..72 {
            sent.extend(coming.until(from + TimeDelta::hours(hours)));
        }
        let sessions = |it: &&Delivery| it.inlet == Inlet::Sessions;
        assert!(sent.iter().filter(sessions).count() > 300);
        assert!(sent.iter().filter(|it| !sessions(it)).count() > 200);
        let mut texts: Vec<&str> = sent.iter().map(|it| it.json.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), sent.len(), "each has an identity of its own");
    }
}
