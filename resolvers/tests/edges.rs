//! The last millisecond of a day or month and the first of the next are in their own, in every zone: on the dashboard and in files.

mod world;

use std::collections::BTreeMap;

use analytics::CdrRow;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Role,
    id::{BatchId, CustomerId, DeviceId, SimId},
    journal,
};
use exports::{DataSet, Export, Format, Request};
use serde_json::{Value, json};
use uuid::Uuid;
use world::{Caller, World, codes};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);
const DASHBOARD: &str = include_str!("../../playground/operations/20-dashboard.graphql");
const ZONES: [&str; 2] = ["UTC", "Europe/Berlin"];

/// Records on both sides of where a month and a day begin, in Berlin and in UTC. The nth has 10^n bytes, so that a sum says of which
/// it is.
const EDGES: [&str; 8] = [
    "2026-10-31T22:59:59.999Z",
    "2026-10-31T23:00:00.000Z",
    "2026-10-31T23:59:59.999Z",
    "2026-11-01T00:00:00.000Z",
    "2026-11-09T22:59:59.999Z",
    "2026-11-09T23:00:00.000Z",
    "2026-11-09T23:59:59.999Z",
    "2026-11-10T00:00:00.000Z",
];

/// Bytes of each day, by its first moment.
type Days = BTreeMap<String, u64>;

fn days<const N: usize>(days: [(&str, u64); N]) -> Days {
    days.map(|(day, bytes)| (format!("{day}:00:00Z"), bytes))
        .into()
}

/// What each day has in a zone.
fn expected(zone: &str) -> Days {
    match zone {
        "UTC" => days([
            ("2026-10-31T00", 111),
            ("2026-11-01T00", 1_000),
            ("2026-11-09T00", 1_110_000),
            ("2026-11-10T00", 10_000_000),
        ]),
        _ => days([
            ("2026-10-30T23", 1),
            ("2026-10-31T23", 1_110),
            ("2026-11-08T23", 10_000),
            ("2026-11-09T23", 11_100_000),
        ]),
    }
}

/// Bytes of October and of November in a zone.
fn months(zone: &str) -> [u64; 2] {
    match zone {
        "UTC" => [111, 11_111_000],
        _ => [1, 11_111_110],
    }
}

/// Bytes of each hour of the week.
fn hours(zone: &str) -> BTreeMap<(u64, u64), u64> {
    match zone {
        "UTC" => [
            ((6, 22), 1),
            ((6, 23), 110),
            ((7, 0), 1_000),
            ((1, 22), 10_000),
            ((1, 23), 1_100_000),
            ((2, 0), 10_000_000),
        ],
        _ => [
            ((6, 23), 1),
            ((7, 0), 110),
            ((7, 1), 1_000),
            ((1, 23), 10_000),
            ((2, 0), 1_100_000),
            ((2, 1), 10_000_000),
        ],
    }
    .into()
}

/// Alpha with these records of one of its SIMs.
async fn world() -> World {
    let world = World::new().await;
    let tenant = world.scope(ADMIN).await.tenant();
    let ask = "{ sims(first: 1) { nodes { id customer { id } device { id } } } }";
    let found = world.run(ADMIN, ask, json!({})).await;
    let sim = &found["data"]["sims"]["nodes"][0];
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let batch = BatchId::new(Uuid::now_v7());
    let rows = EDGES.iter().zip(0_u32..).map(|(edge, n)| {
        let start: DateTime<Utc> = edge.parse().expect("a moment");
        CdrRow {
            tenant,
            customer: Some(
                id(&sim["customer"])
                    .parse::<CustomerId>()
                    .expect("a customer"),
            ),
            sim: id(sim).parse::<SimId>().expect("a SIM"),
            device: Some(id(&sim["device"]).parse::<DeviceId>().expect("a device")),
            network: "262-01".into(),
            rat: "NR".into(),
            service: "DATA".into(),
            source: "edge".into(),
            record_id: n.to_string(),
            identity: journal::identity(tenant, "edge", &n.to_string()),
            start,
            end: start + TimeDelta::minutes(1),
            bytes_up: 10_u64.pow(n),
            bytes_down: 0,
            units: 0,
            sign: 1,
            batch,
            received_at: world.now,
        }
    });
    let rows: Vec<CdrRow> = rows.collect();
    world.apply(batch, &rows).await;
    world
}

