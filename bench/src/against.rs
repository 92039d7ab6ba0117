//! Two programs beside each other: the one that was just built and an older one, so that nothing becomes slower unnoticed.
//!
//! Each serves from a process and a data folder of its own, filled with the same fleet and the same usage. All of that, and
//! everything that is asked, goes through the command line and HTTP: the older one may know another schema of its stores, other
//! settings and a smaller contract, so the documents here keep to what every contract so far has.

mod line;

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock as _, SystemClock};
use futures::future::try_join_all;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

use line::{Line, table};

use crate::{
    client::{Bodies, Connection, Measured, Shots, never_again, repeated},
    deliveries,
    fleet::{self, CUSTOMERS, NETWORKS, RECORDS, SIMS, SLUG, USED_SIMS},
    intake::{BATCH, TYPE},
    pages::{self, PAGE, QUESTION},
    process::Cpu,
    program::{Installation, Program, first_of, recent},
    record::Record,
    report::Table,
    say,
    stage::last_month,
};

/// How long a side is asked at a time.
const SLOT: Duration = Duration::from_millis(1_500);
/// How long one-record deliveries are measured at a time.
const DELIVERY_SLOT: Duration = Duration::from_secs(5);
/// Connections that deliver batches, and how many each of them delivers.
const SENDERS: usize = 4;
const BATCHES: usize = 5;
/// Pages that both sides have to answer alike.
const PROBES: usize = 20;
/// Decides about the usage, and about the order in which pages are asked for.
const SEED: u64 = 9;
/// Autovacuum looks at every table once a minute: after this, both Postgres have their statistics.
const VACUUM: Duration = Duration::from_secs(75);

const USAGE: &str = "query Usage($input: UsageInput!) { usage(input: $input) { rows { key { time network { code } } \
    values { bytesUp bytesDown records } } totals { bytesUp bytesDown records } provenance { tables watermark complete } } }";
const TOTAL: &str = "query Total($input: UsageInput!) { usage(input: $input) { totals { bytesUp bytesDown records } \
    provenance { tables watermark complete } } }";

/// What came of it.
pub(crate) struct Outcome {
    /// Every line.
    pub(crate) table: Table,
    /// Whether one of them is slower.
    pub(crate) is_slower: bool,
}

/// Measures both.
pub(crate) async fn run(
    engines: &Path,
    data: &Path,
    theirs: &Path,
    rounds: u32,
) -> Result<Outcome> {
    let month = last_month(SystemClock.now()).context("the calendar ends here")?;
    let folders = [folder(data)?, folder(data)?];
    let [ours, theirs] = [
        Installation::built(engines, folders[0].path())?,
        Installation::of(theirs, engines, folders[1].path())?,
    ];
    let sides = [Side::start(ours).await?, Side::start(theirs).await?];
    fill(&sides, month).await?;
    say("waiting for both to come to rest");
    tokio::time::sleep(VACUUM).await;
    let asked = [sides[0].asked(month).await?, sides[1].asked(month).await?];
    agree(&asked).await?;
    let mut lines = Vec::new();
    for round in 0..=rounds {
        say(&format!("round {round} of {rounds}"));
        let mut measured = pages(&sides, &asked).await?;
        measured.extend(cubes(&asked).await?);
        measured.extend(intake(&sides, round).await?);
        match round {
            // Only warms up.
            0 => {}
            1 => lines = measured,
            _ => {
                for (line, measured) in lines.iter_mut().zip(measured) {
                    line.rounds.extend(measured.rounds);
                }
            }
        }
    }
    for side in sides {
        side.program.stop().await?;
    }
    Ok(Outcome {
        is_slower: lines.iter().any(|line| line.summary().slower == Some(true)),
        table: table(&lines)?,
    })
}

/// A new folder that the private Postgres may pass through, whoever it runs as.
fn folder(data: &Path) -> Result<TempDir> {
    std::fs::create_dir_all(data)?;
    let mut builder = tempfile::Builder::new();
    let builder = builder
        .prefix("against-")
        .permissions(Permissions::from_mode(0o711));
    Ok(builder.tempdir_in(data)?)
}

/// One of the two programs, with the fleet.
struct Side {
    program: Program,
    token: String,
}

/// What one of them is asked.
struct Asked {
    page: Shots,
    cube: Shots,
    total: Shots,
    /// Some of the same pages again, the same for both.
    probes: Shots,
}

impl Side {
    async fn start(installation: Installation) -> Result<Self> {
        let program = Program::start(installation).await?;
        say("importing the fleet");
        let token = program.installation().tenant(SLUG, &fleet_csv()).await?;
        Ok(Self { program, token })
    }

