//! Shares, turns and patience. Nothing here waits for time to pass, except for a patience of no length.

use std::pin::pin;

use futures::{future::join, poll};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn tenant(n: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(n))
}

/// Memory of so many steps, and patience without end.
fn steps(count: u64) -> Admission {
    Admission::new(count * STEP, Duration::MAX)
}

/// Takes as much as a place can have now.
fn fill(place: &mut Place) -> u64 {
    while place.try_cover(place.bytes() + 1) {}
    place.steps
}

fn free(admission: &Admission) -> u64 {
    admission.shared.lock().free
}

#[test]
fn a_share_shrinks_when_others_come_and_a_newcomer_always_finds_room() {
    let admission = steps(4_096);
    let mut places = Vec::new();
    for n in 0..10 {
        let mut place = admission.place(tenant(n));
        let half_of_the_rest = 2_048 >> n;
        assert_eq!(fill(&mut place), half_of_the_rest);
        places.push(place);
    }
    // The first ones hold more than is free, and get nothing before they have given back.
    for place in &mut places[..9] {
        assert!(!place.try_cover(place.bytes() + 1));
    }
    // Everyone gives back and takes again until nothing changes: then all have the same.
    for _ in 0..4_096 {
        for place in &mut places {
            drop(place.split(STEP));
            fill(place);
        }
    }
    let fair = 4_096 / 11;
    for place in &places {
        assert!(place.steps.abs_diff(fair) <= 11, "{}", place.steps);
    }
}

#[test]
fn places_of_a_tenant_share() {
    let admission = steps(100);
    let mut first = admission.place(tenant(1));
    let mut second = admission.place(tenant(1));
    assert!(first.try_cover(30 * STEP));
    assert_eq!(fill(&mut second), 20);
    let part = second.split(5 * STEP - 1);
    assert_eq!((part.steps, second.steps), (5, 15));
    second.shrink_to(9 * STEP + 1);
    assert_eq!((second.steps, free(&admission)), (10, 55));
    second.shrink_to(1_000 * STEP);
    drop((first, part, second));
    assert_eq!(free(&admission), 100);
    assert!(admission.shared.lock().tenants.is_empty());
}

#[tokio::test]
async fn tenants_that_wait_are_served_in_turn_and_none_blocks_another() {
    let admission = steps(12);
    let mut greedy = admission.place(tenant(1));
    assert_eq!(fill(&mut greedy), 6);
    let mut other = admission.place(tenant(2));
    assert_eq!(fill(&mut other), 3);
    let mut a = [
        admission.place(tenant(1)),
        admission.place(tenant(1)),
        admission.place(tenant(1)),
    ];
    let [a1, a2, a3] = &mut a;
    let mut b = admission.place(tenant(2));
    let (mut a1, mut a2, mut a3) = (pin!(a1.cover(1)), pin!(a2.cover(1)), pin!(a3.cover(1)));
    let mut b1 = pin!(b.cover(1));
    assert!(poll!(&mut a1).is_pending() && poll!(&mut a2).is_pending());
    assert!(poll!(&mut a3).is_pending() && poll!(&mut b1).is_pending());
    // Tenant 1 came first, and has more than its share: tenant 2 is served.
    drop(greedy.split(STEP));
    assert!(poll!(&mut a1).is_pending() && poll!(&mut b1).is_pending());
    drop(greedy.split(STEP));
    assert!(poll!(&mut a1).is_pending() && poll!(&mut b1).is_ready());
    // Within a tenant, in order.
    drop(greedy);
    assert!(poll!(&mut a1).is_ready() && poll!(&mut a2).is_ready());
    assert!(poll!(&mut a3).is_ready());
}

#[tokio::test]
async fn one_tenant_with_a_hundred_bodies_waits_a_step_for_every_step_of_another() {
    let admission = steps(4);
    let mut others = [admission.place(tenant(8)), admission.place(tenant(9))];
    assert_eq!(others.each_mut().map(fill), [2, 1]);
    let admission = &admission;
    let bodies = |n: u128, count: usize| {
        (0..count).map(move |_| async move {
            let mut place = admission.place(tenant(n));
            place.cover(STEP).await.map(|()| n)
        })
    };
    let mut running: futures::stream::FuturesUnordered<_> =
        bodies(1, 100).chain(bodies(2, 3)).collect();
    assert!(poll!(futures::StreamExt::next(&mut running)).is_pending());
    drop(others);
    let mut order = Vec::new();
    while let Some(done) = futures::StreamExt::next(&mut running).await {
        order.push(done.expect("served"));
    }
    let last_of_two = order.iter().rposition(|n| *n == 2).expect("served");
    assert!(last_of_two < 8, "{order:?}");
    assert_eq!(order.len(), 103);
}

