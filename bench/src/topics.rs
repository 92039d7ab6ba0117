//! Usage records and rollups of sessions through a real broker: per second from a topic to counted, beside inserting the same rows, encoded
//! beforehand, into the same table with the same views.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use analytics::{SessionRow, session};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::{
    Clock as _, SystemClock,
    id::BatchId,
    journal::{self, BatchState},
    session::session_key,
    tenant::SessionRetentions,
    topic,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ingest::topic::{Consumer, Seen, Settings};
use serde_json::json;
use tokio::task::block_in_place;
use uuid::Uuid;

use crate::{
    broker::{Broker, Message},
    explain, fleet,
    intake::{BATCH, DEPTH, RECORDS, deadline, insert, record, rest, rows, sim_of},
    report::{Aim, Comparison},
    say,
    stage::Stage,
};

/// How long a round may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Between two looks at how far the intake is: less than a hundredth of a round.
const LOOK: Duration = Duration::from_millis(20);
/// Between two rollups of a session.
const INTERVAL: TimeDelta = TimeDelta::minutes(5);

/// Both kinds of topics.
pub(crate) async fn run(stage: &Stage, engines: &Path, rounds: u32) -> Result<Vec<Comparison>> {
    let broker = Broker::start(engines).await?;
    let name = |what: &str| format!("{RECORDS} {what} through Kafka, to the raw insert");
    let mut comparisons = [
        Comparison::new(name("usage records"), "/s", Aim::AtLeast(0.5)),
        Comparison::new(name("rollups of sessions"), "/s", Aim::AtLeast(0.3)),
    ];
    for round in 0..=rounds {
        say(&format!("topics, round {round} of {rounds}"));
        let now = SystemClock.now();
        rest(&stage.socket).await?;
        let raw = insert(stage, &rows(&format!("topic-raw-{round}"), now, RECORDS)).await?;
        let records = rows(&format!("topic-{round}"), now, RECORDS);
        let messages = (0_u32..).zip(&records).map(|(n, row)| {
            let iccid = sim_of(n);
            let payload = record(&iccid, row).to_string();
            (iccid, payload)
        });
        let settings = broker.topics(&format!("cdr-{round}")).await?;
        let read = consume(
            stage,
            &broker,
            &settings,
            &settings.cdrs,
            messages.collect(),
        )
        .await?;

        rest(&stage.socket).await?;
        let rollups = rollups(&format!("raw-{round}"), now);
        let raw_rollups = insert_rollups(stage, &rollups).await?;
        let rollups = self::rollups(&format!("topic-{round}"), now);
        let messages = (0_u32..).zip(&rollups).map(|(n, row)| message(n, row));
        let settings = broker.topics(&format!("session-{round}")).await?;
        let topic = &settings.sessions;
        let read_rollups = consume(stage, &broker, &settings, topic, messages.collect()).await?;
        // The first round only warms up.
        if round > 0 {
            comparisons[0].push(read, raw);
            comparisons[1].push(read_rollups, raw_rollups);
        }
    }
    Ok(comparisons.into())
}

/// Messages a second, from the moment when somebody begins to read them all to the one when the last is counted.
async fn consume(
    stage: &Stage,
    broker: &Broker,
    settings: &Settings,
    topic: &str,
    messages: Vec<Message>,
) -> Result<f64> {
    block_in_place(|| broker.send(topic, &messages))?;
    rest(&stage.socket).await?;
    let started = Instant::now();
    let (intake, db) = (stage.intake.clone(), stage.db.clone());
    let consumer = Consumer::start(intake, db, settings.clone(), Seen::default());
    let consumer = consumer.map_err(|error| explain(&error))?;
    while !is_counted(stage, topic)
        .await
        .map_err(|error| explain(&error))?
    {
        ensure!(started.elapsed() < PATIENCE, "{topic} is not read");
        tokio::time::sleep(LOOK).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    consumer.stop().await;
    Ok(f64::from(RECORDS) / seconds)
}

/// Whether all messages of a topic are accepted and in the cubes.
async fn is_counted(stage: &Stage, topic: &str) -> domain::Result<bool> {
    let cx = stage.db.system().await?;
    let sums = topic::sums(&cx).await?.into_iter();
    let of_topic = sums.filter(|(partition, ..)| *partition.topic == *topic);
    let accepted: u64 = of_topic.map(|(_, _, sums)| sums.accepted).sum();
    let pending = journal::pending(&cx, BatchState::Journaled, None, 1).await?;
    Ok(accepted == u64::from(RECORDS) && pending.is_empty())
}

/// Rollups of one session of each SIM that has any usage, in order of time, up to ten minutes ago.
fn rollups(series: &str, now: DateTime<Utc>) -> Vec<SessionRow> {
    let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let of_each = RECORDS / fleet::USED_SIMS;
    let row = |n: u32| {
        let (place, sim) = (n / fleet::USED_SIMS, n % fleet::USED_SIMS);
        let session_id = format!("{series}-{sim}");
        let age = INTERVAL * i32::try_from(of_each - place + 1).unwrap_or(i32::MAX);
        SessionRow {
            tenant: fleet::tenant(),
            customer: Some(fleet::customer_of(sim)),
            sim: fleet::sim(sim),
            device: Some(fleet::device_of(sim)),
            network: fleet::NETWORKS[sim as usize % fleet::NETWORKS.len()].into(),
            rat: "LTE".into(),
            session: session_key(fleet::sim(sim), &session_id),
            session_id,
            identity: Uuid::now_v7(),
            event_at: now - age,
            terminates: false,
            ip: "10.0.0.1".into(),
            counter_in: u64::from(place + 1) * 1_300,
            counter_out: u64::from(place + 1) * 10_100,
            bytes_up: 1_300,
            bytes_down: 10_100,
            sessions: u8::from(place == 0),
            resets: 0,
            sign: 1,
            arrived: true,
            batch: BatchId::new(Uuid::nil()),
            received_at: now,
        }
    };
    (0..RECORDS).map(row).collect()
}

/// A row as a gateway would describe it.
fn message(n: u32, row: &SessionRow) -> Message {
    let iccid = fleet::iccid(n % fleet::USED_SIMS);
    let rollup = json!({
        "session_id": row.session_id,
        "iccid": iccid,
        "event_timestamp": row.event_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "mcc_mnc": row.network,
        "radio_access_type": "6",
        "ip_address": row.ip,
        "total_bytes_in": row.counter_in,
        "total_bytes_out": row.counter_out,
        "request_type": "UPDATE",
        "cell_id": "1",
    });
    (iccid, rollup.to_string())
}

/// The floor: the engine alone, as many inserts at the same time as the intake has.
async fn insert_rollups(stage: &Stage, rows: &[SessionRow]) -> Result<f64> {
    let encoded = |rows: &[SessionRow]| -> Result<Bytes> {
        let batch = BatchId::new(Uuid::now_v7());
        let rows = rows.iter().cloned();
        let rows: Vec<_> = rows.map(|row| SessionRow { batch, ..row }).collect();
        let due = session::due(
            &session::encode(&rows),
            deadline(),
            &SessionRetentions::default(),
        );
        Ok(due.context("a damaged payload")?.1)
    };
    let batches: Vec<Bytes> = rows.chunks(BATCH).map(encoded).collect::<Result<_>>()?;
    let started = Instant::now();
    let inserts = stream::iter(batches).map(|payload| async {
        let mut raw = stage.socket.connect().await?;
        raw.insert("session_log", payload).await
    });
    inserts.buffer_unordered(DEPTH).try_collect::<()>().await?;
    Ok(f64::from(RECORDS) / started.elapsed().as_secs_f64())
}
