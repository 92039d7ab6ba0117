//! How a ClickHouse client reaches an engine without TCP: through memory, or through a Unix socket.

use std::{
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::{Uri, rt::ReadBufCursor};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{io::DuplexStream, net::UnixStream};
use tower_service::Service;

use super::{Engine, serve};

/// Bytes in flight in each direction of an in-memory connection.
const PIPE_BYTES: usize = 512 * 1024;

/// Connects to the engine in this process.
#[derive(Clone)]
pub struct InProcess(pub Arc<Engine>);

impl Service<Uri> for InProcess {
    type Response = Stream<DuplexStream>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        let engine = self.0.clone();
        tokio::spawn(
            async move { serve::connection(engine, server, std::future::pending()).await },
        );
        std::future::ready(Ok(Stream(TokioIo::new(client))))
    }
}

/// Connects to the process that holds the engine, by the path of its socket.
#[derive(Clone)]
pub struct UnixSocket(pub Arc<Path>);

impl Service<Uri> for UnixSocket {
    type Response = Stream<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { Ok(Stream(TokioIo::new(UnixStream::connect(&path).await?))) })
    }
}

/// A byte stream that the HTTP client accepts as a connection.
pub struct Stream<T>(TokioIo<T>);

impl<T> Connection for Stream<T> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<T: tokio::io::AsyncRead + Unpin> hyper::rt::Read for Stream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<T: tokio::io::AsyncWrite + Unpin> hyper::rt::Write for Stream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
