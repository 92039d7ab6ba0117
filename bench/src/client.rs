//! An HTTP client that costs as little as possible, and the loop that measures requests per second with it.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

/// Requests of one kind, sent in turn.
#[derive(Clone, Debug)]
pub(crate) struct Shots {
    /// Where to.
    pub(crate) address: SocketAddr,
    /// Path of the URL.
    pub(crate) path: &'static str,
    /// Media type of the bodies.
    pub(crate) content_type: &'static str,
    /// Bearer token.
    pub(crate) token: String,
    /// The bodies.
    pub(crate) bodies: Arc<Vec<Bytes>>,
}

/// A connection that is kept open.
pub(crate) struct Connection(http1::SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects over TCP.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        Self::over(stream).await
    }

    /// Speaks HTTP over a stream.
    pub(crate) async fn over(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its end shows in the next request.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Sends one request and reads the whole answer, which has to be 200.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        self.0.ready().await?;
        let (head, body) = self.0.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status != StatusCode::OK {
            bail!(
                "answered {}: {}",
                head.status,
                String::from_utf8_lossy(&body)
            );
        }
        Ok(Response::from_parts(head, body))
    }

    /// Sends the `n`th request of a kind.
    pub(crate) async fn shoot(&mut self, shots: &Shots, n: usize) -> Result<Bytes> {
        Ok(self.send(shots.request(n)?).await?.into_body())
    }
}

impl Shots {
    fn request(&self, n: usize) -> Result<Request<Full<Bytes>>> {
        let body = self.bodies[n % self.bodies.len()].clone();
        let request = Request::post(self.path)
            .header(header::HOST, "127.0.0.1")
            .header(header::CONTENT_TYPE, self.content_type)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        Ok(request.body(Full::new(body))?)
    }

    /// Requests per second over so many connections, each sending the next request when it has the last answer. The
    /// client has a thread of its own.
    pub(crate) async fn per_second(&self, connections: usize, time: Duration) -> Result<f64> {
        let shots = self.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(hammer(&shots, connections, time))
        });
        thread.await?
    }
}

async fn hammer(shots: &Shots, connections: usize, time: Duration) -> Result<f64> {
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(shots.address).await?);
    }
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (place, mut connection) in opened.into_iter().enumerate() {
        let shots = shots.clone();
        running.spawn(async move {
            // Everybody begins somewhere else in the list.
            let mut n = place * 7;
            let mut sent = 0_u32;
            while started.elapsed() < time {
                connection.shoot(&shots, n).await?;
                n += 1;
                sent += 1;
            }
            anyhow::Ok(sent)
        });
    }
    let mut sent = 0.0;
    while let Some(finished) = running.join_next().await {
        sent += f64::from(finished??);
    }
    Ok(sent / started.elapsed().as_secs_f64())
}
