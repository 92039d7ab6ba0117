//! A page of 50 SIMs with customer and labels, over HTTP: GraphQL beside plain handlers that run the same statements.

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
    client::{Bodies, Connection, Shots, repeated},
    explain,
    plain::PAGE,
    report::{Aim, Comparison},
    say,
    stage::Stage,
};

/// How long one side is measured at a time.
const SLOT: Duration = Duration::from_millis(1_500);
/// Pages that are asked for in turn, so that neither side answers from one row's cache line.
const PAGES: usize = 32;
const AIM: Aim = Aim::AtLeast(0.6);

const QUESTION: &str = "query Page($first: Int!, $after: String) { sims(first: $first, after: $after) { nodes { \
    id iccid imsi msisdn state customer { id name } labels { key value } } pageInfo { hasNextPage endCursor } } }";

/// Both sides with token, from 1, 8 and 32 connections; then both without.
pub(crate) async fn run(stage: &Stage, rounds: u32) -> Result<Vec<Comparison>> {
    let cursors = cursors(stage).await?;
    let graphql: Vec<_> = cursors
        .iter()
        .map(|after| json!({ "query": QUESTION, "variables": { "first": PAGE, "after": after } }))
        .collect();
    let plain: Vec<_> = cursors
        .iter()
        .map(|after| json!({ "after": after }))
        .collect();
    let (graphql, plain) = (bodies(&graphql), bodies(&plain));
    let shots = |address, path, bodies: &Bodies| Shots {
        address,
        path,
        content_type: "application/json",
        token: stage.token.clone(),
        bodies: bodies.clone(),
    };
    let served = shots(stage.server, "/graphql", &graphql);
    let verified = shots(stage.peers, "/verified/page", &plain);
    let bare_graphql = shots(stage.peers, "/bare/graphql", &graphql);
    let bare_page = shots(stage.peers, "/bare/page", &plain);
    agree(&[&served, &verified, &bare_graphql, &bare_page]).await?;
    let mut comparisons = Vec::new();
    for connections in [1, 8, 32] {
        let name = format!("page of {PAGE} SIMs, server with token, {connections} connections");
        comparisons.push(compare(name, &served, &verified, connections, rounds).await?);
    }
    let name = format!("page of {PAGE} SIMs, GraphQL alone, 8 connections");
    comparisons.push(compare(name, &bare_graphql, &bare_page, 8, rounds).await?);
    Ok(comparisons)
}

fn bodies(values: &[Value]) -> Bodies {
    let text = |value: &Value| Bytes::from(value.to_string());
    repeated(values.iter().map(text).collect())
}

/// Where pages begin, spread over the whole fleet; the first begins at the start.
async fn cursors(stage: &Stage) -> Result<Vec<Option<String>>> {
    let cursors = async {
        let cx = stage.db.read(&stage.admin).await?;
        let mut cursors = vec![None];
        for _ in 1..PAGES {
            let after = cursors.last().cloned().flatten();
            let request = PageRequest::relay(Some(200), after, None, None)?;
            let page = Sim::page(&cx, &SimFilter::default(), Order::default(), &request).await?;
            cursors.push(page.rows.last().map(|(cursor, _)| cursor.clone()));
        }
        Ok(cursors)
    };
    cursors.await.map_err(|error| explain(&error))
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
    subject: &Shots,
    peer: &Shots,
    connections: usize,
    rounds: u32,
) -> Result<Comparison> {
    say(&name);
    let mut comparison = Comparison::new(name, "/s", AIM);
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
