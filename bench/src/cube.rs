//! Questions to the usage cubes: planned, sent, read back and answered by Simcube, beside the same statement sent
//! straight to the engine, whose answer nobody reads. And the same questions about many records beside few.

use std::{iter, sync::Arc, time::Instant};

use analytics::usage::{
    Alignment, Carried, Condition, CubeQuery, Dimension, Grain, Group, Inventory, Key, Measure,
    Need, Order, OrderBy, Parents, SimFilter, Span, Top, UsageAnswer, plan,
};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use chrono::TimeDelta;
use domain::{Clock as _, Period, Scope, SystemClock, calendar::Zone};
use serde_json::{Value, json};

use crate::{
    client::{Connection, Shots, in_other_bytes, repeated},
    engine::Raw,
    explain, fleet,
    intake::rest,
    report::{Aim, Comparison, median},
    say,
    stage::{Stage, administrator},
};

/// Questions per side and round.
const QUESTIONS: usize = 15;
const AIM: Aim = Aim::AtMost(1.3);
/// Records of a month of two tenants with the same fleet.
const FEW: u32 = 100_000;
const MANY: u32 = 5_000_000;
const BERLIN: &str = "Europe/Berlin";
/// Milliseconds that a month may take, however many records it has.
const BUDGET: f64 = 5.0;

/// A question in both languages.
struct Question {
    name: &'static str,
    query: CubeQuery,
    /// SIMs, each of which is asked about.
    sims: Vec<Key>,
    /// Of the GraphQL input, beside the period.
    input: Value,
    /// Fields of a row's key, and of its values besides the traffic.
    key: &'static str,
    values: &'static str,
}

fn questions(period: Period) -> Vec<Question> {
    [simple(period), combined(period)]
        .into_iter()
        .flatten()
        .collect()
}

/// Traffic of the period, by these groups.
fn traffic(period: Period, groups: Vec<Group>, by: OrderBy, limit: u32) -> CubeQuery {
    let traffic = [Measure::BytesUp, Measure::BytesDown, Measure::Records];
    CubeQuery {
        group_by: groups,
        order_by: vec![Order {
            by,
            descending: matches!(by, OrderBy::Measure(_)),
        }],
        limit: Some(limit),
        ..CubeQuery::of(&traffic, span(period))
    }
}

/// Questions of one table and one period.
fn simple(period: Period) -> Vec<Question> {
    vec![
        Question {
            name: "by day and network",
            query: traffic(
                period,
                vec![
                    Group::Time(Grain::Day),
                    Group::Dimension(Dimension::Network),
                ],
                OrderBy::Group(0),
                1_000,
            ),
            input: json!({ "groupBy": [{ "time": "DAY" }, { "dimension": "NETWORK" }],
                "orderBy": [{ "by": { "group": 0 } }], "limit": 1_000 }),
            sims: vec![],
            key: "time network { code }",
            values: "",
        },
        Question {
            name: "by customer, with active SIMs",
            query: CubeQuery {
                measures: vec![
                    Measure::BytesUp,
                    Measure::BytesDown,
                    Measure::Records,
                    Measure::ActiveSims,
                ],
                ..traffic(
                    period,
                    vec![Group::Dimension(Dimension::Customer)],
                    OrderBy::Group(0),
                    1_000,
                )
            },
            input: json!({ "groupBy": [{ "dimension": "CUSTOMER" }], "orderBy": [{ "by": { "group": 0 } }], "limit": 1_000 }),
            sims: vec![],
            key: "customer { id }",
            values: "activeSims",
        },
        Question {
            name: "top 50 SIMs",
            query: traffic(
                period,
                vec![Group::Dimension(Dimension::Sim)],
                OrderBy::Measure(Measure::BytesDown),
                50,
            ),
            input: json!({ "groupBy": [{ "dimension": "SIM" }], "limit": 50,
                "orderBy": [{ "by": { "measure": "BYTES_DOWN" }, "direction": "DESC" }] }),
            sims: vec![],
            key: "sim { id }",
            values: "",
        },
    ]
}

