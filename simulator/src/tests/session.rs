//! Sessions of a plan: what they are made of, what they come to, and that records do not notice them.

use std::collections::BTreeSet;

use chrono::{DateTime, Timelike as _, Utc};
use domain::session::Request;
use ingest::format;

use super::{blocks, hash, moment, oracle_hashes, plan, sent};
use crate::{
    FleetPlan, Via,
    block::{Block, Inlet},
    fleet::Sim,
    noise::Broken,
    oracle::{self, SessionRow},
    session::{Rollup, rollups},
};

fn with_sessions() -> FleetPlan {
    FleetPlan {
        sessions: 5,
        ..plan()
    }
}

/// The rollups of each SIM.
fn of_sims(plan: &FleetPlan) -> Vec<Vec<Rollup>> {
    (0..plan.sims)
        .map(|index| rollups(plan, &Sim::new(plan, index)))
        .collect()
}

#[test]
fn the_same_seed_is_the_same_sessions_and_records_do_not_notice_them() {
    let (plan, without) = (with_sessions(), plan());
    insta::assert_snapshot!(hash(&sent(&plan)), @"abeb1f0a7bf3d93ad156edacd5cf233ef4241a11acc5c8531510165039fd478a");
    assert_eq!(oracle_hashes(&plan)[0], oracle_hashes(&without)[0]);
    let other = FleetPlan {
        order_seed: 99,
        batch: 17,
        ..plan.clone()
    };
    assert_eq!(oracle_hashes(&plan), oracle_hashes(&other));
    let calm = FleetPlan {
        faults: "none".parse().expect("faults"),
        ..plan.clone()
    };
    assert_eq!(oracle_hashes(&plan)[2], oracle_hashes(&calm)[2]);
}

#[test]
fn sessions_are_inside_their_range_and_every_sim_has_one() {
    let plan = with_sessions();
    for rollups in of_sims(&plan) {
        assert!(!rollups.is_empty());
        assert!(
            rollups
                .iter()
                .all(|it| plan.sessions_from() <= it.at && it.at < plan.until)
        );
        let places: BTreeSet<_> = rollups
            .iter()
            .map(|it| (&it.session, it.at, it.ends, it.bytes_in, it.bytes_out))
            .collect();
        assert_eq!(places.len(), rollups.len(), "no two have one place");
    }
}

#[test]
fn sessions_roam_begin_again_cross_midnight_and_go_on_after_their_end() {
    let (mut roams, mut resets, mut midnights, mut goes_on, mut anew, mut endless) =
        (0, 0, 0, 0, 0, 0);
    for rollups in of_sims(&with_sessions()) {
        for session in rollups.chunk_by(|a, b| a.session == b.session) {
            for pair in session.windows(2) {
                let fell = pair[1].bytes_in < pair[0].bytes_in;
                roams += u32::from(pair[0].network() != pair[1].network());
                midnights += u32::from(pair[0].at.date_naive() != pair[1].at.date_naive());
                resets += u32::from(fell && !pair[0].ends);
                anew += u32::from(fell && pair[0].ends);
                goes_on += u32::from(!fell && pair[0].ends);
            }
            endless += u32::from(session.iter().all(|it| !it.ends));
        }
    }
    let seen = [roams, resets, midnights, goes_on, anew, endless];
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
}

#[test]
fn late_ones_come_days_after_their_neighbours() {
    let plan = with_sessions();
    let [first, later, last] = blocks(&plan)
        .into_iter()
        .map(|block| block.dated(&plan))
        .next()
        .expect("a block")
        .map(|wave| {
            let rollups = wave.into_iter();
            let rollups = rollups.filter(|(_, it)| it.inlet == Inlet::Sessions);
            rollups.map(|(at, _)| at).collect::<Vec<_>>()
        });
    let newest = first.iter().max().expect("rollups");
    for late in [later, last] {
        let oldest = late.iter().min().expect("late rollups");
        assert!((*newest - *oldest).num_days() >= 2);
    }
}

#[test]
fn every_rollup_decodes_to_its_truth_and_every_broken_one_to_its_code() {
    let plan = with_sessions();
    let mut codes = BTreeSet::new();
    for block in blocks(&plan) {
        for passage in &block.passages {
            let rollup = &passage.rollup;
            let read = |again| format::decode_rollup(rollup.json(again).as_bytes()).expect("read");
            let found = read(false);
            assert_eq!(found, read(true));
            assert_eq!(
                (found.bytes_in, found.bytes_out, found.event_at),
                (rollup.bytes_in, rollup.bytes_out, rollup.at)
            );
            assert_eq!(found.request == Request::Terminate, rollup.ends);
            assert_eq!(found.network.as_str(), rollup.network());
            assert_eq!(&*found.radio_access.words(), rollup.rat());
        }
        let broken = block.broken.iter();
        for Broken { delivery, code, .. } in
            broken.filter(|it| it.delivery.inlet == Inlet::Sessions)
        {
            codes.insert(*code);
            match format::decode_rollup(delivery.json.as_bytes()) {
                Err(refusal) => assert_eq!(refusal.code.as_ref(), *code),
                Ok(_) => assert_eq!(*code, "UNKNOWN_ICCID"),
            }
        }
    }
    assert_eq!(codes.len(), 8, "{codes:?}");
}

