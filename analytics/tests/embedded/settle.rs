//! What is there of a batch, and taking out what is too much.

use std::collections::{BTreeSet, HashMap};

use analytics::{
    CdrRow, Family, Store, System,
    cdr::{self, Attempt},
    verify::Count,
};
use chrono::TimeDelta;
use domain::{
    id::{CustomerId, TenantId},
    tenant::Retentions,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use uuid::Uuid;

use crate::{
    Db,
    fleet::{self, apply, attempt, batch, everything, month, now, record, tenant},
    migrated,
};

fn system() -> System {
    System::new(now())
}

/// `count` records of a tenant, an hour apart, from a moment of the month before last.
fn hourly(tenant: TenantId, count: u32) -> Vec<CdrRow> {
    let batch = batch();
    let row = |n: u32| record(tenant, batch, n, month(2) + TimeDelta::hours(n.into()));
    (0..count).map(row).collect()
}

/// Places that are missing, and surplus.
async fn look_up(db: &Db, rows: &[CdrRow]) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let found = db.look_up(&system(), rows).await.expect("looked up");
    let all = found.missing.len() + found.surplus.len();
    let (missing, surplus): (BTreeSet<_>, BTreeSet<_>) = (
        found.missing.into_iter().collect(),
        found.surplus.into_iter().collect(),
    );
    assert_eq!(all, missing.len() + surplus.len(), "each is named once");
    (missing, surplus)
}

#[tokio::test]
async fn what_is_missing_doubled_or_another_is_found() {
    let db = migrated().await;
    let rows = hourly(tenant(), 10);
    let mut there = rows.clone();
    there[5].bytes_up += 1;
    there[6].customer = Some(CustomerId::new(Uuid::from_u128(8)));
    there[7].received_at += TimeDelta::milliseconds(1);
    there.truncate(8);
    apply(&db, rows[0].batch, &there).await;
    apply(&db, rows[0].batch, &there[3..4]).await;
    let (missing, surplus) = look_up(&db, &rows).await;
    // A row of another customer does not lie where this one is looked for, and stays; it is not this one.
    assert_eq!(missing, [3, 5, 6, 7, 8, 9].into());
    assert_eq!(surplus, [3, 5, 7].into());
}

#[tokio::test]
async fn rows_are_found_however_many_and_in_any_order() {
    let db = migrated().await;
    let (mine, other) = (tenant(), tenant());
    let there: Vec<CdrRow> = hourly(mine, 1_300)
        .into_iter()
        .map(|row| CdrRow {
            customer: None,
            device: None,
            network: String::new(),
            start: row.start + TimeDelta::milliseconds(7),
            ..row
        })
        .collect();
    apply(&db, there[0].batch, &there).await;
    // The same identities of another tenant, between them.
    let both: Vec<CdrRow> = there
        .iter()
        .rev()
        .flat_map(|row| {
            let foreign = CdrRow {
                tenant: other,
                ..row.clone()
            };
            [foreign, row.clone()]
        })
        .collect();
    let (missing, surplus) = look_up(&db, &both).await;
    assert_eq!(missing, (0..2_600).step_by(2).collect());
    assert_eq!(surplus, BTreeSet::new());
}

