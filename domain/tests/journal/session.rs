//! Sessions and their points.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    SystemCx,
    id::{BatchId, CustomerId, DeviceId, TenantId},
    journal::{self, BatchState, Kind, Part, Piece, ledger},
    session::{
        self, Changes, Keys, Known, New, Point, Reading, Request,
        points::{GAP, Kept},
    },
    tenant::{SessionRetention, SessionRetentions},
};
use uuid::Uuid;

use crate::house::{House, batch, new_batch, now, part, sums_of, tally};

fn point(identity: u128) -> Point {
    Point {
        reading: Reading {
            event_at: now(),
            request: Request::Update,
            bytes_in: u64::MAX,
            bytes_out: 1 << 63,
            identity: Uuid::from_u128(identity),
        },
        keys: Keys {
            customer: None,
            device: None,
            network: "262-02".into(),
            rat: "LTE".into(),
            ip: "2001:db8::1".into(),
        },
    }
}

fn new(session: Known, point: Point, part: &Part, batch: BatchId) -> New {
    New {
        session,
        point,
        part: part.number,
        batch,
        has_gap: false,
    }
}

fn known(tenant: TenantId, session: u128) -> Known {
    (tenant, Uuid::from_u128(session))
}

fn sessions(of: &[Known]) -> BTreeMap<Known, [DateTime<Utc>; 2]> {
    of.iter().map(|session| (*session, [now(); 2])).collect()
}

async fn held(cx: &SystemCx, session: Known) -> Vec<Kept> {
    let held = session::hold(cx, &sessions(&[session])).await;
    let mut kept = held.expect("held").remove(&session).expect("the session");
    kept.sort_by_key(|kept| kept.point.reading.identity);
    kept
}

/// A session with rollups of this batch's first part.
async fn enter(house: &House, session: Known, part: &Part, id: BatchId, identities: &[u128]) {
    let cx = house.system().await;
    held(&cx, session).await;
    let point = |identity: &u128| new(session, point(*identity), part, id);
    let changes = Changes {
        new: identities.iter().map(point).collect(),
        ..Changes::default()
    };
    session::keep(&cx, &changes).await.expect("kept");
    cx.commit().await.expect("committed");
}

async fn count(house: &House, id: BatchId) {
    let cx = house.system().await;
    journal::mark_counted(&cx, &[id], now())
        .await
        .expect("marked");
    journal::forget(&cx, &[id]).await.expect("forgotten");
    cx.commit().await.expect("committed");
}

#[tokio::test]
async fn a_point_comes_back_as_it_was_kept_until_nothing_needs_it() {
    let house = House::new().await;
    let (session, other) = (known(house.alpha, 7), known(house.beta, 7));
    let own = part(house.alpha, 1, &[1, 2]);
    house
        .journal_of(Kind::Session, batch(1), std::slice::from_ref(&own))
        .await;
    let mut second = point(2);
    second.reading.request = Request::Terminate;
    second.keys.customer = Some(CustomerId::new(Uuid::from_u128(3)));
    second.keys.device = Some(DeviceId::new(Uuid::from_u128(4)));
    let cx = house.system().await;
    assert_eq!(held(&cx, session).await, []);
    let changes = Changes {
        new: vec![
            new(session, point(1), &own, batch(1)),
            New {
                has_gap: true,
                ..new(session, second.clone(), &own, batch(1))
            },
        ],
        ..Changes::default()
    };
    session::keep(&cx, &changes).await.expect("kept");
    cx.commit().await.expect("committed");
    let expected = |point, has_gap, is_settled| Kept {
        point,
        part: own.number,
        batch: batch(1),
        is_settled,
        has_gap,
    };
    let cx = house.system().await;
    let kept = held(&cx, session).await;
    assert_eq!(
        kept,
        [
            expected(point(1), false, false),
            expected(second.clone(), true, false)
        ]
    );
    assert_eq!(held(&cx, other).await, []);
    drop(cx);
    count(&house, batch(1)).await;
    let cx = house.system().await;
    let identity = |n| Uuid::from_u128(n);
    let changes = Changes {
        gaps: vec![(session, identity(2), false)],
        gone: vec![(session, identity(1)), (other, identity(2))],
        ..Changes::default()
    };
    session::keep(&cx, &changes).await.expect("kept");
    assert_eq!(held(&cx, session).await, [expected(second, false, true)]);
}

