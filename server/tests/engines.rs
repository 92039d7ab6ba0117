//! The engines of a data folder, as a user meets them: side by side, after a crash, in use, of another version.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use analytics::Store;
use engines::{
    Access, ClickHouseAddress, Engines, Settings,
    clickhouse::{EngineLimits, UnixSocket},
};
use serde_json::Value;
use tempfile::TempDir;

/// A running `simcube engines`, killed without mercy at the end.
struct Running {
    child: Child,
    lines: BTreeMap<String, String>,
}

impl Running {
    fn start(data: &Path) -> Self {
        Self::of(&mut simcube(data))
    }

    fn of(command: &mut Command) -> Self {
        let mut running = Self {
            child: command.spawn().unwrap(),
            lines: BTreeMap::new(),
        };
        for line in BufReader::new(running.child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let (name, value) = line.split_once('=').unwrap();
            running.lines.insert(name.to_owned(), value.to_owned());
            if name == "SIMCUBE_TEST_READY" {
                return running;
            }
        }
        let mut said = String::new();
        running
            .child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        panic!("the engines did not start: {said}");
    }

    fn database_url(&self) -> &str {
        &self.lines["SIMCUBE_TEST_DATABASE_URL"]
    }

    fn clickhouse_url(&self) -> &str {
        &self.lines["SIMCUBE_TEST_CLICKHOUSE_URL"]
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and returns whether it said that all went well.
    fn stop(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, when a test ended it itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "`./dev test` names the folder")]
fn engines_folder() -> PathBuf {
    match std::env::var_os("SIMCUBE_ENGINES") {
        Some(folder) => folder.into(),
        None => panic!(
            "SIMCUBE_ENGINES is not set: run the tests with ./dev test, which fetches the engines"
        ),
    }
}

fn simcube(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simcube"));
    command
        .args(["engines", "--with-parent", "--data"])
        .arg(data);
    command
        .env("SIMCUBE_ENGINES", engines_folder())
        .env_remove("DATABASE_URL");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What `simcube engines` says when it does not start, and its exit code.
fn refusal(data: &Path) -> (String, Option<i32>) {
    let output = simcube(data).output().unwrap();
    (
        String::from_utf8(output.stderr).unwrap(),
        output.status.code(),
    )
}

fn settings(data: &Path) -> Settings {
    Settings {
        data: data.to_owned(),
        engines: Some(engines_folder()),
        database_url: None,
        clickhouse_url: None,
        postgres_port: None,
        limits: EngineLimits::default(),
        durable: true,
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o711))
        .tempdir()
        .unwrap()
}

fn record(data: &Path) -> Value {
    serde_json::from_slice(&fs::read(data.join("postgres.json")).unwrap()).unwrap()
}

/// Whether Postgres lets this user in: the migrations are known to be missing there.
async fn postgres_answers(url: &str) -> bool {
    migrations::status(url).await.is_ok()
}

/// The process that leads the cluster, by its pid file.
fn postgres_pid(data: &Path) -> rustix::process::Pid {
    let cluster = data.join(record(data)["cluster"].as_str().unwrap());
    let text = fs::read_to_string(cluster.join("postmaster.pid")).unwrap();
    rustix::process::Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
}

#[tokio::test]
async fn two_data_folders_run_side_by_side() {
    let (one, two) = (folder(), folder());
    let (first, second) = (Running::start(one.path()), Running::start(two.path()));
    assert_ne!(first.database_url(), second.database_url());
    assert_ne!(first.clickhouse_url(), second.clickhouse_url());
    assert!(postgres_answers(first.database_url()).await);
    assert!(postgres_answers(second.database_url()).await);
    assert!(first.stop() && second.stop());
}

#[tokio::test]
async fn a_clean_stop_leaves_nothing_running() {
    let data = folder();
    let running = Running::start(data.path());
    let pid = postgres_pid(data.path());
    assert!(running.stop());
    assert!(rustix::process::test_kill_process(pid).is_err());
    for leftover in ["run.json", "clickhouse.sock"] {
        assert!(!data.path().join(leftover).exists(), "{leftover}");
    }
}

#[tokio::test]
async fn a_folder_in_a_private_home_works_also_for_root() {
    let home = folder();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let data = home.path().join("data");
    let running = Running::start(&data);
    migrations::up(running.database_url()).await.unwrap();
    assert!(running.stop());
    let again = Running::start(&data);
    let applied = migrations::status(again.database_url()).await.unwrap();
    assert!(applied.iter().all(|migration| migration.applied));
    assert!(again.stop());
    let cluster = data.join(record(&data)["cluster"].as_str().unwrap());
    assert_eq!(
        cluster.starts_with(&data),
        !rustix::process::geteuid().is_root()
    );

    // A copy of the folder without its database must not start the database of the original.
    if rustix::process::geteuid().is_root() {
        let copy = folder();
        fs::copy(
            data.join("postgres.json"),
            copy.path().join("postgres.json"),
        )
        .unwrap();
        let (said, _) = refusal(copy.path());
        assert!(said.contains("belongs to the data folder"), "{said}");
        fs::remove_dir_all(cluster.parent().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn after_a_crash_the_next_start_finds_everything() {
    let data = folder();
    let running = Running::start(data.path());
    migrations::up(running.database_url()).await.unwrap();
    running.kill();
    // Neither the run file nor the socket nor a Postgres that is still stopping is in the way.
    let again = Running::start(data.path());
    let applied = migrations::status(again.database_url()).await.unwrap();
    assert!(applied.iter().all(|migration| migration.applied));
    assert!(again.stop());
}

#[tokio::test]
async fn postgres_does_not_outlive_a_killed_program() {
    let data = folder();
    let running = Running::start(data.path());
    let pid = postgres_pid(data.path());
    running.kill();
    let deadline = Instant::now() + Duration::from_secs(30);
    while rustix::process::test_kill_process(pid).is_ok() {
        assert!(Instant::now() < deadline, "Postgres is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_port_that_somebody_took_meanwhile_is_replaced() {
    let data = folder();
    let running = Running::start(data.path());
    let port = record(data.path())["port"].as_u64().unwrap();
    assert!(running.database_url().contains(&format!(":{port}/")));
    assert!(running.stop());
    let taken = TcpListener::bind(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    let again = Running::start(data.path());
    assert!(!again.database_url().contains(&format!(":{port}/")));
    assert!(postgres_answers(again.database_url()).await);
    assert!(again.stop());
    drop(taken);
}

#[tokio::test]
async fn a_port_that_is_asked_for_is_had_or_the_start_is_refused() {
    let data = folder();
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let asked = || {
        let mut command = simcube(data.path());
        command.arg(format!("--postgres-port={port}"));
        command
    };
    let refused = asked().output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("could not bind"), "{said}");
    drop(other);
    let running = Running::of(&mut asked());
    assert!(running.database_url().contains(&format!(":{port}/")));
    assert!(postgres_answers(running.database_url()).await);
}

#[tokio::test]
async fn a_data_folder_in_use_is_refused_to_a_server_and_shared_with_a_command() {
    let data = folder();
    let running = Running::start(data.path());
    let (said, code) = refusal(data.path());
    let expected = format!(
        "is in use by process {}: stop that process",
        running.child.id()
    );
    assert!(said.contains(&expected), "{said}");
    assert_eq!(code, Some(2));

    let beside = Engines::open(settings(data.path()), Access::Beside)
        .await
        .unwrap();
    assert!(!beside.is_holder());
    assert_eq!(beside.database_url(), running.database_url());
    let ClickHouseAddress::Unix(socket) = beside.clickhouse() else {
        panic!("ClickHouse is not in the process that holds the folder")
    };
    let store = Store::embedded(UnixSocket(socket.as_path().into()));
    store.ping().await.unwrap();
    beside.close().await;
    assert!(
        postgres_answers(running.database_url()).await,
        "closing beside stopped the holder"
    );
    assert!(running.stop());
}

#[tokio::test]
async fn a_data_folder_of_another_version_is_refused() {
    let data = folder();
    fs::write(data.path().join("VERSION"), "999\n").unwrap();
    let (said, code) = refusal(data.path());
    assert!(
        said.contains("has format 999, this program reads format 1"),
        "{said}"
    );
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn a_cluster_of_another_postgres_is_refused() {
    let data = folder();
    assert!(Running::start(data.path()).stop());
    let cluster = data
        .path()
        .join(record(data.path())["cluster"].as_str().unwrap());
    fs::write(cluster.join("PG_VERSION"), "17\n").unwrap();
    let (said, code) = refusal(data.path());
    assert!(
        said.contains("was made by Postgres 17, the fetched one is 18"),
        "{said}"
    );
    assert_eq!(code, Some(2));
}
