//! How far sources are, and what they keep from being complete.

use chrono::TimeDelta;
use domain::{
    Code, Db, Period, ReadCx, Role,
    identity::{Known, VerifiedClaims},
    journal::{self, Kind, Lack, Month, Part, Progress, SourceState, Tally},
    topic::{self, Digest, Partition, Passage, Stop, Way},
};
use uuid::Uuid;

use crate::house::{House, after, batch, new_batch, now, tally};

async fn caller(db: &Db, role: Role) -> ReadCx {
    let claims = VerifiedClaims::new("eve".into(), "alpha".into(), role, None);
    let cx = Known::default().open(db, &claims.expect("claims")).await;
    cx.expect("a snapshot")
}

/// A record of a source that began so many minutes after now, and was accepted or came again.
async fn receive(house: &House, source: &str, topic: Option<&str>, at: i64, is_new: bool) {
    let mut part = Part::new(house.alpha, Month::of(now()).part(at));
    let event_at = now() + TimeDelta::minutes(at);
    part.add(Uuid::from_u128(1), event_at, [3, 1, 0]);
    let counts = if is_new { (1, 0, 3, 1) } else { (0, 1, 0, 0) };
    let (accepted, duplicate, bytes_up, bytes_down) = counts;
    let tallies = [Tally {
        source: source.into(),
        event_hour: journal::hour_of(event_at),
        received: 1,
        accepted,
        duplicate,
        bytes_up,
        bytes_down,
        newest_event_at: Some(event_at),
        topic: topic.map(Into::into),
        ..tally(house.alpha, 0, 0)
    }];
    let cx = house.system().await;
    let parts = [part];
    let id = batch(u128::try_from(at).expect("small"));
    let new = is_new.then(|| new_batch(id, &parts));
    let recorded = journal::record(&cx, Kind::Cdr, new, &tallies, &[], now()).await;
    recorded.expect("recorded");
    if is_new {
        journal::mark_counted(&cx, &[id], now())
            .await
            .expect("counted");
    }
    cx.commit().await.expect("committed");
}

async fn sources(house: &House) -> Vec<Progress> {
    let cx = caller(&house.db, Role::Support).await;
    journal::progress(&cx).await.expect("sources")
}

async fn lack(house: &House, to: i64) -> Option<Lack> {
    let cx = caller(&house.db, Role::Support).await;
    let period = Period::new(now() - TimeDelta::days(1), now() + TimeDelta::minutes(to));
    let coverage = journal::coverage(&cx, Kind::Cdr).await.expect("coverage");
    coverage
        .expect("of the whole tenant")
        .lack(period.expect("a period"))
}

#[tokio::test]
async fn a_source_is_complete_up_to_its_newest_event_less_its_lateness() {
    let house = House::new().await;
    receive(&house, "a", None, 1, true).await;
    receive(&house, "b", None, 3, true).await;
    // What comes late takes nothing back.
    receive(&house, "b", None, 2, true).await;
    let found = sources(&house).await;
    let told: Vec<_> = found
        .iter()
        .map(|it| (it.source.as_str(), it.newest_event_at, it.state))
        .collect();
    assert_eq!(
        told,
        [
            ("a", now() + TimeDelta::minutes(1), SourceState::Current),
            ("b", now() + TimeDelta::minutes(3), SourceState::Current)
        ]
    );
    // It began after its receipt, by the clock of the sender.
    assert_eq!(
        found[1].complete_up_to,
        Some(now() - TimeDelta::minutes(60))
    );
    assert_eq!(found[1].lag, Some(TimeDelta::minutes(60)));
    assert_eq!(lack(&house, -60).await, None);
    let Some(Lack::Behind(behind, false)) = lack(&house, -59).await else {
        panic!("not complete");
    };
    assert_eq!(behind.len(), 2);
    let denied = journal::progress(&caller(&house.db, Role::Viewer).await).await;
    assert_eq!(
        denied.expect_err("not for everybody").code(),
        Code::Forbidden
    );
}

