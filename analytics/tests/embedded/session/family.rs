//! Sessions are settled, compared and corrected as usage records are.

use std::collections::BTreeSet;

use analytics::{
    Family, SessionRow, System,
    cube::{Cube, Level},
    verify::{Area, Comparison, Corrected, Count, Table},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Period,
    id::{CustomerId, TenantId},
    tenant::{SessionRetention, SessionRetentions},
};
use uuid::Uuid;

use super::{apply, correction, rollup, sim};
use crate::{
    Db,
    fleet::{batch, leave, month, now, tenant},
    migrated,
};

fn system() -> System {
    System::new(now())
}

/// Forty rollups of a tenant of the last hours in one batch, and corrections of ten of them in another one.
fn rows(tenant: TenantId) -> Vec<SessionRow> {
    let (first, second) = (batch(), batch());
    let row = |n: u32| SessionRow {
        customer: (!n.is_multiple_of(3)).then(|| CustomerId::new(Uuid::from_u128((n % 3).into()))),
        sim: sim((n % 4).into()),
        session: Uuid::from_u128((n % 4 + 10).into()),
        network: format!("262-0{}", n % 2),
        bytes_up: n.into(),
        sessions: u8::from(n < 4),
        resets: u8::from(n % 9 == 5),
        ..rollup(tenant, first, now() - TimeDelta::hours((n % 12).into()))
    };
    let mut rows: Vec<SessionRow> = (0..40).map(row).collect();
    let corrections: Vec<SessionRow> = (rows[..10].iter())
        .flat_map(|row| correction(row, second, row.bytes_up + 5))
        .collect();
    rows.extend(corrections);
    rows
}

async fn apply_all(db: &Db, rows: &[SessionRow]) {
    for batch in rows.chunk_by(|a, b| a.batch == b.batch) {
        apply(db, batch).await;
    }
}

async fn compare(db: &Db) -> Comparison {
    let clones = db.clones(&system(), Uuid::new_v4()).await.expect("clones");
    let tables = clones.fill().await.expect("filled");
    let kept = SessionRetentions::default();
    let compared = tables.compare(&system(), 42, 50, &kept).await;
    tables.thaw().await.expect("dropped");
    compared.expect("compared")
}

/// What every table says of a tenant, records first.
async fn everything(db: &Db) -> Vec<Count> {
    let tables = db.tables(&system()).of(Family::Session);
    let totals = tables.totals(&system()).await.expect("totals");
    let of = |table: Table| totals.iter().filter(move |total| total.table == table);
    Table::ALL
        .map(|table| of(table).fold(Count::default(), |sum, total| sum + total.count))
        .to_vec()
}

async fn correct(db: &Db, tenant: TenantId, from: DateTime<Utc>) -> Corrected {
    let area = Area {
        tenant,
        period: Period::new(from, now() + TimeDelta::hours(1)).expect("a period"),
        sims: None,
        retention: SessionRetention::default(),
    };
    let mut corrected = Corrected::default();
    for cube in Cube::ALL {
        let step = db.correct(&system(), cube, &area, &leave()).await;
        corrected += step.expect("corrected");
    }
    corrected
}

