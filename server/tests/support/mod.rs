//! A real server of the program on fresh databases.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use testkit::{ClickHouseDb, PostgresDb};

/// The program with the tests' stores and nothing else of this environment.
pub(crate) struct Program {
    data: TempDir,
    database: PostgresDb,
    cubes: ClickHouseDb,
}

impl Program {
    pub(crate) fn new() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        Self { data, database: testkit::postgres(), cubes: testkit::clickhouse() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simcube"));
        command
            .args(arguments)
            .current_dir(self.data.path())
            .env_clear()
            .env("DATABASE_URL", self.database.url())
            .env("CLICKHOUSE_URL", format!("{}/{}", self.cubes.url(), self.cubes.database()))
            .env("SIMCUBE_DATA", self.data.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    pub(crate) fn token(&self, tenant: &str, role: &str) -> String {
        self.print(&["token", "--tenant", tenant, "--role", role])
    }

    pub(crate) fn customer_token(&self, tenant: &str, customer: &str) -> String {
        let words = ["token", "--tenant", tenant, "--role", "customer_user", "--customer", customer];
        self.print(&words)
    }

    /// A file of the data folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.data.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).expect("a log")
    }

    /// Starts a server and waits until it says that it is ready.
    pub(crate) fn serve(&self, settings: &[(&str, &str)]) -> Server {
        let log = File::create(self.data.path().join("log")).expect("a log file");
        let mut child = self
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let url = lines.find_map(|line| {
            line.ok()?.strip_prefix("simcube is ready at ").map(str::to_owned)
        });
        let url = url.unwrap_or_else(|| panic!("the server did not start: {}", self.log()));
        Server { child, url }
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn terminate(&self) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let process = rustix::process::Pid::from_raw(id).expect("a process");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("signalled");
    }

    /// Waits for the end and returns the exit code.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<i32> {
        let begun = std::time::Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server still runs after {limit:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
