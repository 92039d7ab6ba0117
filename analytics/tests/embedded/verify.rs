//! Breaking a cube on purpose, seeing it, healing it.

use analytics::{
    Store, System, cdr,
    cube::Level,
    verify::{Count, Table},
};
use chrono::TimeDelta;
use domain::{Code, Period, id::BatchId};

use crate::{
    fleet::{batch, month, now, record, tenant},
    migrated,
};

fn system() -> System {
    System::new(now())
}

/// Two batches of 300 records over three months up to the last one; returned for sending them again.
async fn two_batches(store: &Store) -> Vec<(BatchId, bytes::Bytes)> {
    let tenant = tenant();
    let mut sent = Vec::new();
    for n in 0..2_u32 {
        let batch = batch();
        let start = month(3) + TimeDelta::days(10) + TimeDelta::hours(n.into());
        let rows: Vec<_> = (0..300_u32)
            .map(|i| {
                record(
                    tenant,
                    batch,
                    n * 300 + i,
                    start + TimeDelta::hours(i64::from(i) * 5),
                )
            })
            .collect();
        sent.push((batch, cdr::encode(&rows)));
        store
            .apply(batch, 300, sent[n as usize].1.clone())
            .await
            .expect("applied");
    }
    sent
}

async fn all_agree(store: &Store) {
    let verification = store.verify(&system(), None).await.expect("a verification");
    assert_eq!(verification.differences, []);
    assert!(verification.cells > 0);
}

async fn sum(store: &Store) -> Vec<Count> {
    let census = store
        .census(&system(), Level::Year, None)
        .await
        .expect("a census");
    let mut sums = vec![Count::default(); 5];
    for counts in census.values() {
        assert_eq!(counts.len(), 5, "every table has the cell");
        for (sum, count) in sums.iter_mut().zip(counts.values()) {
            sum.records += count.records;
            sum.bytes_up += count.bytes_up;
            sum.bytes_down += count.bytes_down;
            sum.units += count.units;
        }
    }
    sums
}

const SOUND: Count = Count {
    records: 600,
    bytes_up: 600,
    bytes_down: 1200,
    units: 0,
};

#[tokio::test]
async fn a_sound_store_has_no_differences() {
    let store = migrated().await;
    two_batches(&store).await;
    all_agree(&store).await;
    for width in [Level::Hour, Level::Day] {
        let verification = store
            .verify(&system(), Some(width))
            .await
            .expect("a verification");
        assert_eq!(verification.differences, []);
    }
    assert_eq!(sum(&store).await, [SOUND; 5]);
    let last = Period::new(month(1), month(0)).expect("a period");
    let census = store
        .census(&system(), Level::Month, Some(last))
        .await
        .expect("a census");
    assert!(
        census.keys().all(|cell| cell.start == month(1)),
        "only the month that was asked for"
    );
}

async fn send_again(store: &Store, sent: &[(BatchId, bytes::Bytes)]) {
    for (batch, payload) in sent {
        store
            .apply(*batch, 300, payload.clone())
            .await
            .expect("sent again");
    }
}

/// Repairs what a verification found in one cube.
async fn heal(store: &Store, level: Level) {
    let seen = store.verify(&system(), None).await.expect("a verification");
    assert!(!seen.differences.is_empty(), "{level} is broken");
    assert!(
        seen.differences
            .iter()
            .all(|d| d.table == Table::Cube(level)),
        "{seen:?}"
    );
    for (broken, moment) in seen.repairs() {
        assert_eq!(broken, level);
        let repaired = store.repair(&system(), level, moment).await;
        let repaired = repaired.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()));
        assert_ne!(repaired.before, repaired.after);
    }
    all_agree(store).await;
}

#[tokio::test]
async fn a_broken_cube_is_seen_and_healed_and_still_knows_its_batches() {
    let store = migrated().await;
    let sent = two_batches(&store).await;
    let elsewhere = month(5).timestamp();
    let breaks = [
        (Level::Hour, "INSERT INTO usage_hour SELECT * FROM usage_hour LIMIT 5".to_owned()),
        (
            Level::Day,
            "ALTER TABLE usage_day DELETE WHERE toDayOfMonth(period) = 13 SETTINGS mutations_sync = 1".into(),
        ),
        (
            Level::Day,
            format!("INSERT INTO usage_day SELECT * REPLACE (toDateTime({elsewhere}) AS period) FROM usage_day"),
        ),
        (Level::Month, "INSERT INTO usage_month SELECT * FROM usage_month".into()),
        (
            Level::Year,
            "ALTER TABLE usage_year UPDATE bytes_up = bytes_up + 1 WHERE 1 SETTINGS mutations_sync = 1".into(),
        ),
    ];
    for (level, sql) in breaks {
        store.run(&sql).await;
        heal(&store, level).await;
    }
    store
        .repair(&system(), Level::Hour, month(1))
        .await
        .expect("a sound cube may be rebuilt too");
    send_again(&store, &sent).await;
    assert_eq!(
        sum(&store).await,
        [SOUND; 5],
        "after a repair, sending again is still a no-op"
    );
}

#[tokio::test]
async fn a_lost_partition_comes_back_by_sending_again_or_else_by_repair() {
    let store = migrated().await;
    let sent = two_batches(&store).await;
    let lose = |level: Level| {
        let (partition, _) = level.partition_at(month(2)).expect("a partition");
        format!("ALTER TABLE {level} DROP PARTITION ID '{partition}'")
    };
    for level in Level::ALL {
        store.run(&lose(level)).await;
        send_again(&store, &sent).await;
        all_agree(&store).await;
    }
    // From here on the journal has dropped the batches: they are never sent again.
    for level in Level::ALL {
        store.run(&lose(level)).await;
        heal(&store, level).await;
    }
    assert_eq!(sum(&store).await, [SOUND; 5]);
}

#[tokio::test]
async fn a_partition_whose_records_may_have_expired_is_not_rebuilt() {
    let store = migrated().await;
    two_batches(&store).await;
    // The last moment at which the oldest of the three months could be rebuilt has passed.
    let later = System::new(month(3) + TimeDelta::days(391));
    let refused = store
        .repair(&later, Level::Day, month(3))
        .await
        .expect_err("too old");
    assert_eq!(refused.code(), Code::Conflict);
    store
        .repair(&later, Level::Day, month(2))
        .await
        .expect("not too old");

    let (oldest, _) = Level::Day.partition_at(month(3)).expect("a partition");
    store
        .run(&format!("ALTER TABLE cdr DROP PARTITION ID '{oldest}'"))
        .await;
    let verification = store
        .verify(&later, Some(Level::Month))
        .await
        .expect("a verification");
    assert_eq!(
        verification.differences,
        [],
        "expired records are no difference"
    );
    assert_eq!(verification.without_records, 1);

    store
        .run(&format!(
            "ALTER TABLE usage_day DROP PARTITION ID '{oldest}'"
        ))
        .await;
    let verification = store
        .verify(&later, Some(Level::Month))
        .await
        .expect("a verification");
    let [difference] = &verification.differences[..] else {
        panic!("{verification:?}")
    };
    assert_eq!(
        (difference.reference, difference.table),
        (Table::Cube(Level::Hour), Table::Cube(Level::Day))
    );
    assert!(
        verification.repairs().is_empty(),
        "nothing to rebuild it from"
    );
}
