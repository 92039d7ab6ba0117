//! A private Postgres: its cluster is made when missing, it listens on a free loopback port only, and it ends with
//! this process, whichever way this process ends.
//!
//! As root it runs as another user (`postgres`, else `nobody`). When that user cannot enter the data folder, because
//! it lies in a home of mode 0700, the cluster is placed under `/var/lib/simcube` and `postgres.json` in the data
//! folder remembers where; binaries that the user cannot read are copied there too.

mod account;
mod process;

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    net::TcpListener,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    data::{digest, write_private},
};
use account::{Account, copy};

/// Where root keeps clusters that cannot lie in the data folder.
const OUTSIDE: &str = "/var/lib/simcube";
/// Name of the role that owns everything.
const ROLE: &str = "simcube";
/// Ports to try before giving up: each may be taken between choosing and using it.
const ATTEMPTS: usize = 8;
/// How long it may take to become ready: recovery after a crash replays what was written since the last checkpoint.
const READY: Duration = Duration::from_mins(5);

/// The running server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Postgres {
    url: String,
    cluster: PathBuf,
    pid: Pid,
    ended: Receiver<io::Result<ExitStatus>>,
    /// Set when it is us who end it.
    stopping: Arc<AtomicBool>,
}

/// What the data folder remembers between runs.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    cluster: PathBuf,
    password: String,
    /// The last port, tried first so that the address usually stays.
    port: Option<u16>,
}

impl Postgres {
    /// Starts the server of the data folder `data` with the programs in `binaries`, on `port` if given, else on the one
    /// that it had last or any free one. Blocks until it answers.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(crate) fn start(
        binaries: &Path,
        data: &Path,
        durable: bool,
        port: Option<u16>,
    ) -> Result<Self, Error> {
        if !binaries.join("bin/postgres").is_file() {
            return Err(Error::PostgresMissing(binaries.to_owned()));
        }
        let account = Account::needed()?;
        let binaries = readable_binaries(binaries, account)?;
        let mut record = match read_record(data)? {
            Some(record) => record,
            None => Record {
                cluster: place(data, account)?,
                password: secret(),
                port: None,
            },
        };
        check_owner(&record.cluster, data)?;
        let server = Server {
            binaries,
            data,
            account,
            durable,
        };
        if !record.cluster.join("PG_VERSION").is_file() {
            // The record goes first: a cluster whose password nobody knows would be lost.
            write_record(data, &record)?;
            server.initialise(&record)?;
        }
        server.check_version(&record.cluster)?;
        end_leftover(&record.cluster)?;
        let postgres = match port {
            Some(port) => server.launch_at(port, &record)?,
            None => server.launch(&mut record)?,
        };
        write_record(data, &record)?;
        Ok(postgres)
    }

    /// Connection string, password included.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        if !matches!(self.ended.try_recv(), Err(TryRecvError::Empty)) {
            return; // Ended already; its id may be somebody else's by now.
        }
        // Fast shutdown, then immediate, then none at all.
        for (signal, patience) in [(Signal::INT, 60), (Signal::QUIT, 5), (Signal::KILL, 5)] {
            if kill_process(self.pid, signal).is_err() {
                return;
            }
            match self.ended.recv_timeout(Duration::from_secs(patience)) {
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!(cluster = %self.cluster.display(), "Postgres is slow to stop");
                }
                _ => return,
            }
        }
    }
}

/// Removes the cluster of a data folder that this process holds, wherever it lies.
pub(crate) fn remove(data: &Path) -> Result<(), Error> {
    let Some(record) = read_record(data)? else {
        return Ok(());
    };
    check_owner(&record.cluster, data)?;
    end_leftover(&record.cluster)?;
    for path in [record.cluster.with_extension("new"), record.cluster] {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file(&path, error));
            }
            _ => {}
        }
    }
    fs::remove_file(record_path(data)).map_err(|error| Error::file(data, error))
}

fn record_path(data: &Path) -> PathBuf {
    data.join("postgres.json")
}

