//! An insert, and what it leaves.

use std::collections::BTreeSet;

use analytics::{
    CdrRow, System,
    cdr::{self, Attempt, Unapplied},
    cube::{Cube, Level},
    verify::{Area, Count, Table},
};
use chrono::{Datelike, Days, TimeDelta};
use domain::{
    Code, Period,
    id::{BatchId, TenantId},
    tenant::{Retention, Retentions},
};
use migrations::clickhouse::DURABLE;

use crate::{
    fleet::{self, apply, at, attempt, batch, everything, month, now, record, tenant},
    migrated,
};

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

fn everywhere(records: i64) -> Vec<Count> {
    let bytes = i128::from(records);
    vec![
        Count {
            records,
            bytes_up: bytes,
            bytes_down: 2 * bytes,
            ..Count::default()
        };
        Table::ALL.len()
    ]
}

#[tokio::test]
async fn whatever_is_inserted_again_counts_again() {
    let store = migrated().await;
    let (tenant, first) = (tenant(), batch());
    let rows = rows(tenant, first, 1_000, TimeDelta::hours(5));
    apply(&store, first, &rows).await;
    assert_eq!(everything(&store).await, everywhere(1_000));
    apply(&store, first, &rows).await;
    assert_eq!(
        everything(&store).await,
        everywhere(2_000),
        "the same batch"
    );
    apply(&store, batch(), &rows).await;
    assert_eq!(everything(&store).await, everywhere(3_000), "another batch");
}

#[tokio::test]
async fn what_a_crash_left_out_of_the_cubes_is_corrected_from_the_records() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let rows = rows(tenant, batch, 100, TimeDelta::hours(1));
    // As after a kill between the records and the views.
    apply(&store, batch, &rows).await;
    for cube in Cube::ALL {
        let sql = format!("TRUNCATE TABLE {}", cube.table());
        store.run(&sql).await;
    }
    let area = Area {
        tenant,
        period: Period::new(month(2), now()).expect("a period"),
        sims: None,
        retention: Retention::default(),
    };
    for cube in Cube::ALL {
        let corrected = store
            .correct(&System::new(now()), cube, &area, &fleet::leave())
            .await
            .expect("corrected");
        // What is entered into the full cubes reaches the small ones by their views.
        assert_eq!(
            corrected.cells > 0,
            matches!(cube, Cube::Full(_)),
            "{cube:?}"
        );
    }
    assert_eq!(everything(&store).await, everywhere(100));
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
    assert_eq!(everything(&store).await, everywhere(400));
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
    // cdr, day and hour by month; month and year by year; a small year in its January.
    let small = months.max(
        partitions
            .iter()
            .find(|(table, _)| table == "usage_small")
            .map_or(0, |(_, count)| *count),
    );
    assert!(small <= months + years);
    assert_eq!(
        counts,
        [months, months, months, years, small, years],
        "{partitions:?}"
    );
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
    assert_eq!(everything(&store).await, everywhere(150_000));
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
            .apply(&attempt(batch), count, &payload, &Retentions::default())
            .await;
        assert!(
            matches!(&refused, Err(Unapplied::Unknown(error)) if error.code() == Code::Internal),
            "{refused:?}"
        );
    }
    assert_eq!(everything(&store).await, everywhere(0));
}

#[tokio::test]
async fn a_time_that_the_cubes_cannot_hold_fails_loudly() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let rows = [record(tenant, batch, 1, at("2199-01-01T00:00:00Z"))];
    let refused = store
        .apply(
            &attempt(batch),
            1,
            &cdr::encode(&rows),
            &Retentions::default(),
        )
        .await;
    assert!(
        matches!(
            &refused,
            Err(Unapplied::Refused { for_good: true, reason }) if reason.contains("cdr_start_check")
        ),
        "{refused:?}"
    );
    assert_eq!(everything(&store).await, everywhere(0));
}

#[tokio::test]
async fn an_insert_after_its_deadline_is_late_and_leaves_nothing() {
    let store = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let rows = rows(tenant, batch, 1_000, TimeDelta::hours(1));
    let clock = store.now(&System::new(now())).await.expect("the clock");
    let late = Attempt {
        batch,
        apply_by: clock - TimeDelta::seconds(2),
    };
    let refused = store
        .apply(&late, 1_000, &cdr::encode(&rows), &Retentions::default())
        .await;
    assert!(matches!(refused, Err(Unapplied::Late)), "{refused:?}");
    assert_eq!(everything(&store).await, everywhere(0));
    let parts: u64 = store
        .raw()
        .query_raw(
            "SELECT count() FROM system.parts WHERE database = currentDatabase() \
             AND (table = 'cdr' OR table LIKE 'usage%')",
        )
        .fetch_one()
        .await
        .expect("parts");
    assert_eq!(parts, 0, "not even a part that is out of use");
}

#[tokio::test]
async fn every_table_is_made_to_survive_a_power_loss() {
    let store = migrated().await;
    let tables: Vec<(String, String)> = store
        .raw()
        .query_raw(
            "SELECT name, engine_full FROM system.tables \
             WHERE database = currentDatabase() AND engine != 'MaterializedView' ORDER BY name",
        )
        .fetch_all()
        .await
        .expect("tables");
    let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "cdr",
            "intake_mark",
            "migration",
            "network",
            "session_day",
            "session_hour",
            "session_live",
            "session_log",
            "session_month",
            "session_small",
            "session_year",
            "sim_last_seen",
            "store_identity",
            "usage_day",
            "usage_hour",
            "usage_month",
            "usage_small",
            "usage_small_filled",
            "usage_year"
        ]
    );
    for (name, engine) in &tables {
        let (_, settings) = engine.split_once(" SETTINGS ").expect("settings");
        let settings: Vec<&str> = settings.split(", ").collect();
        for (setting, value) in DURABLE {
            let wanted = format!("{setting} = {value}");
            assert!(settings.contains(&wanted.as_str()), "{name}: {settings:?}");
        }
    }
}