    async fn asked(&self, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Result<Asked> {
        let address = self.program.server.address;
        let cursors = pages::cursors(address, &self.token, pages::POSITIONS).await?;
        ensure!(cursors.len() == SIMS as usize, "{} SIMs", cursors.len());
        let shots = |bodies| pages::shots(address, "/graphql", &self.token, bodies);
        let full = cursors.len() - usize::try_from(PAGE)?;
        let page = move |n: usize| pages::ask(QUESTION, &json!(cursors[n]));
        let probes = (0..PROBES).map(|n| page(n * full / PROBES)).collect();
        // Every question has another limit, all of them above the number of rows: nobody can have kept its answer.
        let usage = |question: &'static str, input: Value| {
            shots(never_again(700, SEED, move |n| {
                let mut input = input.clone();
                input["limit"] = json!(300 + n);
                let variables = json!({ "input": input });
                json!({ "query": question, "variables": variables })
                    .to_string()
                    .into()
            }))
        };
        let period = json!({ "between": { "from": from, "to": to } });
        let by_day =
            json!({ "period": period, "groupBy": [{ "time": "DAY" }, { "dimension": "NETWORK" }] });
        Ok(Asked {
            page: shots(never_again(full, SEED, page)),
            cube: usage(USAGE, by_day),
            total: usage(TOTAL, json!({ "period": period })),
            probes: shots(repeated(probes)),
        })
    }

    fn deliveries(&self, bodies: Bodies) -> Shots {
        Shots {
            address: self.program.server.address,
            path: "/api/v1/ingest/cdrs",
            content_type: TYPE,
            token: self.token.clone(),
            bodies,
        }
    }
}

/// The same fleet that the other workloads have, as a file.
fn fleet_csv() -> String {
    let row = |n: u32| {
        let device = if n < USED_SIMS {
            format!("device-{n}")
        } else {
            String::new()
        };
        let labels = (0..3).filter(|label| !(n + label).is_multiple_of(3));
        let labels: Vec<_> = labels
            .map(|label| format!("key-{label}=value {}", n % 50))
            .collect();
        format!(
            "Customer {},{},23820{n:010},45{n:08},ACTIVE,{device},{}\n",
            n % CUSTOMERS,
            fleet::iccid(n),
            labels.join(";")
        )
    };
    "customer,iccid,imsi,msisdn,state,device,labels\n".to_owned()
        + &(0..SIMS).map(row).collect::<String>()
}

