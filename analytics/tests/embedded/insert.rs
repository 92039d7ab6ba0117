//! Inserts whose sender goes away: none of their rows may be there.

use std::sync::Arc;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
};

use crate::{Db, empty};

/// Rows that are sent, of a byte each, so that the body ends between two rows wherever it is cut. More than all buffers
/// on the way hold: when they are sent, the engine has most of them.
const ROWS: usize = 8 << 20;

async fn table() -> Db {
    let db = empty().await;
    db.run("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        .await;
    db
}

/// One block, as records are inserted: the engine keeps every block that was whole before the break.
const ONE_BLOCK: &str = "max_insert_block_size=100000000&min_insert_block_size_rows=100000000&min_insert_block_size_bytes=0";

/// Begins an insert of which [`ROWS`] rows are sent.
async fn begin(db: &Db, stream: &mut (impl AsyncWrite + Unpin), length: &str) {
    let head = format!(
        "POST /?database={}&query=INSERT%20INTO%20t%20FORMAT%20RowBinary&{ONE_BLOCK} HTTP/1.1\r\nhost: here\r\n{length}\r\n\r\n",
        db.database()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    if length.starts_with("transfer-encoding") {
        let size = format!("{ROWS:x}\r\n");
        stream.write_all(size.as_bytes()).await.expect("sent");
    }
    stream.write_all(&vec![7; ROWS]).await.expect("sent");
    until_inserts(db, 1).await;
}

/// Waits until so many inserts run in the test's database.
async fn until_inserts(db: &Db, count: u64) {
    loop {
        let running: u64 = db
            .raw()
            .query_raw(
                "SELECT count() FROM system.processes \
                 WHERE current_database = currentDatabase() AND query_kind = 'Insert'",
            )
            .fetch_one()
            .await
            .expect("a count");
        if running == count {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Rows that are there when the insert is over.
async fn rows(db: &Db) -> u64 {
    until_inserts(db, 0).await;
    let count = db.raw().query_raw("SELECT count() FROM t").fetch_one();
    count.await.expect("a count")
}

const CHUNKED: &str = "transfer-encoding: chunked";
/// More than is sent.
const LONGER: &str = "content-length: 20000000";

fn address(db: &Db) -> String {
    db.shared.url().replace("http://", "")
}

#[tokio::test]
async fn an_insert_is_finished_by_its_end() {
    let db = table().await;
    let mut stream = TcpStream::connect(address(&db)).await.expect("connected");
    begin(&db, &mut stream, CHUNKED).await;
    stream.write_all(b"\r\n0\r\n\r\n").await.expect("sent");
    assert_eq!(status(&mut stream).await, "200");
    assert_eq!(rows(&db).await, ROWS as u64);
}

/// The status of an answer.
async fn status(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    String::from_utf8_lossy(&head[9..]).into_owned()
}

#[tokio::test]
async fn an_insert_whose_client_closes_the_connection_leaves_nothing() {
    for length in [CHUNKED, LONGER] {
        let db = table().await;
        let mut stream = TcpStream::connect(address(&db)).await.expect("connected");
        begin(&db, &mut stream, length).await;
        drop(stream);
        assert_eq!(rows(&db).await, 0, "{length}, closed");

        let mut stream = TcpStream::connect(address(&db)).await.expect("connected");
        begin(&db, &mut stream, length).await;
        // No more will be sent, but the answer is waited for.
        stream.shutdown().await.expect("shut");
        let mut answer = Vec::new();
        // What it says, if anything, is not the point; an end of the connection is.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{length}");
        assert_eq!(rows(&db).await, 0, "{length}, half closed");
    }
}

#[tokio::test]
async fn an_insert_whose_request_is_dropped_leaves_nothing() {
    let db = table().await;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("ch.sock");
    let served = {
        let (engine, socket) = (Arc::clone(&db.shared), socket.clone());
        tokio::spawn(async move {
            engine
                .serve_unix(&socket, std::future::pending::<()>())
                .await
        })
    };
    let mut stream = loop {
        match UnixStream::connect(&socket).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    begin(&db, &mut stream, CHUNKED).await;
    served.abort();
    assert!(served.await.is_err(), "the listener is gone");
    assert_eq!(rows(&db).await, 0);

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let served =
        tokio::spawn(Arc::clone(&db.shared).serve_tcp(listener, std::future::pending::<()>()));
    let mut stream = TcpStream::connect(address).await.expect("connected");
    begin(&db, &mut stream, LONGER).await;
    served.abort();
    assert!(served.await.is_err(), "the listener is gone");
    assert_eq!(rows(&db).await, 0);
}