fn read_record(data: &Path) -> Result<Option<Record>, Error> {
    let path = record_path(data);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(&path, error)),
    };
    let mut record: Record =
        serde_json::from_slice(&bytes).map_err(|error| Error::file(&path, error.into()))?;
    // Relative to the data folder, so that the folder can be moved as a whole.
    record.cluster = data.join(record.cluster);
    Ok(Some(record))
}

fn write_record(data: &Path, record: &Record) -> Result<(), Error> {
    let cluster = record
        .cluster
        .strip_prefix(data)
        .unwrap_or(&record.cluster)
        .to_owned();
    let record = Record {
        cluster,
        password: record.password.clone(),
        port: record.port,
    };
    let path = record_path(data);
    let bytes =
        serde_json::to_vec_pretty(&record).map_err(|error| Error::file(&path, error.into()))?;
    write_private(&path, &bytes)
}

/// 244 random bits in letters and digits.
fn secret() -> String {
    format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    )
}

/// Where a new cluster goes.
fn place(data: &Path, account: Option<Account>) -> Result<PathBuf, Error> {
    let inside = data.join("postgres");
    match account {
        Some(account) if !account.can_enter_above(&inside) => {
            let home = Path::new(OUTSIDE).join(digest(data));
            public_folder(&home)?;
            let owner = home.join("owner");
            fs::write(&owner, data.display().to_string())
                .map_err(|error| Error::file(&owner, error))?;
            Ok(home.join("postgres"))
        }
        _ => Ok(inside),
    }
}

fn public_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .map_err(|error| Error::file(path, error))
}

/// A cluster outside belongs to one data folder; a copy of that folder must not start it.
fn check_owner(cluster: &Path, data: &Path) -> Result<(), Error> {
    if cluster.starts_with(data) {
        return Ok(());
    }
    let owner = cluster.with_file_name("owner");
    let owner = fs::read_to_string(&owner).map_err(|error| Error::file(&owner, error))?;
    if Path::new(owner.trim()) == data {
        return Ok(());
    }
    Err(Error::PostgresForeign {
        cluster: cluster.to_owned(),
        owner: owner.trim().to_owned(),
    })
}

/// The programs, or a copy of them where the user who runs them can read it.
fn readable_binaries(binaries: &Path, account: Option<Account>) -> Result<PathBuf, Error> {
    let binaries = binaries
        .canonicalize()
        .map_err(|error| Error::file(binaries, error))?;
    let Some(account) = account else {
        return Ok(binaries);
    };
    if account.can_reach(&binaries.join("bin/postgres")) {
        return Ok(binaries);
    }
    let stamp = fs::read(binaries.join("STAMP")).unwrap_or_default();
    let name = format!(
        "engine-{}",
        digest(Path::new(&*String::from_utf8_lossy(&stamp)))
    );
    let copied = Path::new(OUTSIDE).join(name);
    if copied.join("bin/postgres").is_file() {
        return Ok(copied);
    }
    public_folder(Path::new(OUTSIDE))?;
    let draft = copied.with_extension(std::process::id().to_string());
    let moved = copy(&binaries, &draft).and_then(|()| {
        fs::set_permissions(&draft, Permissions::from_mode(0o755))?;
        fs::rename(&draft, &copied)
    });
    match moved {
        // Another program may have been faster.
        Err(_) if copied.join("bin/postgres").is_file() => {
            fs::remove_dir_all(&draft).map_err(|error| Error::file(&draft, error))?;
        }
        moved => moved.map_err(|error| Error::file(&copied, error))?,
    }
    Ok(copied)
}

/// A crashed run's server may still be running, or have left its pid file to a process that is none of ours.
fn end_leftover(cluster: &Path) -> Result<(), Error> {
    let path = cluster.join("postmaster.pid");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file(&path, error)),
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| Pid::from_raw(line.trim().parse().ok()?));
    match pid {
        Some(pid) if process::works_on(pid, cluster) => {
            tracing::info!(
                pid = pid.as_raw_nonzero(),
                "ending the Postgres of a crashed run"
            );
            process::end(pid, cluster);
        }
        _ => {}
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(&path, error)),
        _ => Ok(()),
    }
}

/// What it takes to run Postgres' programs on one data folder.
struct Server<'a> {
    binaries: PathBuf,
    data: &'a Path,
    account: Option<Account>,
    durable: bool,
}

