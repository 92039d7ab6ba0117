//! What connections go through: servers that fall silent, end sessions or change under a prepared statement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{
    Code, Db, ReadCx, Role, SystemClock,
    customer::{Customer, CustomerFilter},
    identity::{Known, VerifiedClaims},
    list::{List as _, Order},
    paging::PageRequest,
    tenant::{self, NewTenant},
};
use testkit::PostgresDb;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use url::Url;

/// A network between the program and Postgres that can be cut without a word: what is sent into it stays there.
struct Wire {
    url: String,
    is_cut: Arc<AtomicBool>,
}

impl Wire {
    async fn to(server: &str) -> Self {
        let mut url = Url::parse(server).expect("a URL");
        let host = url.host_str().expect("a host").to_owned();
        let target = (host, url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(port)).expect("a port");
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = is_cut.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                let server = TcpStream::connect(target.clone()).await.expect("Postgres");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                // Who was there when it was cut stays cut off.
                let of_this = Arc::new(AtomicBool::new(false));
                tokio::spawn(carry(from_client, to_server, cut.clone(), of_this.clone()));
                tokio::spawn(carry(from_server, to_client, cut.clone(), of_this));
            }
        });
        Self {
            url: url.into(),
            is_cut,
        }
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_cut: Arc<AtomicBool>,
    of_this: Arc<AtomicBool>,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if is_cut.load(Ordering::SeqCst) {
            of_this.store(true, Ordering::SeqCst);
        }
        if !of_this.load(Ordering::SeqCst) && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

struct Fixture {
    postgres: PostgresDb,
    db: Db,
    known: Known,
    claims: VerifiedClaims,
}

impl Fixture {
    async fn new(connections: u32) -> Self {
        let postgres = testkit::postgres();
        let url = postgres.url().to_owned();
        Self::through(postgres, &url, connections).await
    }

    async fn through(postgres: PostgresDb, url: &str, connections: u32) -> Self {
        let db = Db::connect(url, connections, Arc::new(SystemClock)).await;
        let db = db.expect("connected");
        let cx = db.system().await.expect("system");
        let new = NewTenant {
            slug: "alpha".into(),
            name: "Alpha".into(),
            simulated: false,
        };
        tenant::create(&cx, new).await.expect("created");
        cx.commit().await.expect("committed");
        postgres.run(
            "INSERT INTO customer (tenant_id, slug, name, created_at)
               SELECT tenant_id, 'bosch', 'Bosch', now() FROM tenant",
        );
        let claims = VerifiedClaims::new("ada".into(), "alpha".into(), Role::TenantAdmin, None);
        Self {
            postgres,
            db,
            known: Known::default(),
            claims: claims.expect("claims"),
        }
    }

    async fn open(&self) -> domain::Result<ReadCx> {
        self.known.open(&self.db, &self.claims).await
    }

    async fn customers(&self) -> domain::Result<usize> {
        customers(&self.open().await?).await
    }
}

async fn customers(cx: &ReadCx) -> domain::Result<usize> {
    let page = PageRequest::first_page();
    let page = Customer::page(cx, &CustomerFilter::default(), Order::default(), &page).await?;
    Ok(page.rows.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fell_silent_keeps_no_connection_from_those_who_come_later() {
    let postgres = testkit::postgres();
    let wire = Wire::to(postgres.url()).await;
    let fixture = Fixture::through(postgres, &wire.url, 2).await;
    assert_eq!(fixture.customers().await.expect("answered"), 1);
    let (one, two) = (fixture.open().await, fixture.open().await);
    wire.cut(true);
    drop((one.expect("opened"), two.expect("opened")));
    // Longer than it takes until what is cut off is noticed by no byte.
    tokio::time::sleep(Duration::from_secs(1)).await;
    wire.cut(false);
    let mut codes = Vec::new();
    let answer = timeout(Duration::from_secs(45), async {
        loop {
            match fixture.customers().await {
                Ok(rows) => return rows,
                Err(error) => codes.push(error.code()),
            }
        }
    });
    let answer = answer.await;
    assert!(answer.is_ok(), "never again: {codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_the_server_ended_are_replaced_before_anybody_gets_them() {
    let fixture = Fixture::new(3).await;
    let all = (
        fixture.open().await,
        fixture.open().await,
        fixture.open().await,
    );
    drop(all);
    for _ in 0..5 {
        fixture.postgres.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'simcube'",
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
        for _ in 0..5 {
            assert_eq!(fixture.customers().await.expect("answered"), 1);
        }
    }
    // In the middle of a transaction the loss is passing.
    let cx = fixture.open().await.expect("opened");
    fixture.postgres.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'simcube'",
    );
    let lost = customers(&cx).await;
    assert_eq!(
        lost.err().map(|error| error.code()),
        Some(Code::Unavailable)
    );
    drop(cx);
    assert_eq!(fixture.customers().await.expect("answered"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_columns_changed_is_prepared_again() {
    let fixture = Fixture::new(2).await;
    let (one, two) = (fixture.open().await, fixture.open().await);
    for cx in [one.expect("opened"), two.expect("opened")] {
        assert_eq!(customers(&cx).await.expect("answered"), 1);
    }
    fixture
        .postgres
        .run("ALTER TABLE customer ALTER COLUMN name TYPE varchar(500)");
    // Whoever meets the change first may try again, and nobody else notices on the other connection.
    let first = fixture.customers().await.map_err(|error| error.code());
    assert_eq!(first, Err(Code::Unavailable));
    let (one, two) = (fixture.open().await, fixture.open().await);
    for cx in [one.expect("opened"), two.expect("opened")] {
        assert_eq!(customers(&cx).await.expect("answered"), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_fails_in_the_middle_leaves_nothing_behind() {
    let fixture = Fixture::new(1).await;
    assert_eq!(fixture.customers().await.expect("answered"), 1);
    for (before, after) in [
        (
            "REVOKE EXECUTE ON FUNCTION set_config FROM public",
            "GRANT EXECUTE ON FUNCTION set_config TO public",
        ),
        (
            "REVOKE SELECT ON version FROM simcube_app",
            "GRANT SELECT ON version TO simcube_app",
        ),
    ] {
        fixture.postgres.run(before);
        for _ in 0..3 {
            let refused = fixture.customers().await.map_err(|error| error.code());
            assert_eq!(refused, Err(Code::Internal), "{before}");
        }
        fixture.postgres.run(after);
        assert_eq!(fixture.customers().await.expect("answered"), 1, "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_may_be_tried_again_and_what_does_not_is_our_fault() {
    let fixture = Fixture::new(1).await;
    for (state, expected) in [
        ("08006", Code::Unavailable),
        ("0A000", Code::Unavailable),
        ("40001", Code::Unavailable),
        ("40P01", Code::Unavailable),
        ("53100", Code::Unavailable),
        ("55P03", Code::Unavailable),
        ("57014", Code::Unavailable),
        ("58030", Code::Unavailable),
        ("22P02", Code::Internal),
        ("25006", Code::Internal),
        ("42501", Code::Internal),
        ("55000", Code::Internal),
    ] {
        fixture.postgres.run(&format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$;
             CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON tenant FOR EACH ROW EXECUTE FUNCTION fail()"
        ));
        let cx = fixture.db.system().await.expect("opened");
        let new = NewTenant {
            slug: "beta".into(),
            name: "Beta".into(),
            simulated: false,
        };
        let refused = tenant::create(&cx, new).await.map_err(|error| error.code());
        assert_eq!(refused.err(), Some(expected), "{state}");
    }
}
