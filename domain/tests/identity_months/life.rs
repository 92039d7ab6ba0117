//! Lives of several months at random, against a model.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicI64, Ordering},
};

use chrono::TimeDelta;
use domain::journal::{
    self, Claim, Expected, Older,
    Verdict::{Accepted, Conflict, Duplicate},
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::house::{House, ROOM, month};

/// What happens next in a life of several months.
#[derive(Clone, Debug)]
enum Event {
    /// Records by number and content, and what is expected of them.
    Delivery(Vec<(u8, i64)>, Expected),
    MonthTurns,
    Maintenance,
}

fn event() -> impl Strategy<Value = Event> {
    let records = proptest::collection::vec((0_u8..40, 1_i64..3), 1..30);
    let expected = prop_oneof![Just(Expected::AllNew), Just(Expected::SomeKnown)];
    prop_oneof![
        6 => (records, expected).prop_map(|(records, expected)| Event::Delivery(records, expected)),
        1 => Just(Event::MonthTurns),
        1 => Just(Event::Maintenance),
    ]
}

#[test]
fn permuted_repeated_and_batched_anew_each_record_is_accepted_once() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let house = runtime.block_on(House::new());
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    });
    let life = (proptest::collection::vec(event(), 1..25), any::<bool>());
    let lives = AtomicI64::new(0);
    let outcome = runner.run(&life, |(events, filtered)| {
        // Each life has records and months of its own.
        let life = lives.fetch_add(1, Ordering::Relaxed);
        runtime.block_on(live(&house, life, &events, filtered));
        Ok(())
    });
    outcome.expect("each record once");
}

async fn live(house: &House, life: i64, events: &[Event], filtered: bool) {
    let older = Older::new(if filtered { ROOM } else { 0 });
    let turn = async || {
        let opened = house.number("SELECT count(*) FROM intake_month").await;
        house.open(month(1) + TimeDelta::days(31 * opened)).await;
    };
    turn().await;
    let mut known: HashMap<u8, (i64, i64)> = HashMap::new();
    for event in events {
        match event {
            Event::MonthTurns => turn().await,
            Event::Maintenance => {
                older.refresh(&house.db).await.expect("refreshed");
            }
            Event::Delivery(records, expected) => {
                let (cx, month) = house.hold().await;
                let claim = |(id, content): &(u8, i64)| {
                    house.claim(month, &format!("{id}-{life}"), *content)
                };
                let claims: Vec<Claim> = records.iter().map(claim).collect();
                let verdicts = journal::claim(&cx, month, &claims, &older, *expected).await;
                cx.commit().await.expect("committed");
                let mut model = Vec::new();
                for ((id, content), claim) in records.iter().zip(&claims) {
                    model.push(match known.get(id) {
                        None => Accepted,
                        Some((stands, part)) if stands == content => Duplicate { of: *part },
                        Some(_) => Conflict,
                    });
                    known.entry(*id).or_insert((*content, claim.part));
                }
                assert_eq!(verdicts.expect("verdicts"), model);
            }
        }
    }
}
