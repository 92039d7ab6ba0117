//! Several tenants at the same time: what their deliveries and questions cost each other.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{Clock as _, SystemClock};
use futures::future::try_join_all;

use crate::{
    client::{Connection, Measured, Shots, in_other_bytes, repeated},
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
/// Connections over which a tenant asks heavy questions. Four of them are answered at once; each waits for seven others.
const ASKING: usize = 32;
/// What it asks, and what the other tenant does.
const HEAVY: &str = r#"{"query":"{ tenant { usage(input: { period: { preset: LAST_7_DAYS }, groupBy: [{ dimension: SIM }, { time: HOUR }], limit: 100 }) { rows { values { bytesTotal activeSims } } } } }"}"#;
const LIGHT: &str = r#"{"query":"{ tenant { usage(input: { period: { preset: LAST_7_DAYS }, groupBy: [{ dimension: NETWORK }] }) { rows { values { bytesTotal } } } } }"}"#;

/// Eight tenants beside one, a quiet tenant beside a starving one, and a tenant's questions beside those of one that asks too many.
pub(crate) async fn run(program: &Program, rounds: u32) -> Result<Vec<Comparison>> {
    let sent = Arc::default();
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
        Comparison::new(
            format!(
                "p50 of a tenant's questions beside one that asks heavy ones over {ASKING} connections, to those"
            ),
            "ms",
            Aim::Nothing,
        ),
        Comparison::new("the same, to the tenant's own alone", "ms", Aim::Nothing),
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
        rest(&program.socket).await?;
        let own = questions(program, (1, LIGHT), 1, &sent).await?;
        let (busy, light) = tokio::try_join!(
            questions(program, (0, HEAVY), ASKING, &sent),
            questions(program, (1, LIGHT), 1, &sent)
        )?;
        // The first round only warms up.
        if round > 0 {
            comparisons[2].push(light.p50(), busy.p50());
            comparisons[3].push(light.p50(), own.p50());
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

/// Questions of a tenant about its usage, none of them answered before.
async fn questions(
    program: &Program,
    (tenant, question): (usize, &'static str),
    connections: usize,
    sent: &Arc<AtomicUsize>,
) -> Result<Measured> {
    let bodies = repeated(vec![Bytes::from_static(question.as_bytes())]);
    let bodies = in_other_bytes(bodies, sent.clone());
    let shots = program.questions(tenant, bodies);
    shots.measure(connections, SLOT).await
}
