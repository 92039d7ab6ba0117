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
    session::{Reading, Request, SessionStatus, usage},
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

/// An hour back, and of nothing else.
fn wide(now: DateTime<Utc>) -> Narrowed {
    Narrowed {
        from: now - TimeDelta::hours(1),
        ..Narrowed::default()
    }
}

/// The updates of a session of SIM 1, one a minute until a minute ago: whose it was, and both counters. They count as intake lets them.
fn session_of(
    tenant: TenantId,
    now: DateTime<Utc>,
    rollups: &[(u128, [u64; 2])],
) -> Vec<SessionRow> {
    let batch = BatchId::new(Uuid::now_v7());
    let mut before: Option<Reading> = None;
    let minutes = (1_i64..)
        .take(rollups.len())
        .collect::<Vec<_>>()
        .into_iter()
        .rev();
    let rows = rollups
        .iter()
        .zip(minutes)
        .map(|((of, counters), minutes)| {
            let event_at = now - TimeDelta::minutes(minutes);
            let reading = Reading {
                event_at,
                request: Request::Update,
                bytes_in: counters[0],
                bytes_out: counters[1],
                identity: Uuid::new_v4(),
            };
            let counted = usage(before.replace(reading).as_ref(), &reading);
            SessionRow {
                customer: Some(customer(*of)),
                counter_in: counters[0],
                counter_out: counters[1],
                bytes_up: counted.bytes_up,
                bytes_down: counted.bytes_down,
                sessions: counted.sessions,
                resets: counted.resets,
                identity: reading.identity,
                ..rollup(tenant, batch, event_at)
            }
        });
    rows.collect()
}