#[tokio::test]
async fn a_retired_source_is_waited_for_again_once_it_has_something_new() {
    let house = House::new().await;
    receive(&house, "a", None, 1, true).await;
    let cx = house.system().await;
    let retired = journal::retire(&cx, house.alpha, Kind::Cdr, "a").await;
    retired.expect("retired");
    let unknown = journal::retire(&cx, house.alpha, Kind::Session, "a").await;
    assert_eq!(unknown.expect_err("no such source").code(), Code::NotFound);
    cx.commit().await.expect("committed");
    assert_eq!(lack(&house, 60).await, None);
    receive(&house, "a", None, 1, false).await;
    assert_eq!(sources(&house).await[0].state, SourceState::Retired);
    receive(&house, "a", None, 2, true).await;
    assert_eq!(sources(&house).await[0].state, SourceState::Current);
    assert!(lack(&house, 60).await.is_some());
    let cx = house.system().await;
    let set = journal::set_lateness(&cx, house.alpha, Kind::Cdr, "a", 0).await;
    set.expect("set");
    cx.commit().await.expect("committed");
    assert_eq!(sources(&house).await[0].complete_up_to, Some(now()));
    assert_eq!(lack(&house, 0).await, None);
}

#[tokio::test]
async fn what_waits_in_its_topic_holds_a_source_back() {
    let house = House::new().await;
    receive(&house, "a", Some("cdr.records"), 1, true).await;
    let read = async |number: i32, newest: i64, end: i64| {
        let partition = Partition {
            cluster: "here".into(),
            topic: "cdr.records".into(),
            number,
        };
        let cx = house.system().await;
        let position = topic::open(&cx, &partition).await.expect("a position");
        let passage = Passage {
            partition,
            kind: Kind::Cdr,
            way: Way::Consume {
                from: position.next,
                to: position.next + 10,
                digest: Digest::of(None, None),
                end,
            },
            tombstones: 0,
            decoded: Vec::new(),
            quarantined: Vec::new(),
        };
        let newest = now() + TimeDelta::minutes(newest);
        assert!(
            topic::pass(&cx, &passage, Some(newest))
                .await
                .expect("passed")
        );
        cx.commit().await.expect("committed");
    };
    read(0, -5, 9).await;
    assert_eq!(sources(&house).await[0].state, SourceState::Current);
    read(1, -30, 100).await;
    let found = sources(&house).await;
    assert_eq!(found[0].state, SourceState::Behind);
    assert_eq!(
        found[0].complete_up_to,
        Some(now() - TimeDelta::minutes(90))
    );
    // Read to its end, it is no longer the one that is least far.
    read(1, -10, 19).await;
    let found = sources(&house).await;
    assert_eq!(
        found[0].complete_up_to,
        Some(now() - TimeDelta::minutes(60))
    );
}

#[tokio::test]
async fn where_a_partition_ends_is_known_without_a_passage_and_one_without_usage_is_nowhere() {
    let house = House::new().await;
    receive(&house, "a", Some("cdr.records"), 1, true).await;
    receive(&house, "b", Some("elsewhere"), 2, true).await;
    let partition = |number: i32| Partition {
        cluster: "here".into(),
        topic: "cdr.records".into(),
        number,
    };
    let told = async |number: i32, offset: i64, waits: bool| {
        let cx = house.system().await;
        let end = topic::End {
            partition: partition(number),
            offset,
            waits,
        };
        topic::ends(&cx, &[end]).await.expect("told");
        cx.commit().await.expect("committed");
        let found = sources(&house).await;
        assert_eq!(found[1].state, SourceState::Current);
        (found[0].state, found[0].complete_up_to)
    };
    let cx = house.system().await;
    for number in 0..2 {
        let position = topic::open(&cx, &partition(number)).await;
        assert_eq!(position.expect("a position").next, -1);
    }
    cx.commit().await.expect("committed");
    let current = (SourceState::Current, Some(now() - TimeDelta::minutes(60)));
    let behind = (SourceState::Behind, None);
    assert_eq!(told(0, -1, false).await, current);
    assert_eq!(told(1, 3, true).await, behind);
    // Whoever knows of less takes nothing back, and one that is being moved is left to whoever moves it.
    assert_eq!(told(1, 2, true).await, behind);
    let moves = "UPDATE topic_position SET moved_at = moved_at WHERE partition = 1";
    let moving = house.postgres.hold(moves).await;
    assert_eq!(told(1, -1, false).await, behind);
    drop(moving);
    assert_eq!(told(0, -1, false).await, behind);
    assert_eq!(told(1, -1, false).await, current);
    told(1, 3, true).await;
    let cx = house.system().await;
    let skipped = topic::skip(&cx, &partition(1), 3, 3).await;
    assert_eq!(skipped.expect("skipped"), -1);
    cx.commit().await.expect("committed");
    assert_eq!(sources(&house).await[0].state, SourceState::Current);
}

