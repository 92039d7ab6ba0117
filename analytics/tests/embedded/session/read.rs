//! What callers are told of sessions.

use std::collections::BTreeSet;

use analytics::{
    SessionRow, Store,
    session::{Narrowed, Place, Seek, Shown},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock as _, Code, Role, Scope, SystemClock,
    id::{BatchId, CustomerId, SimId, TenantId},
    identity::VerifiedClaims,
    scope::{Segment, Visibility},
    session::SessionStatus,
};
use uuid::Uuid;

use super::{apply, correction, rollup, sim};
use crate::migrated;

const OLD: u128 = 7;
const NEW: u128 = 8;

fn customer(n: u128) -> CustomerId {
    CustomerId::new(Uuid::from_u128(n))
}

/// A caller: staff, or the user of a customer who sees this.
fn scope(tenant: TenantId, of: Option<u128>, visibility: Visibility) -> Scope {
    let role = of.map_or(Role::TenantAdmin, |_| Role::CustomerUser);
    let claims = VerifiedClaims::new("ada".into(), "alpha".into(), role, of.map(|_| "x".into()));
    let segment = Segment {
        within: of.map(customer),
        ..Segment::default()
    };
    Scope::of_token(tenant, &claims.expect("claims"), segment, visibility)
}

fn all(limit: u32) -> Seek {
    Seek {
        beyond: None,
        is_backward: false,
        limit,
    }
}

fn whose(shown: &[Shown]) -> Vec<(SimId, u64)> {
    shown.iter().map(|it| (it.sim, it.counter_in)).collect()
}

/// SIM 1 went from one customer to another within a session; SIM 2 has an old session that never ended, and one that did.
async fn filled(store: &Store, tenant: TenantId, now: DateTime<Utc>) {
    let batch = BatchId::new(Uuid::now_v7());
    let row = |minutes: i64, n: u64| SessionRow {
        counter_in: n,
        ..rollup(tenant, batch, now - TimeDelta::minutes(minutes))
    };
    let late = row(20, 2);
    let of_two = |row: SessionRow, session: u128| SessionRow {
        sim: sim(2),
        session: Uuid::from_u128(session),
        ..row
    };
    let mut rows = vec![
        row(30, 1),
        late.clone(),
        SessionRow {
            customer: Some(customer(NEW)),
            network: "238-01".into(),
            ..row(10, 3)
        },
        of_two(row(50, 4), 21),
        of_two(row(40, 5), 22),
        SessionRow {
            terminates: true,
            ..of_two(row(40, 6), 22)
        },
    ];
    apply(store, &rows).await;
    rows = correction(&late, BatchId::new(Uuid::now_v7()), 9).into();
    apply(store, &rows).await;
}

