//! Older months are known with and without their filters.

use std::collections::HashMap;

use domain::journal::{
    self, Claim, Expected, Older,
    Verdict::{Accepted, Conflict, Duplicate},
};

use crate::house::{House, ROOM, month};

#[tokio::test]
async fn a_record_of_an_older_month_is_known_with_and_without_filters() {
    let house = House::new().await;
    let mut of = HashMap::new();
    for n in 4..=7 {
        house.open(month(n)).await;
        let id = format!("of {n}");
        let (parts, verdicts) = house.deliver(&Older::new(0), &[(&id, 1)]).await;
        assert_eq!(verdicts, [Accepted]);
        of.insert(n, parts[0]);
    }
    let none = Older::new(0);
    assert_eq!(none.refresh(&house.db).await.expect("refreshed"), 0);
    let all = Older::new(ROOM);
    let bytes = all.refresh(&house.db).await.expect("refreshed");
    let newest = Older::new(bytes / 3);
    assert_eq!(
        newest.refresh(&house.db).await.expect("refreshed"),
        bytes / 3
    );
    // From now on July is closed too, and nobody has a filter of it.
    house.open(month(8)).await;
    let expected = [
        Duplicate { of: of[&4] },
        Duplicate { of: of[&7] },
        Conflict,
        Duplicate { of: of[&6] },
        Conflict,
    ];
    let records = [
        ("of 4", 1),
        ("of 7", 1),
        ("of 5", 2),
        ("of 6", 1),
        ("of 7", 2),
    ];
    for older in [&none, &newest, &all] {
        let (_, verdicts) = house.deliver(older, &records).await;
        assert_eq!(verdicts, expected);
    }
    assert!(all.refresh(&house.db).await.expect("refreshed") > bytes);
    assert_eq!(house.deliver(&all, &records).await.1, expected);
}

#[tokio::test]
async fn filters_spare_the_look_ups_of_what_is_new_and_a_maybe_is_looked_up() {
    let house = House::new().await;
    for n in 5..=7 {
        house.open(month(n)).await;
        let ids: Vec<String> = (0..1_000).map(|id| format!("{n}-{id}")).collect();
        let records: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
        house.deliver(&Older::new(0), &records).await;
    }
    let older = Older::new(ROOM);
    older.refresh(&house.db).await.expect("refreshed");
    let statements = async |older: &Older, ids: std::ops::Range<u32>| {
        let (cx, month) = house.hold().await;
        let claims: Vec<Claim> = ids
            .map(|id| house.claim(month, &format!("new-{id}"), 1))
            .collect();
        let before = cx.statements();
        let verdicts = journal::claim(&cx, month, &claims, older, Expected::AllNew).await;
        assert_eq!(verdicts.expect("verdicts"), vec![Accepted; claims.len()]);
        cx.statements() - before
    };
    let unfiltered = statements(&Older::new(0), 0..1).await;
    assert_eq!(statements(&older, 0..1).await, unfiltered - 1);
    // One in 256 and two closed months: of 3,000 new ones some twenty may be there, and are not.
    assert_eq!(statements(&older, 0..3_000).await, unfiltered);
}

#[tokio::test]
async fn only_one_process_makes_filters_and_all_read_them() {
    let house = House::new().await;
    for n in 4..=6 {
        house.open(month(n)).await;
        house.deliver(&Older::new(0), &[(&n.to_string(), 1)]).await;
    }
    let (one, other) = (Older::new(ROOM), Older::new(ROOM));
    let (first, second) = tokio::join!(one.refresh(&house.db), other.refresh(&house.db));
    first.expect("refreshed");
    second.expect("refreshed");
    let made = "SELECT count(*) FROM intake_filter";
    assert_eq!(house.number(made).await, 2);
    let held = one.refresh(&house.db).await.expect("refreshed");
    assert_eq!(other.refresh(&house.db).await.expect("refreshed"), held);
    assert_eq!(house.number(made).await, 2);
}