#[tokio::test]
async fn the_body_that_began_first_is_finished_first() {
    let admission = steps(20);
    let mut first = admission.place(tenant(1));
    let mut second = admission.place(tenant(1));
    assert!(first.try_cover(5 * STEP) && second.try_cover(5 * STEP));
    let mut third = admission.place(tenant(1));
    {
        let mut younger = pin!(third.cover(1));
        assert!(poll!(&mut younger).is_pending());
        let mut elder = pin!(first.cover(6 * STEP));
        assert!(poll!(&mut elder).is_pending());
        drop(second.split(STEP));
        assert!(poll!(&mut younger).is_pending() && poll!(&mut elder).is_ready());
    }
    // A stream that has passed on a batch goes behind.
    first.step_back();
    let mut elder = pin!(third.cover(1));
    let mut younger = pin!(first.cover(7 * STEP));
    assert!(poll!(&mut younger).is_pending() && poll!(&mut elder).is_pending());
    drop(second.split(STEP));
    assert!(poll!(&mut younger).is_pending() && poll!(&mut elder).is_ready());
}

#[tokio::test]
async fn a_newcomer_is_turned_away_when_its_patience_ends() {
    let admission = Admission::new(20 * STEP, Duration::ZERO);
    let mut first = admission.place(tenant(1));
    fill(&mut first);
    let mut second = admission.place(tenant(1));
    let refused = second.cover(1).await.map_err(|error| error.code());
    assert_eq!(refused, Err(Code::Throttled));
    // It leaves no trace, and another tenant does not notice.
    assert!(admission.shared.lock().turns.is_empty());
    assert!(admission.place(tenant(2)).cover(5 * STEP).await.is_ok());
}

#[tokio::test]
async fn bodies_that_hold_each_other_up_are_not_all_turned_away() {
    for bodies in [2, 5, 20] {
        let admission = Admission::new(80 * STEP, Duration::from_millis(1));
        let share = 40;
        let mut places: Vec<_> = (0..bodies).map(|_| admission.place(tenant(1))).collect();
        for place in &mut places {
            assert!(place.try_cover(share / bodies * STEP));
        }
        // Each wants all of the share.
        let finish = places.into_iter().map(|mut place| async move {
            let outcome = place.cover(share * STEP).await;
            outcome.is_ok()
        });
        let finished = futures::future::join_all(finish).await;
        assert!(finished[0], "{bodies}: the first is finished");
        assert_eq!(free(&admission), 80);
    }
}

#[tokio::test]
async fn slow_bodies_of_one_tenant_do_not_turn_another_away() {
    let admission = Admission::new(64 * STEP, Duration::ZERO);
    let mut slow: Vec<_> = (0..8).map(|_| admission.place(tenant(1))).collect();
    for place in &mut slow {
        assert!(place.try_cover(4 * STEP));
    }
    assert!(!slow[0].try_cover(5 * STEP));
    for _ in 0..100 {
        let mut place = admission.place(tenant(2));
        place.cover(16 * STEP).await.expect("never turned away");
    }
}

#[tokio::test]
async fn whoever_goes_away_while_waiting_leaves_room() {
    let admission = steps(20);
    let mut holder = admission.place(tenant(1));
    fill(&mut holder);
    let (mut gone, mut other) = (admission.place(tenant(1)), admission.place(tenant(1)));
    {
        let mut waiting = pin!(gone.cover(1));
        assert!(poll!(&mut waiting).is_pending());
        let mut granted = Box::pin(other.cover(1));
        assert!(poll!(&mut granted).is_pending());
        // The first is served without noticing, the second not; both are dropped.
        drop(holder.split(STEP));
        drop(granted);
    }
    drop(holder);
    assert_eq!(free(&admission), 20);
    assert!(admission.shared.lock().tenants.is_empty());
    let both = join(gone.cover(STEP), other.cover(STEP)).await;
    assert!(both.0.is_ok() && both.1.is_ok());
}

proptest! {
    #[test]
    fn nothing_is_lost_and_no_tenant_takes_more_than_it_leaves(
        moves in proptest::collection::vec((0_usize..12, 0_u64..40, 0_u8..4), 1..200),
    ) {
        let admission = steps(64);
        let mut places: Vec<_> = (0..12).map(|n| admission.place(tenant(n % 4))).collect();
        let mut parts = Vec::new();
        for (index, steps, what) in moves {
            let place = &mut places[index];
            match what {
                0 => {
                    let before = place.steps;
                    place.try_cover(steps * STEP);
                    if place.steps > before {
                        let state = admission.shared.lock();
                        prop_assert!(state.tenants[&place.tenant].held <= state.free);
                    }
                }
                1 => parts.push(place.split(steps * STEP)),
                2 => place.shrink_to(steps * STEP),
                _ => drop(parts.pop()),
            }
            let held: u64 = places.iter().chain(&parts).map(|place| place.steps).sum();
            let state = admission.shared.lock();
            prop_assert_eq!(held + state.free, 64);
            prop_assert_eq!(state.tenants.values().map(|tenant| tenant.held).sum::<u64>(), held);
            prop_assert!(state.turns.is_empty());
        }
    }
}
