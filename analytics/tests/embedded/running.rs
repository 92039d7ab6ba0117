//! Statements that the engine is busy with: what each may take, and that it ends when whoever asked has gone away.

use std::time::Duration;

use analytics::usage::{Alignment, CubeQuery, Inventory, Measure, Span};
use domain::{
    Role, Scope,
    id::CustomerId,
    scope::{Segment, Visibility},
};
use futures::future::{Either, select};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::{
    Db,
    fleet::{at, now, tenant},
    migrated,
    usage::{scope, staff},
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

/// A database in which any question takes a minute, a row each second.
async fn slow() -> Db {
    let db = migrated().await;
    db.run("DROP TABLE usage_small SYNC").await;
    db.run(
        "CREATE VIEW usage_small AS SELECT generateUUIDv4() AS tenant, generateUUIDv4() AS customer, 'month' AS grain, toDateTime(number, 'UTC') AS period, \
         toInt128(1) AS bytes_up, toInt64(1) AS records, now64(3) AS received_at FROM numbers(60) \
         WHERE sleepEachRow(1) = 0 SETTINGS max_block_size = 1",
    )
    .await;
    db
}

fn question() -> CubeQuery {
    let span = Span::Between {
        from: at("2026-01-01T00:00:00Z"),
        to: at("2026-02-01T00:00:00Z"),
        align: Alignment::Exact,
    };
    CubeQuery::of(&[Measure::BytesUp], span)
}

/// Seconds, bytes of memory, and bytes in groups and in sorts beyond which the disk is used, that the only statement may take.
async fn limits(db: &Db) -> [String; 4] {
    let sql = "SELECT arrayMap(name -> Settings[name], ['max_execution_time', 'max_memory_usage', 'max_bytes_before_external_group_by', \
               'max_bytes_before_external_sort']) FROM system.processes WHERE current_database = ? AND query NOT LIKE '%system.processes%'";
    let found = db.raw().query(sql).bind(db.database()).fetch_one();
    let found: Vec<String> = found.await.expect("one statement");
    found.try_into().expect("four settings")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_may_take_what_its_role_allows() {
    const MIB: u64 = 1 << 20;
    let db = slow().await;
    let (query, inventory) = (question(), Inventory::default());
    let customer = CustomerId::new(Uuid::from_u128(1));
    let viewer = Segment {
        customers: [customer].into(),
        ..Segment::default()
    };
    let user = Segment {
        within: Some(customer),
        ..Segment::default()
    };
    let of = |role, segment| scope(tenant(), role, segment, Visibility::ALL);
    for (scope, seconds, bytes) in [
        (of(Role::Viewer, viewer), 15, 384 * MIB),
        (of(Role::CustomerUser, user), 15, 384 * MIB),
        (staff(tenant()), 30, 768 * MIB),
    ] {
        let asked =
            async |scope: &Scope| db.usage(scope, &query, &inventory, now()).await.map(drop);
        let of_page = during(&db, asked(&scope)).await;
        let of_file = during(&db, async {
            let mut file = db.usage_file(&scope, &query, &inventory, now())?;
            file.next().await.map(drop)
        })
        .await;
        let (role, bytes) = (scope.role(), bytes.to_string());
        assert_eq!(of_page, [&seconds.to_string(), &bytes, "", ""], "{role}");
        // The embedded engine gives no statement more time than this.
        let (seconds, spill) = ("60", (256 * MIB).to_string());
        assert_eq!(of_file, [seconds, &bytes, &spill, &spill], "{role}");
    }
}

/// The limits of the statement that runs while `asked` is waited for, which is given up then.
async fn during(db: &Db, asked: impl Future<Output = domain::Result<()>>) -> [String; 4] {
    // Whoever was given up before ends first.
    until(db, |running| running == 0).await;
    let seen = async {
        until(db, |running| running == 1).await;
        limits(db).await
    };
    let (asked, seen) = (std::pin::pin!(asked), std::pin::pin!(seen));
    match select(asked, seen).await {
        Either::Left((answer, _)) => panic!("answered before it was seen: {answer:?}"),
        Either::Right((limits, _)) => limits,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_on_in_the_engine() {
    let (db, query) = (slow().await, question());
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
