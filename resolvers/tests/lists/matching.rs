//! All that match at once: the rows of the list, for every caller and every filter, or a refusal.

use std::collections::BTreeSet;

use domain::{
    Code, ReadCx, Result, device,
    filter::Filter,
    id::{DeviceId, SimId},
    identity::Known,
    label, sim,
};
use proptest::strategy::{Strategy as _, ValueTree as _};
use serde_json::{Map, Value, json};

use super::{
    ADMIN,
    condition::lists,
    saved::{filters, runner},
    world::{self, CALLERS, Caller, POOL, World},
};

/// Filters asked for by each caller.
const FILTERS: usize = 25;

/// An input as the domain spells it: what it says side by side must all hold.
fn spelt(input: &Value) -> Value {
    let each = |parts: &Value| -> Vec<Value> {
        let parts = parts.as_array().expect("filters").iter();
        parts.map(spelt).collect()
    };
    let part = |(name, value): (&String, &Value)| {
        let value = match name.as_str() {
            "and" | "or" => json!(each(value)),
            "not" => spelt(value),
            _ => value.clone(),
        };
        Value::Object(Map::from_iter([(name.clone(), value)]))
    };
    let parts = input.as_object().expect("a filter").iter().map(part);
    json!({ "and": parts.collect::<Vec<_>>() })
}

fn filter<C: serde::de::DeserializeOwned>(input: &Value) -> Filter<C> {
    serde_json::from_value(spelt(input)).expect("a filter")
}

async fn snapshot(world: &World, caller: Caller) -> ReadCx {
    let (known, claims) = (Known::default(), World::claims(caller));
    let cx = known.open(&world.db, &claims).await;
    cx.expect("a snapshot")
}

/// What is found, printed, or the code of the refusal.
fn printed<T>(
    found: Result<Vec<T>>,
    print: impl Fn(T) -> String,
) -> std::result::Result<BTreeSet<String>, Code> {
    let rows = found.map_err(|error| error.code())?;
    let count = rows.len();
    let printed: BTreeSet<String> = rows.into_iter().map(print).collect();
    assert_eq!(printed.len(), count, "each comes once");
    Ok(printed)
}

/// The rows of a list as a caller sees them, or the code of the refusal.
async fn listed(
    world: &World,
    caller: Caller,
    field: &str,
    input: &Value,
) -> std::result::Result<Vec<Value>, String> {
    let ty = if field == "sims" {
        "SimFilter"
    } else {
        "DeviceFilter"
    };
    let query = format!(
        "query($filter: {ty}) {{ {field}(first: 200, filter: $filter) {{ nodes {{ id labels {{ key value }} }} }} }}"
    );
    let answer = world.run(caller, &query, json!({ "filter": input })).await;
    match answer["data"][field]["nodes"].as_array() {
        Some(rows) => Ok(rows.clone()),
        None => Err(world::codes(&answer).remove(0)),
    }
}

/// Lets the viewer of a pool see some SIMs and devices.
async fn grant(world: &World) {
    let ids = async |field: &str| -> Vec<Value> {
        let rows = listed(world, ADMIN, field, &json!({})).await.expect("rows");
        let some = rows.iter().step_by(2);
        some.map(|row| row["id"].clone()).collect()
    };
    let (sims, devices) = (ids("sims").await, ids("devices").await);
    let input = json!({ "subject": POOL.subject(), "simIds": sims, "deviceIds": devices });
    world.change(ADMIN, "grantSegment", input).await;
}