fn bytes(value: &Value) -> u64 {
    let text = value.as_str().expect("bytes");
    text.parse().expect("a number")
}

/// Days with traffic, of a filled series.
fn series(usage: &Value, measure: &str) -> Days {
    let rows = usage["rows"].as_array().expect("rows").iter();
    let day = |row: &Value| {
        let day = row["key"]["time"].as_str().expect("a time");
        (day.to_owned(), bytes(&row["values"][measure]))
    };
    rows.map(day).filter(|(_, bytes)| *bytes > 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_counts_the_edges_of_days_and_months_on_their_own_side() {
    let world = world().await;
    for zone in ZONES {
        let answer = world
            .run(ADMIN, DASHBOARD, json!({ "timeZone": zone }))
            .await;
        assert_eq!(codes(&answer), [""; 0], "{answer}");
        let data = &answer["data"];
        assert_eq!(series(&data["days"], "bytesUp"), expected(zone), "{zone}");
        for field in ["customerSeries", "simSeries", "deviceSeries"] {
            let nodes = data[field]["nodes"].as_array().expect("nodes").iter();
            let used = nodes.map(|node| series(&node["usage"], "bytesTotal"));
            let used: Vec<Days> = used.filter(|days| !days.is_empty()).collect();
            assert_eq!(used, [expected(zone)], "{field} in {zone}");
        }
        let [_, november] = months(zone);
        let month = &data["month"]["totals"]["bytesTotal"];
        assert_eq!(bytes(month), november, "{zone}");
        let rows = data["heatmap"]["rows"].as_array().expect("rows").iter();
        let hour = |row: &Value| {
            let key = |part: &str| row["key"][part].as_u64().expect("a number");
            let bytes = bytes(&row["values"]["bytesTotal"]);
            ((key("day"), key("hour")), bytes)
        };
        let used = rows.map(hour).filter(|(_, bytes)| *bytes > 0);
        assert_eq!(used.collect::<BTreeMap<_, _>>(), hours(zone), "{zone}");
    }
}

/// The file of a question as CSV: its lines after the header, taken apart.
async fn lines(world: &World, data_set: DataSet, question: &Value) -> Vec<Vec<String>> {
    let request = Request::parse(data_set, Some(&question.to_string())).expect("a request");
    let session = world.entry.enter(&World::claims(ADMIN), "test").await;
    let export = Export {
        session: &session.expect("entered"),
        request: &request,
        form: Format::Csv.into(),
    };
    let mut file = Vec::new();
    export.write(&mut file, |_| ()).await.expect("a file");
    let text = String::from_utf8(file).expect("text");
    let lines = text.lines().skip(1);
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_counts_the_edges_of_days_and_months_on_their_own_side() {
    let world = world().await;
    let edges = json!({ "in": { "dimension": "STREAM", "values": [{ "text": "edge" }] } });
    for zone in ZONES {
        let of = |grain: &str, preset: &str| {
            json!({
                "measures": ["BYTES_UP"], "group_by": [{ "time": grain }], "order_by": [{ "by": { "group": 0 } }],
                "period": { "preset": preset }, "time_zone": zone, "filter": edges,
            })
        };
        let days = lines(&world, DataSet::Usage, &of("DAY", "LAST_30_DAYS")).await;
        let days = days
            .into_iter()
            .map(|line| (line[0].clone(), line[1].parse().expect("bytes")));
        assert_eq!(days.collect::<Days>(), expected(zone), "{zone}");
        let found = lines(&world, DataSet::Usage, &of("MONTH", "THIS_YEAR")).await;
        let found = found
            .iter()
            .map(|line| line[1].parse::<u64>().expect("bytes"));
        assert_eq!(found.collect::<Vec<_>>(), months(zone), "{zone}");
        // Single records are in the month of their first moment, too.
        let [october, november] = ["LAST_MONTH", "THIS_MONTH"].map(
            |preset| json!({ "period": { "preset": preset }, "time_zone": zone, "filter": edges }),
        );
        let october = lines(&world, DataSet::Records, &october).await.len();
        let november = lines(&world, DataSet::Records, &november).await.len();
        let before = if zone == "UTC" { 3 } else { 1 };
        assert_eq!((october, november), (before, 8 - before), "{zone}");
    }
}
