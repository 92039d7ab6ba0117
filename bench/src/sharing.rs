//! Several tenants at the same time: what they cost each other.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{Clock as _, SystemClock};
use futures::future::try_join_all;

use crate::{
    client::{Connection, Shots, repeated},
    intake::{BATCH, rest},
    program::{Program, TENANTS, fresh, lines},
    report::{Aim, Comparison},
    say,
};

/// Deliveries over each connection.
const DELIVERIES: usize = 5;
/// How long a quiet tenant is watched.
const SLOT: Duration = Duration::from_secs(5);
/// Connections of the quiet tenant and of the one that starves it.
const QUIET: usize = 4;
const STARVING: usize = 100;
/// Records of a delivery of the starving tenant.
const STARVING_RECORDS: usize = 100;

/// Eight tenants beside one, and a quiet tenant beside a starving one.
pub(crate) async fn run(program: &Program, rounds: u32) -> Result<Vec<Comparison>> {
    let mut comparisons = [
        Comparison::new(
            format!(
                "batches of {BATCH}, {TENANTS} tenants together to one over as many connections"
            ),
            "/s",
            Aim::AtLeast(0.9),
        ),
        Comparison::new(
            format!("p95 of a tenant beside one with {STARVING} connections, to its own alone"),
            "ms",
            Aim::AtMost(2.0),
        ),
    ];
    for round in 0..=rounds {
        say(&format!("sharing, round {round} of {rounds}"));
        let now = SystemClock.now();
        let each: Vec<usize> = (0..TENANTS).collect();
        let together = throughput(program, &each, &format!("each-{round}"), now).await?;
        let one = throughput(program, &[0; TENANTS], &format!("one-{round}"), now).await?;
        let alone = quiet(program, format!("alone-{round}"), now).await?;
        let noise = fresh(0, format!("noise-{round}"), now, STARVING_RECORDS);
        let noise = program.shots(0, noise);
        let (_, beside) = tokio::try_join!(
            noise.measure(STARVING, SLOT),
            quiet(program, format!("beside-{round}"), now)
        )?;
        // The first round only warms up.
        if round > 0 {
            comparisons[0].push(together, one);
            comparisons[1].push(beside, alone);
        }
    }
    Ok(comparisons.into())
}

/// Records per second when each connection delivers batches of the tenant at its place.
async fn throughput(
    program: &Program,
    tenants: &[usize],
    series: &str,
    now: DateTime<Utc>,
) -> Result<f64> {
    // Made beforehand: the client is not what is measured.
    let bodies = |place: usize| -> Vec<Bytes> {
        let first = |n| (place * DELIVERIES + n) * BATCH;
        (0..DELIVERIES)
            .map(|n| lines(tenants[place], series, now, first(n), BATCH))
            .collect()
    };
    let shots: Vec<Shots> = (0..tenants.len())
        .map(|place| program.shots(tenants[place], repeated(bodies(place))))
        .collect();
    rest(&program.socket).await?;
    let started = Instant::now();
    let senders = shots.iter().map(|shots| async move {
        let mut connection = Connection::open(shots.address).await?;
        for n in 0..DELIVERIES {
            connection.shoot(shots, n).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(senders).await?;
    let records = f64::from(u32::try_from(tenants.len() * DELIVERIES * BATCH)?);
    Ok(records / started.elapsed().as_secs_f64())
}

/// The time in which 95 of 100 one-record deliveries of the second tenant are answered, milliseconds.
async fn quiet(program: &Program, series: String, now: DateTime<Utc>) -> Result<f64> {
    let shots = program.shots(1, fresh(1, series, now, 1));
    Ok(shots.measure(QUIET, SLOT).await?.p95())
}