/// Questions of several periods, zones or objects.
fn combined(period: Period) -> Vec<Question> {
    vec![
        Question {
            name: "by day, each of 50 SIMs",
            query: traffic(period, vec![Group::Time(Grain::Day)], OrderBy::Group(0), 31),
            sims: (0..50).map(|n| fleet::sim(n).into()).collect(),
            input: json!({ "groupBy": [{ "time": "DAY" }], "orderBy": [{ "by": { "group": 0 } }], "limit": 31 }),
            key: "time",
            values: "",
        },
        Question {
            name: "by day in Berlin, top 3 networks with others",
            query: CubeQuery {
                time_zone: BERLIN.parse().unwrap_or_default(),
                top: Some(Top {
                    group: 1,
                    n: 3,
                    by: Measure::BytesTotal,
                }),
                others: true,
                ..traffic(
                    period,
                    vec![
                        Group::Time(Grain::Day),
                        Group::Dimension(Dimension::Network),
                    ],
                    OrderBy::Group(0),
                    1_000,
                )
            },
            sims: vec![],
            input: json!({ "groupBy": [{ "time": "DAY" }, { "dimension": "NETWORK" }], "timeZone": BERLIN, "others": true,
                "top": { "group": 1, "n": 3, "by": "BYTES_TOTAL" }, "orderBy": [{ "by": { "group": 0 } }], "limit": 1_000 }),
            key: "others time network { code }",
            values: "",
        },
        Question {
            name: "by customer, beside the month before",
            query: CubeQuery {
                compare_to: Some(domain::usage::Comparison::PreviousPeriod),
                ..traffic(
                    period,
                    vec![Group::Dimension(Dimension::Customer)],
                    OrderBy::Group(0),
                    1_000,
                )
            },
            sims: vec![],
            input: json!({ "groupBy": [{ "dimension": "CUSTOMER" }], "compareTo": "PREVIOUS_PERIOD",
                "orderBy": [{ "by": { "group": 0 } }], "limit": 1_000 }),
            key: "customer { id }",
            values: "",
        },
    ]
}

/// Each question through [`analytics::Store::usage`] and through GraphQL over HTTP, beside the engine.
pub(crate) async fn run(stage: &Stage, rounds: u32) -> Result<Vec<Comparison>> {
    let (from, to) = stage.month;
    let period = Period::new(from, to).map_err(|error| explain(&error))?;
    let mut comparisons = Vec::new();
    for question in questions(period) {
        say(&format!("one month {}", question.name));
        comparisons.extend(ask(stage, &question, rounds).await?);
    }
    comparisons.push(ask_for_rows(stage, period, rounds).await?);
    comparisons.extend(ask_by_size(stage, period, rounds).await?);
    comparisons.extend(ask_of_many_sims(stage, period, rounds).await?);
    comparisons.extend(ask_in_a_zone(stage, period, rounds).await?);
    comparisons.extend(carry(stage, period, rounds).await?);
    comparisons.extend(travel(stage, period, rounds).await?);
    Ok(comparisons)
}

