//! A place in a bucket of a real S3 server per test, and a server of a test's own that can be killed.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{address, unique};

/// What `engines/s3/run` lets in, and the bucket that it makes.
const KEY: &str = "simcube";
const SECRET: &str = "simcube-secret";
const BUCKET: &str = "exports";

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A place of one test in a bucket.
pub struct Bucket {
    endpoint: String,
    data: PathBuf,
    prefix: String,
}

impl Bucket {
    /// A place that no other test uses.
    fn at(endpoint: String, data: PathBuf) -> Self {
        // Needed to build a client at all, though no test speaks TLS; a second installation is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            endpoint,
            data,
            prefix: unique("test"),
        }
    }

    /// Where it is, `s3://BUCKET/PREFIX`.
    pub fn url(&self) -> String {
        format!("s3://{BUCKET}/{}", self.prefix)
    }

    /// AWS's variables of the environment that lead there.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }

    /// What the server has of this place on its disk: finished files, and each part of those that are not.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.data.join(BUCKET), &mut found);
        let here = |path: &PathBuf| path.to_string_lossy().contains(&self.prefix);
        found.into_iter().filter(here).collect()
    }
}

/// Files below a folder. What goes meanwhile is not there.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A place on the tests' server.
///
/// # Panics
/// When `./dev test` did not start it.
pub fn bucket() -> Bucket {
    let data = address("SIMCUBE_TEST_S3_DATA");
    Bucket::at(address("SIMCUBE_TEST_S3_URL"), data.into())
}

/// A server of a test's own. It is killed with this value.
pub struct S3Server {
    state: TempDir,
    port: u16,
    process: Child,
}

impl S3Server {
    /// Starts it, with an empty bucket.
    ///
    /// # Panics
    /// When it is missing (`engines/s3/fetch` fetches it) or does not start.
    pub async fn start() -> Self {
        let state = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let process = run(state.path(), port).await;
        Self {
            state,
            port,
            process,
        }
    }

    /// A place in its bucket.
    pub fn bucket(&self) -> Bucket {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        Bucket::at(endpoint, self.state.path().join("data"))
    }

    /// Ends it without a chance to do anything.
    ///
    /// # Panics
    /// When it is gone.
    pub fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("a process");
    }

    /// Starts it again where it was, with all that it has.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.process = run(self.state.path(), self.port).await;
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // It may be gone already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Runs a server, and returns when it takes connections.
async fn run(state: &Path, port: u16) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../engines/s3/run");
    let engines = address("SIMCUBE_ENGINES");
    let log = state.join("log");
    let mut command = Command::new(script);
    command.arg(state).arg(port.to_string());
    command.arg(Path::new(&engines).join("s3"));
    command.stdout(Stdio::null());
    command.stderr(File::create(&log).expect("a log"));
    let mut process = command.spawn().expect("the script runs");
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = process.try_wait().expect("a process");
        if ended.is_some() || begun.elapsed() > PATIENCE {
            let said = fs::read_to_string(&log).unwrap_or_default();
            panic!("the S3 server did not start: {said}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    process
}
