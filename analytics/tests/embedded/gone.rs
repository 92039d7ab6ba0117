//! Whoever asked has gone away.

use std::time::Duration;

use analytics::usage::{Alignment, CubeQuery, Inventory, Measure, Span};
use futures::future::{Either, select};
use tokio::time::{sleep, timeout};

use crate::{
    Db,
    fleet::{at, now, tenant},
    migrated,
    usage::staff,
};

/// Statements of this database that the engine is busy with.
async fn running(db: &Db) -> u64 {
    let sql = "SELECT count() FROM system.processes WHERE current_database = ? AND query NOT LIKE '%system.processes%'";
    let found = db.raw().query(sql).bind(db.database()).fetch_one();
    found.await.expect("a count")
}

async fn until(db: &Db, is_so: impl Fn(u64) -> bool) {
    while !is_so(running(db).await) {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_on_in_the_engine() {
    let db = migrated().await;
    // A table that takes a minute to read, a row each second.
    db.run("DROP TABLE usage_small SYNC").await;
    db.run(
        "CREATE VIEW usage_small AS SELECT generateUUIDv4() AS tenant, 'month' AS grain, toDateTime(number, 'UTC') AS period, \
         toInt128(1) AS bytes_up, toInt64(1) AS records, now64(3) AS received_at FROM numbers(60) \
         WHERE sleepEachRow(1) = 0 SETTINGS max_block_size = 1",
    )
    .await;
    let span = Span::Between {
        from: at("2026-01-01T00:00:00Z"),
        to: at("2026-02-01T00:00:00Z"),
        align: Alignment::Exact,
    };
    let query = CubeQuery::of(&[Measure::BytesUp], span);
    let (scope, inventory) = (staff(tenant()), Inventory::default());
    let asked = Box::pin(db.usage(&scope, &query, &inventory, now()));
    let begun = Box::pin(until(&db, |running| running > 0));
    match select(asked, begun).await {
        Either::Left((answer, _)) => panic!("answered before it was seen: {answer:?}"),
        Either::Right(((), asked)) => drop(asked),
    }
    // Long before its minute is over.
    let ended = timeout(Duration::from_secs(15), until(&db, |running| running == 0));
    ended.await.expect("it ends");
}