/// What planning and answering cost for each row of a long answer, beside what the engine and its HTTP cost.
async fn ask_for_rows(stage: &Stage, period: Period, rounds: u32) -> Result<Comparison> {
    const ROWS: u32 = 10_000;
    let name = format!("{ROWS} rows by day and SIM: planning and answering alone, each row");
    say(&name);
    let mut comparison = Comparison::new(name, "µs", Aim::Nothing);
    let groups = vec![Group::Time(Grain::Day), Group::Dimension(Dimension::Sim)];
    let query = traffic(period, groups, OrderBy::Group(0), ROWS);
    let (inventory, now) = (Inventory::default(), SystemClock.now());
    let plan = plan(&stage.admin, &query, None, &inventory, now);
    let plan = plan.map_err(|error| explain(&error))?;
    let mut raw = stage.socket.connect().await?;
    for round in 0..=rounds {
        let mut times: [Vec<f64>; 2] = Default::default();
        for _ in 0..QUESTIONS {
            let started = Instant::now();
            raw.ask(plan.sql(), &plan.parameters()).await?;
            times[0].push(milliseconds(started));
            let started = Instant::now();
            let answer = usage(stage, &stage.admin, &query).await;
            times[1].push(milliseconds(started));
            let rows = answer.map_err(|error| explain(&error))?.rows.len();
            ensure!(rows == ROWS as usize, "{rows} rows");
        }
        let [engine, whole] = times.map(|times| median(&times) * 1_000.0 / f64::from(ROWS));
        if round > 0 {
            comparison.push(whole - engine, engine);
        }
    }
    Ok(comparison)
}

/// A month of thirty times the records of thirty times the SIMs, where the answer has as many rows.
async fn ask_of_many_sims(stage: &Stage, period: Period, rounds: u32) -> Result<Vec<Comparison>> {
    const FLEETS: [(u32, u32); 2] = [
        (1_000_000, fleet::USED_SIMS),
        (30_000_000, 30 * fleet::USED_SIMS),
    ];
    say("a month of 1,000,000 records and one of 30,000,000 of thirty times the SIMs");
    let mut raw = stage.socket.connect().await?;
    for (records, sims) in FLEETS {
        let (from, to) = (period.from().timestamp(), period.to().timestamp());
        fleet::fill_cubes_with(&mut raw, records, sims, from, to).await?;
    }
    rest(&stage.socket).await?;
    let measures = [Measure::BytesUp, Measure::BytesDown, Measure::Records];
    let grouped = |groups: Vec<Group>| CubeQuery {
        group_by: groups,
        ..CubeQuery::of(&measures, span(period))
    };
    let largest = OrderBy::Measure(Measure::BytesDown);
    let sims = vec![Group::Dimension(Dimension::Sim)];
    let questions = [
        ("total", grouped(vec![])),
        (
            "by network",
            grouped(vec![Group::Dimension(Dimension::Network)]),
        ),
        (
            "by day and network",
            grouped(vec![
                Group::Time(Grain::Day),
                Group::Dimension(Dimension::Network),
            ]),
        ),
        ("top 50 SIMs", traffic(period, sims, largest, 50)),
    ];
    let by_day = traffic(period, vec![Group::Time(Grain::Day)], OrderBy::Group(0), 31);
    let page: Vec<Key> = (0..50).map(|n| fleet::sim(n).into()).collect();
    let questions = questions.map(|(name, query)| (name, query, &[][..]));
    let nested = ("by day, each of 50 SIMs", by_day, &page[..]);
    let mut comparisons = Vec::new();
    for (name, query, sims) in questions.into_iter().chain([nested]) {
        let name = format!("one month {name}, 30,000,000 records to 1,000,000");
        let mut sizes = Comparison::new(name, "ms", Aim::AtMost(2.0));
        let [few, many] = FLEETS.map(|(records, _)| Side {
            query: &query,
            sims,
            records,
        });
        by_turns(stage, &mut sizes, [many, few], rounds).await?;
        comparisons.push(sizes);
    }
    Ok(comparisons)
}