#[tokio::test]
async fn of_what_is_older_than_a_batch_it_reads_what_it_may_stand_beside_and_what_may_go() {
    let house = House::new().await;
    let session = known(house.alpha, 7);
    let parts = [
        part(house.alpha, 1, &[1, 2, 3, 4, 5]),
        part(house.alpha, 2, &[6]),
    ];
    for (n, own) in (1..).zip(&parts) {
        let own = std::slice::from_ref(own);
        house.journal_of(Kind::Session, batch(n), own).await;
    }
    let made = |minutes: i64, new: New| {
        let mut new = new;
        new.point.reading.event_at = now() - TimeDelta::minutes(minutes);
        new
    };
    let open = |n| new(session, point(n), &parts[0], batch(1));
    let with_gap = New {
        has_gap: true,
        ..open(2)
    };
    let cx = house.system().await;
    held(&cx, session).await;
    let changes = Changes {
        new: vec![
            made(50, open(1)),
            made(40, with_gap),
            made(30, new(session, point(6), &parts[1], batch(2))),
            made(20, open(3)),
            made(20, open(4)),
            made(0, open(5)),
        ],
        ..Changes::default()
    };
    session::keep(&cx, &changes).await.expect("kept");
    cx.commit().await.expect("committed");
    count(&house, batch(2)).await;
    let cx = house.system().await;
    for (oldest, expected) in [
        (0, vec![2, 3, 4, 5, 6]),
        (20, vec![2, 3, 4, 5, 6]),
        (-1, vec![2, 5, 6]),
        (45, vec![1, 2, 3, 4, 5, 6]),
        (60, vec![1, 2, 3, 4, 5, 6]),
    ] {
        let span = [now() - TimeDelta::minutes(oldest), now()];
        let held = session::hold(&cx, &[(session, span)].into()).await;
        let kept = &held.expect("held")[&session];
        let identity = |kept: &Kept| kept.point.reading.identity.as_u128();
        let mut found: Vec<u128> = kept.iter().map(identity).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{oldest}");
    }
}

#[tokio::test]
async fn of_two_batches_with_one_session_the_second_sees_what_the_first_did() {
    let house = House::new().await;
    let session = known(house.alpha, 7);
    let own = part(house.alpha, 1, &[1]);
    house
        .journal_of(Kind::Session, batch(1), std::slice::from_ref(&own))
        .await;
    let first = house.system().await;
    held(&first, session).await;
    let impatient = house.system().await;
    journal::bound_waits(&impatient, Duration::from_millis(50))
        .await
        .expect("bounded");
    let waited = session::hold(&impatient, &sessions(&[session])).await;
    assert!(waited.expect_err("waited").is_lock_timeout());
    drop(impatient);
    // The session is new to both of them.
    let second = house.system().await;
    let all = sessions(&[session]);
    let waits = session::hold(&second, &all);
    let writes = async {
        let changes = Changes {
            new: vec![new(session, point(1), &own, batch(1))],
            ..Changes::default()
        };
        session::keep(&first, &changes).await.expect("kept");
        first.commit().await.expect("committed");
    };
    let (seen, ()) = tokio::join!(waits, writes);
    assert_eq!(seen.expect("held")[&session].len(), 1);
}

#[tokio::test]
async fn batches_with_the_same_sessions_in_any_order_do_not_wait_in_a_circle() {
    let house = House::new().await;
    let batches = (0..4_u128).map(|task| {
        let house = &house;
        async move {
            for round in 0..20_u128 {
                let mut named: Vec<Known> = (0..30)
                    .map(|n| known(house.alpha, (n * 7 + round * task) % 40))
                    .collect();
                named.rotate_left(usize::try_from(task).expect("small"));
                let cx = house.system().await;
                let held = session::hold(&cx, &sessions(&named)).await;
                held.expect("no deadlock");
                cx.commit().await.expect("committed");
            }
        }
    });
    futures::future::join_all(batches).await;
}

#[tokio::test]
async fn the_pieces_of_a_batch_take_its_rollups_over() {
    let house = House::new().await;
    let session = known(house.alpha, 7);
    let whole = part(house.alpha, 1, &[1, 2]);
    house
        .journal_of(Kind::Session, batch(1), std::slice::from_ref(&whole))
        .await;
    enter(&house, session, &whole, batch(1), &[1, 2]).await;
    let halves = [[part(house.alpha, 2, &[1])], [part(house.alpha, 3, &[2])]];
    let piece = |n: u128, identity| Piece {
        batch: new_batch(batch(n), &halves[usize::from(n > 1)]),
        identities: vec![(
            Uuid::from_u128(identity),
            halves[usize::from(n > 1)][0].number,
        )],
        received_at: now(),
    };
    let cx = house.system().await;
    let pieces = [piece(1, 1), piece(2, 2)];
    let replaced = journal::replace(&cx, batch(1), &pieces).await;
    replaced.expect("replaced");
    cx.commit().await.expect("committed");
    let cx = house.system().await;
    let identities = [1, 2, 9].map(Uuid::from_u128);
    let parts = session::parts_of(&cx, &identities).await.expect("parts");
    assert_eq!(parts.len(), 2);
    for (half, identity) in halves.iter().zip(identities) {
        assert_eq!(parts[&identity], half[0].number);
    }
    let kept = held(&cx, session).await;
    let batches: Vec<BatchId> = kept.iter().map(|kept| kept.batch).collect();
    assert_eq!(batches, [batch(1), batch(2)]);
    let pending = journal::pending(&cx, BatchState::Journaled, None, 9).await;
    let kinds: Vec<Kind> = pending.expect("a list").iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Kind::Session; 2]);
    drop(cx);
    // What a piece corrects is of another batch, and stays there; what came in the batch must be in a piece.
    let third = part(house.alpha, 4, &[1, 9]);
    for (identity, fits) in [(1, true), (9, false)] {
        let cx = house.system().await;
        let own = [third.clone()];
        let piece = Piece {
            batch: new_batch(batch(3), &own),
            identities: vec![
                (Uuid::from_u128(identity), third.number),
                (Uuid::from_u128(2), third.number),
            ],
            received_at: now(),
        };
        let replaced = journal::replace(&cx, batch(1), &[piece]).await;
        assert_eq!(replaced.is_ok(), fits, "{identity}");
        let parts = session::parts_of(&cx, &identities).await;
        if fits {
            assert_eq!(
                parts.expect("parts")[&Uuid::from_u128(2)],
                halves[1][0].number
            );
        }
    }
}

