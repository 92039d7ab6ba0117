//! Exactly-once intake: records per second from NDJSON to acknowledged and counted, beside inserting the same rows,
//! encoded beforehand, into the same table with the same views.

use std::{
    convert::Infallible,
    fmt::Write as _,
    time::{Duration, Instant},
};

use analytics::{
    CdrRow,
    cdr::{self, Attempt},
};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock as _, SystemClock, id::BatchId, journal, tenant::Retentions};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ingest::{format::Format, read::Encoding};
use uuid::Uuid;

use crate::{
    client::{Connection, Shots, repeated},
    engine::Socket,
    explain, fleet,
    record::Record,
    report::{Aim, Comparison},
    say,
    stage::Stage,
};

/// Records that each side takes per round.
pub(crate) const RECORDS: u32 = 500_000;
/// Records of one batch, the intake's own default.
pub(crate) const BATCH: usize = 10_000;
/// Batches under way at the same time, the intake's own default.
pub(crate) const DEPTH: usize = 3;
const SOURCE: &str = "bench";
pub(crate) const TYPE: &str = "application/x-ndjson";

/// In-process and over HTTP beside the raw insert; the store's insert alone to tell where the time goes.
pub(crate) async fn run(stage: &Stage, rounds: u32) -> Result<Vec<Comparison>> {
    let name = |side: &str| format!("intake of {RECORDS} records, {side}");
    let mut comparisons = [
        Comparison::new(name("Intake::submit"), "/s", Aim::AtLeast(0.55)),
        Comparison::new(name("over HTTP"), "/s", Aim::Nothing),
        Comparison::new(name("Store::apply alone"), "/s", Aim::Nothing),
        Comparison::new(
            name("Intake::submit, to without small cubes"),
            "/s",
            Aim::AtLeast(0.9),
        ),
    ];
    for round in 0..=rounds {
        say(&format!("intake, round {round} of {rounds}"));
        let rows = |side: &str| rows(&format!("{side}-{round}"), SystemClock.now(), RECORDS);
        rest(&stage.socket).await?;
        let raw = insert(stage, &rows("raw")).await?;
        rest(&stage.socket).await?;
        let submitted = submit(stage, body(&rows("submit"))).await?;
        rest(&stage.socket).await?;
        small_cubes(stage, "DETACH").await?;
        let without = submit(stage, body(&rows("without"))).await?;
        small_cubes(stage, "ATTACH").await?;
        rest(&stage.socket).await?;
        let applied = apply(stage, &rows("apply")).await?;
        rest(&stage.socket).await?;
        let posted = post(stage, body(&rows("http"))).await?;
        // The first round only warms up.
        if round > 0 {
            comparisons[0].push(submitted, raw);
            comparisons[1].push(posted, raw);
            comparisons[2].push(applied, raw);
            comparisons[3].push(submitted, without);
        }
    }
    Ok(comparisons.into())
}

/// Detaches or attaches the views that feed the small cubes. What is taken in without them is of hours that no question of
/// this run is about.
async fn small_cubes(stage: &Stage, verb: &str) -> Result<()> {
    let mut raw = stage.socket.connect().await?;
    for view in ["usage_small_view", "usage_small_year_view"] {
        raw.ask(&format!("{verb} TABLE {view}"), &[]).await?;
    }
    Ok(())
}

