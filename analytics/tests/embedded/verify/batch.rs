//! Records of batches, held against what the ledger has of them.

use std::collections::BTreeMap;

use analytics::CdrRow;
use domain::id::BatchId;
use uuid::Uuid;

use super::{system, world};
use crate::fleet::insert;

fn wrapped<'a>(rows: impl Iterator<Item = &'a CdrRow>) -> i64 {
    rows.fold(0_i64, |sum, row| {
        sum.wrapping_add(row.identity.as_u64_pair().1.cast_signed())
    })
}

#[tokio::test]
async fn records_of_a_batch_have_the_checksum_that_the_ledger_gives_them() {
    let world = world().await;
    let tables = world.db.tables(&system());
    let counted = tables.batches(&system(), None, None).await;
    let counted = counted.expect("counted");
    let ids: Vec<BatchId> = counted.iter().map(|found| found.batch).collect();
    assert!(ids.len() == 2 && ids.is_sorted());
    for found in &counted {
        let of_batch: Vec<&CdrRow> = world
            .rows
            .iter()
            .filter(|row| row.batch == found.batch)
            .collect();
        assert_eq!(found.checksum, wrapped(of_batch.iter().copied()));
        assert_eq!(found.count.records, 300);
        assert_eq!(
            Some(found.first),
            of_batch.iter().map(|row| row.start).min()
        );
        assert_eq!(Some(found.last), of_batch.iter().map(|row| row.start).max());
    }
    let bound = Some((ids[0], world.tenant));
    let one = |after, until| {
        let tables = &tables;
        async move {
            tables
                .batches(&system(), after, until)
                .await
                .expect("counted")
        }
    };
    assert_eq!(one(None, bound).await, counted[..1]);
    assert_eq!(one(bound, None).await, counted[1..]);
    let asked = tables.batches_of(&system(), world.tenant, &ids[1..]).await;
    assert_eq!(asked.expect("counted"), counted[1..]);
}

#[tokio::test]
async fn a_copy_in_the_place_of_a_missing_record_is_seen_and_dropped() {
    let world = world().await;
    let first = world.rows[0].clone();
    // Two records of one hour that are alike but for their identity.
    let twin = CdrRow {
        identity: Uuid::new_v4(),
        ..first.clone()
    };
    world.db.run(&insert(std::slice::from_ref(&twin))).await;
    world.agrees().await;
    // One becomes a copy of the other, past the views: cubes keep counting two.
    for sql in [
        "CREATE TABLE beside AS cdr".to_owned(),
        format!(
            "INSERT INTO beside SELECT * REPLACE (now() + 1800 AS apply_by) FROM cdr WHERE identity = '{}'",
            first.identity
        ),
        format!(
            "ALTER TABLE cdr DELETE WHERE identity = '{}' SETTINGS mutations_sync = 1",
            twin.identity
        ),
        "ALTER TABLE cdr ATTACH PARTITION ALL FROM beside".to_owned(),
    ] {
        world.db.run(&sql).await;
    }
    assert_eq!(world.compare().await.differences, [], "sums are no proof");

    let tables = world.db.tables(&system());
    let twice = tables.twice(&system(), 10).await.expect("looked");
    let [copy] = &twice[..] else {
        panic!("{twice:?}")
    };
    assert_eq!((copy.identity, copy.records), (first.identity, 2));
    assert_eq!(copy.batches, [first.batch]);
    let checksums: BTreeMap<BatchId, i64> = tables
        .batches(&system(), None, None)
        .await
        .expect("counted")
        .into_iter()
        .map(|found| (found.batch, found.checksum))
        .collect();
    let ledger = wrapped(
        world
            .rows
            .iter()
            .chain([&twin])
            .filter(|row| row.batch == first.batch),
    );
    assert_ne!(checksums[&first.batch], ledger);

    let doubled = async |batch| {
        let rows = world.db.doubled(&system(), world.tenant, batch).await;
        let rows: Vec<CdrRow> = rows.expect("looked");
        rows
    };
    assert_eq!(doubled(first.batch).await, std::slice::from_ref(&first));
    // One that says something else under the same identity is not a copy.
    world
        .db
        .run(&format!(
            "ALTER TABLE cdr UPDATE bytes_up = bytes_up + 1 WHERE identity = '{}' AND apply_by < now() + 2000 \
             SETTINGS mutations_sync = 1",
            first.identity
        ))
        .await;
    assert_eq!(doubled(first.batch).await.len(), 2);
}