fn id(row: &Value) -> String {
    row["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_match_are_those_of_the_list_for_every_caller() {
    let world = super::world().await;
    grant(&world).await;
    let all = lists(&world).await;
    let mut runner = runner();
    let (mut named, mut found) = (0, 0);
    for field in ["sims", "devices"] {
        let list = all.iter().find(|list| list.field == field).expect("a list");
        let conditions = list.conditions.iter();
        let conditions: Vec<Value> = conditions.map(|(filter, _)| filter.clone()).collect();
        let trees = filters(conditions.clone());
        for caller in CALLERS {
            let cx = snapshot(&world, caller).await;
            let more = (0..FILTERS).map(|_| trees.new_tree(&mut runner).expect("a tree").current());
            let more: Vec<Value> = more.collect();
            for input in conditions.iter().chain(&more) {
                let matching = if field == "sims" {
                    let ids = sim::matching(&cx, &filter(input), 200).await;
                    printed(ids, |id: SimId| id.to_string())
                } else {
                    let ids = device::matching(&cx, &filter(input), 200).await;
                    printed(ids, |id: DeviceId| id.to_string())
                };
                let rows = listed(&world, caller, field, input).await;
                let rows = rows.map(|rows| rows.iter().map(id).collect::<BTreeSet<_>>());
                let matching = matching.map_err(|code| code.as_ref().to_owned());
                assert_eq!(matching, rows, "{caller:?} {field} {input}");
                let some = rows.is_ok_and(|rows| !rows.is_empty());
                found += u32::from(some);
                named += u32::from(some && input.to_string().contains("saved"));
            }
        }
    }
    assert!(found > 100 && named > 10, "{found} {named}");
}

/// Those that carry the label.
fn carrying<I>(values: Vec<(I, Option<String>)>) -> Vec<(I, String)> {
    let values = values.into_iter();
    values
        .filter_map(|(id, value)| Some((id, value?)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_is_read_of_all_that_carry_it_as_the_list_shows_it() {
    let world = super::world().await;
    grant(&world).await;
    let mut found = 0;
    for caller in CALLERS {
        let cx = snapshot(&world, caller).await;
        for key in ["location", "shelf", "room", "nothing"] {
            for field in ["sims", "devices"] {
                let carried = if field == "sims" {
                    let values = label::of_sims(&cx, key, 200).await;
                    printed(values.map(carrying), |(id, value)| format!("{id} {value}"))
                } else {
                    let values = label::of_devices(&cx, key, 200).await;
                    printed(values.map(carrying), |(id, value)| format!("{id} {value}"))
                };
                let condition = json!({ "label": { "key": key } });
                let shown = listed(&world, caller, field, &condition).await.map(|rows| {
                    let value = |row: &Value| {
                        let labels = row["labels"].as_array().expect("labels").iter();
                        let mut labels = labels.filter(|label| label["key"] == key);
                        let value = &labels.next().expect("carried")["value"];
                        format!("{} {}", id(row), value.as_str().expect("a value"))
                    };
                    rows.iter().map(value).collect::<BTreeSet<_>>()
                });
                let carried = carried.map_err(|code| code.as_ref().to_owned());
                found += u32::from(shown.as_ref().is_ok_and(|shown| !shown.is_empty()));
                assert_eq!(carried, shown, "{caller:?} {field} {key}");
            }
        }
    }
    assert!(found > 10, "{found}");
}

#[tokio::test]
async fn more_than_are_read_at_once_are_refused_and_the_error_says_what_would_do() {
    let world = super::world().await;
    let cx = snapshot(&world, ADMIN).await;
    let all = json!({});
    let sims = sim::matching(&cx, &filter(&all), 200).await.expect("SIMs");
    let devices = device::matching(&cx, &filter(&all), 200).await;
    let devices = devices.expect("devices").len();
    let carrying = label::of_sims(&cx, "shelf", 200).await.expect("SIMs").len();
    let rooms = label::of_devices(&cx, "room", 200).await;
    let rooms = rooms.expect("devices").len();
    assert!(
        [sims.len(), devices, carrying, rooms]
            .iter()
            .all(|&n| n > 1)
    );
    let exactly = sim::matching(&cx, &filter(&all), sims.len()).await;
    assert_eq!(exactly.expect("as many as may be").len(), sims.len());
    let none = json!({ "or": [] });
    let none = sim::matching(&cx, &filter(&none), 0).await;
    assert_eq!(none.expect("none are not too many"), []);
    for (refused, most) in [
        (
            sim::matching(&cx, &filter(&all), sims.len() - 1)
                .await
                .err(),
            sims.len() - 1,
        ),
        (
            device::matching(&cx, &filter(&all), devices - 1)
                .await
                .err(),
            devices - 1,
        ),
        (
            label::of_sims(&cx, "shelf", carrying - 1).await.err(),
            carrying - 1,
        ),
        (
            label::of_devices(&cx, "room", rooms - 1).await.err(),
            rooms - 1,
        ),
    ] {
        let error = refused.expect("a refusal");
        assert_eq!(error.code(), Code::LimitExceeded);
        let details = error.details().expect("details");
        assert_eq!(details.limit, Some(most as u64));
        assert!(details.suggestion.is_some(), "{error}");
    }
}
