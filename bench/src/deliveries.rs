//! One-record deliveries over many connections, as a gateway's devices send them.

use std::time::{Duration, Instant};

use anyhow::Result;
use domain::{Clock as _, SystemClock};

use crate::{
    client::p95,
    intake::{BATCH, batches, due, rest, rows},
    program::{Program, fresh},
    report::{Aim, Comparison},
    say,
};

/// How long deliveries are measured at a time.
const SLOT: Duration = Duration::from_secs(5);
pub(crate) const CONNECTIONS: usize = 512;
/// Raw inserts beside each slot.
const INSERTS: u32 = 40;
/// Deliveries per second on two cores when each was a batch of its own, and what one may cost the processor, milliseconds.
const FORMER_RATE: f64 = 52.0;
const BUDGET: f64 = 1.0;

/// Throughput and cost beside fixed figures, latency beside durable inserts into the same engine.
pub(crate) async fn run(program: &Program, rounds: u32) -> Result<Vec<Comparison>> {
    let name = |what: &str| format!("one-record deliveries, {CONNECTIONS} connections, {what}");
    let mut comparisons = [
        Comparison::new(name("to a batch for each"), "/s", Aim::AtLeast(30.0)),
        Comparison::new(name("processor time to a budget"), "ms", Aim::AtMost(1.0)),
        Comparison::new(
            name(&format!("p95 to a raw insert of {BATCH}")),
            "ms",
            Aim::AtMost(3.0),
        ),
    ];
    for round in 0..=rounds {
        say(&format!("deliveries, round {round} of {rounds}"));
        rest(&program.socket).await?;
        let insert = insert(program, round).await?;
        rest(&program.socket).await?;
        let bodies = fresh(0, format!("delivery-{round}"), SystemClock.now(), 1);
        let before = program.cpu()?.own;
        let measured = program.shots(0, bodies).measure(CONNECTIONS, SLOT).await?;
        let cost = (program.cpu()?.own - before) * 1_000.0 / measured.count();
        // The first round only warms up.
        if round > 0 {
            comparisons[0].push(measured.per_second(), FORMER_RATE);
            comparisons[1].push(cost, BUDGET);
            comparisons[2].push(measured.p95(), insert);
        }
    }
    Ok(comparisons.into())
}

/// Raw inserts, one after the other: the time in which 95 of 100 are done, milliseconds.
async fn insert(program: &Program, round: u32) -> Result<f64> {
    let count = INSERTS * u32::try_from(BATCH)?;
    let rows = rows(&format!("raw-delivery-{round}"), SystemClock.now(), count);
    let mut raw = program.socket.connect().await?;
    let mut times = Vec::new();
    for (_, _, payload) in batches(&rows) {
        let payload = due(&payload)?;
        let started = Instant::now();
        raw.insert("cdr", payload).await?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(p95(times))
}