#[tokio::test]
async fn log_and_cubes_of_sessions_agree_and_what_does_not_is_seen_and_brought_back() {
    let db = migrated().await;
    let tenant = tenant();
    let rows = rows(tenant);
    apply_all(&db, &rows).await;
    let expected = Count {
        records: 40,
        bytes_up: (0..40).sum::<i128>() + 50,
        bytes_down: 80,
        units: 0,
        sessions: 4,
        resets: 4,
    };
    assert_eq!(everything(&db).await, vec![expected; Table::ALL.len()]);
    let sound = compare(&db).await;
    assert_eq!(sound.differences, []);
    assert!(sound.compared >= 8);
    assert_eq!(correct(&db, tenant, month(1)).await.cells, 0);

    // One value in one cell of each table in turn, so that each measure and key is looked at.
    let changes = [
        (
            "session_hour",
            "bytes_up = bytes_up + 1",
            Cube::Full(Level::Hour),
        ),
        (
            "session_day",
            "sessions = sessions + 1",
            Cube::Full(Level::Day),
        ),
        (
            "session_month",
            "resets = resets - 1",
            Cube::Full(Level::Month),
        ),
        (
            "session_year",
            "records = records + 1",
            Cube::Full(Level::Year),
        ),
        (
            "session_small",
            "sessions = sessions - 1",
            Cube::Small(Level::Hour),
        ),
    ];
    for (table, change, cube) in changes {
        let which = "sim = toUUID('00000000-0000-0000-0000-000000000001')";
        let which = match cube {
            Cube::Full(_) => which,
            Cube::Small(_) => "grain = 'hour' AND network = '262-01'",
        };
        let key = "SETTINGS mutations_sync = 2";
        db.run(&format!(
            "ALTER TABLE {table} UPDATE {change} WHERE {which} {key}"
        ))
        .await;
        let seen = compare(&db).await.differences;
        assert!(seen.iter().any(|it| it.cube == cube), "{table}: {seen:?}");
        assert!(
            seen.iter()
                .all(|it| it.family == Family::Session && it.tenant == tenant)
        );
        assert!(
            seen.iter().all(|it| !it.cells.is_empty()),
            "{table}: {seen:?}"
        );
        assert!(correct(&db, tenant, month(1)).await.cells > 0, "{table}");
        assert_eq!(compare(&db).await.differences, [], "{table}");
    }
    assert_eq!(everything(&db).await, vec![expected; Table::ALL.len()]);
}

#[tokio::test]
async fn what_the_log_has_lost_by_its_age_is_no_difference_and_is_not_corrected_away() {
    let db = migrated().await;
    let tenant = tenant();
    let old = rollup(tenant, batch(), now() - TimeDelta::days(12));
    let new = rollup(tenant, batch(), now() - TimeDelta::days(1));
    apply_all(&db, &[old, new]).await;
    db.run("OPTIMIZE TABLE session_log FINAL").await;
    let before = everything(&db).await;
    assert_eq!((before[0].records, before[1].records), (1, 2));
    let compared = compare(&db).await;
    assert_eq!(compared.differences, []);
    assert!(compared.without_records);
    assert_eq!(correct(&db, tenant, month(1)).await, Corrected::default());
    assert_eq!(everything(&db).await, before);
}

#[tokio::test]
async fn rows_of_sessions_are_looked_up_by_batch_identity_and_sign() {
    let db = migrated().await;
    let tenant = tenant();
    let mut rows = rows(tenant);
    // Rows 40 to 59 are pairs, of the second batch.
    let there: Vec<SessionRow> = (rows.iter().enumerate())
        .filter(|(place, _)| ![3, 41, 44].contains(place))
        .map(|(_, row)| row.clone())
        .collect();
    apply_all(&db, &there).await;
    apply(&db, &rows[7..8]).await;
    apply(&db, &rows[50..51]).await;
    rows[20].bytes_down += 1;
    let found = db.look_up(&system(), &rows).await.expect("looked up");
    let places = |places: Vec<usize>| places.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(places(found.missing), [3, 7, 20, 41, 44, 50].into());
    assert_eq!(places(found.surplus.clone()), [7, 20, 50].into());

    let doubled = async |batch| -> Vec<SessionRow> {
        db.doubled(&system(), tenant, batch).await.expect("looked")
    };
    assert_eq!(doubled(rows[7].batch).await, rows[7..8]);
    assert_eq!(doubled(rows[50].batch).await, rows[50..51]);
    let twice = db
        .tables(&system())
        .of(Family::Session)
        .twice(&system(), 9)
        .await;
    let twice: Vec<Uuid> = twice
        .expect("looked")
        .iter()
        .map(|it| it.identity)
        .collect();
    assert_eq!(
        twice,
        [rows[7].identity],
        "a correction is no rollup of its own"
    );

    let gone: Vec<&SessionRow> = found.surplus.iter().map(|at| &rows[*at]).collect();
    let before = found.apply_by + TimeDelta::seconds(1);
    db.remove_rows(&system(), &gone, before, &leave())
        .await
        .expect("removed");
    let found = db.look_up(&system(), &rows).await.expect("looked up");
    assert_eq!(places(found.missing), [3, 7, 20, 41, 44, 50].into());
    assert!(found.surplus.is_empty());
}

