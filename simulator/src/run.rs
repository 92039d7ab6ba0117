//! A plan, carried out against a running server.

use std::fmt;

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    block::{self, Block, Delivery},
    fleet::{HEADER, Sim},
    oracle,
    plan::FleetPlan,
    record::Feed,
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
        )
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
    let name = plan.stream();
    for number in blocks {
        for wave in Block::new(plan, number).waves(plan) {
            let deliveries = batches(wave, plan.batch).into_iter().enumerate();
            let sending = deliveries.map(|(style, batch)| {
                let (count, name) = (batch.len() as u64, &name);
                async move {
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
                summary.retries += retries;
            }
        }
    }
    progress.finish();
    Ok(summary)
}

async fn send_fleet(
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

/// Deliveries of one feed each, in the wave's order.
fn batches(wave: Vec<Delivery>, size: usize) -> Vec<Vec<Delivery>> {
    let mut batches = Vec::new();
    let (mut gateway, mut streamer) = (Vec::new(), Vec::new());
    for delivery in wave {
        let open = match delivery.feed {
            Feed::Gateway => &mut gateway,
            Feed::Streamer => &mut streamer,
        };
        open.push(delivery);
        if open.len() == size {
            batches.push(std::mem::take(open));
        }
    }
    batches.extend(
        [gateway, streamer]
            .into_iter()
            .filter(|rest| !rest.is_empty()),
    );
    batches
}
