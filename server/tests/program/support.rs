//! A real server of the program on fresh databases.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock as _, SystemClock};
use server::auth::{DevelopmentKey, development::Claims};
use tempfile::TempDir;
use testkit::{ClickHouseDb, Held, PostgresDb};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Child,
};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_simcube");

/// The program among the mounts of another process.
fn within(process: Option<u32>) -> Command {
    let mut command = Command::new("/usr/bin/nsenter");
    command.arg(format!("--target={}", process.expect("a process")));
    if !rustix::process::getuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    command.args(["--mount", "--wd=/", PROGRAM]);
    command
}

/// The program with stores of its own and nothing else of this environment.
pub(crate) struct Program {
    data: TempDir,
    stores: Stores,
}

/// Where the program keeps what it knows.
enum Stores {
    /// On the tests' servers.
    Shared {
        database: PostgresDb,
        cubes: ClickHouseDb,
    },
    /// On servers of one test, of Postgres and of ClickHouse.
    Own([String; 2]),
    /// On private engines, as a user who names no server has them.
    Private {
        engines: PathBuf,
        /// The process whose mounts commands see, if it is not the test itself.
        mounts_of: OnceLock<u32>,
    },
}

impl Program {
    /// On the tests' servers.
    pub(crate) fn new() -> Self {
        Self::on(Stores::Shared {
            database: testkit::postgres(),
            cubes: testkit::clickhouse(),
        })
    }

    /// On servers at these addresses, of Postgres and of ClickHouse.
    pub(crate) fn at(servers: [String; 2]) -> Self {
        Self::on(Stores::Own(servers))
    }

    /// On private engines.
    #[expect(clippy::disallowed_methods, reason = "`./dev test` names the folder")]
    pub(crate) fn private() -> Self {
        let engines = std::env::var_os("SIMCUBE_ENGINES")
            .expect("SIMCUBE_ENGINES is not set: run ./dev test, which fetches the engines");
        Self::on(Stores::Private {
            engines: engines.into(),
            mounts_of: OnceLock::new(),
        })
    }

