//! A page of 50 SIMs with customer and labels, over HTTP: GraphQL beside plain handlers that run the same statements, and
//! beside the floor.

use std::{ops::Range, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    client::{Bodies, Connection, Shots, never_again},
    fleet,
    pages::{self, PAGE, QUESTION},
    report::{Aim, Comparison},
    say,
    stage::Stage,
};

/// How long one side is measured at a time.
const SLOT: Duration = Duration::from_millis(1_500);
/// Pages that are compared before anything is measured.
const PAGES: usize = 32;
const AIM: Aim = Aim::AtLeast(0.6);
/// Rows of a wide page.
const WIDE: i32 = 200;
/// Rows at either end of the list, where deep pages and first ones begin.
const END: usize = 10_000;

/// Both sides with token, from 1, 8 and 32 connections; then both without; then wide and deep pages. Each page begins
/// somewhere else, so that nobody has kept it.
pub(crate) async fn run(stage: &Stage, rounds: u32) -> Result<Vec<Comparison>> {
    let cursors = pages::cursors(stage.server, &stage.token, pages::POSITIONS).await?;
    let shots = |address, path, bodies| pages::shots(address, path, &stage.token, bodies);
    let graphql = || pages_after(&cursors, |after| pages::ask(QUESTION, &json!(after)));
    let plain = || pages_after(&cursors, |after| text(&json!({ "after": after })));
    let floor = never_again(full(&cursors), SEED, |n| {
        let after = u32::try_from(n).map(fleet::iccid).unwrap_or_default();
        text(&json!({ "after": after }))
    });
    let served = shots(stage.server, "/graphql", graphql());
    let verified = shots(stage.peers, "/verified/page", plain());
    let bare_graphql = shots(stage.peers, "/bare/graphql", graphql());
    let bare_page = shots(stage.peers, "/bare/page", plain());
    let floor = shots(stage.floor.address, "/page", floor);
    agree(&[&served, &verified, &bare_graphql, &bare_page], &floor).await?;
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
    let pages = |rows, places: Range<usize>| {
        let cursors: Arc<[String]> = cursors[places].into();
        let body = move |n: usize| pages::ask_rows(QUESTION, rows, &json!(cursors[n]));
        shots(stage.server, "/graphql", never_again(END, SEED, body))
    };
    let last = full(&cursors) - END..full(&cursors);
    for (name, aim, subject, peer) in [
        (
            format!("page of {WIDE} SIMs to one of {PAGE}, 1 connection"),
            Aim::AtMost(3.0),
            pages(WIDE, 0..END),
            pages(PAGE, 0..END),
        ),
        (
            format!(
                "page at the end of {} SIMs to one at their start, 1 connection",
                cursors.len()
            ),
            Aim::AtMost(1.1),
            pages(PAGE, last),
            pages(PAGE, 0..END),
        ),
    ] {
        comparisons.push(compare_times(name, aim, (&subject, &peer), rounds).await?);
    }
    Ok(comparisons)
}

/// One order of chance for all sides.
const SEED: u64 = 9;

/// How many places there are after which a page is full.
fn full(cursors: &[String]) -> usize {
    let page = usize::try_from(PAGE).unwrap_or_default();
    cursors.len().saturating_sub(page)
}

/// Full pages, each after another cursor.
fn pages_after(cursors: &Arc<[String]>, ask: fn(&str) -> Bytes) -> Bodies {
    let cursors = cursors.clone();
    never_again(full(&cursors), SEED, move |n| ask(&cursors[n]))
}

fn text(value: &Value) -> Bytes {
    value.to_string().into()
}

/// Every side gives the same answer, or there is nothing to compare. The floor names ids in its own way; everything else is
/// the same.
async fn agree(sides: &[&Shots], floor: &Shots) -> Result<()> {
    for n in 0..PAGES {
        let mut answers = Vec::new();
        for side in sides {
            let body = Connection::open(side.address).await?.shoot(side, n).await?;
            let answer: Value = serde_json::from_slice(&body)?;
            let rows = pages::rows(&answer).with_context(|| side.path)?;
            ensure!(
                rows.len() == usize::try_from(PAGE)?,
                "{} answered {} rows",
                side.path,
                rows.len()
            );
            answers.push(answer);
        }
        ensure!(
            answers.windows(2).all(|pair| pair[0] == pair[1]),
            "page {n} differs"
        );
        let floor = pages::page(floor, n, pages::rows).await.context("floor")?;
        ensure!(
            pages::rows(&answers[0])? == floor,
            "page {n} of the floor differs"
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

/// The times of two sides from one connection.
async fn compare_times(
    name: String,
    aim: Aim,
    sides: (&Shots, &Shots),
    rounds: u32,
) -> Result<Comparison> {
    let rates = compare(name.clone(), aim, sides, 1, rounds).await?;
    let mut comparison = Comparison::new(name, "ms", aim);
    for round in rates.rounds {
        comparison.push(1_000.0 / round.subject, 1_000.0 / round.peer);
    }
    Ok(comparison)
}
