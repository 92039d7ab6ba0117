//! The engine and its HTTP protocol.

use std::{os::unix::fs::PermissionsExt, process::Command, sync::Arc};

use analytics::{Store, System};
use clickhouse::error::Error;
use engines::clickhouse::{Engine, EngineError, EngineLimits, InProcess, UnixSocket};
use tokio::net::TcpListener;

use crate::{
    empty,
    fleet::{apply, batch, everything, month, now, record, tenant},
    schema,
    shared::{library, shared},
};

#[tokio::test]
async fn a_second_engine_in_one_process_is_refused() {
    let _shared = shared();
    let data = tempfile::tempdir().expect("a folder");
    let refused = Engine::open(&library(), data.path(), EngineLimits::default());
    assert!(matches!(refused, Err(EngineError::AlreadyOpen)));
}

#[tokio::test]
async fn the_engine_answers_in_process_over_a_socket_and_over_tcp() {
    let shared = shared();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("ch.sock");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let stopping = || {
        let mut stopped = stopped.clone();
        async move {
            stopped.wait_for(|stop| *stop).await.expect("a stop");
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let tcp = tokio::spawn(Arc::clone(&shared).serve_tcp(listener, stopping()));
    let unix = {
        let (engine, socket, stopping) = (Arc::clone(&shared), socket.clone(), stopping());
        tokio::spawn(async move { engine.serve_unix(&socket, stopping).await })
    };
    while !socket.exists() {
        tokio::task::yield_now().await;
    }
    let mode = socket.metadata().expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner may connect");

    let database = empty().await.database().to_owned();
    let here = Store::embedded(InProcess(Arc::clone(&shared)));
    whole_path(&here.with_database(&database)).await;
    let beside = || Store::embedded(UnixSocket(socket.as_path().into()));
    whole_path(&beside().with_database(&database)).await;
    whole_path(&Store::remote(&format!("{url}/{database}")).expect("a URL")).await;

    stop.send(true).expect("listeners");
    tcp.await.expect("no panic");
    unix.await.expect("no panic").expect("a clean end");
    assert!(!socket.exists(), "the socket is removed");
    let gone = beside().ping().await.expect_err("nobody listens");
    assert_eq!(gone.code(), domain::Code::Unavailable);
}

/// From an empty database to a count and back, the same wherever the engine is.
async fn whole_path(store: &Store) {
    let system = System::new(now());
    store.ping().await.expect("an answer");
    assert_eq!(
        store.migrate(&schema()).await.expect("up"),
        [0, 1, 2, 3, 4, 5]
    );
    let batch = batch();
    apply(store, batch, &[record(tenant(), batch, 1, month(1))]).await;
    let counts = everything(store).await;
    assert!(counts.iter().all(|count| count.records == 1), "{counts:?}");
    assert_eq!(
        store.revert(&system, &schema(), 0).await.expect("down"),
        [5, 4, 3, 2, 1, 0]
    );
}

#[tokio::test]
async fn rows_of_a_failed_statement_never_show_up_in_another() {
    let store = empty().await;
    let fails = "SELECT throwIf(number = 300000, 'stop here') AS a, number FROM numbers(1000000) SETTINGS max_block_size = 1000";
    for _ in 0..5 {
        let mut cursor = store
            .raw()
            .query_raw(fails)
            .fetch::<(u8, u64)>()
            .expect("a statement");
        let mut rows = 0_u64;
        let error = loop {
            match cursor.next().await {
                Ok(Some((_, number))) => {
                    assert_eq!(number, rows, "rows in order, none invented");
                    rows += 1;
                }
                Ok(None) => panic!("a failed statement must not end well"),
                Err(error) => break error,
            }
        };
        assert!(rows > 0, "it failed after its first rows");
        assert!(
            matches!(&error, Error::BadResponse(text) if text.contains("stop here")),
            "{error}"
        );
        let after: Vec<u64> = store
            .raw()
            .query_raw("SELECT toUInt64(7)")
            .fetch_all()
            .await
            .expect("an answer");
        assert_eq!(after, [7]);
    }
}

#[tokio::test]
async fn a_stream_of_many_blocks_has_one_header_and_an_empty_one_too() {
    let store = empty().await;
    let many = "SELECT number FROM numbers(200000) SETTINGS max_block_size = 999";
    let rows: Vec<u64> = store.raw().query_raw(many).fetch_all().await.expect("rows");
    assert!(rows.into_iter().eq(0..200_000));
    let none = "SELECT number FROM numbers(10) WHERE number > 10";
    assert_eq!(
        store
            .raw()
            .query_raw(none)
            .fetch_all::<u64>()
            .await
            .expect("no rows"),
        [0_u64; 0]
    );
    let mut lines = store
        .raw()
        .query_raw(many)
        .fetch_bytes("JSONEachRow")
        .expect("a statement");
    let text = lines.collect().await.expect("lines");
    assert_eq!(String::from_utf8_lossy(&text).lines().count(), 200_000);
}

#[tokio::test]
async fn parameters_arrive_as_they_were_given() {
    let store = empty().await;
    for text in [
        "",
        "plain",
        "it's",
        r"back\slash",
        "`tick`",
        "naïve ☃",
        "{p0:String}",
        "--B\r\n",
        "tab\tand\nline",
    ] {
        let echoed: String = store
            .raw()
            .query_raw("SELECT {p0:String}")
            .param("p0", text)
            .fetch_one()
            .await
            .unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(echoed, text);
    }
    for text in [
        "",
        "plain",
        "it's",
        r"back\slash",
        "`tick`",
        "naïve ☃",
        "') OR 1 --",
        "a,b][",
    ] {
        let found: u8 = store
            .raw()
            .query_raw("SELECT {p1:String} IN {p0:Array(String)}")
            .param("p0", vec![text, "other"])
            .param("p1", text)
            .fetch_one()
            .await
            .unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(found, 1, "{text:?}");
    }
}

#[tokio::test]
async fn memory_and_time_are_bounded_whatever_a_client_asks() {
    let store = empty().await;
    let client = store
        .raw()
        .with_setting("max_memory_usage", "0")
        .with_setting("max_execution_time", "0");
    let value: String = client
        .query_raw("SELECT value FROM system.settings WHERE name = 'max_memory_usage'")
        .fetch_one()
        .await
        .expect("a setting");
    assert_eq!(value, EngineLimits::default().statement_bytes.to_string());
    let greedy =
        "SELECT length(groupArray(repeat('x', 1000) || toString(number))) FROM numbers(100000000)";
    let error = client
        .query_raw(greedy)
        .fetch_one::<u64>()
        .await
        .expect_err("too much");
    assert!(
        error.to_string().contains("MEMORY_LIMIT_EXCEEDED"),
        "{error}"
    );
    let slow = store.raw().with_setting("max_execution_time", "1");
    let error = slow
        .query_raw("SELECT sleepEachRow(0.1) FROM numbers(100) SETTINGS max_block_size = 1")
        .execute()
        .await;
    assert!(error.is_err_and(|error| error.to_string().contains("TIMEOUT_EXCEEDED")));
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_stopped() {
    let store = empty().await;
    let endless = "SELECT number FROM system.numbers";
    for _ in 0..20 {
        let mut cursor = store
            .raw()
            .query_raw(endless)
            .fetch::<u64>()
            .expect("a statement");
        assert_eq!(cursor.next().await.expect("a row"), Some(0));
    }
    // More than run at the same time: all but a few must have been stopped for this one to get a place.
    Store::remote(store.shared.url())
        .expect("a URL")
        .ping()
        .await
        .expect("an answer");
}

#[tokio::test]
async fn a_broken_insert_leaves_nothing_and_says_why() {
    let store = empty().await;
    store
        .run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        .await;
    let mut insert = store
        .raw()
        .insert_formatted_with("INSERT INTO t FORMAT RowBinary");
    insert.send(vec![0_u8; 20].into()).await.expect("sent");
    let error = insert
        .end()
        .await
        .expect_err("20 bytes are two and a half numbers");
    assert!(error.to_string().contains("Code: 33"), "{error}");
    assert_eq!(
        store
            .raw()
            .query_raw("SELECT count() FROM t")
            .fetch_one::<u64>()
            .await
            .expect("a count"),
        0
    );
    let missing = store
        .raw()
        .query_raw("SELECT * FROM missing")
        .execute()
        .await
        .expect_err("no such table");
    assert!(missing.to_string().contains("UNKNOWN_TABLE"), "{missing}");
}

/// The second process of the two tests below: opens the engine as asked and reports the outcome.
#[test]
#[ignore = "run by other tests in a process of its own"]
#[expect(
    clippy::disallowed_methods,
    reason = "the other test speaks to it through the environment"
)]
fn second_process() {
    let Some(data) = std::env::var_os("SECOND_PROCESS_DATA") else {
        return;
    };
    match Engine::open(&library(), data.as_ref(), EngineLimits::default()) {
        Err(error) => println!("refused: {error}"),
        Ok(engine) => {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let store = Store::embedded(InProcess(engine.clone())).with_database("default");
                store.migrate(&schema()).await.expect("the schema");
                println!("opened");
                engine.close().await;
                engine.close().await;
                assert_eq!(
                    store.ping().await.map_err(|e| e.code()),
                    Err(domain::Code::Unavailable)
                );
            });
            drop(engine);
            let again = Engine::open(&library(), data.as_ref(), EngineLimits::default());
            println!("again: {}", again.is_ok());
        }
    }
}

fn second(data: &std::path::Path) -> String {
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args([
            "engine::second_process",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("SECOND_PROCESS_DATA", data)
        .output()
        .expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn a_folder_in_use_is_refused_with_a_sentence() {
    let _shared = shared();
    let data = tempfile::tempdir().expect("a folder");
    let lock = std::fs::File::create(data.path().join("engine.lock")).expect("a file");
    lock.lock().expect("a lock");
    let text = second(data.path());
    assert!(
        text.contains("refused: the ClickHouse data in")
            && text.contains("is in use by another process"),
        "{text}"
    );
}

#[test]
fn a_closed_engine_leaves_its_folder_to_the_next_and_may_be_opened_again() {
    let data = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let text = second(data.path());
        assert!(
            text.contains("opened") && text.contains("again: true"),
            "{text}"
        );
    }
}