#[tokio::test]
async fn sessions_are_shown_by_the_customer_of_their_time() {
    let store = migrated().await;
    let tenant = TenantId::new(Uuid::now_v7());
    let now = DateTime::from_timestamp_millis(SystemClock.now().timestamp_millis()).expect("now");
    filled(&store, tenant, now).await;
    let narrowed = Narrowed {
        from: now - TimeDelta::hours(1),
        online_from: now - TimeDelta::minutes(15),
        ..Narrowed::default()
    };
    let (one, two) = (sim(1), sim(2));
    let open = Visibility::ALL;
    for (of, log, live, newest) in [
        (
            None,
            vec![(one, 3), (one, 2), (one, 1), (two, 6), (two, 5), (two, 4)],
            vec![(one, 3), (two, 6), (two, 4)],
            [Some(10), Some(40)],
        ),
        // Whoever had the SIM before has no live session of it, and whoever has it now no log of before.
        (
            Some(OLD),
            vec![(one, 2), (one, 1), (two, 6), (two, 5), (two, 4)],
            vec![(two, 6), (two, 4)],
            [Some(20), Some(40)],
        ),
        // Counters are those of their own time.
        (Some(NEW), vec![(one, 1)], vec![(one, 1)], [Some(10), None]),
        (Some(9), vec![], vec![], [None, None]),
    ] {
        let scope = scope(tenant, of, open);
        let found = store.session_log(&scope, &narrowed, all(10)).await;
        assert_eq!(whose(&found.expect("a log")), log, "{of:?}");
        let count = store.count_session_log(&scope, &narrowed).await;
        assert_eq!(count.expect("a count"), log.len() as u64, "{of:?}");
        let found = store.live_sessions(&scope, &narrowed, all(10)).await;
        assert_eq!(whose(&found.expect("sessions")), live, "{of:?}");
        let count = store.count_live_sessions(&scope, &narrowed).await;
        assert_eq!(count.expect("a count"), live.len() as u64, "{of:?}");
        // The session that goes on is the best, though the other one is newer.
        let best = store.live_by_sims(&scope, &[one, two], narrowed.from).await;
        let best: BTreeSet<_> = (best.expect("sessions").into_values())
            .map(|it| (it.sim, it.counter_in))
            .collect();
        let expected = live.into_iter().filter(|(_, counter)| *counter != 6);
        assert_eq!(best, expected.collect::<BTreeSet<_>>(), "{of:?}");
        let logs = store
            .session_log_by_sims(&scope, &[one, two], &narrowed, all(2))
            .await
            .expect("logs");
        for sim in [one, two] {
            let own = log.iter().filter(|(of, _)| *of == sim).copied();
            let found = logs.get(&sim).map(|log| whose(log)).unwrap_or_default();
            assert_eq!(found, own.take(2).collect::<Vec<_>>(), "{of:?}");
        }
        let seen = store.last_seen(&scope, &[one, two]).await.expect("seen");
        for (sim, minutes) in [one, two].iter().zip(newest) {
            let newest = minutes.map(|minutes| now - TimeDelta::minutes(minutes));
            assert_eq!(seen.get(sim).map(|it| it.event_at), newest, "{of:?}");
        }
        let network = if of == Some(OLD) { "262-02" } else { "238-01" };
        assert!(seen.get(&one).is_none_or(|it| it.network == network));
    }
    let elsewhere = scope(TenantId::new(Uuid::now_v7()), None, open);
    let found = store.session_log(&elsewhere, &narrowed, all(10)).await;
    assert!(found.expect("a log").is_empty());
    let sessions = false;
    for closed in [
        Visibility { sessions, ..open },
        Visibility {
            sims: false,
            ..open
        },
    ] {
        let scope = scope(tenant, Some(OLD), closed);
        let refused = store.session_log(&scope, &narrowed, all(1)).await;
        assert_eq!(refused.map_err(|e| e.code()), Err(Code::Forbidden));
        let refused = store.last_seen(&scope, &[one]).await;
        assert_eq!(refused.map_err(|e| e.code()), Err(Code::Forbidden));
    }
}