/// A year by month as Berlin has it beside UTC's, of the largest fleet that is there.
async fn ask_in_a_zone(stage: &Stage, period: Period, rounds: u32) -> Result<Vec<Comparison>> {
    say("a year by month in two zones");
    let year = Span::Between {
        from: period.to() - TimeDelta::days(365),
        to: period.to(),
        align: Alignment::Outward,
    };
    let traffic = [Measure::BytesUp, Measure::BytesDown, Measure::Records];
    let mut comparisons = Vec::new();
    for (name, also) in [
        ("by month", None),
        (
            "by month and customer",
            Some(Group::Dimension(Dimension::Customer)),
        ),
    ] {
        let of_zone = |zone: &str| CubeQuery {
            time_zone: zone.parse().unwrap_or_default(),
            group_by: iter::once(Group::Time(Grain::Month))
                .chain(also.clone())
                .collect(),
            ..CubeQuery::of(&traffic, year)
        };
        let (berlin, utc) = (of_zone(BERLIN), of_zone("UTC"));
        let mut zones = Comparison::new(
            format!("a year {name}, Berlin to UTC"),
            "ms",
            Aim::AtMost(2.0),
        );
        let sides = [&berlin, &utc].map(|query| Side::of(query, MANY));
        by_turns(stage, &mut zones, sides, rounds).await?;
        comparisons.push(zones);
    }
    Ok(comparisons)
}

/// A question about the tenant with so many records: about all of it, or about each of some SIMs.
#[derive(Clone, Copy)]
struct Side<'a> {
    query: &'a CubeQuery,
    sims: &'a [Key],
    records: u32,
}

impl<'a> Side<'a> {
    const fn of(query: &'a CubeQuery, records: u32) -> Self {
        Self {
            query,
            sims: &[],
            records,
        }
    }
}

