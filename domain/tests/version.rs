//! Versions of what is read: whoever finds the same version finds the same data, however many write at once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{
    Db, ReadCx, Role, SystemClock,
    customer::{self, Customer, CustomerFilter},
    identity::{Known, VerifiedClaims},
    list::{List as _, Order},
    paging::PageRequest,
};
use tokio_postgres::{Client, NoTls};

const TENANT: &str = "00000000-0000-7000-8000-00000000000a";
const WRITERS: u32 = 6;
/// Different versions that are looked at.
const SEEN: usize = 60;
/// Answers of which it is asked whether they still stand.
const LATEST: usize = 8;

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("connected");
    tokio::spawn(connection);
    client
}

/// Writes a customer of its own, alone or many times before it commits, or takes it back.
async fn write(client: Client, writer: u32, stop: Arc<AtomicBool>) {
    let mut n = 0_usize;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let end = if n % 5 == 4 { "ROLLBACK" } else { "COMMIT" };
        let update = format!("UPDATE customer SET phone = '{n}' WHERE slug = 'c{writer}';");
        let statements = format!("BEGIN; {} {end}", update.repeat(1 + n % 3));
        client.batch_execute(&statements).await.expect("written");
    }
}

/// The customers of a snapshot, which are also those that are kept.
async fn customers(cx: &ReadCx) -> Vec<Customer> {
    let (filter, first) = (CustomerFilter::default(), PageRequest::first_page());
    let page = Customer::page(cx, &filter, Order::default(), &first).await;
    let rows = page.expect("customers").rows.into_iter();
    let customers: Vec<Customer> = rows.map(|(_, customer)| customer).collect();
    let ids: Vec<_> = customers.iter().map(|customer| customer.id).collect();
    let kept = customer::by_ids(cx, &ids).await.expect("customers");
    for customer in &customers {
        assert_eq!(*kept[&customer.id], *customer);
    }
    customers
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_version_is_of_the_same_data() {
    let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
    let postgres = postgres.expect("a test database");
    let client = connect(postgres.url()).await;
    client
        .batch_execute(&format!(
            "INSERT INTO tenant (tenant_id, slug, name, created_at) VALUES ('{TENANT}', 'alpha', 'Alpha', now());
             INSERT INTO customer (tenant_id, slug, name, created_at)
             SELECT '{TENANT}', 'c' || n, 'C ' || n, now() FROM generate_series(0, {WRITERS}) AS n"
        ))
        .await
        .expect("filled");
    let slow = connect(postgres.url()).await;
    let held = format!("BEGIN; UPDATE customer SET phone = 'held' WHERE slug = 'c{WRITERS}'");
    slow.batch_execute(&held).await.expect("held");
    let mut writers = Vec::new();
    let stop = Arc::new(AtomicBool::new(false));
    for writer in 0..WRITERS {
        let client = connect(postgres.url()).await;
        writers.push(tokio::spawn(write(client, writer, stop.clone())));
    }
    let look = "SELECT (SELECT string_agg(mark::text, ' ' ORDER BY mark) FROM version WHERE subject = 'customer'),
                       (SELECT string_agg(slug || phone, ' ' ORDER BY slug) FROM customer), (SELECT count(*) FROM version)";
    let mut seen: HashMap<Option<String>, Option<String>> = HashMap::new();
    let mut most = 0;
    let db = Db::connect(postgres.url(), 2, Arc::new(SystemClock)).await;
    let (db, known) = (db.expect("connected"), Known::default());
    let claims = VerifiedClaims::new("ada".into(), "alpha".into(), Role::TenantAdmin, None);
    let claims = claims.expect("claims");
    let mut answers = VecDeque::new();
    while seen.len() < SEEN {
        let cx = known.open(&db, &claims).await.expect("a snapshot");
        let now = customers(&cx).await;
        let tenant = cx.scope().tenant();
        for (footing, then) in &answers {
            // Nobody writes what was there before: from the snapshot on, an answer that is another one does not stand.
            assert!(*then == now || !db.stands(tenant, footing).await.expect("versions"));
        }
        answers.push_front((cx.footing().expect("versions"), now));
        answers.truncate(LATEST);
        let row = client.query_one(look, &[]).await.expect("a look");
        let (version, data, marks): (_, Option<String>, i64) = (row.get(0), row.get(1), row.get(2));
        let before = seen.entry(version).or_insert_with(|| data.clone());
        assert_eq!(*before, data);
        most = most.max(marks);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("written");
    }
    let cx = known.open(&db, &claims).await.expect("a snapshot");
    drop(customers(&cx).await);
    let (tenant, footing) = (cx.scope().tenant(), cx.footing().expect("versions"));
    drop(cx);
    let stands = async || db.stands(tenant, &footing).await.expect("versions");
    assert!(stands().await);
    // Each takes older marks away: those that are left are of who was at it at the same time.
    assert!(most < 30, "{most} marks");
    slow.batch_execute("COMMIT").await.expect("committed");
    assert!(!stands().await);
    let row = client.query_one(look, &[]).await.expect("a look");
    assert!(!seen.contains_key(&row.get::<_, Option<String>>(0)));
    // Whoever works on an older snapshot is not disturbed by marks that came since.
    let earlier = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM customer";
    slow.batch_execute(earlier).await.expect("begun");
    let between = "UPDATE customer SET phone = 'between' WHERE slug = 'c0'";
    client.batch_execute(between).await.expect("written");
    let before = client.query_one(look, &[]).await.expect("a look");
    let late = "UPDATE customer SET phone = 'late' WHERE slug = 'c1'; COMMIT";
    slow.batch_execute(late).await.expect("written");
    let after = client.query_one(look, &[]).await.expect("a look");
    assert_ne!(before.get::<_, String>(0), after.get::<_, String>(0));
}
