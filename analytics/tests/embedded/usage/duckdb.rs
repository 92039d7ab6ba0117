//! Some of the random questions, answered by another engine from Parquet files of the records (`tests/duckdb/check.mjs`).

use std::{fs, path::Path, process::Command};

use analytics::usage::{
    CubeQuery, Dimension, Key, Measure, Need, SimFilter, Source, UsageAnswer, Values,
};
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{
    Scope,
    id::{CustomerId, DeviceId},
    saved_filter::Clause,
    scope::{Area, Segments},
};
use proptest::strategy::{Strategy, ValueTree};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Counts, QUESTIONS, Question, ask, features, fixed, loaded, presets, question, runner, used,
    world,
};
use crate::oracle::World;

/// Questions that are answered again.
const CHECKED: usize = 80;
/// How often each feature comes among them.
const EACH: usize = 4;

/// A question and its answers, as the checker reads it. Integers are texts where a double would not hold them.
#[derive(Serialize)]
struct Line<'a> {
    tenant: Uuid,
    /// The part of the tenant that the caller may see.
    segment: Option<Value>,
    sees_sims: bool,
    now: DateTime<Utc>,
    query: &'a CubeQuery,
    /// What the parents are, if there are any; each answer has its own.
    parents: Option<Dimension>,
    answers: Vec<Value>,
}

