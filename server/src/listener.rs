//! Accepting connections, and stopping without dropping anyone: no new connections, requests in flight finish or
//! are answered 503, then it returns.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use crate::{refused::Refused, stop::Stop};

/// A client has this long to send its request's head.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// After the grace period, requests that are cut short have this long to be answered.
const CUT_TIME: Duration = Duration::from_secs(2);

/// Whether an address in the form HOST:PORT can be reached from this machine only.
pub fn is_loopback(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    is_loopback_host(host)
}

/// Whether a host, by name or address, is this machine.
pub fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Takes the address, or says in a sentence why it cannot be had.
///
/// # Errors
/// [`Refused`] when the address is malformed, in use or not ours.
pub async fn bind(listen: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Refused(match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!(
                    "{listen} is in use by another program; choose another with --listen HOST:PORT"
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{listen} is not an address of this machine")
            }
            io::ErrorKind::PermissionDenied => {
                format!("this user may not listen on {listen}; ports below 1024 belong to root")
            }
            _ => format!("cannot listen on {listen}: expected HOST:PORT ({error})"),
        })
    })?;
    Ok(listener)
}

/// Serves until `stop` is asked for, then lets requests in flight finish for `grace`.
///
/// # Errors
/// When the listener's own address cannot be read.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: usize,
    stop: Stop,
    grace: Duration,
) -> Result<()> {
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let places = Arc::new(Semaphore::new(connections));
    let (closing, closed) = watch::channel(());
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place.context("the listener was closed")?,
            () = stop.asked() => break,
        };
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            () = stop.asked() => break,
        };
        match stream {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), stop.clone());
                let closed = closed.clone();
                tokio::spawn(async move {
                    connection.await;
                    drop((place, closed));
                });
            }
            Err(error) => accept_failed(&error, address).await,
        }
    }
    drop((listener, closed));
    if tokio::time::timeout(grace, closing.closed()).await.is_err() {
        stop.cut();
        tokio::time::timeout(CUT_TIME, closing.closed()).await.ok();
    }
    Ok(())
}

async fn connection(stream: TcpStream, router: Router, stop: Stop) {
    stream.set_nodelay(true).ok();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100);
    let service = TowerToHyperService::new(router);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = serving.as_mut() => outcome,
        () = stop.asked() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// One client's broken connection is no reason to wait; a machine out of file descriptors is.
async fn accept_failed(error: &io::Error, address: SocketAddr) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        tracing::error!(%error, %address, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_loopback() {
        for here in ["127.0.0.1:8080", "127.9.9.9:1", "localhost:0", "[::1]:8080"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "0.0.0.0:8080",
            "[::]:1",
            "10.0.0.1:1",
            "127.0.0.1.example:1",
            ":8080",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