/// Every record with every column, but for those of `gone`.
async fn records_but(db: &Db, gone: &[&CdrRow]) -> String {
    let gone: Vec<String> = gone
        .iter()
        .map(|row| format!("('{}', '{}')", row.tenant.uuid(), row.identity))
        .collect();
    let sql = format!(
        "SELECT * FROM cdr WHERE (tenant, identity) NOT IN ({}) ORDER BY ALL",
        gone.join(", ")
    );
    let lines = db.raw().query_raw(&sql).fetch_bytes("TSV");
    let bytes = lines.expect("a statement").collect().await.expect("lines");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn taking_out_takes_every_copy_and_nothing_else() {
    let db = migrated().await;
    let rows = hourly(tenant(), 50);
    apply(&db, rows[0].batch, &rows).await;
    apply(&db, rows[0].batch, &rows[10..20]).await;
    let twin = CdrRow {
        tenant: tenant(),
        ..rows[10].clone()
    };
    apply(&db, twin.batch, std::slice::from_ref(&twin)).await;
    // Of another month, and the only ones there.
    let alone = record(rows[0].tenant, batch(), 900, month(5));
    for _ in 0..2 {
        apply(&db, alone.batch, std::slice::from_ref(&alone)).await;
    }
    let cubes = everything(&db).await;

    let gone: Vec<&CdrRow> = rows[10..15].iter().chain([&alone]).collect();
    let others = records_but(&db, &gone).await;
    assert_eq!(others.lines().count(), 50 - 5 + 5 + 1);
    db.remove_rows(&system(), &gone, fleet::later(), &fleet::leave())
        .await
        .expect("taken out");

    assert_eq!(records_but(&db, &gone).await, others);
    let after = everything(&db).await;
    assert_eq!(after[0].records, 51, "no copy is left");
    assert_eq!(after[1..], cubes[1..], "no cube notices");
    let looked: Vec<CdrRow> = rows.iter().chain([&twin, &alone]).cloned().collect();
    let (missing, surplus) = look_up(&db, &looked).await;
    assert_eq!(missing, (10..20).chain([51]).collect());
    assert_eq!(surplus, (15..20).collect());
    // And doing it again takes nothing.
    db.remove_rows(&system(), &gone, fleet::later(), &fleet::leave())
        .await
        .expect("taken out");
    assert_eq!(everything(&db).await, after);
}

#[tokio::test]
async fn taking_out_that_comes_late_takes_nothing_of_what_was_inserted_again() {
    let db = migrated().await;
    let rows = hourly(tenant(), 10);
    let all: Vec<&CdrRow> = rows.iter().collect();
    let deadline = fleet::later();
    let insert = async |apply_by| {
        let attempt = Attempt {
            batch: rows[0].batch,
            apply_by,
        };
        let applied = db
            .apply(&attempt, 10, &cdr::encode(&rows), &Retentions::default())
            .await;
        applied.expect("applied");
    };
    let remove_rows = async || {
        let before = deadline + TimeDelta::seconds(1);
        let taken = db
            .remove_rows(&system(), &all, before, &fleet::leave())
            .await;
        taken.expect("taken out");
    };
    insert(deadline).await;
    remove_rows().await;
    assert_eq!(look_up(&db, &rows).await.0.len(), 10);
    insert(deadline + TimeDelta::seconds(1)).await;
    remove_rows().await;
    assert_eq!(look_up(&db, &rows).await, Default::default());
}

#[tokio::test]
async fn a_correction_that_is_left_behind_is_seen_and_broken_off() {
    let db = migrated().await;
    let rows = hourly(tenant(), 10);
    apply(&db, rows[0].batch, &rows).await;
    assert!(!db.is_correcting(&system()).await.expect("seen"));
    let other = db.raw();
    // Three seconds in all.
    let slow = tokio::spawn(async move {
        let sql = "INSERT INTO usage_day SELECT * REPLACE (records + sleepEachRow(0.3) AS records) \
                   FROM usage_hour SETTINGS max_block_size = 1";
        other.query(sql).execute().await
    });
    while !db.is_correcting(&system()).await.expect("seen") {
        assert!(!slow.is_finished(), "it runs");
        tokio::task::yield_now().await;
    }
    db.stop_correcting(&system()).await.expect("asked");
    assert!(slow.await.expect("no panic").is_err());
    while db.is_correcting(&system()).await.expect("seen") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn batches_are_counted_within_their_bounds() {
    let db = migrated().await;
    let tenant = tenant();
    let named = |row: CdrRow| CdrRow {
        identity: Uuid::new_v4(),
        ..row
    };
    let [first, second]: [Vec<CdrRow>; 2] =
        [20, 30].map(|count| hourly(tenant, count).into_iter().map(named).collect());
    for rows in [&first, &second] {
        apply(&db, rows[0].batch, rows).await;
    }
    let of = |rows: &[CdrRow]| {
        let mut count = Count::default();
        let mut checksum = 0_u64;
        for row in rows {
            count += Count {
                records: 1,
                bytes_up: row.bytes_up.into(),
                bytes_down: row.bytes_down.into(),
                units: row.units.into(),
                ..Count::default()
            };
            checksum = checksum.wrapping_add(row.identity.as_u64_pair().1);
        }
        (count, checksum.cast_signed())
    };
    let absent = batch();
    let (a, b) = (first[0].batch, second[0].batch);
    let count = |to: usize| {
        let (from, to) = (&second[0], &second[to]);
        let (received, started) = ([from.received_at, to.received_at], [from.start, to.start]);
        let (db, asked) = (&db, [a, b, absent]);
        async move {
            db.count_batches(&system(), Family::Cdr, &asked, received, started)
                .await
                .expect("counted")
        }
    };
    let all = HashMap::from([(a, of(&first)), (b, of(&second))]);
    assert_eq!(count(29).await, all, "both ends are within");
    let some = HashMap::from([(a, of(&first)), (b, of(&second[..29]))]);
    assert_eq!(count(28).await, some, "and no more");
}

/// How a chunked body ends.
const END: &[u8] = b"\r\n0\r\n\r\n";

/// A way to the same database on which the end of the first request waits for `go`.
async fn held(db: &Db, go: oneshot::Receiver<()>) -> Store {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let address = db.shared.url().replace("http://", "");
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("a client");
        let mut engine = TcpStream::connect(address).await.expect("connected");
        let (mut read, mut sent) = (Vec::new(), 0);
        while !read.ends_with(END) {
            client.read_buf(&mut read).await.expect("more");
            let safe = read.len().saturating_sub(END.len());
            engine.write_all(&read[sent..safe]).await.expect("sent");
            sent = safe;
        }
        go.await.expect("a word");
        engine.write_all(&read[sent..]).await.expect("sent");
        let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
    });
    Store::remote(&url)
        .expect("a URL")
        .with_database(db.database())
}

#[tokio::test]
async fn a_running_insert_is_seen_until_it_is_over() {
    let db = migrated().await;
    let rows = hourly(tenant(), 1_000);
    let (running, absent) = (rows[0].batch, batch());
    let (go, going) = oneshot::channel();
    let slow = held(&db, going).await;
    let payload = cdr::encode(&rows);
    let insert = tokio::spawn(async move {
        slow.apply(&attempt(running), 1_000, &payload, &Retentions::default())
            .await
    });
    let seen = async || {
        db.applying(&system(), &[absent, running])
            .await
            .expect("seen")
    };
    while seen().await != [running] {
        assert!(!insert.is_finished(), "it waits");
        tokio::task::yield_now().await;
    }
    go.send(()).expect("it waits");
    insert.await.expect("no panic").expect("applied");
    while !seen().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(look_up(&db, &rows).await, Default::default());
}

#[tokio::test]
async fn the_mark_with_the_highest_number_counts_whatever_the_clock_said() {
    let db = migrated().await;
    assert_eq!(db.mark(&system()).await.expect("read"), None);
    for (number, newest) in [(2, 2), (3, 3), (1, 3), (1 << 63, 1 << 63)] {
        let mark = |number: u64| Uuid::from_u64_pair(number, !number);
        db.set_mark(&system(), mark(number)).await.expect("left");
        assert_eq!(db.mark(&system()).await.expect("read"), Some(mark(newest)));
    }
}