#[test]
fn another_engine_answers_alike_from_a_parquet_of_the_records() {
    let (world, tenants) = fixed();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let db = runtime.block_on(loaded(world));
    let counts = Counts::default();
    let mut lines = Vec::new();
    let mut runner = runner(super::QUESTIONS);
    let questions = question::question(world, *tenants, Source::Cdr);
    for _ in 0..QUESTIONS {
        if lines.len() == CHECKED {
            break;
        }
        let question = questions.new_tree(&mut runner).expect("a question");
        let question = question.current();
        // The files have no rollups.
        if question.query.source != Source::Cdr {
            continue;
        }
        let used = used(&question, tenants);
        // Those with something that too few before them have.
        if used.iter().all(|feature| counts.of(feature) >= EACH) {
            continue;
        }
        let Ok(answers) = runtime.block_on(ask(&db, world, &question)) else {
            continue;
        };
        // An answer without rows shows little.
        if answers.iter().all(|(_, answer)| answer.rows.is_empty()) {
            continue;
        }
        for feature in used {
            counts.count(feature);
        }
        lines.push(line(&question, &answers));
    }
    println!("{} questions\n{}", lines.len(), counts.all());
    assert!(lines.len() >= 50);
    for feature in [features(Source::Cdr), presets()].concat() {
        let times = counts.of(&feature);
        assert!(times >= EACH, "{feature}: {times}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "questions", lines);
    write(folder.path(), "records", records(world));
    write(folder.path(), "inventory", inventory(world));
    write(folder.path(), "networks", networks());
    check(folder.path());
}

/// One JSON value a line.
fn write(folder: &Path, name: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<_> = lines.into_iter().collect();
    let file = folder.join(name).with_extension("ndjson");
    fs::write(file, lines.join("\n") + "\n").expect("written");
}

fn check(folder: &Path) {
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/duckdb");
    assert!(
        checker.join("node_modules/installed.json").exists(),
        "DuckDB is missing: {} fetches it",
        checker.join("fetch").display()
    );
    let mut node = Command::new("node");
    let output = node.arg(checker.join("check.mjs")).arg(folder).output();
    let output = output.expect("Node.js");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn line(question: &Question, answers: &[(Option<(Dimension, Key)>, UsageAnswer)]) -> String {
    let Question {
        scope,
        query,
        now,
        parents,
    } = question;
    let measures = &query.measures;
    let answers = answers.iter().map(|(parent, answer)| {
        let parent = parent.as_ref().map(|(_, key)| key);
        said(measures, parent, answer)
    });
    let line = Line {
        tenant: scope.tenant().uuid(),
        segment: segment(scope),
        sees_sims: scope.visibility().of(Area::Sims),
        now: *now,
        query,
        parents: parents.as_ref().map(|(dimension, _)| *dimension),
        answers: answers.collect(),
    };
    serde_json::to_string(&line).expect("JSON")
}

fn segment(scope: &Scope) -> Option<Value> {
    let Segments::Part(part) = scope.segments() else {
        return None;
    };
    Some(json!({
        "within": part.within.map(CustomerId::uuid),
        "customers": part.customers.iter().map(|id| id.uuid()).collect::<Vec<_>>(),
        "sims": part.sims.iter().map(|id| id.uuid()).collect::<Vec<_>>(),
        "devices": part.devices.iter().map(|id| id.uuid()).collect::<Vec<_>>(),
    }))
}

fn said(measures: &[Measure], parent: Option<&Key>, answer: &UsageAnswer) -> Value {
    let values = |values: &Values| -> Value {
        let quantity = |measure: &Measure| {
            let value = values.get(*measure).map(|value| value.to_string());
            (measure.as_ref().to_owned(), json!(value))
        };
        measures.iter().map(quantity).collect()
    };
    let rows = answer.rows.iter().map(|row| {
        json!({
            "keys": row.keys,
            "others": row.others,
            "values": values(&row.values),
            "previous": row.previous.as_ref().map(values),
        })
    });
    let watermark = answer.provenance.watermark;
    json!({
        "parent": parent,
        "period": [answer.period.from(), answer.period.to()],
        "watermark": watermark.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
        "totals": values(&answer.totals),
        "previous_totals": answer.previous_totals.as_ref().map(values),
        "truncated": answer.truncated,
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn records(world: &World) -> impl Iterator<Item = String> {
    world.rows.iter().map(|row| {
        json!({
            "tenant": row.tenant.uuid(),
            "customer": row.customer.map(CustomerId::uuid),
            "sim": row.sim.uuid(),
            "device": row.device.map(DeviceId::uuid),
            "network": row.network,
            "rat": row.rat,
            "service": row.service,
            "source": row.source,
            "start": row.start,
            "bytes_up": row.bytes_up.to_string(),
            "bytes_down": row.bytes_down.to_string(),
            "units": row.units,
            "sign": row.sign,
            "received_at": row.received_at,
        })
        .to_string()
    })
}

/// What is known of SIMs and devices; filters are left to the checker, but for what is saved.
fn inventory(world: &World) -> impl Iterator<Item = String> {
    let known = world.words.iter().filter_map(|(need, words)| {
        let (need, label) = match need {
            Need::SimState => ("SIM_STATE", None),
            Need::SimCustomer => ("SIM_CUSTOMER", None),
            Need::SimDevice => ("SIM_DEVICE", None),
            Need::SimLabel(key) => ("SIM_LABEL", Some(key.clone())),
            Need::DeviceLabel(key) => ("DEVICE_LABEL", Some(key.clone())),
            Need::Visible(Dimension::Sim) => ("VISIBLE_SIM", None),
            Need::Visible(Dimension::Device) => ("VISIBLE_DEVICE", None),
            Need::Sims(SimFilter::Is(Clause::Saved(saved))) => ("SAVED", Some(saved.to_string())),
            Need::Sims(_) | Need::Devices(_) | Need::Visible(_) => return None,
        };
        Some((need, label, words))
    });
    known.flat_map(|(need, label, words)| {
        let lines = words.iter();
        lines.map(move |(id, word)| {
            json!({ "need": need, "label": &label, "id": id, "word": word }).to_string()
        })
    })
}

fn networks() -> impl Iterator<Item = String> {
    let known = world::networks().into_iter();
    known.map(|known| {
        json!({ "network": known.plmn.as_str(), "country": known.country_code }).to_string()
    })
}