/// The month's usage, delivered to both.
async fn fill(sides: &[Side; 2], (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Result<()> {
    /// Records of a delivery.
    const CHUNK: u32 = 50_000;
    let mut chance = ChaCha8Rng::seed_from_u64(SEED);
    let last = (to - from).num_seconds() - 600;
    for chunk in 0..RECORDS / CHUNK {
        say(&format!("usage {chunk} of {}", RECORDS / CHUNK));
        let mut line = |n: u32| {
            let start = from + TimeDelta::seconds(chance.random_range(0..last));
            let record = Record {
                id: format!("fill-{n}"),
                iccid: &fleet::iccid(chance.random_range(0..USED_SIMS)),
                network: NETWORKS[chance.random_range(0..NETWORKS.len())],
                start,
                end: start + TimeDelta::minutes(5),
                bytes_up: chance.random_range(0..100_000),
                bytes_down: chance.random_range(0..1_000_000),
            };
            format!("{record}\n")
        };
        let numbers = chunk * CHUNK..(chunk + 1) * CHUNK;
        let body: Bytes = numbers.map(&mut line).collect::<String>().into();
        for side in sides {
            let shots = side.deliveries(repeated(vec![body.clone()]));
            let answer = pages::answer(&shots, 0).await?;
            ensure!(answer["accepted"] == CHUNK, "not all accepted: {answer}");
        }
    }
    Ok(())
}

/// Both give the same answers, or there is nothing to compare.
async fn agree([ours, theirs]: &[Asked; 2]) -> Result<()> {
    for n in 0..PROBES {
        let our_page = pages::page(&ours.probes, n, pages::rows).await?;
        let their_page = pages::page(&theirs.probes, n, pages::rows).await?;
        ensure!(our_page == their_page, "page {n} differs");
    }
    for (ours, theirs) in [(&ours.cube, &theirs.cube), (&ours.total, &theirs.total)] {
        let (ours, theirs) = (usage(ours).await?, usage(theirs).await?);
        let records: u32 = pages::text(&ours["totals"]["records"])?.parse()?;
        ensure!(records == RECORDS, "{records} records");
        ensure!(
            ours["totals"] == theirs["totals"] && ours["rows"] == theirs["rows"],
            "usage differs: {} and {}, first {} and {}",
            ours["totals"],
            theirs["totals"],
            ours["rows"][0],
            theirs["rows"][0]
        );
    }
    Ok(())
}

/// One answer to a question about usage.
async fn usage(shots: &Shots) -> Result<Value> {
    let mut answer = pages::answer(shots, 0).await?;
    let mut usage = answer["data"]["usage"].take();
    ensure!(usage.is_object(), "no usage: {answer}");
    // Nobody asked for an order.
    if let Some(rows) = usage["rows"].as_array_mut() {
        rows.sort_by_cached_key(Value::to_string);
    }
    Ok(usage)
}

/// Pages over so many connections, with what they cost.
async fn pages(sides: &[Side; 2], asked: &[Asked; 2]) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for connections in [1, 8, 32] {
        let mut measured = Vec::new();
        for (side, asked) in sides.iter().zip(asked) {
            let before = side.program.cpu()?;
            let page = asked.page.measure(connections, SLOT).await?;
            measured.push((page, side.program.cpu()?.since(before)));
        }
        let name = |what| format!("page of {PAGE} SIMs, {connections} connections{what}");
        let cost = |of: fn(Cpu) -> f64| {
            let of = |(page, used): &(Measured, Cpu)| of(*used) * 1_000.0 / page.count();
            (of(&measured[0]), of(&measured[1]))
        };
        lines.extend([
            Line::rate(
                name(""),
                (measured[0].0.per_second(), measured[1].0.per_second()),
            ),
            Line::cost(name(", CPU of server"), cost(|used| used.own)),
            Line::cost(name(", CPU of Postgres"), cost(|used| used.below)),
        ]);
    }
    Ok(lines)
}

/// Questions to the cubes, one after the other.
async fn cubes([ours, theirs]: &[Asked; 2]) -> Result<[Line; 2]> {
    let rate = async |ours: &Shots, theirs: &Shots| {
        let ours = ours.per_second(1, SLOT).await?;
        anyhow::Ok((ours, theirs.per_second(1, SLOT).await?))
    };
    Ok([
        Line::rate(
            "one month by day and network".into(),
            rate(&ours.cube, &theirs.cube).await?,
        ),
        Line::rate(
            "total of one month".into(),
            rate(&ours.total, &theirs.total).await?,
        ),
    ])
}

/// Deliveries of a batch each and of one record each.
async fn intake(sides: &[Side; 2], round: u32) -> Result<[Line; 2]> {
    let now = SystemClock.now();
    let of_fleet = |n: usize| fleet::iccid(u32::try_from(n).unwrap_or_default() % USED_SIMS);
    // Made beforehand and the same for both: the client is not what is measured.
    let bodies: Arc<[Bytes]> = (0..SENDERS * BATCHES)
        .map(|n| recent(&format!("batch-{round}"), of_fleet, now, n * BATCH, BATCH))
        .collect();
    let (mut batches, mut records) = (Vec::new(), Vec::new());
    for side in sides {
        rest(sides).await?;
        batches.push(deliver(side, bodies.clone()).await?);
    }
    let series = format!("delivery-{round}");
    for side in sides {
        rest(sides).await?;
        let series = series.clone();
        let shots = side.deliveries(Arc::new(move |place, n| {
            recent(&series, of_fleet, now, first_of(place, n, 1), 1)
        }));
        let measured = shots.measure(deliveries::CONNECTIONS, DELIVERY_SLOT);
        records.push(measured.await?.per_second());
    }
    rest(sides).await?;
    Ok([
        Line::rate(
            format!("records in batches of {BATCH}, {SENDERS} connections"),
            (batches[0], batches[1]),
        ),
        Line::rate(
            format!(
                "one-record deliveries, {} connections",
                deliveries::CONNECTIONS
            ),
            (records[0], records[1]),
        ),
    ])
}

/// Waits until neither has anything left to do: both share the processors.
async fn rest(sides: &[Side; 2]) -> Result<()> {
    for side in sides {
        side.program.server.rest().await?;
    }
    Ok(())
}

/// Records per second, when each sender delivers its batches one after the other.
async fn deliver(side: &Side, bodies: Arc<[Bytes]>) -> Result<f64> {
    let records = f64::from(u32::try_from(bodies.len() * BATCH)?);
    let shots = &side.deliveries(Arc::new(move |_, n| bodies[n].clone()));
    let started = Instant::now();
    let senders = (0..SENDERS).map(|sender| async move {
        let mut connection = Connection::open(shots.address).await?;
        for n in 0..BATCHES {
            connection.shoot(shots, sender * BATCHES + n).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(senders).await?;
    Ok(records / started.elapsed().as_secs_f64())
}
