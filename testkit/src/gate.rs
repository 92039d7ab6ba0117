//! A way to ClickHouse on which questions about usage are counted, and wait while it is closed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::{Notify, watch},
};

/// What the address of each such question has, and that of no other statement.
const MARK: &[u8] = b"log_comment=";

/// Longest time that questions are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The way, which is open at first.
pub struct Gate {
    url: String,
    asked: Arc<AtomicU64>,
    is_open: watch::Sender<bool>,
    cut: Arc<Notify>,
}

impl Gate {
    /// A way to the server at this address, `http://127.0.0.1:PORT`.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn before(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, (is_open, opened)) = (Arc::<AtomicU64>::default(), watch::channel(true));
        let cut = Arc::<Notify>::default();
        let (counted, is_cut) = (asked.clone(), cut.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("ClickHouse");
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                let (counted, opened) = (counted.clone(), opened.clone());
                tokio::spawn(pass(from_client, to_server, counted, opened));
                let is_cut = is_cut.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        // Whoever hangs up has had enough.
                        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
                        () = is_cut.notified() => {}
                    }
                });
            }
        });
        Self {
            url: format!("http://{address}"),
            asked,
            is_open,
            cut,
        }
    }

    /// Where it begins, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Questions so far, those that wait included.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// From now on questions wait.
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    /// From now on they do not.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Hangs up, whatever is being answered.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// Waits until there have been so many.
    ///
    /// # Panics
    /// When that takes long.
    pub async fn until_asked(&self, questions: u64) {
        let asked = async {
            while self.asked() < questions {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        asked.unwrap_or_else(|_| panic!("{} of {questions} questions", self.asked()));
    }
}

/// Passes on what is said, and counts the marks in it, wherever reads cut them.
async fn pass(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    asked: Arc<AtomicU64>,
    mut opened: watch::Receiver<bool>,
) {
    let (mut buffer, mut tail) = (vec![0; 65_536], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        tail.extend_from_slice(&buffer[..length]);
        let marks = tail.windows(MARK.len()).filter(|part| *part == MARK);
        let marks = marks.count() as u64;
        let keep = tail.len().min(MARK.len() - 1);
        tail.drain(..tail.len() - keep);
        if marks > 0 {
            asked.fetch_add(marks, Ordering::Relaxed);
            if opened.wait_for(|is_open| *is_open).await.is_err() {
                return;
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