#[tokio::test]
async fn a_part_of_the_ledger_has_all_rows_whatever_their_sign() {
    let db = migrated().await;
    let tenant = tenant();
    let rows = rows(tenant);
    apply_all(&db, &rows).await;
    let tables = db.tables(&system()).of(Family::Session);
    let counted = tables
        .batches(&system(), None, None)
        .await
        .expect("counted");
    assert_eq!(counted.len(), 2);
    for found in counted {
        let own: Vec<&SessionRow> = rows.iter().filter(|row| row.batch == found.batch).collect();
        let checksum = own.iter().fold(0_u64, |sum, row| {
            sum.wrapping_add(row.identity.as_u64_pair().1)
        });
        let expected = Count {
            records: i64::try_from(own.len()).expect("few"),
            bytes_up: own.iter().map(|row| i128::from(row.bytes_up)).sum(),
            bytes_down: own.iter().map(|row| i128::from(row.bytes_down)).sum(),
            ..Count::default()
        };
        assert_eq!(
            (found.count, found.checksum),
            (expected, checksum.cast_signed())
        );
        let times = || own.iter().map(|row| row.event_at);
        let bounds = [times().min(), times().max()].map(|at| at.expect("some"));
        let received = [bounds[0], bounds[1] + TimeDelta::hours(1)];
        let again = db
            .count_batches(&system(), Family::Session, &[found.batch], received, bounds)
            .await
            .expect("counted");
        assert_eq!(again[&found.batch], (expected, found.checksum));
    }
    let hours = tables
        .hours(
            &system(),
            Table::Records,
            tenant,
            Period::new(month(1), now() + TimeDelta::hours(1)).expect("a period"),
        )
        .await
        .expect("hours");
    assert_eq!(hours.values().map(|count| count.records).sum::<i64>(), 40);
    assert_eq!(hours.len(), 12, "one of each hour, as no source is known");
}

#[tokio::test]
async fn what_is_live_and_seen_last_is_put_right_from_the_log() {
    let db = migrated().await;
    let tenant = tenant();
    let rows = rows(tenant);
    apply_all(&db, &rows).await;
    let state = async |db: &Db| -> Vec<(String, String)> {
        let sql = "SELECT toString(session), toString(batch) FROM session_live FINAL ORDER BY session UNION ALL \
                   SELECT toString(tuple(sim, customer)), toString(event_at) FROM sim_last_seen FINAL ORDER BY sim, customer";
        let mut state: Vec<(String, String)> =
            db.raw().query_raw(sql).fetch_all().await.expect("a state");
        state.sort();
        state
    };
    let before = state(&db).await;
    assert_eq!(before.len(), 4 + 12);
    for table in ["session_live", "sim_last_seen"] {
        db.run(&format!("TRUNCATE TABLE {table}")).await;
    }
    for _ in 0..2 {
        db.restore_live(&system(), &rows, &leave())
            .await
            .expect("restored");
        assert_eq!(state(&db).await, before);
    }
    // A batch that is taken out of the log leaves no trace.
    let phantom = SessionRow {
        sim: sim(1),
        session: Uuid::from_u128(11),
        ..rollup(tenant, batch(), now() + TimeDelta::minutes(5))
    };
    let phantom = [phantom];
    apply(&db, &phantom).await;
    assert_ne!(state(&db).await, before);
    let all = now() + TimeDelta::hours(9);
    db.remove_rows(&system(), &[&phantom[0]], all, &leave())
        .await
        .expect("removed");
    db.forget_live(&system(), phantom[0].batch, &phantom, &leave())
        .await
        .expect("forgotten");
    assert_eq!(state(&db).await, before);
}
