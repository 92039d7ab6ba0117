//! An HTTP client that costs as little as possible, and the loop that measures requests per second with it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use tokio::{net::TcpStream, task::JoinSet};

use crate::report::median;

/// The body of the `n`th request of the connection at `place`.
pub(crate) type Bodies = Arc<dyn Fn(usize, usize) -> Bytes + Send + Sync>;

/// Requests of one kind, sent in turn.
#[derive(Clone)]
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
    pub(crate) bodies: Bodies,
}

/// These bodies in turn, again and again; everybody begins somewhere else in the list.
pub(crate) fn repeated(bodies: Vec<Bytes>) -> Bodies {
    Arc::new(move |place, n| bodies[(place * 7 + n) % bodies.len()].clone())
}

/// These JSON bodies in other bytes each time, so that nobody can have kept an answer: spaces and tabs at the end say how many were
/// sent before, which is counted in `sent` for all that are asked of one server.
pub(crate) fn in_other_bytes(bodies: Bodies, sent: Arc<AtomicUsize>) -> Bodies {
    Arc::new(move |place, n| {
        let sent = sent.fetch_add(1, Ordering::Relaxed);
        let mut body = bodies(place, n).to_vec();
        let bits = (0..usize::BITS).map(|bit| sent >> bit & 1);
        body.extend(bits.map(|bit| if bit == 0 { b' ' } else { b'\t' }));
        body.into()
    })
}

/// The bodies `0..count` in an order of chance, whoever sends: none comes again before all the others have, so nobody can have
/// kept its answer.
pub(crate) fn never_again(
    count: usize,
    seed: u64,
    body: impl Fn(usize) -> Bytes + Send + Sync + 'static,
) -> Bodies {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let next = AtomicUsize::new(0);
    Arc::new(move |_, _| body(order[next.fetch_add(1, Ordering::Relaxed) % order.len()]))
}

/// What requests over some time came to.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// How long each took to be answered 200, with all repetitions, seconds.
    latencies: Vec<f64>,
    /// How long all of it took, seconds.
    time: f64,
}

impl Measured {
    /// Requests answered 200 per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.count() / self.time
    }

    /// Requests answered 200.
    pub(crate) fn count(&self) -> f64 {
        self.latencies.iter().map(|_| 1.0).sum()
    }

    /// The time in which half were answered, milliseconds.
    pub(crate) fn p50(&self) -> f64 {
        median(&self.latencies) * 1_000.0
    }

    /// The time in which 95 of 100 were answered, milliseconds.
    pub(crate) fn p95(&self) -> f64 {
        p95(self.latencies.clone()) * 1_000.0
    }
}

/// The value that 95 of 100 do not exceed.
pub(crate) fn p95(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() * 95).div_ceil(100).saturating_sub(1);
    values.get(place).copied().unwrap_or(f64::NAN)
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
        let answer = self.ask(request).await?;
        if answer.status() != StatusCode::OK {
            bail!(
                "answered {}: {}",
                answer.status(),
                String::from_utf8_lossy(answer.body())
            );
        }
        Ok(answer)
    }

    /// Sends one request and reads the whole answer, whatever it is.
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        self.0.ready().await?;
        let (head, body) = self.0.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Sends the `n`th request of a kind.
    pub(crate) async fn shoot(&mut self, shots: &Shots, n: usize) -> Result<Bytes> {
        Ok(self.send(shots.request(0, n)?).await?.into_body())
    }

    /// Sends the `n`th request at `place` until it is answered 200 or `deadline` has passed: a sender that is turned away
    /// comes again. Returns how long it took, in seconds.
    async fn insist(
        &mut self,
        shots: &Shots,
        (place, n): (usize, usize),
        deadline: Instant,
    ) -> Result<Option<f64>> {
        const PAUSE: Duration = Duration::from_millis(20);
        let started = Instant::now();
        loop {
            let answer = self.ask(shots.request(place, n)?).await?;
            match answer.status() {
                StatusCode::OK => return Ok(Some(started.elapsed().as_secs_f64())),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {}
                status => bail!(
                    "answered {status}: {}",
                    String::from_utf8_lossy(answer.body())
                ),
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Shots {
    fn request(&self, place: usize, n: usize) -> Result<Request<Full<Bytes>>> {
        let request = Request::post(self.path)
            .header(header::HOST, "127.0.0.1")
            .header(header::CONTENT_TYPE, self.content_type)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        Ok(request.body(Full::new((self.bodies)(place, n)))?)
    }

    /// Requests over so many connections for some time, each sending the next one when it has the last answer. The client
    /// has a thread of its own.
    pub(crate) async fn measure(&self, connections: usize, time: Duration) -> Result<Measured> {
        let shots = self.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(hammer(&shots, connections, time))
        });
        thread.await?
    }

    /// Requests per second over so many connections.
    pub(crate) async fn per_second(&self, connections: usize, time: Duration) -> Result<f64> {
        Ok(self.measure(connections, time).await?.per_second())
    }
}

async fn hammer(shots: &Shots, connections: usize, time: Duration) -> Result<Measured> {
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(shots.address).await?);
    }
    let started = Instant::now();
    let deadline = started + time;
    let mut running = JoinSet::new();
    for (place, mut connection) in opened.into_iter().enumerate() {
        let shots = shots.clone();
        running.spawn(async move {
            let mut latencies = Vec::new();
            for n in 0.. {
                if Instant::now() > deadline {
                    break;
                }
                latencies.extend(connection.insist(&shots, (place, n), deadline).await?);
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(finished) = running.join_next().await {
        latencies.extend(finished??);
    }
    let time = started.elapsed().as_secs_f64();
    Ok(Measured { latencies, time })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ninety_five_of_a_hundred_do_not_exceed_it() {
        let values = (1..=100).rev().map(f64::from).collect();
        assert!((p95(values) - 95.0).abs() < 1e-9);
        assert!((p95(vec![7.0]) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_body_comes_again_when_all_others_have() {
        let bodies = never_again(100, 7, |n| Bytes::from(n.to_string()));
        let turn = || -> Vec<Bytes> { (0..100).map(|n| bodies(n % 3, n)).collect() };
        let (first, second) = (turn(), turn());
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), 100);
        assert_eq!(first, second);
    }
}
