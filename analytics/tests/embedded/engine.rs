//! The engine and its HTTP protocol.

use analytics::{Engine, EngineError, EngineLimits, Store};
use tokio::net::TcpListener;

use crate::{engine, library};

#[tokio::test]
async fn a_second_engine_in_one_process_is_refused() {
    let _ = engine();
    let data = tempfile::tempdir().expect("a folder");
    let refused = Engine::open(&library(), data.path(), EngineLimits::default());
    assert!(matches!(refused, Err(EngineError::AlreadyOpen)));
}

#[tokio::test]
async fn the_engine_answers_in_process_over_a_socket_and_over_tcp() {
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
    let tcp = tokio::spawn(engine().clone().serve_tcp(listener, stopping()));
    let unix = {
        let (engine, socket, stopping) = (engine().clone(), socket.clone(), stopping());
        tokio::spawn(async move { engine.serve_unix(&socket, stopping).await })
    };
    while !socket.exists() {
        tokio::task::yield_now().await;
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = socket.metadata().expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner may connect");

    Store::embedded(engine()).ping().await.expect("in process");
    Store::unix(&socket).ping().await.expect("over the socket");
    Store::remote(&url)
        .expect("a URL")
        .ping()
        .await
        .expect("over TCP");

    stop.send(true).expect("listeners");
    tcp.await.expect("no panic");
    unix.await.expect("no panic").expect("a clean end");
    assert!(!socket.exists(), "the socket is removed");
    let gone = Store::unix(&socket)
        .ping()
        .await
        .expect_err("nobody listens");
    assert_eq!(gone.code(), domain::Code::Unavailable);
}
