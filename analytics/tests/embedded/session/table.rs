//! One insert reaches the log and all that it feeds.

use analytics::{
    SessionRow, System,
    cdr::{Attempt, Unapplied},
    session,
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    id::{CustomerId, TenantId},
    tenant::{SessionRetention, SessionRetentions},
};
use uuid::Uuid;

use super::{apply, arrival, correction, rollup, sim};
use crate::{
    Db,
    fleet::{attempt, batch, now, tenant},
    migrated,
};

const CUBES: [&str; 4] = [
    "session_hour",
    "session_day",
    "session_month",
    "session_year",
];

/// Records, bytes up, bytes down, sessions and resets.
type Sums = (i64, i128, i128, i64, i64);

async fn sums(db: &Db, from: &str) -> Sums {
    let sql = format!(
        "SELECT sum(records), sum(bytes_up), sum(bytes_down), sum(sessions), sum(resets) FROM {from}"
    );
    db.raw().query_raw(&sql).fetch_one().await.expect(from)
}

async fn texts(db: &Db, sql: &str) -> Vec<String> {
    db.raw().query_raw(sql).fetch_all().await.expect(sql)
}

#[tokio::test]
async fn one_insert_reaches_every_cube_what_is_live_and_what_was_seen_last() {
    let db = migrated().await;
    let (tenant, first, second) = (tenant(), batch(), batch());
    let early = SessionRow {
        sessions: 1,
        ..rollup(tenant, first, now() - TimeDelta::hours(30))
    };
    let late = SessionRow {
        bytes_up: u64::MAX,
        resets: 1,
        ..rollup(tenant, first, now() - TimeDelta::hours(2))
    };
    apply(&db, &[late.clone(), early]).await;
    let newest = rollup(tenant, second, now() - TimeDelta::hours(1));
    let [back, again] = correction(&late, second, 40);
    apply(&db, &[newest.clone(), back, again]).await;

    let all = (3, 42, 6, 1, 1);
    for cube in CUBES {
        assert_eq!(sums(&db, cube).await, all, "{cube}");
    }
    for grain in ["hour", "day", "month", "year"] {
        let from = format!("session_small WHERE grain = '{grain}'");
        assert_eq!(sums(&db, &from).await, all, "{grain}");
    }
    let hour = format!(
        "session_hour WHERE period = toDateTime({}, 'UTC')",
        late.event_at.timestamp()
    );
    assert_eq!(sums(&db, &hour).await, (1, 40, 2, 0, 1));
    // A correction is no news of the session.
    let live = texts(&db, "SELECT toString(batch) FROM session_live FINAL").await;
    assert_eq!(live, [second.uuid().to_string()]);
    let seen = "SELECT toString(toUnixTimestamp64Milli(event_at)) FROM sim_last_seen FINAL";
    let seen = texts(&db, seen).await;
    assert_eq!(seen, [newest.event_at.timestamp_millis().to_string()]);
    let receipt = "SELECT toString(toUnixTimestamp64Milli(max(received_at))) FROM session_small WHERE grain = 'year'";
    let newest = newest.received_at.timestamp_millis();
    assert_eq!(texts(&db, receipt).await, [newest.to_string()]);
}

/// Rollups of one session and moment, from the oldest to the newest by each of the steps of the order.
fn ladder(tenant: TenantId, at: DateTime<Utc>) -> Vec<SessionRow> {
    let row = |terminates, counter_in, counter_out, identity| SessionRow {
        terminates,
        counter_in,
        counter_out,
        identity: Uuid::from_u128(identity),
        ..rollup(tenant, batch(), at)
    };
    vec![
        row(false, 9, 9, u128::MAX),
        row(true, 0, u64::MAX, 5 << 49),
        row(true, 1, 0, 4 << 49),
        row(true, 1, 3, 2 << 49),
        // Greater in its second half, by which the engine would sort, and less as a number.
        row(true, 1, 3, (3 << 49) | 0xffff),
        row(true, 1, 3, 1 << 100),
        row(true, u64::MAX, 0, 1),
        SessionRow {
            event_at: at + TimeDelta::milliseconds(1),
            ..row(false, 0, 0, 1)
        },
    ]
}

#[tokio::test]
async fn the_newest_of_a_session_is_live_in_whatever_order_its_rollups_came() {
    let db = migrated().await;
    let at = now() - TimeDelta::hours(1);
    let ladder = ladder(tenant(), at);
    assert!(ladder.is_sorted_by_key(SessionRow::order));
    for newest in 0..ladder.len() {
        let tenant = tenant();
        let mut some: Vec<SessionRow> = ladder[..=newest].to_vec();
        some.rotate_left(newest / 2);
        for row in some {
            apply(&db, &[SessionRow { tenant, ..row }]).await;
        }
        let sql = format!(
            "SELECT toString(argMax(batch, version)) FROM session_live WHERE tenant = '{}' GROUP BY session",
            tenant.uuid()
        );
        let expected = ladder[newest].batch.uuid().to_string();
        assert_eq!(texts(&db, &sql).await, [expected], "{newest}");
    }
}