/// Waits until the engine has merged what the side before left behind: it would be on the next one's clock.
pub(crate) async fn rest(socket: &Socket) -> Result<()> {
    const PATIENCE: Duration = Duration::from_mins(2);
    let started = Instant::now();
    let mut calm = 0;
    while calm < 5 {
        ensure!(
            started.elapsed() < PATIENCE,
            "the engine does not come to rest"
        );
        let merges = socket
            .connect()
            .await?
            .count("SELECT count() FROM system.merges")
            .await?;
        calm = if merges == 0 { calm + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Usage of the last hours, spread over all SIMs that have any.
pub(crate) fn rows(series: &str, now: DateTime<Utc>, count: u32) -> Vec<CdrRow> {
    let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let row = |n: u32| {
        // A prime that goes round all SIMs before it comes back.
        let sim = n.wrapping_mul(7_919) % fleet::USED_SIMS;
        let start = now - TimeDelta::seconds(600 + i64::from(n % 7_200));
        let record_id = format!("{series}-{n}");
        CdrRow {
            tenant: fleet::tenant(),
            customer: Some(fleet::customer_of(sim)),
            sim: fleet::sim(sim),
            device: Some(fleet::device_of(sim)),
            network: fleet::NETWORKS[n as usize % fleet::NETWORKS.len()].into(),
            rat: "LTE".into(),
            service: "DATA".into(),
            source: SOURCE.into(),
            identity: journal::identity(fleet::tenant(), SOURCE, &record_id),
            record_id,
            start,
            end: start + TimeDelta::minutes(5),
            bytes_up: u64::from(n) * 13,
            bytes_down: u64::from(n) * 101,
            units: 0,
            sign: 1,
            batch: BatchId::new(Uuid::nil()),
            received_at: now,
        }
    };
    (0..count).map(row).collect()
}

/// The ICCID of the SIM that a row is of, by its place.
pub(crate) fn sim_of(n: u32) -> String {
    fleet::iccid(n.wrapping_mul(7_919) % fleet::USED_SIMS)
}

/// A row as a sender would describe it.
pub(crate) fn record<'a>(iccid: &'a str, row: &'a CdrRow) -> Record<'a> {
    Record {
        id: row.record_id.clone(),
        iccid,
        network: &row.network,
        start: row.start,
        end: row.end,
        bytes_up: row.bytes_up,
        bytes_down: row.bytes_down,
    }
}

/// The same rows as a sender would describe them.
fn body(rows: &[CdrRow]) -> Bytes {
    let mut body = String::new();
    for (n, row) in (0_u32..).zip(rows) {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "{}", record(&sim_of(n), row));
    }
    body.into()
}

/// Batches with an id of their own, encoded.
pub(crate) fn batches(rows: &[CdrRow]) -> Vec<(BatchId, u64, Bytes)> {
    let encoded = |rows: &[CdrRow]| {
        let batch = BatchId::new(Uuid::now_v7());
        let rows: Vec<_> = rows
            .iter()
            .map(|row| CdrRow {
                batch,
                ..row.clone()
            })
            .collect();
        (batch, rows.len() as u64, cdr::encode(&rows))
    };
    rows.chunks(BATCH).map(encoded).collect()
}

/// When an insert of this run must have begun.
pub(crate) fn deadline() -> DateTime<Utc> {
    SystemClock.now() + TimeDelta::hours(1)
}

/// A payload as `Store::apply` sends it.
pub(crate) fn due(payload: &Bytes) -> Result<Bytes> {
    let (_, due) =
        cdr::due(payload, deadline(), &Retentions::default()).context("a damaged payload")?;
    Ok(due)
}

fn per_second(started: Instant) -> f64 {
    f64::from(RECORDS) / started.elapsed().as_secs_f64()
}

/// The floor: the engine alone, as many inserts at the same time as the intake has.
pub(crate) async fn insert(stage: &Stage, rows: &[CdrRow]) -> Result<f64> {
    let batches: Vec<Bytes> = batches(rows)
        .into_iter()
        .map(|(_, _, payload)| due(&payload))
        .collect::<Result<_>>()?;
    let started = Instant::now();
    let inserts = stream::iter(batches)
        .map(|payload| async { stage.socket.connect().await?.insert("cdr", payload).await });
    inserts.buffer_unordered(DEPTH).try_collect::<()>().await?;
    Ok(per_second(started))
}

async fn apply(stage: &Stage, rows: &[CdrRow]) -> Result<f64> {
    let batches = batches(rows);
    let started = Instant::now();
    let apply_by = deadline();
    let running = stream::iter(batches).map(|(batch, rows, payload)| async move {
        let attempt = Attempt { batch, apply_by };
        let kept = Retentions::default();
        stage.store.apply(&attempt, rows, &payload, &kept).await
    });
    running.buffer_unordered(DEPTH).try_collect::<()>().await?;
    Ok(per_second(started))
}

async fn submit(stage: &Stage, body: Bytes) -> Result<f64> {
    let format = Format::of_records(Some(TYPE)).map_err(|error| explain(&error))?;
    let started = Instant::now();
    let chunks: Vec<Result<Bytes, Infallible>> = body
        .chunks(64 * 1024)
        .map(|chunk| Ok(body.slice_ref(chunk)))
        .collect();
    let reply = stage.intake.submit(
        &stage.deliverer,
        &format,
        Encoding::Identity,
        stream::iter(chunks),
    );
    let reply = reply.await.map_err(|error| explain(&error))?;
    let rate = per_second(started);
    ensure!(
        reply.accepted == u64::from(RECORDS),
        "not all records were accepted: {reply:?}"
    );
    Ok(rate)
}

async fn post(stage: &Stage, body: Bytes) -> Result<f64> {
    let shots = Shots {
        address: stage.server,
        path: "/api/v1/ingest/cdrs",
        content_type: TYPE,
        token: stage.token.clone(),
        bodies: repeated(vec![body]),
    };
    let mut connection = Connection::open(shots.address).await?;
    let started = Instant::now();
    let answer: serde_json::Value = serde_json::from_slice(&connection.shoot(&shots, 0).await?)?;
    let rate = per_second(started);
    ensure!(
        answer["accepted"] == RECORDS,
        "not all records were accepted: {answer}"
    );
    Ok(rate)
}