/// Two questions by turns; a round before the others warms up.
async fn by_turns(
    stage: &Stage,
    comparison: &mut Comparison,
    sides: [Side<'_>; 2],
    rounds: u32,
) -> Result<()> {
    for round in 0..=rounds {
        let mut times: [Vec<f64>; 2] = Default::default();
        for _ in 0..QUESTIONS {
            for (times, side) in times.iter_mut().zip(sides) {
                times.push(time(stage, side).await?);
            }
        }
        let [subject, peer] = times.map(|times| median(&times));
        if round > 0 {
            comparison.push(subject, peer);
        }
    }
    Ok(())
}

/// The two ways in which SIMs can travel with a statement, both straight to the engine: as one text inside it, as they do, beside an array
/// as a parameter. Values of a form that are longer than 128 KiB, some 3,300 ids, are refused by a ClickHouse server that was not set up for
/// them (`http_max_field_value_size`); the embedded engine takes them.
async fn travel(stage: &Stage, period: Period, rounds: u32) -> Result<Vec<Comparison>> {
    const IDS: &str = "SELECT arrayJoin({ids:Array(UUID)}) AS id";
    let filter = SimFilter::default();
    let traffic = [Measure::BytesUp, Measure::BytesDown, Measure::Records];
    let query = CubeQuery {
        group_by: vec![Group::Dimension(Dimension::Network)],
        filter: Some(Condition::Sim(filter.clone()).into()),
        ..CubeQuery::of(&traffic, span(period))
    };
    let mut raw = stage.socket.connect().await?;
    let mut comparisons = Vec::new();
    for sims in [1_000, 200_000] {
        say(&format!("{sims} SIMs that travel in two ways"));
        let ids = || (0..sims).map(|n| fleet::sim(n).uuid());
        let carried = Carried::set(ids());
        let inventory = Inventory::new(vec![(Need::Sims(filter.clone()), carried)]);
        let plan = plan(&stage.admin, &query, None, &inventory, SystemClock.now());
        let plan = plan.map_err(|error| explain(&error))?;
        let (text, parameters) = (plan.sql(), plan.parameters());
        let by_parameter = instead_of_carried(text, IDS).context("nothing travels")?;
        let list: Vec<String> = ids().map(|id| format!("'{id}'")).collect();
        let list = format!("[{}]", list.join(","));
        let name = format!(
            "one month by network, {sims} SIMs in the statement to an array as a parameter"
        );
        let mut ways = Comparison::new(name, "ms", Aim::Nothing);
        for round in 0..=rounds {
            let started = Instant::now();
            let (inside, _) = raw.ask(text, &parameters).await?;
            let by_text = milliseconds(started);
            let started = Instant::now();
            let beside = raw
                .ask_with(&by_parameter, &parameters, ("ids", &list))
                .await?;
            let by_array = milliseconds(started);
            ensure!(
                inside.len() == beside.len(),
                "the two ways answer differently"
            );
            if round > 0 {
                ways.push(by_text, by_array);
            }
        }
        comparisons.push(ways);
    }
    Ok(comparisons)
}

/// The statement with another query in the place of what travels inside it.
fn instead_of_carried(sql: &str, query: &str) -> Option<String> {
    const BEGIN: &str = "carried0 AS (\n    ";
    let (before, rest) = sql.split_once(BEGIN)?;
    let (_, after) = rest.split_once("\n)")?;
    Some(format!("{before}{BEGIN}{query}\n){after}"))
}

/// SIMs that travel to the engine with a question, of which all that have usage are, beside the same question about all.
async fn carry(stage: &Stage, period: Period, rounds: u32) -> Result<Vec<Comparison>> {
    let filter = SimFilter::default();
    let traffic = [Measure::BytesUp, Measure::BytesDown, Measure::Records];
    let all = CubeQuery {
        group_by: vec![Group::Dimension(Dimension::Network)],
        ..CubeQuery::of(&traffic, span(period))
    };
    let some = CubeQuery {
        filter: Some(Condition::Sim(filter.clone()).into()),
        ..all.clone()
    };
    let mut comparisons = Vec::new();
    for sims in [1_000, 200_000] {
        say(&format!("{sims} SIMs that travel"));
        let ids = (0..sims).map(|n| fleet::sim(n).uuid());
        let inventory = Inventory::new(vec![(Need::Sims(filter.clone()), Carried::set(ids))]);
        let name = format!("one month by network, {sims} SIMs that travel to none");
        let mut sizes = Comparison::new(name, "ms", Aim::Nothing);
        let ask = async |query: &CubeQuery, inventory: &Inventory| {
            let started = Instant::now();
            let answer = stage
                .store
                .usage(&stage.admin, query, inventory, SystemClock.now())
                .await;
            let time = milliseconds(started);
            answer.map_err(|error| explain(&error))?;
            Ok::<_, anyhow::Error>(time)
        };
        for round in 0..=rounds {
            let carried = ask(&some, &inventory).await?;
            let whole = ask(&all, &Inventory::default()).await?;
            if round > 0 {
                sizes.push(carried, whole);
            }
        }
        comparisons.push(sizes);
    }
    Ok(comparisons)
}

/// Questions that name no SIM: about many records beside few, and some of them beside the budget.
async fn ask_by_size(stage: &Stage, period: Period, rounds: u32) -> Result<Vec<Comparison>> {
    say(&format!("a month of {FEW} and one of {MANY} records"));
    let mut raw = stage.socket.connect().await?;
    for records in [FEW, MANY] {
        let (from, to) = (period.from().timestamp(), period.to().timestamp());
        fleet::fill_cubes_with(&mut raw, records, fleet::USED_SIMS, from, to).await?;
    }
    rest(&stage.socket).await?;
    let questions = [
        ("total", vec![]),
        ("by network", vec![Group::Dimension(Dimension::Network)]),
        ("by customer", vec![Group::Dimension(Dimension::Customer)]),
        (
            "by day and network",
            vec![
                Group::Time(Grain::Day),
                Group::Dimension(Dimension::Network),
            ],
        ),
    ];
    let mut comparisons = Vec::new();
    for (name, groups) in questions {
        let by_day = groups.len() > 1;
        let within = if by_day {
            Aim::AtMost(2.0)
        } else {
            Aim::Nothing
        };
        let name = |to| format!("one month {name}, {MANY} records to {to}");
        let mut growth = Comparison::new(name(FEW.to_string()), "ms", within);
        let mut budget = Comparison::new(name("a budget".into()), "ms", Aim::AtMost(1.0));
        let traffic = [Measure::BytesUp, Measure::BytesDown, Measure::Records];
        let query = CubeQuery {
            group_by: groups,
            limit: Some(1_000),
            ..CubeQuery::of(&traffic, span(period))
        };
        let sides = [MANY, FEW].map(|records| Side::of(&query, records));
        by_turns(stage, &mut growth, sides, rounds).await?;
        for round in &growth.rounds {
            budget.push(round.subject, BUDGET);
        }
        comparisons.push(growth);
        if !by_day {
            comparisons.push(budget);
        }
    }
    Ok(comparisons)
}

/// Milliseconds of a question.
async fn time(stage: &Stage, side: Side<'_>) -> Result<f64> {
    let Side {
        query,
        sims,
        records,
    } = side;
    let scope = administrator(fleet::tenant_with(records));
    let started = Instant::now();
    let found = used(stage, &scope, query, sims).await;
    let time = milliseconds(started);
    let found = found.map_err(|error| explain(&error))?;
    let is_whole = found == i128::from(records);
    ensure!(
        is_whole || (!sims.is_empty() && found > 0),
        "records are missing"
    );
    Ok(time)
}

/// Asks about all of a tenant, or about each of some SIMs, and tells how many records the answer is about.
async fn used(
    stage: &Stage,
    scope: &Scope,
    query: &CubeQuery,
    sims: &[Key],
) -> domain::Result<i128> {
    let records = |answer: &UsageAnswer| answer.totals.get(Measure::Records).unwrap_or_default();
    if sims.is_empty() {
        return Ok(records(&usage(stage, scope, query).await?));
    }
    let parents = Parents::of(Dimension::Sim, sims);
    let (inventory, now) = (Inventory::default(), SystemClock.now());
    let answers = stage
        .store
        .usage_by(scope, query, parents, &inventory, now)
        .await?;
    Ok(answers.values().map(records).sum())
}

async fn ask(stage: &Stage, question: &Question, rounds: u32) -> Result<[Comparison; 3]> {
    let name = |side: &str| format!("one month {}, {side}", question.name);
    let mut comparisons = [
        Comparison::new(name("Store::usage"), "ms", AIM),
        Comparison::new(name("GraphQL over HTTP"), "ms", Aim::Nothing),
        Comparison::new(name("HTTP to the engine's own time"), "ms", Aim::Nothing),
    ];
    let mut sides = Sides::open(stage, question).await?;
    sides.turn().await?;
    for _ in 0..rounds {
        let mut times: [Vec<f64>; 4] = Default::default();
        for _ in 0..QUESTIONS {
            for (times, time) in times.iter_mut().zip(sides.turn().await?) {
                times.push(time);
            }
        }
        let [raw, own, store, graphql] = times.map(|times| median(&times));
        comparisons[0].push(store, raw);
        comparisons[1].push(graphql, raw);
        comparisons[2].push(raw, own);
    }
    Ok(comparisons)
}

/// The ways to ask one question.
struct Sides<'a> {
    stage: &'a Stage,
    question: &'a Question,
    sql: String,
    parameters: Vec<String>,
    raw: Raw,
    graphql: Shots,
    connection: Connection,
}

