//! Who was first within a month.

use std::sync::Arc;

use domain::{
    Role, Scope,
    identity::VerifiedClaims,
    journal::{
        self, Claim, Expected, FateState, Older,
        Verdict::{Accepted, Conflict, Duplicate},
    },
    scope::{Segment, Visibility},
    tenant::{self, NewTenant},
};
use sea_orm::ConnectionTrait as _;

use crate::house::{House, ROOM, month, tenant_id};

#[tokio::test]
async fn the_first_of_an_identity_is_accepted_whatever_part_it_is_of() {
    let house = House::new().await;
    house.open(month(6)).await;
    let older = Older::new(ROOM);
    let first = [("b", 1), ("a", 1), ("b", 9), ("b", 1)];
    let (parts, verdicts) = house.deliver(&older, &first).await;
    let (a, b) = (parts[1], parts[0]);
    assert_eq!(
        verdicts,
        [Accepted, Accepted, Conflict, Duplicate { of: b }]
    );
    let second = [("c", 1), ("b", 9), ("a", 1), ("b", 9), ("c", 2), ("b", 1)];
    let (_, verdicts) = house.deliver(&older, &second).await;
    let expected = [
        Accepted,
        Conflict,
        Duplicate { of: a },
        Conflict,
        Conflict,
        Duplicate { of: b },
    ];
    assert_eq!(verdicts, expected);

    let (cx, month) = house.hold().await;
    let own = house.claim(month, "d", 1);
    let mut foreign = house.claim(month, "d", 1);
    foreign.identity = journal::identity(tenant_id(0xb), "pgw-1", "d");
    let claimed = [own, foreign];
    let verdicts = journal::claim(&cx, month, &claimed, &older, Expected::AllNew).await;
    assert_eq!(verdicts.expect("verdicts"), [Accepted, Accepted]);
}

#[tokio::test]
async fn what_is_rolled_back_was_never_claimed() {
    let house = House::new().await;
    house.open(month(6)).await;
    let older = Older::new(ROOM);
    let (cx, month) = house.hold().await;
    let claims = [house.claim(month, "a", 1)];
    let claimed = journal::claim(&cx, month, &claims, &older, Expected::AllNew).await;
    claimed.expect("verdicts");
    drop(cx);
    let (_, verdicts) = house.deliver(&older, &[("a", 2)]).await;
    assert_eq!(verdicts, [Accepted]);
}

#[tokio::test]
async fn identities_are_claimed_in_the_open_month_only() {
    let house = House::new().await;
    let cx = house.db.system().await.expect("system");
    assert_eq!(journal::hold_month(&cx).await.expect("none"), None);
    drop(cx);
    house.open(month(6)).await;
    let (cx, june) = house.hold().await;
    let of_june = [house.claim(june, "a", 1)];
    drop(cx);
    house.open(month(7)).await;
    let (cx, july) = house.hold().await;
    let older = Older::new(ROOM);
    for wrong in [june, july] {
        let claimed = journal::claim(&cx, wrong, &of_june, &older, Expected::AllNew).await;
        assert!(claimed.is_err(), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_share_records_wait_for_each_other_and_never_in_a_circle() {
    let house = Arc::new(House::new().await);
    house.open(month(6)).await;
    let up: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let down: Vec<String> = up.iter().rev().cloned().collect();
    let bodies = [
        (Expected::AllNew, up.clone()),
        (Expected::SomeKnown, down.clone()),
        (Expected::SomeKnown, up),
        (Expected::AllNew, down),
    ];
    let running = bodies.map(|(expected, ids)| {
        let house = house.clone();
        tokio::spawn(async move {
            let (cx, month) = house.hold().await;
            let claims: Vec<Claim> = ids.iter().map(|id| house.claim(month, id, 1)).collect();
            let older = Older::new(ROOM);
            let verdicts = journal::claim(&cx, month, &claims, &older, expected).await;
            cx.commit().await.expect("committed");
            verdicts.expect("verdicts")
        })
    });
    let mut accepted = 0;
    for verdicts in running {
        let verdicts = verdicts.await.expect("no deadlock");
        accepted += verdicts
            .iter()
            .filter(|verdict| **verdict == Accepted)
            .count();
    }
    assert_eq!(accepted, 2_000);
}

#[tokio::test]
async fn another_tenants_record_is_unknown() {
    let house = House::new().await;
    let mut tenants = Vec::new();
    for slug in ["alpha", "beta"] {
        let cx = house.db.system().await.expect("system");
        let new = NewTenant {
            slug: slug.into(),
            name: slug.into(),
            simulated: false,
        };
        tenants.push(tenant::create(&cx, new).await.expect("a tenant").id);
        cx.commit().await.expect("committed");
    }
    house.open(month(6)).await;
    let (cx, june) = house.hold().await;
    let mut claims = [house.claim(june, "a", 1)];
    claims[0].identity = journal::identity(tenants[0], "pgw-1", "a");
    let older = Older::new(ROOM);
    let claimed = journal::claim(&cx, june, &claims, &older, Expected::AllNew).await;
    claimed.expect("verdicts");
    cx.commit().await.expect("committed");
    let part = format!(
        "INSERT INTO intake_batch_tenant (tenant_id, part, batch_id, state, rows, bytes_up, bytes_down, units, \
                                          checksum, first_at, last_at, received_at) \
         VALUES ('{}', {}, uuidv7(), 'JOURNALED', 1, 0, 0, 0, 0, now(), now(), now())",
        tenants[0].uuid(),
        claims[0].part
    );
    house.owner.execute_unprepared(&part).await.expect("a part");
    // The month turns, and the record is found where it is.
    house.open(month(7)).await;
    for (tenant, state) in [
        (tenants[0], FateState::Accepted),
        (tenants[1], FateState::Unknown),
    ] {
        let ada = VerifiedClaims::new("ada".into(), "alpha".into(), Role::TenantAdmin, None);
        let ada = ada.expect("claims");
        let scope = Scope::of_token(tenant, &ada, Segment::default(), Visibility::ALL);
        let cx = house.db.read(&scope).await.expect("read");
        let fate = journal::fate(&cx, "pgw-1", "a").await.expect("a fate");
        assert_eq!(fate.state, state);
        let event_at = (state == FateState::Accepted).then_some(claims[0].event_at);
        assert_eq!(fate.event_at, event_at);
    }
}