#[tokio::test]
async fn sessions_that_were_silent_for_long_leave_unless_they_are_not_settled() {
    let house = House::new().await;
    let longest = SessionRetention::new(SessionRetention::MAX_DAYS, None);
    let retentions: SessionRetentions = [(house.beta, longest)].into_iter().collect();
    let default = TimeDelta::days(7 + 90) + GAP;
    let long = TimeDelta::days(90 + 90) + GAP;
    let second = TimeDelta::seconds(1);
    let cx = house.system().await;
    // What is written down of a session may be an hour old.
    let hour = TimeDelta::hours(1);
    let silent: BTreeMap<Known, [DateTime<Utc>; 2]> = [
        (known(house.alpha, 1), default),
        (known(house.alpha, 2), default + second),
        (known(house.beta, 3), long),
        (known(house.beta, 4), long + second),
        (known(house.alpha, 5), default + second),
    ]
    .into_iter()
    .map(|(session, silent)| (session, [now() - silent - hour; 2]))
    .collect();
    session::hold(&cx, &silent).await.expect("held");
    cx.commit().await.expect("committed");
    let own = part(house.alpha, 1, &[1]);
    house
        .journal_of(Kind::Session, batch(1), std::slice::from_ref(&own))
        .await;
    let cx = house.system().await;
    let session = known(house.alpha, 5);
    let changes = Changes {
        new: vec![new(session, point(1), &own, batch(1))],
        ..Changes::default()
    };
    session::keep(&cx, &changes).await.expect("kept");
    cx.commit().await.expect("committed");
    for expected in [2, 0] {
        let cx = house.system().await;
        let dropped = session::drop_silent(&cx, &retentions, 100).await;
        assert_eq!(dropped.expect("dropped"), expected);
        cx.commit().await.expect("committed");
    }
    count(&house, batch(1)).await;
    let cx = house.system().await;
    let dropped = session::drop_silent(&cx, &retentions, 100).await;
    assert_eq!(dropped.expect("dropped"), 1);
    let parts = session::parts_of(&cx, &[Uuid::from_u128(1)]).await;
    assert_eq!(parts.expect("parts").len(), 0);
}

#[tokio::test]
async fn each_kind_has_a_ledger_of_its_own() {
    let house = House::new().await;
    house
        .journal(batch(1), &[part(house.alpha, 1, &[1, 2])])
        .await;
    let mut rollups = part(house.alpha, 2, &[3]);
    let tallies = [tally(house.alpha, 1, 0)];
    // What it corrects is no record that was accepted; one that was must be there.
    for (rows, fits) in [(0..0, false), (4..6, true)] {
        for row in rows {
            rollups.add(Uuid::from_u128(row), now(), [9, 9, 0]);
        }
        let parts = if fits {
            vec![rollups.clone()]
        } else {
            Vec::new()
        };
        let cx = house.system().await;
        let new = (!parts.is_empty()).then(|| new_batch(batch(2), &parts));
        let recorded = journal::record(&cx, Kind::Session, new, &tallies, &[], now()).await;
        assert_eq!(recorded.is_ok(), fits);
        cx.commit().await.ok();
    }
    let cx = house.system().await;
    for (kind, id, accepted, rows) in [(Kind::Cdr, batch(1), 2, 2), (Kind::Session, batch(2), 1, 3)]
    {
        let parts = ledger::parts(&cx, kind, None, 9).await.expect("parts");
        let batches: Vec<BatchId> = parts.iter().map(|part| part.batch).collect();
        assert_eq!(batches, [id]);
        let open = ledger::open_parts(&cx, kind, house.alpha, 9).await;
        assert_eq!(open.expect("parts"), parts);
        let balances = ledger::balances(&cx, kind).await.expect("balances");
        assert_eq!(balances.len(), 1);
        assert_eq!(balances[0].accounting.rows, accepted);
        assert_eq!(balances[0].parts.rows, rows);
        let by_source = ledger::accepted_by_source(&cx, kind)
            .await
            .expect("sources");
        assert_eq!(by_source[0].sums.rows, accepted);
        let ledger = journal::ledger(&cx, kind, house.alpha).await;
        assert_eq!(
            ledger.expect("a ledger")[0].accepted,
            accepted.cast_unsigned()
        );
    }
    let sums = ledger::sums_of(&cx, &[batch(1)]).await.expect("sums");
    assert_eq!(sums[&batch(1)], sums_of(2, 3));
}