#[test]
fn in_topics_what_is_nobodys_is_in_no_tenants_books() {
    let plan = with_sessions();
    let topics = FleetPlan {
        via: Via::Kafka,
        ..plan.clone()
    };
    let count = |plan: &FleetPlan, code: &str| {
        let blocks = blocks(plan);
        let broken = blocks.iter().flat_map(|block| &block.broken);
        let booked = broken.filter(|it| it.code == code && it.is_booked(plan));
        booked.count()
    };
    for (code, rest) in [("UNKNOWN_ICCID", true), ("INVALID_VOLUME", false)] {
        let (all, left) = (count(&plan, code), count(&topics, code));
        assert!(all > 0 && left > 0, "streams have no topic");
        assert_eq!(left < all, rest, "{code}");
    }
}

/// A rollup of a session of the first SIM.
fn told(session: &str, at: &str, bytes: [u64; 2], ends: bool) -> Rollup {
    let plan = with_sessions();
    let sim = Sim::new(&plan, 0);
    let mut rollup = rollups(&plan, &sim).swap_remove(0);
    session.clone_into(&mut rollup.session);
    rollup.at = moment(at);
    [rollup.bytes_in, rollup.bytes_out] = bytes;
    rollup.ends = ends;
    rollup
}

/// What these come to: hour, bytes from the device, bytes to it, sessions, resets.
fn comes_to(rollups: Vec<Rollup>) -> Vec<(u32, i128, i128, u64, u64)> {
    let mut block = Block::new(&with_sessions(), 0);
    let mut passages = block.passages.split_off(rollups.len());
    passages.clear();
    for (passage, rollup) in block.passages.iter_mut().zip(rollups) {
        (passage.sim, passage.rollup) = (0, rollup);
    }
    let hour = |at: DateTime<Utc>| at.hour();
    let rows = oracle::expected_sessions(&block).into_iter();
    rows.map(|row: SessionRow| {
        let bytes = (row.bytes_up, row.bytes_down);
        (hour(row.hour), bytes.0, bytes.1, row.sessions, row.resets)
    })
    .collect()
}

#[test]
fn the_oracle_counts_differences_in_the_order_of_events() {
    let at = |time: &str| format!("2026-10-30T{time}:00Z");
    let update = |time: &str, up, down| told("a", &at(time), [up, down], false);
    let end = |time: &str, up, down| told("a", &at(time), [up, down], true);
    // In any order: it sorts.
    assert_eq!(
        comes_to(vec![
            update("12:00", 400, 4),
            update("10:00", 100, 1),
            update("11:00", 250, 2)
        ]),
        [(10, 100, 1, 1, 0), (11, 150, 1, 0, 0), (12, 150, 2, 0, 0)]
    );
    // What fell began again, each direction for itself, with one reset.
    assert_eq!(
        comes_to(vec![update("10:00", 400, 40), update("11:00", 50, 60)]),
        [(10, 400, 40, 1, 0), (11, 50, 20, 0, 1)]
    );
    // After an end: counters that go on are those of the session, others those of another one.
    assert_eq!(
        comes_to(vec![end("10:00", 400, 40), update("11:00", 450, 40)]),
        [(10, 400, 40, 1, 0), (11, 50, 0, 0, 0)]
    );
    assert_eq!(
        comes_to(vec![end("10:00", 400, 40), update("11:00", 30, 60)]),
        [(10, 400, 40, 1, 0), (11, 30, 60, 1, 0)]
    );
    // In one moment an update comes before the end.
    assert_eq!(
        comes_to(vec![
            end("10:00", 300, 30),
            update("10:00", 400, 40),
            update("11:00", 500, 50)
        ]),
        [(10, 700, 70, 1, 1), (11, 200, 20, 0, 0)]
    );
    // Ids are unique for their SIM only, and sessions of one SIM do not touch each other.
    let other = told("b", &at("10:30"), [7, 7], false);
    assert_eq!(
        comes_to(vec![
            update("10:00", 100, 1),
            other,
            update("11:00", 150, 1)
        ]),
        [(10, 107, 8, 2, 0), (11, 50, 0, 0, 0)]
    );
}