#[tokio::test]
async fn a_customer_keeps_what_it_saw_of_a_sim_that_another_one_has_now() {
    let db = migrated().await;
    let tenant = tenant();
    let of = |customer, hours| SessionRow {
        customer,
        network: format!("262-0{hours}"),
        ..rollup(tenant, batch(), now() - TimeDelta::hours(hours))
    };
    let customer = |n| Some(CustomerId::new(Uuid::from_u128(n)));
    for row in [
        of(customer(1), 3),
        of(customer(2), 1),
        of(customer(1), 2),
        of(None, 4),
    ] {
        apply(&db, &[row]).await;
    }
    let sql = "SELECT CAST(network, 'String') FROM sim_last_seen FINAL ORDER BY network";
    assert_eq!(texts(&db, sql).await, ["262-01", "262-02", "262-04"]);
}

#[tokio::test]
async fn what_comes_too_late_is_refused_and_leaves_nothing() {
    let db = migrated().await;
    let rows = [rollup(tenant(), batch(), now())];
    let late = Attempt {
        apply_by: now() - TimeDelta::hours(1),
        ..attempt(rows[0].batch)
    };
    let payload = session::encode(&rows);
    let retentions = SessionRetentions::default();
    let refused = db.apply_sessions(&late, 1, &payload, &retentions).await;
    assert!(matches!(refused, Err(Unapplied::Late)), "{refused:?}");
    for (rows, payload) in [
        (2, payload.clone()),
        (0, payload.slice(..0)),
        (1, payload.slice(1..)),
    ] {
        let attempt = attempt(batch());
        let refused = db
            .apply_sessions(&attempt, rows, &payload, &retentions)
            .await;
        assert!(matches!(refused, Err(Unapplied::Unknown(_))), "{refused:?}");
    }
    assert_eq!(sums(&db, "session_year").await, (0, 0, 0, 0, 0));
}

#[tokio::test]
async fn a_log_goes_by_the_retention_of_its_tenant_and_what_it_fed_stays() {
    let db = migrated().await;
    let (brief, usual) = (tenant(), tenant());
    let retentions: SessionRetentions = [(brief, SessionRetention::new(1, None))]
        .into_iter()
        .collect();
    for whose in [brief, usual] {
        let rows: Vec<SessionRow> = [4, 0]
            .map(|days| rollup(whose, batch(), now() - TimeDelta::days(days)))
            .into();
        let payload = session::encode(&rows);
        let attempt = attempt(rows[0].batch);
        let applied = db.apply_sessions(&attempt, 2, &payload, &retentions);
        applied.await.expect("applied");
    }
    db.run("OPTIMIZE TABLE session_log FINAL").await;
    let left = "SELECT toString(tenant) FROM session_log GROUP BY tenant HAVING count() = 1";
    assert_eq!(texts(&db, left).await, [brief.uuid().to_string()]);
    assert_eq!(sums(&db, "session_year").await, (4, 4, 8, 0, 0));
    let seen = texts(&db, "SELECT toString(tenant) FROM sim_last_seen FINAL").await;
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn rollups_that_arrived_are_found_by_their_whole_key() {
    let db = migrated().await;
    let (mine, other) = (tenant(), tenant());
    let batch = batch();
    let at = |n: i64| now() - TimeDelta::minutes(n);
    let rows: Vec<SessionRow> = (0..2_500)
        .map(|n: i64| SessionRow {
            sim: sim(u128::from(n.unsigned_abs()) % 5),
            session: Uuid::from_u128(u128::from(n.unsigned_abs()) % 5),
            ..rollup(if n % 2 == 0 { mine } else { other }, batch, at(n))
        })
        .collect();
    apply(&db, &rows[..2_400]).await;
    // A correction alone is no arrival.
    let [_, again] = correction(&rows[2_450], batch, 9);
    apply(&db, &[again]).await;
    let mut asked: Vec<_> = rows.iter().map(arrival).collect();
    asked.reverse();
    let system = System::new(now());
    let found = db.arrived(&system, &asked).await.expect("looked up");
    assert_eq!(
        found,
        rows[..2_400].iter().map(|row| row.identity).collect()
    );
    let elsewhere = [
        (other, sim(0), at(0), Uuid::from_u128(0), rows[0].identity),
        (mine, sim(1), at(0), Uuid::from_u128(0), rows[0].identity),
        (mine, sim(0), at(1), Uuid::from_u128(0), rows[0].identity),
        (mine, sim(0), at(0), Uuid::from_u128(1), rows[0].identity),
    ];
    let found = db.arrived(&system, &elsewhere).await.expect("looked up");
    assert!(found.is_empty());
}