impl<'a> Sides<'a> {
    async fn open(stage: &'a Stage, question: &'a Question) -> Result<Self> {
        let (inventory, now) = (Inventory::default(), SystemClock.now());
        let parents = Parents::of(Dimension::Sim, &question.sims);
        let parents = Some(parents).filter(|parents| !parents.ids.is_empty());
        let plan = plan(&stage.admin, &question.query, parents, &inventory, now);
        let plan = plan.map_err(|error| explain(&error))?;
        Ok(Self {
            stage,
            question,
            sql: plan.sql().to_owned(),
            parameters: plan.parameters(),
            raw: stage.socket.connect().await?,
            graphql: shots(stage, question),
            connection: Connection::open(stage.server).await?,
        })
    }

    /// Asks on every way and tells the milliseconds: engine over HTTP, the engine's own time, store, GraphQL.
    async fn turn(&mut self) -> Result<[f64; 4]> {
        let started = Instant::now();
        let (bytes, own) = self.raw.ask(&self.sql, &self.parameters).await?;
        let raw = milliseconds(started);
        ensure!(
            bytes.len() > 1_000,
            "the engine answered {} bytes",
            bytes.len()
        );
        let started = Instant::now();
        let records = self.records().await.map_err(|error| explain(&error))?;
        let store = milliseconds(started);
        let is_whole = self.question.sims.is_empty() && self.question.query.time_zone == Zone::UTC;
        ensure!(
            !is_whole || records == fleet::RECORDS.into(),
            "records are missing"
        );
        let started = Instant::now();
        let body = self.connection.shoot(&self.graphql, 0).await?;
        let graphql = milliseconds(started);
        ensure!(
            !body.starts_with(br#"{"errors"#),
            "{}",
            String::from_utf8_lossy(&body)
        );
        Ok([raw, own.as_secs_f64() * 1_000.0, store, graphql])
    }
}

impl Sides<'_> {
    /// Asks the store, and tells how many records the answer is about.
    async fn records(&self) -> domain::Result<i128> {
        let Question { query, sims, .. } = self.question;
        used(self.stage, &self.stage.admin, query, sims).await
    }
}