/// The counters that a customer is shown of the log, oldest first, and of what is live.
async fn counters(
    store: &Store,
    tenant: TenantId,
    of: Option<u128>,
    now: DateTime<Utc>,
) -> (Vec<(u64, u64)>, Option<(u64, u64)>) {
    let scope = scope(tenant, of, Visibility::ALL);
    let log = store.session_log(&scope, &wide(now), all(10)).await;
    let live = store.live_sessions(&scope, &wide(now), all(10)).await;
    let counters = |it: &Shown| (it.counter_in, it.counter_out);
    (
        log.expect("a log").iter().rev().map(counters).collect(),
        live.expect("sessions").first().map(counters),
    )
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
    let first = |row: SessionRow| SessionRow {
        bytes_up: row.counter_in,
        bytes_down: row.counter_out,
        sessions: 1,
        ..row
    };
    // It counted more before the first one came.
    let late = SessionRow {
        bytes_up: 2,
        ..row(20, 2)
    };
    let of_two = |row: SessionRow, session: u128| SessionRow {
        sim: sim(2),
        session: Uuid::from_u128(session),
        ..row
    };
    let mut rows = vec![
        first(row(30, 1)),
        late.clone(),
        SessionRow {
            customer: Some(customer(NEW)),
            network: "238-01".into(),
            ..row(10, 3)
        },
        first(of_two(row(50, 4), 21)),
        first(of_two(row(40, 5), 22)),
        SessionRow {
            terminates: true,
            ..of_two(row(40, 6), 22)
        },
    ];
    apply(store, &rows).await;
    rows = correction(&late, BatchId::new(Uuid::now_v7()), 1).into();
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
    // Of one session that goes on: whose SIM it was, and the counter, which began again once.
    let rollups = [
        (OLD, [10, 1_000]),
        (NEW, [15, 1_500]),
        (NEW, [20, 2_000]),
        (NEW, [4, 400]),
        (OLD, [6, 600]),
        (OLD, [6, 600]),
        (NEW, [9, 900]),
    ];
    let rows = session_of(tenant, now, &rollups);
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
async fn a_counter_that_begins_again_does_not_show_what_was_anothers_of_the_other_one() {
    let store = migrated().await;
    let now = DateTime::from_timestamp_millis(SystemClock.now().timestamp_millis()).expect("now");
    for (rollups, shown) in [
        (
            vec![
                (OLD, [1_000, 1_000]),
                (NEW, [1_500, 1_500]),
                (NEW, [5, 1_600]),
            ],
            vec![(500, 500), (5, 600)],
        ),
        // With the first of their own.
        (
            vec![(OLD, [1_000, 1_000]), (NEW, [5, 1_600]), (NEW, [6, 1_700])],
            vec![(5, 600), (6, 700)],
        ),
        // And back again: in falls while it is the other one's.
        (
            vec![
                (NEW, [100, 100]),
                (OLD, [30, 300]),
                (NEW, [40, 350]),
                (NEW, [60, 20]),
            ],
            vec![(100, 100), (10, 50), (30, 20)],
        ),
    ] {
        let tenant = TenantId::new(Uuid::now_v7());
        apply(&store, &session_of(tenant, now, &rollups)).await;
        let live = shown.last().copied();
        assert_eq!(
            counters(&store, tenant, Some(NEW), now).await,
            (shown, live),
            "{rollups:?}"
        );
    }
}

#[tokio::test]
async fn of_two_first_rollups_of_one_moment_the_one_that_counts_says_what_was_anothers() {
    let store = migrated().await;
    let now = DateTime::from_timestamp_millis(SystemClock.now().timestamp_millis()).expect("now");
    let tenant = TenantId::new(Uuid::now_v7());
    let rollups = [(OLD, [1_000, 1_000]), (NEW, [1_500, 1_500])];
    let mut rows = session_of(tenant, now, &rollups);
    // A handover: the same counters in another network. The engine's own order of ids is by their second half.
    rows[1].identity = Uuid::from_u64_pair(1, u64::MAX);
    rows.push(SessionRow {
        identity: Uuid::from_u64_pair(2, 0),
        network: "238-01".into(),
        bytes_up: 0,
        bytes_down: 0,
        ..rows[1].clone()
    });
    apply(&store, &rows).await;
    let shown = (vec![(500, 500), (500, 500)], Some((500, 500)));
    assert_eq!(counters(&store, tenant, Some(NEW), now).await, shown);
}

#[tokio::test]
async fn what_was_anothers_stays_hidden_when_the_log_has_forgotten_it() {
    let store = migrated().await;
    let tenant = TenantId::new(Uuid::now_v7());
    let now = DateTime::from_timestamp_millis(SystemClock.now().timestamp_millis()).expect("now");
    let rollups = [
        (OLD, [1_000, 2_000]),
        (NEW, [1_500, 2_600]),
        (NEW, [1_700, 2_900]),
    ];
    let rows = session_of(tenant, now, &rollups);
    apply(&store, &rows).await;
    // One came late, between the two: the first of the new customer's counts less since.
    let late = SessionRow {
        event_at: rows[1].event_at - TimeDelta::seconds(30),
        counter_in: 1_100,
        bytes_up: 100,
        bytes_down: 0,
        sessions: 0,
        identity: Uuid::new_v4(),
        batch: BatchId::new(Uuid::now_v7()),
        ..rows[0].clone()
    };
    let mut batch: Vec<SessionRow> = correction(&rows[1], late.batch, 400).into();
    batch.push(late);
    apply(&store, &batch).await;
    let shown = (vec![(400, 600), (600, 900)], Some((600, 900)));
    assert_eq!(counters(&store, tenant, Some(NEW), now).await, shown);
    let forget = async |which: &str| {
        let tenant = tenant.uuid();
        let sql = format!(
            "ALTER TABLE session_log DELETE WHERE tenant = '{tenant}' AND {which} SETTINGS mutations_sync = 2"
        );
        store.run(&sql).await;
    };
    let of_old = Uuid::from_u128(OLD);
    forget(&format!("customer = '{of_old}'")).await;
    assert_eq!(counters(&store, tenant, Some(NEW), now).await, shown);
    let staff = (vec![(1_500, 2_600), (1_700, 2_900)], Some((1_700, 2_900)));
    assert_eq!(counters(&store, tenant, None, now).await, staff);
    // What is left is counted from where the log begins, also of what was the caller's own.
    forget("counter_in = 1500").await;
    let shown = (vec![(200, 300)], Some((200, 300)));
    assert_eq!(counters(&store, tenant, Some(NEW), now).await, shown);
    // Of what is live alone nobody can tell whose bytes they are.
    forget("true").await;
    let shown = (vec![], Some((0, 0)));
    assert_eq!(counters(&store, tenant, Some(NEW), now).await, shown);
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
