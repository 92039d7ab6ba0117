//! Months begin, turn and end.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::journal::{
    self, Expected, Month, Older,
    Verdict::{self, Accepted, Conflict, Duplicate},
};
use tokio::task::JoinHandle;

use crate::house::{House, ROOM, at, month};

/// Claims "a" in June, opens July meanwhile, and claims "a" in July. `commit` says how the first one ends.
async fn at_the_turn(content: i64, commit: bool) -> (i64, Vec<Verdict>) {
    let house = Arc::new(House::new().await);
    house.open(month(6)).await;
    let (late, june) = house.hold().await;
    let claims = [house.claim(june, "a", 1)];
    let older = Older::new(ROOM);
    let verdicts = journal::claim(&late, june, &claims, &older, Expected::AllNew).await;
    assert_eq!(verdicts.expect("verdicts"), [Accepted]);

    let opening: JoinHandle<()> = tokio::spawn({
        let house = house.clone();
        async move { house.open(month(7)).await }
    });
    house.until_somebody_waits().await;
    let early = tokio::spawn({
        let (house, older) = (house.clone(), older.clone());
        async move {
            // As a maintaining process does at any time.
            older.refresh(&house.db).await.expect("refreshed");
            let (cx, july) = house.hold().await;
            assert!(july > june);
            drop(cx);
            older.refresh(&house.db).await.expect("refreshed");
            house.deliver(&older, &[("a", content)]).await.1
        }
    });
    assert!(!opening.is_finished() && !early.is_finished());
    if commit {
        late.commit().await.expect("committed");
    } else {
        drop(late);
    }
    opening.await.expect("opened");
    (claims[0].part, early.await.expect("claimed"))
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_months_turn_one_of_two_is_accepted() {
    let (part, verdicts) = at_the_turn(1, true).await;
    assert_eq!(verdicts, [Duplicate { of: part }]);
    let (_, verdicts) = at_the_turn(2, true).await;
    assert_eq!(verdicts, [Conflict]);
    let (_, verdicts) = at_the_turn(1, false).await;
    assert_eq!(verdicts, [Accepted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_opened_once_and_a_clock_that_steps_back_opens_none() {
    let house = Arc::new(House::new().await);
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let house = house.clone();
            tokio::spawn(async move { house.open(month(7)).await })
        })
        .collect();
    for opening in opening {
        opening.await.expect("opened");
    }
    let older = Older::new(ROOM);
    let (parts, _) = house.deliver(&older, &[("a", 1)]).await;
    house.open(month(6)).await;
    let (_cx, current) = house.hold().await;
    assert_eq!(current, Month::of(month(7)));
    let (_, verdicts) = house.deliver(&older, &[("a", 1)]).await;
    assert_eq!(verdicts, [Duplicate { of: parts[0] }]);
    assert_eq!(house.number("SELECT count(*) FROM intake_month").await, 1);
}

#[tokio::test]
async fn a_month_is_dropped_when_no_record_of_it_can_come_again() {
    let house = House::new().await;
    let older = Older::new(ROOM);
    for n in 4..=6 {
        house.open(month(n)).await;
        house.deliver(&older, &[(&format!("of {n}"), 1)]).await;
    }
    let all = older.refresh(&house.db).await.expect("refreshed");
    let (past, future) = (TimeDelta::days(20), TimeDelta::hours(1));
    let drop_at = async |now: DateTime<Utc>| {
        let dropped = journal::drop_months(&house.db, now, past, future).await;
        dropped.expect("dropped")
    };
    let end_of_april = at("2026-05-01T00:00:00Z") + past + future;
    assert_eq!(drop_at(end_of_april - TimeDelta::milliseconds(1)).await, 0);
    // A claim that does not end keeps the month for now.
    let (cx, _) = house.hold().await;
    assert_eq!(drop_at(end_of_april).await, 0);
    drop(cx);
    assert_eq!(drop_at(end_of_april).await, 1);
    assert_eq!(drop_at(end_of_april).await, 0);
    let partitions =
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'intake_identity'::regclass";
    assert_eq!(house.number(partitions).await, 2);
    assert_eq!(older.refresh(&house.db).await.expect("refreshed"), all / 2);
    let (_, verdicts) = house.deliver(&older, &[("of 4", 1), ("of 5", 2)]).await;
    assert_eq!(verdicts, [Accepted, Conflict]);

    // The newest stays, whatever the clock says.
    assert_eq!(drop_at(at("2036-01-01T00:00:00Z")).await, 1);
    assert_eq!(drop_at(DateTime::<Utc>::MIN_UTC).await, 0);
    let (_, verdicts) = house.deliver(&older, &[("of 6", 2)]).await;
    assert_eq!(verdicts, [Conflict]);
}