fn span(period: Period) -> Span {
    Span::Between {
        from: period.from(),
        to: period.to(),
        align: Alignment::Exact,
    }
}

async fn usage(stage: &Stage, scope: &Scope, query: &CubeQuery) -> domain::Result<UsageAnswer> {
    let inventory = Inventory::default();
    stage
        .store
        .usage(scope, query, &inventory, SystemClock.now())
        .await
}

fn milliseconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1_000.0
}

fn shots(stage: &Stage, question: &Question) -> Shots {
    let mut input = question.input.clone();
    let (from, to) = stage.month;
    input["period"] = json!({ "between": { "from": from, "to": to } });
    let Question { key, values, .. } = question;
    let (open, close) = if question.sims.is_empty() {
        ("tenant {", "}")
    } else {
        ("sims(first: 50) { nodes {", "} }")
    };
    let query = format!(
        "query Usage($input: UsageInput!) {{ {open} usage(input: $input) {{ rows {{ key {{ {key} }} \
         values {{ {values} bytesUp bytesDown records }} }} totals {{ bytesUp bytesDown records }} \
         provenance {{ tables watermark complete }} }} {close} }}"
    );
    let body = json!({ "query": query, "variables": { "input": input } }).to_string();
    Shots {
        address: stage.server,
        path: "/graphql",
        content_type: "application/json",
        token: stage.token.clone(),
        bodies: in_other_bytes(repeated(vec![Bytes::from(body)]), Arc::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_travels_inside_a_statement_can_travel_beside_it() {
        let filter = SimFilter::default();
        let period = Span::Preset(domain::usage::Preset::Last24Hours);
        let query = CubeQuery {
            filter: Some(Condition::Sim(filter.clone()).into()),
            ..CubeQuery::of(&[Measure::Records], period)
        };
        let carried = Carried::set([fleet::sim(1).uuid()]);
        let inventory = Inventory::new(vec![(Need::Sims(filter), carried)]);
        let admin = administrator(fleet::tenant_with(FEW));
        let plan = plan(&admin, &query, None, &inventory, SystemClock.now()).expect("a plan");
        let beside = instead_of_carried(plan.sql(), "SELECT 1 AS id").expect("it travels");
        assert!(plan.sql().contains("base64Decode") && !beside.contains("base64Decode"));
        assert!(
            beside.contains("carried0 AS (\n    SELECT 1 AS id\n)"),
            "{beside}"
        );
    }
}