#[tokio::test]
async fn a_position_moves_from_where_it_was_and_stops_where_it_was_seen() {
    let house = House::new().await;
    let partition = Partition {
        cluster: "here".into(),
        topic: "cdr.records".into(),
        number: 0,
    };
    let cx = house.system().await;
    topic::open(&cx, &partition).await.expect("a position");
    let pass = async |from: i64, to: i64| {
        let passage = Passage {
            partition: partition.clone(),
            kind: Kind::Cdr,
            way: Way::Consume {
                from,
                to,
                digest: Digest::of(None, None),
                end: to,
            },
            tombstones: 0,
            decoded: Vec::new(),
            quarantined: Vec::new(),
        };
        topic::pass(&cx, &passage, None).await.expect("an answer")
    };
    let stop = async |seen: i64| {
        let stopped = topic::stop(&cx, &partition, seen, Stop::OffsetLost).await;
        stopped.expect("an answer");
        let position = topic::find(&cx, &partition).await.expect("an answer");
        position.expect("a position").stopped
    };
    assert!(pass(-1, 10).await);
    // A reader that was begun with an older position, or with none, has no say either.
    let end = |offset, waits| topic::End {
        partition: partition.clone(),
        offset,
        waits,
    };
    let held = async || topic::positions(&cx).await.expect("positions")[0].held;
    for (told, is_held) in [
        (end(30, true), true),
        (end(-1, false), true),
        (end(9, false), true),
        (end(10, false), false),
    ] {
        topic::ends(&cx, &[told]).await.expect("told");
        assert_eq!(held().await, is_held);
    }
    assert!(!pass(-1, 10).await && !pass(9, 20).await && !pass(11, 20).await);
    // Whoever saw something else has no say.
    assert_eq!(stop(-1).await, None);
    assert_eq!(stop(10).await, Some(Stop::OffsetLost));
    assert!(!pass(10, 20).await);
    let skipped = topic::skip(&cx, &partition, 12, 12).await;
    assert_eq!(skipped.expect("skipped"), 10);
    assert!(!pass(10, 20).await && pass(12, 20).await);
}

#[tokio::test]
async fn what_waits_to_be_counted_makes_its_time_incomplete() {
    let house = House::new().await;
    let mut part = Part::new(house.alpha, Month::of(now()).part(1));
    part.add(Uuid::from_u128(1), now() - TimeDelta::hours(5), [3, 1, 0]);
    let parts = [part];
    let cx = house.system().await;
    let tallies = [Tally {
        newest_event_at: None,
        ..tally(house.alpha, 1, 0)
    }];
    let new = Some(new_batch(batch(1), &parts));
    let recorded = journal::record(&cx, Kind::Cdr, new, &tallies, &[], now()).await;
    recorded.expect("recorded");
    cx.commit().await.expect("committed");
    assert_eq!(lack(&house, 0).await, Some(Lack::NotCounted));
    assert_eq!(lack(&house, -300).await, None);
    let cx = house.system().await;
    journal::mark_counted(&cx, &[batch(1)], after(1))
        .await
        .expect("counted");
    cx.commit().await.expect("committed");
    assert_eq!(lack(&house, 0).await, None);
}
