//! A server of a test's own, run by a script of `engines`, that can be killed and started again.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::address;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// It is killed with this value.
pub(crate) struct Server {
    engine: &'static str,
    state: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// A server on a port that it will have, which does not run yet. `engine` is its folder in `engines`.
    pub(crate) fn new(engine: &'static str) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        Self {
            engine,
            state,
            port,
            process: None,
        }
    }

    /// Where it keeps what it has.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, with all that it had, and returns when it takes connections.
    ///
    /// # Panics
    /// When it is missing (`engines/ENGINE/fetch` fetches it) or does not start.
    pub(crate) async fn start(&mut self) {
        let engine = self.engine;
        let script = format!("{}/../engines/{engine}/run", env!("CARGO_MANIFEST_DIR"));
        let engines = address("SIMCUBE_ENGINES");
        let log = self.state().join("log");
        let mut command = Command::new(script);
        command.arg(self.state()).arg(self.port.to_string());
        command.arg(Path::new(&engines).join(engine));
        command.stdout(Stdio::null());
        command.stderr(File::create(&log).expect("a log"));
        let process = self
            .process
            .insert(command.spawn().expect("the script runs"));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = process.try_wait().expect("a process");
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let said = fs::read_to_string(&log).unwrap_or_default();
                panic!("{engine} did not start: {said}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it without a chance to do anything.
    ///
    /// # Panics
    /// When it does not run.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("a process");
        process.kill().expect("killed");
        process.wait().expect("a process");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}
