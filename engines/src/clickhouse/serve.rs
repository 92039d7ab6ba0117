//! Listening for other processes.

use std::{
    convert::Infallible, fs, future::Future, io, os::unix::fs::PermissionsExt, path::Path,
    pin::pin, sync::Arc, time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::watch,
    task::JoinSet,
};

use super::{Engine, http};

/// Largest piece of an HTTP message that is buffered.
const BUFFER_BYTES: usize = 512 * 1024;

impl Engine {
    /// Serves the ClickHouse HTTP protocol on a Unix socket until `shutdown` completes; statements that run by
    /// then finish first. The socket is readable by its owner only and is removed at the end.
    ///
    /// # Errors
    /// When the socket cannot be made, such as for a path longer than the system allows (about 100 bytes).
    pub async fn serve_unix(
        self: Arc<Self>,
        path: &Path,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let listener = bind_private(path)?;
        self.serve(
            || async { listener.accept().await.map(|(stream, _)| stream) },
            shutdown,
        )
        .await;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Serves the ClickHouse HTTP protocol on a TCP listener until `shutdown` completes. There is no
    /// authentication: bind a loopback address.
    pub async fn serve_tcp(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let accept = || async {
            let (stream, _) = listener.accept().await?;
            // Small answers wait for nothing.
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        self.serve(accept, shutdown).await;
    }

    async fn serve<S, A, F>(self: Arc<Self>, accept: A, shutdown: impl Future<Output = ()> + Send)
    where
        A: Fn() -> F,
        F: Future<Output = io::Result<S>>,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                stream = accept() => match stream {
                    Ok(stream) => {
                        let mut stopped = stopped.clone();
                        let stop = async move {
                            // An error means that the sender was dropped, which is a stop as well.
                            let _ = stopped.wait_for(|stop| *stop).await;
                        };
                        connections.spawn(connection(self.clone(), stream, stop));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the embedded engine could not accept a connection");
                        // Out of file handles, most likely: let some be returned.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        stop.send_replace(true);
        while connections.join_next().await.is_some() {}
    }
}

/// Serves one connection until the peer closes it, or until `stop` and the end of the request in flight.
pub(super) async fn connection<S>(
    engine: Arc<Engine>,
    stream: S,
    stop: impl Future<Output = ()> + Send,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let engine = engine.clone();
        async move { Ok::<_, Infallible>(http::handle(engine, request).await) }
    });
    let served = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let mut stop = pin!(stop);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = &mut stop => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        // A client that went away, or an answer that was cut off on purpose after an exception.
        tracing::debug!(%error, "a connection to the embedded engine ended early");
    }
}

/// Binds a socket that nobody but the owner could ever connect to: it gets its name after its permissions.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let mut hidden = path.as_os_str().to_owned();
    hidden.push(".new");
    let hidden = Path::new(&hidden);
    match fs::remove_file(hidden) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(hidden)?;
    fs::set_permissions(hidden, fs::Permissions::from_mode(0o600))?;
    fs::rename(hidden, path)?;
    Ok(listener)
}
