//! A plan, carried out against a running server.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::{
    block::{self, Block, Delivery, Inlet},
    fleet::{HEADER, Sim},
    oracle,
    plan::FleetPlan,
    send::{Endpoint, Error},
};

/// Fleet rows per mutation, about.
const FLEET_ROWS: usize = 500;
/// Deliveries under way at the same time.
const PARALLEL: usize = 2;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Fleet rows of new SIMs.
    pub created: u64,
    /// Fleet rows that changed a SIM.
    pub updated: u64,
    /// Fleet rows that were there already.
    pub unchanged: u64,
    /// Records that the server acknowledged, repetitions included.
    pub received: u64,
    /// Records that it counted now.
    pub accepted: u64,
    /// Records that it had counted before.
    pub duplicate: u64,
    /// Records that it refused.
    pub rejected: u64,
    /// Deliveries that had to be repeated.
    pub retries: u64,
    /// Messages that the broker acknowledged; what the server makes of them is in its accounts.
    pub sent: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "fleet rows: {} created, {} updated, {} unchanged; records: {} received, {} accepted, {} duplicate, \
             {} rejected; {} deliveries repeated",
            self.created,
            self.updated,
            self.unchanged,
            self.received,
            self.accepted,
            self.duplicate,
            self.rejected,
            self.retries
        )?;
        if self.sent > 0 {
            write!(f, "; {} messages to topics", self.sent)?;
        }
        Ok(())
    }
}

/// A bar for a terminal; it hides itself where there is none.
pub fn progress_bar() -> ProgressBar {
    let template = "{msg:8} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// Sends fleet and records, and returns when everything is acknowledged. It survives a server that is killed and
/// started again.
///
/// # Errors
/// [`Error::Plan`] for an impossible plan, and otherwise when the server refuses or stays away.
pub async fn run(
    plan: &FleetPlan,
    target: &Endpoint,
    now: DateTime<Utc>,
    progress: &ProgressBar,
) -> Result<Summary, Error> {
    plan.check(now)?;
    let mut summary = Summary::default();
    send_fleet(plan, target, progress, &mut summary).await?;
    progress.set_message("records");
    progress.set_position(0);
    progress.set_length(oracle::deliveries(plan));
    let mut blocks: Vec<u32> = (0..block::count(plan)).collect();
    plan.order(u64::MAX).shuffle(&mut blocks);
    let mut pace = Pace::new(plan.per_second);
    for number in blocks {
        for wave in Block::new(plan, number).waves(plan) {
            send(plan, target, wave, &mut pace, progress, &mut summary).await?;
        }
    }
    progress.finish();
    Ok(summary)
}

/// Sends deliveries, in their order as far as those under way at the same time have one.
pub(crate) async fn send(
    plan: &FleetPlan,
    target: &Endpoint,
    deliveries: Vec<Delivery>,
    pace: &mut Pace,
    progress: &ProgressBar,
    summary: &mut Summary,
) -> Result<(), Error> {
    let name = plan.stream();
    let batches = batches(deliveries, plan.batch).into_iter().enumerate();
    let sending = batches.map(|(style, batch)| {
        let (count, name) = (batch.len() as u64, &name);
        let turn = pace.turn(count);
        async move {
            if let Some(turn) = turn {
                tokio::time::sleep_until(turn).await;
            }
            let outcome = target.deliver(name, batch, style).await?;
            progress.inc(count);
            Ok::<_, Error>(outcome)
        }
    });
    let outcomes: Vec<_> = stream::iter(sending)
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    for (reply, retries) in outcomes {
        summary.received += reply.received;
        summary.accepted += reply.accepted;
        summary.duplicate += reply.duplicate;
        summary.rejected += reply.rejected;
        summary.sent += reply.sent;
        summary.retries += retries;
    }
    Ok(())
}

/// When deliveries may go, so that there are not more records in a second than the plan has.
pub(crate) struct Pace {
    begun: Instant,
    per_second: Option<u32>,
    records: u64,
}

impl Pace {
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self {
            begun: Instant::now(),
            per_second,
            records: 0,
        }
    }

    /// The moment of the next delivery, of so many records; none when there is no limit.
    fn turn(&mut self, records: u64) -> Option<Instant> {
        let per_second = u64::from(self.per_second?.max(1));
        let turn = self.begun + Duration::from_millis(self.records * 1_000 / per_second);
        self.records += records;
        Some(turn)
    }
}

pub(crate) async fn send_fleet(
    plan: &FleetPlan,
    target: &Endpoint,
    progress: &ProgressBar,
    summary: &mut Summary,
) -> Result<(), Error> {
    progress.set_message("fleet");
    progress.set_length(u64::from(plan.sims));
    let mut csv = HEADER.to_owned();
    let mut rows = 0;
    for index in 0..plan.sims {
        let sim = Sim::new(plan, index);
        sim.rows(plan, &mut csv);
        rows += sim.row_count();
        if rows >= FLEET_ROWS || index == plan.sims - 1 {
            let fleet = target.import(&csv).await?;
            summary.created += fleet.created;
            summary.updated += fleet.updated;
            summary.unchanged += fleet.unchanged;
            HEADER.clone_into(&mut csv);
            rows = 0;
            progress.set_position(u64::from(index) + 1);
        }
    }
    Ok(())
}

/// Deliveries of one inlet each, in the wave's order.
fn batches(wave: Vec<Delivery>, size: usize) -> Vec<Vec<Delivery>> {
    let mut batches = Vec::new();
    let [mut gateway, mut streamer, mut sessions] = [const { Vec::new() }; 3];
    for delivery in wave {
        let open = match delivery.inlet {
            Inlet::Gateway => &mut gateway,
            Inlet::Streamer => &mut streamer,
            Inlet::Sessions => &mut sessions,
        };
        open.push(delivery);
        if open.len() == size {
            batches.push(std::mem::take(open));
        }
    }
    batches.extend(
        [gateway, streamer, sessions]
            .into_iter()
            .filter(|rest| !rest.is_empty()),
    );
    batches
}
