//! One batch, one effect.

use std::collections::BTreeSet;

use analytics::{CdrRow, Store, cdr, cube::Level, verify::Count};
use chrono::{Datelike, Days, TimeDelta};
use domain::{
    Code,
    id::{BatchId, TenantId},
};

use crate::{
    fleet::{at, batch, everything, month, now, record, tenant},
    migrated,
};

async fn apply(store: &Store, batch: BatchId, rows: &[CdrRow]) {
    let payload = cdr::encode(rows);
    store
        .apply(batch, rows.len() as u64, payload)
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()));
}

/// `count` records, `step` apart, from the first of the month before last.
fn rows(tenant: TenantId, batch: BatchId, count: u32, step: TimeDelta) -> Vec<CdrRow> {
    let from = month(2);
    (0..count)
        .map(|n| {
            record(
                tenant,
                batch,
                n,
                from + step * i32::try_from(n).expect("small"),
            )
        })
        .collect()
}

fn five_times(records: i64) -> Vec<Count> {
    let bytes = i128::from(records);
    vec![
        Count {
            records,
            bytes_up: bytes,
            bytes_down: 2 * bytes,
            units: 0
        };
        5
    ]
}

#[tokio::test]
async fn a_resent_batch_is_a_no_op_for_records_and_cubes() {
    let store = migrated().await;
    let (tenant, first) = (tenant(), batch());
    let rows = rows(tenant, first, 1_000, TimeDelta::hours(5));
    apply(&store, first, &rows).await;
    apply(&store, first, &rows).await;
    assert_eq!(everything(&store).await, five_times(1_000));

    // Far more batches than are ever in flight come in between.
    for n in 0..200 {
        let batch = batch();
        apply(
            &store,
            batch,
            &[record(tenant, batch, 10_000 + n, month(4))],
        )
        .await;
    }
    apply(&store, first, &rows).await;
    assert_eq!(everything(&store).await, five_times(1_200));
}

#[tokio::test]
async fn equal_content_in_two_batches_counts_twice() {
    let store = migrated().await;
    let rows = rows(tenant(), batch(), 10, TimeDelta::hours(1));
    apply(&store, batch(), &rows).await;
    apply(&store, batch(), &rows).await;
    assert_eq!(
        everything(&store).await,
        five_times(20),
        "only the token decides"
    );
}

#[tokio::test]
async fn what_a_crash_left_out_of_a_cube_is_healed_by_sending_again() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let rows = rows(tenant, batch, 100, TimeDelta::hours(1));
    // As after a kill between the records and the views: the cube's part, and with it its token, never came to be.
    apply(&store, batch, &rows).await;
    let (partition, _) = Level::Day.partition_at(rows[0].start).expect("a partition");
    store
        .run(&format!(
            "ALTER TABLE usage_day DROP PARTITION ID '{partition}'"
        ))
        .await;
    apply(&store, batch, &rows).await;
    assert_eq!(everything(&store).await, five_times(100));
}

#[tokio::test]
async fn a_batch_of_400_days_is_one_block_in_fewer_partitions_than_the_engine_allows() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let from = now() - Days::new(398);
    let rows: Vec<_> = (0..400_u32)
        .map(|n| record(tenant, batch, n, from + Days::new(n.into())))
        .collect();
    apply(&store, batch, &rows).await;
    assert_eq!(everything(&store).await, five_times(400));
    let partitions: Vec<(String, u64)> = store.raw()
        .query_raw("SELECT table, uniqExact(partition) FROM system.parts WHERE database = currentDatabase() AND active AND (table = 'cdr' OR table LIKE 'usage%') GROUP BY table ORDER BY table")
        .fetch_all()
        .await
        .expect("parts");
    let counts: Vec<u64> = partitions.iter().map(|(_, count)| *count).collect();
    let months: BTreeSet<_> = rows
        .iter()
        .map(|row| (row.start.year(), row.start.month()))
        .collect();
    let years: BTreeSet<_> = months.iter().map(|(year, _)| year).collect();
    let (months, years) = (months.len() as u64, years.len() as u64);
    assert!(months >= 14, "a test of more than 13 months");
    // cdr, day and hour by month; month and year by year.
    assert_eq!(
        counts,
        [months, months, months, years, years],
        "{partitions:?}"
    );
    apply(&store, batch, &rows).await;
    assert_eq!(everything(&store).await, five_times(400));
}

#[tokio::test]
async fn a_large_batch_is_one_block() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let rows = rows(tenant, batch, 150_000, TimeDelta::seconds(1));
    apply(&store, batch, &rows).await;
    // One month: one block is one part, and its name says that nothing was merged into it.
    let parts: Vec<String> = store.raw()
        .query_raw("SELECT name FROM system.parts WHERE database = currentDatabase() AND table = 'cdr' AND active")
        .fetch_all()
        .await
        .expect("parts");
    let (partition, _) = Level::Day.partition_at(rows[0].start).expect("a partition");
    assert_eq!(parts, [format!("{partition}_1_1_0")]);
    apply(&store, batch, &rows).await;
    assert_eq!(everything(&store).await, five_times(150_000));
}

#[tokio::test]
async fn sums_beyond_64_bits_are_exact() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let mut rows = rows(tenant, batch, 10, TimeDelta::seconds(1));
    for row in &mut rows {
        row.bytes_up = u64::MAX;
    }
    apply(&store, batch, &rows).await;
    let sums = everything(&store).await;
    assert!(
        sums.iter()
            .all(|sum| sum.bytes_up == 10 * i128::from(u64::MAX)),
        "{sums:?}"
    );
}

#[tokio::test]
async fn a_batch_that_is_not_what_it_says_is_refused_before_it_is_sent() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let payload = cdr::encode(&rows(tenant, batch, 3, TimeDelta::hours(1)));
    for (count, payload) in [
        (2, payload.clone()),
        (4, payload.clone()),
        (0, bytes::Bytes::new()),
        (3, payload.slice(1..)),
    ] {
        let refused = store
            .apply(batch, count, payload)
            .await
            .expect_err("refused");
        assert_eq!(refused.code(), Code::Internal);
    }
    assert_eq!(everything(&store).await, five_times(0));
}

#[tokio::test]
async fn a_time_that_the_cubes_cannot_hold_fails_loudly() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let rows = [record(tenant, batch, 1, at("2199-01-01T00:00:00Z"))];
    assert!(store.apply(batch, 1, cdr::encode(&rows)).await.is_err());
    assert_eq!(everything(&store).await, five_times(0));
}

#[tokio::test]
async fn fsync_can_be_switched() {
    let store = migrated().await;
    store.set_fsync(true).await.expect("on");
    store.set_fsync(true).await.expect("on again");
    let batch = batch();
    apply(
        &store,
        batch,
        &rows(tenant(), batch, 10, TimeDelta::hours(1)),
    )
    .await;
    store.set_fsync(false).await.expect("off");
    assert_eq!(everything(&store).await, five_times(10));
}
