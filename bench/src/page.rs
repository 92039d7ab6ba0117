//! A page of 50 SIMs with customer and labels, over HTTP: GraphQL beside plain handlers that run the same statements, and
//! beside the floor.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use domain::{
    list::{List as _, Order},
    paging::PageRequest,
    sim::{Sim, SimFilter},
};
use serde_json::{Value, json};

use crate::{
    client::{Bodies, Connection, Shots, in_other_bytes, repeated},
    explain,
    pages::{self, PAGE, QUESTION},
    report::{Aim, Comparison},
    say,
    stage::Stage,
};

/// How long one side is measured at a time.
const SLOT: Duration = Duration::from_millis(1_500);
/// Pages that are asked for in turn, so that neither side answers from one row's cache line.
const PAGES: usize = 32;
const AIM: Aim = Aim::AtLeast(0.6);

/// Both sides with token, from 1, 8 and 32 connections; then both without.
pub(crate) async fn run(stage: &Stage, rounds: u32) -> Result<Vec<Comparison>> {
    let pages = beginnings(stage).await?;
    let bodies = |ask: fn(&Beginning) -> Bytes| repeated(pages.iter().map(ask).collect());
    let graphql = in_other_bytes(bodies(|page| pages::ask(QUESTION, &json!(page.cursor))));
    let plain = bodies(|page| text(&json!({ "after": page.cursor })));
    let floor = bodies(|page| text(&json!({ "after": page.iccid })));
    let shots =
        |address, path, bodies: &Bodies| pages::shots(address, path, &stage.token, bodies.clone());
    let served = shots(stage.server, "/graphql", &graphql);
    let verified = shots(stage.peers, "/verified/page", &plain);
    let bare_graphql = shots(stage.peers, "/bare/graphql", &graphql);
    let bare_page = shots(stage.peers, "/bare/page", &plain);
    let floor = shots(stage.floor.address, "/page", &floor);
    agree(&[&served, &verified, &bare_graphql, &bare_page]).await?;
    agree_in_rows(&served, &floor).await?;
    let mut comparisons = Vec::new();
    for connections in [1, 8, 32] {
        let name = |side| format!("page of {PAGE} SIMs, {side}, {connections} connections");
        let to_peer = name("server with token");
        let to_floor = name("server with token to the floor");
        comparisons.push(compare(to_peer, AIM, (&served, &verified), connections, rounds).await?);
        let to_floor = compare(
            to_floor,
            Aim::Nothing,
            (&served, &floor),
            connections,
            rounds,
        );
        comparisons.push(to_floor.await?);
    }
    let name = format!("page of {PAGE} SIMs, GraphQL alone, 8 connections");
    comparisons.push(compare(name, AIM, (&bare_graphql, &bare_page), 8, rounds).await?);
    Ok(comparisons)
}

fn text(value: &Value) -> Bytes {
    value.to_string().into()
}

/// After which SIM a page begins, as the product and as the floor say it.
#[derive(Default)]
struct Beginning {
    cursor: Option<String>,
    iccid: Option<String>,
}

/// Where pages begin, spread over the whole fleet; the first begins at the start.
async fn beginnings(stage: &Stage) -> Result<Vec<Beginning>> {
    let beginnings = async {
        let cx = stage.db.read(&stage.admin).await?;
        let mut beginnings = vec![Beginning::default()];
        for _ in 1..PAGES {
            let after = beginnings.last().and_then(|page| page.cursor.clone());
            let request = PageRequest::relay(Some(200), after, None, None)?;
            let page = Sim::page(&cx, &SimFilter::default(), Order::default(), &request).await?;
            beginnings.extend(page.rows.last().map(|(cursor, sim)| Beginning {
                cursor: Some(cursor.clone()),
                iccid: Some(sim.iccid.clone()),
            }));
        }
        Ok(beginnings)
    };
    beginnings.await.map_err(|error| explain(&error))
}

/// The floor names ids in its own way; everything else is the same.
async fn agree_in_rows(served: &Shots, floor: &Shots) -> Result<()> {
    for n in 0..PAGES {
        let floor = pages::page(floor, n, pages::rows).await.context("floor")?;
        ensure!(
            pages::page(served, n, pages::rows).await? == floor,
            "page {n} differs"
        );
    }
    Ok(())
}

/// Every side gives the same answer, or there is nothing to compare.
async fn agree(sides: &[&Shots]) -> Result<()> {
    for n in 0..PAGES {
        let mut answers = Vec::new();
        for side in sides {
            let body = Connection::open(side.address).await?.shoot(side, n).await?;
            let answer: Value = serde_json::from_slice(&body)?;
            let rows = answer["data"]["sims"]["nodes"]
                .as_array()
                .map_or(0, Vec::len);
            ensure!(
                rows == usize::try_from(PAGE)?,
                "{} answered {rows} rows: {answer}",
                side.path
            );
            answers.push(answer);
        }
        ensure!(
            answers.windows(2).all(|pair| pair[0] == pair[1]),
            "page {n} differs"
        );
    }
    Ok(())
}

async fn compare(
    name: String,
    aim: Aim,
    (subject, peer): (&Shots, &Shots),
    connections: usize,
    rounds: u32,
) -> Result<Comparison> {
    say(&name);
    let mut comparison = Comparison::new(name, "/s", aim);
    // Warm up: pools fill, statements are prepared.
    for side in [subject, peer] {
        side.per_second(connections, SLOT / 3)
            .await
            .context(side.path)?;
    }
    for _ in 0..rounds {
        let subject = subject.per_second(connections, SLOT).await?;
        comparison.push(subject, peer.per_second(connections, SLOT).await?);
    }
    Ok(comparison)
}