impl Server<'_> {
    /// Makes the cluster beside its place and moves it there when it is whole.
    fn initialise(&self, record: &Record) -> Result<(), Error> {
        let draft = record.cluster.with_extension("new");
        let file = |error| Error::file(&draft, error);
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(file)?;
        }
        DirBuilder::new().mode(0o700).create(&draft).map_err(file)?;
        let password = record.cluster.with_extension("password");
        write_private(&password, record.password.as_bytes())?;
        if let Some(account) = self.account {
            account.own(&draft).map_err(file)?;
            lchown(&password, Some(account.uid), Some(account.gid)).map_err(file)?;
        }
        let output = self
            .program("initdb")
            .args([
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
            ])
            .args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"])
            .args(["--username", ROLE])
            .arg(format!("--pwfile={}", password.display()))
            .args((!self.durable).then_some("--no-sync"))
            .arg("--pgdata")
            .arg(&draft)
            .stdin(Stdio::null())
            .output();
        fs::remove_file(&password).map_err(file)?;
        let output = output.map_err(file)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains("No space left on device") {
                return Err(Error::DiskFull(draft));
            }
            let reason = said
                .lines()
                .find(|line| line.contains("error:"))
                .unwrap_or("initdb failed");
            return Err(Error::Postgres(reason.to_owned()));
        }
        fs::rename(&draft, &record.cluster).map_err(file)
    }

    /// Major versions do not read each other's clusters.
    fn check_version(&self, cluster: &Path) -> Result<(), Error> {
        let path = cluster.join("PG_VERSION");
        let found = fs::read_to_string(&path).map_err(|error| Error::file(&path, error))?;
        let output = self.program("postgres").arg("--version").output();
        let output = output.map_err(|error| Error::file(&self.binaries, error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.rsplit(' ').next().unwrap_or_default().trim();
        let wanted = version.split('.').next().unwrap_or_default();
        if found.trim() == wanted {
            return Ok(());
        }
        Err(Error::PostgresVersion {
            folder: cluster.to_owned(),
            found: found.trim().to_owned(),
            wanted: wanted.to_owned(),
        })
    }

    /// A backup that root copied back belongs to root.
    fn own(&self, cluster: &Path) -> Result<(), Error> {
        if let Some(account) = self.account {
            let owner = fs::metadata(cluster)
                .map_err(|error| Error::file(cluster, error))?
                .uid();
            if owner != account.uid {
                account
                    .own(cluster)
                    .map_err(|error| Error::file(cluster, error))?;
            }
        }
        Ok(())
    }

    /// On this port and no other.
    fn launch_at(&self, port: u16, record: &Record) -> Result<Postgres, Error> {
        self.own(&record.cluster)?;
        self.launch_on(port, record)?
            .map_err(|reason| self.failed(&record.cluster, &reason))
    }

    /// On the port of the last time if it is free, else on another one.
    fn launch(&self, record: &mut Record) -> Result<Postgres, Error> {
        self.own(&record.cluster)?;
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port(record.port.take())?;
            match self.launch_on(port, record)? {
                Ok(postgres) => {
                    record.port = Some(port);
                    return Ok(postgres);
                }
                Err(reason) => {
                    let taken = reason.contains("Address") || reason.contains("listen socket");
                    last = reason;
                    if !taken {
                        break;
                    }
                }
            }
        }
        Err(self.failed(&record.cluster, &last))
    }

    fn failed(&self, cluster: &Path, reason: &str) -> Error {
        if reason.contains("No space left on device") {
            return Error::DiskFull(cluster.to_owned());
        }
        let log = self.log();
        Error::Postgres(format!("{reason}; its log is {}", log.display()))
    }

    /// One attempt: the server, or the reason in its log.
    fn launch_on(&self, port: u16, record: &Record) -> Result<Result<Postgres, String>, Error> {
        let path = self.log();
        let file = |error| Error::file(&path, error);
        let mut log = OpenOptions::new();
        let log = log
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path);
        let log = log.map_err(file)?;
        let mut command = self.server_command(port, &record.cluster);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(file)?)
            .stderr(log);
        let supervised = supervise(command, record.cluster.clone());
        let (id, stopping, ended) =
            supervised.map_err(|error| Error::file(&self.binaries, error))?;
        let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
            return Ok(Err(format!("process id {id} is out of range")));
        };
        let url = format!(
            "postgres://{ROLE}:{}@127.0.0.1:{port}/postgres",
            record.password
        );
        let postgres = Postgres {
            url,
            cluster: record.cluster.clone(),
            pid,
            ended,
            stopping,
        };
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if is_ready(&record.cluster, id) {
                return Ok(Ok(postgres));
            }
            match postgres.ended.recv_timeout(Duration::from_millis(10)) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return Ok(Err(reason(&path))),
            }
        }
        Ok(Err(format!("it was not ready after {} s", READY.as_secs())))
    }

    fn log(&self) -> PathBuf {
        self.data.join("postgres.log")
    }

    fn server_command(&self, port: u16, cluster: &Path) -> Command {
        let mut command = self.guarded("postgres");
        command
            .arg("-D")
            .arg(cluster)
            .arg("-p")
            .arg(port.to_string());
        let mut settings = vec![
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=256MB",
            "max_wal_size=4GB",
            "timezone=UTC",
            "log_timezone=UTC",
        ];
        if !self.durable {
            settings.extend([
                "fsync=off",
                "full_page_writes=off",
                "synchronous_commit=off",
            ]);
        }
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        // A Ctrl-C in the terminal is for this process, which then stops Postgres when its own work is done.
        command.process_group(0);
        command
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join("bin").join(name));
        self.prepare(&mut command);
        command
    }

    /// A program that Linux interrupts when this process dies. Elsewhere the next start ends what is left.
    fn guarded(&self, name: &str) -> Command {
        let path = self.binaries.join("bin").join(name);
        let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]
            .into_iter()
            .find(|p| Path::new(p).is_file());
        let mut command = match setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "INT", "--"]).arg(path);
                command
            }
            None => Command::new(path),
        };
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/");
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
    }
}

