//! Pages of SIMs as a client asks for them, whatever answers: where they begin, and which rows an answer has.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::client::{Bodies, Connection, Shots, repeated};

/// Rows of a page.
pub(crate) const PAGE: i32 = 50;

/// A page with everything that its rows are shown with. Every contract so far has these names, and so have two of the peers.
pub(crate) const QUESTION: &str = "query Page($first: Int!, $after: String) { sims(first: $first, after: $after) { nodes { \
    id iccid imsi msisdn state customer { id name } labels { key value } } pageInfo { hasNextPage endCursor } } }";

/// Where every row stands, 200 at a time.
pub(crate) const POSITIONS: &str = "query Positions($after: String) { list: sims(first: 200, after: $after) { \
    edges { cursor } pageInfo { hasNextPage endCursor } } }";

/// A GraphQL request for the page that begins after a cursor.
pub(crate) fn ask(question: &str, after: &Value) -> Bytes {
    ask_rows(question, PAGE, after)
}

/// The same for a page of so many rows.
pub(crate) fn ask_rows(question: &str, rows: i32, after: &Value) -> Bytes {
    let variables = json!({ "first": rows, "after": after });
    json!({ "query": question, "variables": variables })
        .to_string()
        .into()
}

/// Requests in JSON to one path.
pub(crate) fn shots(address: SocketAddr, path: &'static str, token: &str, bodies: Bodies) -> Shots {
    Shots {
        address,
        path,
        content_type: "application/json",
        token: token.to_owned(),
        bodies,
    }
}

/// The cursor of every SIM in the list's order, as a server gives them out.
pub(crate) async fn cursors(
    address: SocketAddr,
    token: &str,
    positions: &str,
) -> Result<Arc<[String]>> {
    let mut cursors = Vec::new();
    let mut after = Value::Null;
    loop {
        let body = json!({ "query": positions, "variables": { "after": after } });
        let once = repeated(vec![body.to_string().into()]);
        let mut answer = answer(&shots(address, "/graphql", token, once), 0).await?;
        let list = &mut answer["data"]["list"];
        for edge in self::list(&list["edges"])? {
            cursors.push(text(&edge["cursor"])?);
        }
        let info = &mut list["pageInfo"];
        if info["hasNextPage"] != true {
            return Ok(cursors.into());
        }
        after = info["endCursor"].take();
    }
}

/// What is the same in every program's and every peer's answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    iccid: String,
    imsi: String,
    msisdn: String,
    state: String,
    customer: String,
    labels: BTreeSet<(String, String)>,
}

/// The rows of an answer to [`QUESTION`].
pub(crate) fn rows(answer: &Value) -> Result<Vec<Row>> {
    let label = |label: &Value| Ok((text(&label["key"])?, text(&label["value"])?));
    let row = |sim: &Value| {
        let labels = list(&sim["labels"])?;
        row(
            sim,
            &sim["customer"],
            labels.iter().map(label).collect::<Result<_>>()?,
        )
    };
    let sims = list(&answer["data"]["sims"]["nodes"])
        .with_context(|| format!("an answer without a page: {answer}"))?;
    sims.iter().map(row).collect()
}

/// A row of any answer.
pub(crate) fn row(
    sim: &Value,
    customer: &Value,
    labels: BTreeSet<(String, String)>,
) -> Result<Row> {
    Ok(Row {
        iccid: text(&sim["iccid"])?,
        imsi: text(&sim["imsi"])?,
        msisdn: text(&sim["msisdn"])?,
        state: text(&sim["state"])?,
        customer: text(&customer["name"])?,
        labels,
    })
}

/// A text in an answer.
pub(crate) fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a text is missing")?.to_owned())
}

/// A list in an answer.
pub(crate) fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("a list is missing")
}

/// The rows of the page for the `n`th request of a kind, which has to be full.
pub(crate) async fn page(shots: &Shots, n: usize, rows: Rows) -> Result<Vec<Row>> {
    let rows = rows(&answer(shots, n).await?)?;
    ensure!(
        rows.len() == usize::try_from(PAGE)?,
        "{} rows on a page",
        rows.len()
    );
    Ok(rows)
}

/// The answer to the `n`th request of a kind.
pub(crate) async fn answer(shots: &Shots, n: usize) -> Result<Value> {
    let mut connection = Connection::open(shots.address).await?;
    Ok(serde_json::from_slice(&connection.shoot(shots, n).await?)?)
}

/// How the rows of an answer are found.
pub(crate) type Rows = fn(&Value) -> Result<Vec<Row>>;