#[tokio::test]
async fn counters_are_those_of_the_callers_time() {
    let store = migrated().await;
    let tenant = TenantId::new(Uuid::now_v7());
    let now = DateTime::from_timestamp_millis(SystemClock.now().timestamp_millis()).expect("now");
    let batch = BatchId::new(Uuid::now_v7());
    // Of one session that goes on: whose SIM it was, and the counter, which began again once.
    let rows: Vec<SessionRow> = [
        (OLD, 10),
        (NEW, 15),
        (NEW, 20),
        (NEW, 4),
        (OLD, 6),
        (OLD, 6),
        (NEW, 9),
    ]
    .into_iter()
    .zip((1..=7).rev())
    .map(|((of, counter), minutes)| SessionRow {
        customer: Some(customer(of)),
        counter_in: counter,
        counter_out: counter * 100,
        ..rollup(tenant, batch, now - TimeDelta::minutes(minutes))
    })
    .collect();
    apply(&store, &rows).await;
    let narrowed = Narrowed {
        from: now - TimeDelta::hours(1),
        ..Narrowed::default()
    };
    let last = Narrowed {
        from: now - TimeDelta::minutes(2),
        ..narrowed.clone()
    };
    let staff = vec![9, 6, 6, 4, 20, 15, 10];
    for (of, expected, newest) in [
        (None, staff, vec![9, 6]),
        (Some(OLD), vec![2, 2, 10], vec![2]),
        (Some(NEW), vec![3, 4, 10, 5], vec![3]),
    ] {
        let scope = scope(tenant, of, Visibility::ALL);
        for (narrowed, expected) in [(&narrowed, expected), (&last, newest)] {
            let log = store.session_log(&scope, narrowed, all(10)).await;
            let counters = log.expect("a log").into_iter();
            let counters: Vec<_> = counters.map(|it| (it.counter_in, it.counter_out)).collect();
            let expected: Vec<_> = expected.into_iter().map(|n| (n, n * 100)).collect();
            assert_eq!(counters, expected, "{of:?}");
        }
        let live = store.live_by_sims(&scope, &[sim(1)], narrowed.from).await;
        let live = live.expect("sessions").into_values().next();
        let expected = [(None, 9), (Some(NEW), 3)].into_iter();
        let mut expected = expected.filter(|(caller, _)| *caller == of).map(|it| it.1);
        assert_eq!(live.map(|it| it.counter_in), expected.next_back(), "{of:?}");
    }
}

#[tokio::test]
async fn lists_are_narrowed_and_their_pages_join() {
    let store = migrated().await;
    let tenant = TenantId::new(Uuid::now_v7());
    let now = DateTime::from_timestamp_millis(SystemClock.now().timestamp_millis()).expect("now");
    filled(&store, tenant, now).await;
    let staff = scope(tenant, None, Visibility::ALL);
    let wide = Narrowed {
        from: now - TimeDelta::hours(1),
        online_from: now - TimeDelta::minutes(15),
        ..Narrowed::default()
    };
    let only = |statuses: &[SessionStatus]| Narrowed {
        statuses: Some(statuses.to_vec()),
        ..wide.clone()
    };
    for (narrowed, expected) in [
        (only(&[SessionStatus::Online]), vec![3]),
        (only(&[SessionStatus::Stale]), vec![4]),
        (
            only(&[SessionStatus::Offline, SessionStatus::Online]),
            vec![3, 6],
        ),
        (only(&[]), vec![]),
        (
            Narrowed {
                networks: Some(vec!["238-01".into()]),
                ..wide.clone()
            },
            vec![3],
        ),
        // The newest of SIM 1 is another customer's: an older one does not take its place.
        (
            Narrowed {
                customers: Some(vec![customer(OLD)]),
                ..wide.clone()
            },
            vec![6, 4],
        ),
        (
            Narrowed {
                from: now - TimeDelta::minutes(40),
                ..wide.clone()
            },
            vec![3, 6],
        ),
        (
            Narrowed {
                to: Some(now - TimeDelta::minutes(40)),
                sims: Some(vec![sim(2)]),
                ..wide.clone()
            },
            vec![4],
        ),
    ] {
        let found = store.live_sessions(&staff, &narrowed, all(10)).await;
        let found: Vec<_> = (found.expect("sessions").iter())
            .map(|it| it.counter_in)
            .collect();
        assert_eq!(found, expected, "{narrowed:?}");
    }
    for is_backward in [false, true] {
        let (mut beyond, mut found): (Option<Place>, Vec<u64>) = (None, Vec::new());
        loop {
            let seek = Seek {
                beyond,
                is_backward,
                limit: 1,
            };
            let page = store
                .session_log(&staff, &wide, seek)
                .await
                .expect("a page");
            let Some(row) = page.first() else { break };
            found.push(row.counter_in);
            beyond = Some(row.place);
        }
        let mut expected = vec![3, 2, 1, 6, 5, 4];
        if is_backward {
            expected.reverse();
        }
        assert_eq!(found, expected);
    }
}
