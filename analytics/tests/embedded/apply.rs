//! One batch, one effect.

use analytics::{CdrRow, Store, cdr};
use chrono::TimeDelta;
use domain::id::BatchId;

use crate::{
    fleet::{at, batch, record, tenant},
    migrated,
};

async fn apply(store: &Store, batch: BatchId, rows: &[CdrRow]) {
    store
        .apply(batch, rows.len() as u64, cdr::encode(rows))
        .await
        .expect("applied");
}

#[tokio::test]
async fn bench_like() {
    let store = migrated().await;
    for n in [1000_u32, 10_000, 100_000] {
        let tenant = tenant();
        for _ in 0..3 {
            let batch = batch();
            let rows: Vec<_> = (0..n)
                .map(|i| {
                    record(
                        tenant,
                        batch,
                        i,
                        at("2026-10-01T00:00:00Z") + TimeDelta::seconds(i64::from(i) * 20),
                    )
                })
                .collect();
            let payload = cdr::encode(&rows);
            let begun = std::time::Instant::now();
            store
                .apply(batch, u64::from(n), payload)
                .await
                .expect("applied");
            println!("{n} rows {:?}", begun.elapsed());
        }
    }
    let _ = apply;
}