/// A started child: its id, the flag that says that its end is wanted, and how it ended.
type Supervised = (u32, Arc<AtomicBool>, Receiver<io::Result<ExitStatus>>);

/// Starts the server on a thread that lives as long as it does: Linux tells a child of its parent's death when the
/// thread that started it ends, not when the process does.
fn supervise(mut command: Command, cluster: PathBuf) -> io::Result<Supervised> {
    let (started, start) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let stopping = Arc::new(AtomicBool::new(false));
    let wanted = stopping.clone();
    let run = move || match command.spawn() {
        Ok(mut child) => {
            // The receivers are gone only when nobody cares any more.
            started.send(Ok(child.id())).ok();
            let status = child.wait();
            if !wanted.load(Ordering::Acquire) {
                tracing::error!(?status, cluster = %cluster.display(),
                    "the private Postgres ended by itself: see postgres.log, then start again");
            }
            end.send(status).ok();
        }
        Err(error) => {
            started.send(Err(error)).ok();
        }
    };
    thread::Builder::new().name("postgres".into()).spawn(run)?;
    let id = start
        .recv()
        .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
    Ok((id, stopping, ended))
}

/// A port that nobody listens on, the wanted one if possible.
fn free_port(wanted: Option<u16>) -> Result<u16, Error> {
    let listener = wanted
        .and_then(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .map_or_else(|| TcpListener::bind(("127.0.0.1", 0)), Ok);
    let port = listener
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port());
    port.map_err(|error| Error::Postgres(format!("there is no free port on 127.0.0.1: {error}")))
}

/// The server writes its state into the last line of its pid file.
fn is_ready(cluster: &Path, id: u32) -> bool {
    let Ok(text) = fs::read_to_string(cluster.join("postmaster.pid")) else {
        return false;
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first().is_some_and(|line| *line == id.to_string())
        && lines.get(7).is_some_and(|line| *line == "ready")
}

/// The line of the log that says why.
fn reason(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let says = |word: &str| text.lines().rfind(|line| line.contains(word));
    let line = says("could not bind")
        .or_else(|| says("PANIC"))
        .or_else(|| says("FATAL"));
    line.or_else(|| text.lines().last())
        .unwrap_or("it ended without a word")
        .trim()
        .to_owned()
}