    fn on(stores: Stores) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        // As root, Postgres runs as somebody else, who must be able to pass.
        fs::set_permissions(data.path(), Permissions::from_mode(0o711)).expect("permissions");
        Self { data, stores }
    }

    /// Where private engines keep their files.
    pub(crate) fn engines_data(&self) -> PathBuf {
        self.data.path().join("data")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.stores {
            Stores::Private { mounts_of, .. } if mounts_of.get().is_some() => {
                within(mounts_of.get().copied())
            }
            _ => Command::new(PROGRAM),
        };
        command
            .args(arguments)
            .current_dir(self.data.path())
            .env_clear();
        match &self.stores {
            Stores::Shared { database, cubes } => command
                .env("DATABASE_URL", database.url())
                .env(
                    "CLICKHOUSE_URL",
                    format!("{}/{}", cubes.url(), cubes.database()),
                )
                .env("SIMCUBE_DATA", self.data.path()),
            Stores::Own([database, cubes]) => command
                .env("DATABASE_URL", database)
                .env("CLICKHOUSE_URL", cubes)
                .env("SIMCUBE_DATA", self.data.path()),
            Stores::Private { engines, .. } => command
                .env("SIMCUBE_ENGINES", engines)
                .env("SIMCUBE_DATA", self.engines_data()),
        };
        command
    }

    /// The stores of the tests that this program uses: of Postgres and of ClickHouse.
    pub(crate) fn servers(&self) -> [String; 2] {
        let Stores::Shared { database, cubes } = &self.stores else {
            panic!("the stores are private");
        };
        let cubes = format!("{}/{}", cubes.url(), cubes.database());
        [database.url().to_owned(), cubes]
    }

    /// From now on commands see what this process has mounted.
    pub(crate) fn see_mounts_of(&self, process: u32) {
        if let Stores::Private { mounts_of, .. } = &self.stores {
            mounts_of.set(process).expect("said once");
        }
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
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_owned()
    }

    pub(crate) fn token(&self, tenant: &str, role: &str) -> String {
        self.print(&["token", "--tenant", tenant, "--role", role])
    }

    /// A token that is accepted for so long, and when that ends; no command would print one that is over soon.
    pub(crate) fn token_for(&self, claims: &Claims, valid: Duration) -> (String, DateTime<Utc>) {
        /// What clocks may differ by, and then some.
        const LEEWAY: Duration = Duration::from_secs(30);
        let key = DevelopmentKey::open(self.data.path()).expect("the key");
        let now = SystemClock.now();
        let issued = now - TimeDelta::hours(1);
        let ttl = (Duration::from_hours(1) + valid).saturating_sub(LEEWAY);
        let token = key.sign(claims, "simcube", issued, ttl).expect("signed");
        // It is over when its second, of which it names none but whole ones, is.
        (token, now + valid)
    }

    pub(crate) fn customer_token(&self, tenant: &str, customer: &str) -> String {
        let words = [
            "token",
            "--tenant",
            tenant,
            "--role",
            "customer_user",
            "--customer",
            customer,
        ];
        self.print(&words)
    }

    /// The texts that a statement with one column finds, past the program.
    pub(crate) fn texts(&self, statement: &str) -> Vec<String> {
        let Stores::Shared { database, .. } = &self.stores else {
            panic!("the stores are private");
        };
        database.texts(statement)
    }

    /// Runs a statement on the cubes, past the program.
    pub(crate) async fn on_cubes(&self, statement: &str) {
        self.of_cubes(statement).await;
    }

    /// What a statement on the cubes answers, past the program.
    pub(crate) async fn of_cubes(&self, statement: &str) -> String {
        let Stores::Shared { cubes, .. } = &self.stores else {
            panic!("the cubes are private");
        };
        let url = format!("{}/?database={}", cubes.url(), cubes.database());
        let request = reqwest::Client::new().post(url).body(statement.to_owned());
        let response = request.send().await.expect("ClickHouse answers");
        let status = response.status();
        let answered = response.text().await.expect("text");
        assert!(status.is_success(), "{answered}");
        answered
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// A transaction on the database that has run this statement and goes when it is dropped.
    pub(crate) async fn hold(&self, statement: &str) -> Held {
        let Stores::Shared { database, .. } = &self.stores else {
            panic!("the database is private");
        };
        database.hold(statement).await
    }

    /// A file of the data folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.data.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).expect("a log")
    }

    /// Starts a server and waits until it says that it is ready.
    pub(crate) async fn serve(&self, settings: &[(&str, &str)]) -> Server {
        self.serve_on("127.0.0.1:0", settings).await
    }

    /// Starts a server on an address and waits until it says that it is ready.
    pub(crate) async fn serve_on(&self, address: &str, settings: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve", "--listen", address]);
        command.envs(settings.iter().copied());
        self.start(command).await
    }

    /// Starts what is a server in the end, and waits until it says that it is ready.
    pub(crate) async fn start(&self, mut command: Command) -> Server {
        let log = File::create(self.data.path().join("log")).expect("a log file");
        command.stdout(Stdio::piped()).stderr(log);
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        while let Some(line) = lines.next_line().await.expect("text") {
            if let Some(url) = line.strip_prefix("simcube is ready at ") {
                return Server {
                    child,
                    url: url.to_owned(),
                };
            }
        }
        panic!("the server did not start: {}", self.log());
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Ends it without a chance to do anything.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    pub(crate) fn terminate(&self) {
        let id = i32::try_from(self.id()).expect("a process id");
        let process = rustix::process::Pid::from_raw(id).expect("a process");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("signalled");
    }

    /// Waits for the end and returns the exit code.
    pub(crate) async fn wait(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        ended
            .expect("the server still runs")
            .expect("a child")
            .code()
    }
}
