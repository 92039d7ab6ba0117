//! The same plan is the same bytes; order changes nothing; the truth keeps to the plan's limits.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
};

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use domain::{fleet, identifier::Iccid};
use ingest::format::{self, Shape};
use sha2::{Digest as _, Sha256};

use crate::{
    Faults, FleetPlan,
    block::{self, Block, Inlet},
    demo,
    fleet::{HEADER, Sim, unknown_iccid},
    oracle,
    record::Record,
};

mod session;

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

fn plan() -> FleetPlan {
    FleetPlan::new("acme", 7, 600, 30, moment("2026-11-01T00:00:00Z"))
}

fn blocks(plan: &FleetPlan) -> Vec<Block> {
    (0..block::count(plan))
        .map(|number| Block::new(plan, number))
        .collect()
}

fn records(plan: &FleetPlan) -> Vec<Record> {
    blocks(plan)
        .into_iter()
        .flat_map(|b| b.journeys)
        .map(|journey| journey.record)
        .collect()
}

fn csv(plan: &FleetPlan) -> String {
    let mut csv = HEADER.to_owned();
    for index in 0..plan.sims {
        Sim::new(plan, index).rows(plan, &mut csv);
    }
    csv
}

/// Everything that is sent, in order.
fn sent(plan: &FleetPlan) -> Vec<String> {
    let mut sent = vec![csv(plan)];
    for block in blocks(plan) {
        for wave in block.waves(plan) {
            sent.extend(wave.into_iter().map(|delivery| delivery.json));
        }
    }
    sent
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hash(texts: &[String]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text);
        hash.update(b"\n");
    }
    hex(&hash.finalize())
}

fn oracle_hashes(plan: &FleetPlan) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    oracle::write(plan, dir.path()).expect("written");
    [
        "expected_usage.parquet",
        "expected_accounting.parquet",
        "expected_sessions.parquet",
        "manifest.json",
    ]
    .map(|name| {
        let bytes = std::fs::read(dir.path().join(name)).expect("a file");
        hex(&Sha256::digest(bytes))
    })
    .into()
}

