//! Single records: those that the oracle counts, in the order of their table's key.

use analytics::{
    CdrRow, Store,
    cube::Table,
    usage::{Incomplete, Key, Measure, Provenance, Selection, Source, UsageRecord},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Result, Scope,
    id::{CustomerId, DeviceId},
    scope::Area,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Counts, fixed, loaded, question, question::Question, runner};
use crate::oracle::{self, Asked, World};

/// Random selections whose records are read.
const SELECTIONS: u32 = 400;

/// Days for which records are kept.
const KEPT: TimeDelta = TimeDelta::days(390);

#[test]
fn records_of_random_selections_are_those_that_are_counted() {
    let (world, tenants) = fixed();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let db = runtime.block_on(loaded(world));
    let counts = Counts::default();
    runner(SELECTIONS)
        .run(
            &question::question(world, *tenants, Source::Cdr),
            |question| runtime.block_on(check(&db, world, &question, &counts)),
        )
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{}", counts.all());
    for (what, least) in [
        ("read", 100),
        ("filtered", 50),
        ("filtered by the inventory", 20),
        ("of a part of the fleet", 30),
        ("with SIMs closed", 10),
        ("too old", 15),
        ("records", 10_000),
        ("corrections", 1_000),
    ] {
        assert!(counts.of(what) >= least, "{what}: {}", counts.of(what));
    }
}

async fn check(
    db: &Store,
    world: &World,
    question: &Question,
    counts: &Counts,
) -> Result<(), TestCaseError> {
    let Question {
        scope, query, now, ..
    } = question;
    let selection = Selection {
        period: query.period,
        time_zone: query.time_zone,
        filter: query.filter.clone(),
    };
    let query = selection.by(&[], &[Measure::Records]);
    let asked = Asked {
        scope,
        query: &query,
        now: *now,
        parent: None,
        parents: 1,
    };
    let refusals = oracle::refusals(&asked, None);
    let inventory = world.inventory(scope, &query, None);
    let found = match db.records(scope, &selection, &inventory, *now) {
        Ok(mut file) => {
            let mut records = Vec::new();
            while let Some(record) = file.next().await.expect("a record") {
                records.push(record);
            }
            Ok((
                records,
                file.period(),
                file.provenance().expect("at its end"),
            ))
        }
        Err(error) => Err(error),
    };
    let (found, period, provenance) = match found {
        Ok(found) if refusals.is_empty() => found,
        Ok(_) => return Err(TestCaseError::fail(format!("in spite of {refusals:?}"))),
        Err(error) => {
            let is_known = refusals.iter().any(|refusal| refusal.0 == error.code());
            let is_old = !is_known && error.code() == Code::NotExact;
            if is_old {
                let (_, [from, _], _) = world.records(&asked);
                prop_assert!(from < *now - KEPT, "{error}");
                counts.count("too old");
            }
            prop_assert!(is_known || is_old, "{error}: {refusals:?}");
            return Ok(());
        }
    };
    let (expected, [from, to], watermark) = world.records(&asked);
    prop_assert!(from >= *now - KEPT);
    prop_assert_eq!([period.from(), period.to()], [from, to]);
    let incomplete = match watermark {
        None => Some(Incomplete::NothingReceived),
        Some(watermark) => (watermark < to).then_some(Incomplete::PeriodRunning),
    };
    let expected_provenance = Provenance {
        source: Source::Cdr,
        tables: vec![Table::Records],
        watermark,
        incomplete,
    };
    prop_assert_eq!(provenance, expected_provenance);
    note(counts, scope, &selection, &found);
    let mut expected: Vec<UsageRecord> = expected.into_iter().map(as_found).collect();
    let mut sorted = found.clone();
    let by_key = |record: &UsageRecord| key(scope, record);
    prop_assert!(found.is_sorted_by_key(by_key), "in another order");
    // A correction of this world has the identity of what it takes back.
    let unique = |record: &UsageRecord| (by_key(record), record.record_id.clone());
    sorted.sort_by_cached_key(unique);
    expected.sort_by_cached_key(unique);
    prop_assert_eq!(sorted, expected);
    Ok(())
}

fn note(counts: &Counts, scope: &Scope, selection: &Selection, found: &[UsageRecord]) {
    counts.count("read");
    counts.add("records", found.len());
    let corrections = found.iter().filter(|record| record.sign < 0);
    counts.add("corrections", corrections.count());
    let is_part = matches!(scope.segments(), domain::scope::Segments::Part(_));
    let filter = selection.filter.as_ref();
    for (is, what) in [
        (filter.is_some(), "filtered"),
        (
            filter.is_some_and(question::is_of_inventory),
            "filtered by the inventory",
        ),
        (is_part, "of a part of the fleet"),
        (!scope.visibility().of(Area::Sims), "with SIMs closed"),
    ] {
        if is {
            counts.count(what);
        }
    }
}

/// Halves of an id as the engine sorts them: the second one first.
fn halves(id: Uuid) -> (u64, u64) {
    let (high, low) = id.as_u64_pair();
    (low, high)
}

type Sorted = ((u64, u64), Option<(u64, u64)>, DateTime<Utc>);

/// What a record is sorted by, but for its identity. Where SIMs are closed, nothing is told by the order.
fn key(scope: &Scope, record: &UsageRecord) -> Sorted {
    let id = |key: &Key| match key {
        Key::Id(id) => halves(*id),
        _ => halves(Uuid::nil()),
    };
    let sim = scope.visibility().of(Area::Sims).then(|| id(&record.sim));
    (id(&record.customer), sim, record.start)
}

/// A record of the oracle as it is to be found.
fn as_found(row: &CdrRow) -> UsageRecord {
    let id = |id: Option<Uuid>| id.map_or(Key::None, Key::Id);
    let signed = |count: u64| i128::from(count) * i128::from(row.sign);
    UsageRecord {
        record_id: Some(row.record_id.clone()),
        stream: row.source.clone(),
        start: row.start,
        end: row.end,
        received_at: row.received_at,
        sim: Key::Id(row.sim.uuid()),
        customer: id(row.customer.map(CustomerId::uuid)),
        device: id(row.device.map(DeviceId::uuid)),
        network: Key::Text(row.network.clone()),
        rat: row.rat.clone(),
        service: row.service.clone(),
        bytes_up: signed(row.bytes_up),
        bytes_down: signed(row.bytes_down),
        units: signed(row.units),
        sign: row.sign,
        batch: row.batch,
    }
}