#[test]
fn the_same_seed_is_the_same_bytes() {
    let plan = plan();
    assert_eq!(hash(&sent(&plan)), hash(&sent(&plan)));
    insta::assert_snapshot!(hash(&sent(&plan)), @"d5c7b5ec3e6f1426a657ffce509aac33ca0f5f17bebf037fb52f022389c500e0");
    insta::assert_snapshot!(oracle_hashes(&plan).join("\n"), @r"
    aff533288614a3435aba567366c2241802873bd8618f3c26d73a4d14e8784fc0
    564a088dbd655431414523d990387b8b7e9f48cd79679faef84c4c499180c927
    d482fdf2d9633d9e815cad218691834d567b37def1196d97325b2a9ad161dabe
    15b72bef61eec35d3bb81c59110d256a0128082f65d8d09cca173a5b49a0e396
    ");
    let other = FleetPlan {
        seed: 8,
        ..plan.clone()
    };
    assert_ne!(hash(&sent(&plan)), hash(&sent(&other)));
}

#[test]
fn another_order_is_the_same_content_and_the_same_oracle() {
    let plan = plan();
    let other = FleetPlan {
        order_seed: 99,
        batch: 17,
        ..plan.clone()
    };
    let (mut one, mut two) = (sent(&plan), sent(&other));
    assert_ne!(one, two);
    one.sort();
    two.sort();
    assert_eq!(one, two);
    assert_eq!(oracle_hashes(&plan), oracle_hashes(&other));
}

#[test]
fn faults_do_not_change_the_truth() {
    let plan = plan();
    let calm = FleetPlan {
        faults: "none".parse::<Faults>().expect("faults"),
        ..plan.clone()
    };
    assert_eq!(oracle_hashes(&plan)[0], oracle_hashes(&calm)[0]);
    assert_eq!(sent(&calm).len(), records(&plan).len() + 1);
}

#[test]
fn times_are_inside_the_range_and_use_both_ends() {
    let plan = plan();
    let records = records(&plan);
    assert!(
        records
            .iter()
            .all(|r| plan.from() <= r.start && r.start <= r.end && r.end < plan.until)
    );
    let first = records.iter().map(|record| record.start).min();
    let last = records.iter().map(|record| record.end).max();
    assert_eq!(first, Some(plan.from()));
    assert_eq!(last, Some(plan.until - TimeDelta::milliseconds(1)));
}

#[test]
fn volumes_are_inside_the_limits_at_every_size() {
    for (min, max) in [
        (5_000, 6_000),
        (77, 77),
        (0, u64::MAX),
        (u64::MAX, u64::MAX),
    ] {
        let plan = FleetPlan {
            min_bytes: min,
            max_bytes: max,
            sims: 40,
            ..plan()
        };
        for record in records(&plan) {
            let total = u128::from(record.up) + u128::from(record.down);
            assert!(record.is_sms || (u128::from(min)..=u128::from(max)).contains(&total));
        }
    }
}

#[test]
fn impossible_plans_are_refused() {
    let now = moment("2026-11-21T00:00:00Z");
    assert!(plan().check(now).is_ok());
    for bad in [
        FleetPlan {
            min_bytes: 2,
            max_bytes: 1,
            ..plan()
        },
        FleetPlan { sims: 0, ..plan() },
        FleetPlan { days: 0, ..plan() },
        FleetPlan {
            days: 365,
            ..plan()
        },
        FleetPlan { batch: 0, ..plan() },
        FleetPlan {
            sessions: 31,
            ..plan()
        },
        FleetPlan {
            sessions: 1,
            until: moment("2026-08-01T00:00:00Z"),
            ..plan()
        },
        FleetPlan {
            until: now + TimeDelta::seconds(1),
            ..plan()
        },
        FleetPlan {
            until: moment("2025-11-30T00:00:00Z"),
            ..plan()
        },
    ] {
        assert_eq!(
            bad.check(now).map_err(|error| error.code()),
            Err(domain::Code::InvalidInput)
        );
    }
}

#[test]
fn iccids_have_check_digits_and_are_told_apart() {
    let plan = plan();
    let mut known = HashSet::new();
    for index in 0..plan.sims {
        let iccid = Iccid::parse(&Sim::new(&plan, index).iccid).expect("an ICCID");
        assert!(iccid.has_check_digit());
        assert!(iccid.as_str().starts_with("8944501"));
        for key in iccid.keys() {
            assert!(known.insert(key));
        }
    }
    assert!((0..plan.sims).all(|index| !known.contains(&unknown_iccid(&plan, index))));
    assert!(known.iter().any(|key| key.len() == 20));
}

#[test]
fn the_fleet_file_is_read_without_an_error() {
    let demos = demo(moment("2026-11-21T08:30:00Z"));
    for plan in [plan()].iter().chain(&demos) {
        let text = csv(plan);
        let rows: Vec<_> = fleet::parse(text.as_bytes())
            .expect("header")
            .collect::<Result<_, _>>()
            .expect("rows");
        assert!(rows.len() > plan.sims as usize);
        assert!(
            rows.iter()
                .all(|row| row.simulated && row.valid_from < Some(plan.until))
        );
        for location in ["warehouse", "field"] {
            let here = ("location".to_owned(), location.to_owned());
            assert!(rows.iter().any(|row| row.labels.contains(&here)));
            assert!(rows.iter().any(|row| row.device_labels.contains(&here)));
        }
        let mcc: HashSet<_> = (0..plan.sims)
            .map(|index| Sim::new(plan, index).country.mcc)
            .collect();
        assert_eq!(mcc.len(), 5);
    }
}

#[test]
fn the_demo_moves_one_sim_between_customers_and_stays_modest() {
    let plans = demo(moment("2026-11-21T08:30:00Z"));
    assert_eq!(plans.iter().map(|plan| plan.sims).sum::<u32>(), 2_000);
    let total: usize = plans.iter().map(|plan| records(plan).len()).sum();
    assert!((60_000..100_000).contains(&total), "{total}");
    for plan in &plans {
        assert_eq!(csv(plan).lines().count(), plan.sims as usize + 2);
        let mut usage: BTreeMap<&str, u64> = BTreeMap::new();
        for block in blocks(plan) {
            for journey in &block.journeys {
                let sim = &block.sims[journey.sim];
                let customer = sim.customer_at(journey.record.start);
                *usage.entry(customer).or_default() += 1;
            }
        }
        assert_eq!(
            usage.keys().copied().collect::<Vec<_>>(),
            ["", "3M", "Bosch", "Dyer"]
        );
    }
}

#[test]
fn every_record_decodes_to_its_truth_and_every_broken_one_to_its_code() {
    let plan = plan();
    let streamer = Shape::DataStreamer {
        source: block::sources(&plan)[1].clone(),
    };
    let shape = |inlet: Inlet| {
        if inlet == Inlet::Gateway {
            &Shape::Native
        } else {
            &streamer
        }
    };
    let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
    for block in blocks(&plan) {
        for journey in &block.journeys {
            let record = &journey.record;
            let read = |again| {
                let json = record.json(&plan, again);
                format::decode(shape(record.feed.into()), json.as_bytes()).expect("a record")
            };
            let cdr = read(false);
            assert_eq!(cdr, read(true));
            assert_eq!((cdr.bytes_up, cdr.bytes_down), (record.up, record.down));
            assert_eq!((cdr.start, cdr.end), (record.start, record.end));
            assert_eq!(
                (cdr.network, &*cdr.rat.words()),
                (record.network(), record.rat())
            );
            assert_eq!(cdr.service.as_ref(), record.service());
            let altered = record.altered().json(&plan, false);
            let altered =
                format::decode(shape(record.feed.into()), altered.as_bytes()).expect("a record");
            assert_eq!(
                (&altered.source, &altered.record_id),
                (&cdr.source, &cdr.record_id)
            );
            assert_ne!(
                (altered.bytes_down, altered.units),
                (cdr.bytes_down, cdr.units)
            );
        }
        for broken in &block.broken {
            *codes.entry(broken.code).or_default() += 1;
            let json = broken.delivery.json.as_bytes();
            match format::decode(shape(broken.delivery.inlet), json) {
                Err(refusal) => {
                    assert_eq!(refusal.code.as_ref(), broken.code);
                    assert_eq!(refusal.source, broken.source);
                    assert!(!refusal.unreadable);
                }
                Ok(cdr) => {
                    assert!(matches!(
                        broken.code,
                        "UNKNOWN_ICCID" | "TOO_OLD" | "IN_FUTURE"
                    ));
                    assert_eq!(cdr.source, broken.source);
                }
            }
        }
    }
    assert_eq!(codes.len(), 11, "{codes:?}");
}

/// A table of days.
fn day(day: DateTime<Utc>) -> DateTime<Utc> {
    day
}

/// A table of months.
fn month(day: DateTime<Utc>) -> DateTime<Utc> {
    day.with_day(1).expect("a day")
}

/// A table of years.
fn year(day: DateTime<Utc>) -> DateTime<Utc> {
    day.with_ordinal(1).expect("a day")
}

#[test]
fn an_oracle_is_read_as_written_and_compares_exactly() {
    let plan = plan();
    let dir = tempfile::tempdir().expect("a directory");
    let manifest = oracle::write(&plan, dir.path()).expect("written");
    let oracle = oracle::read(dir.path()).expect("read");
    assert_eq!(oracle.manifest, manifest);
    assert_eq!(oracle.usage.len() as u64, manifest.usage_rows);
    let sum: u64 = oracle.usage.iter().map(|row| row.records).sum();
    assert_eq!((sum, sum), (manifest.records, records(&plan).len() as u64));
    let mut actual = oracle.usage.clone();
    actual.reverse();
    assert_eq!(oracle::compare(&oracle.usage, day, actual.clone()), []);
    // The same, as coarser cubes have it.
    for start_of in [month, year] {
        let coarse = actual.iter().map(|row| oracle::UsageRow {
            day: start_of(row.day),
            ..row.clone()
        });
        assert_eq!(oracle::compare(&oracle.usage, start_of, coarse), []);
    }
    let mut swapped = actual.clone();
    swapped[0].device = "another".into();
    assert_eq!(
        oracle::compare(&oracle.usage, day, swapped).len(),
        2,
        "a device is part of the key"
    );
    let mut foreign = actual[0].clone();
    foreign.source = "somebody else".into();
    actual.push(foreign);
    assert_eq!(oracle::compare(&oracle.usage, day, actual.clone()), []);
    actual[0].bytes_up += 1;
    let lost = actual.swap_remove(1);
    let mut extra = actual[2].clone();
    extra.customer = "nobody".into();
    actual.push(extra);
    let differences = oracle::compare(&oracle.usage, day, actual);
    assert_eq!(differences.len(), 3, "{differences:?}");
    assert!(
        differences
            .iter()
            .any(|d| d.actual.is_none() && d.what.contains(&lost.iccid))
    );
    assert!(
        differences
            .iter()
            .any(|d| d.expected.is_none() && d.what.contains("nobody"))
    );
    let mut books = oracle.accounting.clone();
    assert_eq!(
        oracle::compare_accounting(&oracle.accounting, books.clone()),
        []
    );
    let rejected = books
        .iter()
        .position(|row| row.code == "CONFLICT")
        .expect("conflicts");
    books[rejected].records += 5;
    assert_eq!(
        oracle::compare_accounting(&oracle.accounting, books.clone()),
        []
    );
    let accepted = books
        .iter()
        .position(|row| row.code.is_empty())
        .expect("accepted");
    books[accepted].records += 1;
    assert_eq!(
        oracle::compare_accounting(&oracle.accounting, books).len(),
        1
    );
}
