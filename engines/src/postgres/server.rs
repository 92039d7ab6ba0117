//! Postgres' programs: a cluster is made, and the server started on a port.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    net::TcpListener,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, lchown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{account::Account, child::Child, record::Record};
use crate::{Error, data::write_private};

/// Name of the role that owns everything.
const ROLE: &str = "simcube";
/// Ports to try before giving up: each may be taken between choosing and using it.
const ATTEMPTS: usize = 8;
/// How long it may take to become ready: recovery after a crash replays what was written since the last checkpoint.
const READY: Duration = Duration::from_mins(5);

/// What it takes to run Postgres' programs on one data folder.
pub(super) struct Server<'a> {
    pub(super) binaries: PathBuf,
    pub(super) data: &'a Path,
    pub(super) account: Option<Account>,
    pub(super) durable: bool,
}

/// A server that answers.
pub(super) struct Launched {
    /// Connection string, password included.
    pub(super) url: String,
    pub(super) child: Child,
}

impl Server<'_> {
    /// Makes the cluster beside its place and moves it there when it is whole.
    pub(super) fn initialise(&self, record: &Record) -> Result<(), Error> {
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
    pub(super) fn check_version(&self, cluster: &Path) -> Result<(), Error> {
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
    pub(super) fn launch_at(&self, port: u16, record: &Record) -> Result<Launched, Error> {
        self.own(&record.cluster)?;
        self.launch_on(port, record)?
            .map_err(|reason| self.failed(&record.cluster, &reason))
    }

    /// On the port of the last time if it is free, else on another one.
    pub(super) fn launch(&self, record: &mut Record) -> Result<Launched, Error> {
        self.own(&record.cluster)?;
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port(record.port.take())?;
            match self.launch_on(port, record)? {
                Ok(launched) => {
                    record.port = Some(port);
                    return Ok(launched);
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
    fn launch_on(&self, port: u16, record: &Record) -> Result<Result<Launched, String>, Error> {
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
        let child = Child::start(command, record.cluster.clone(), path.clone());
        let child = child.map_err(|error| Error::file(&self.binaries, error))?;
        let url = format!(
            "postgres://{ROLE}:{}@127.0.0.1:{port}/postgres",
            record.password
        );
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if is_ready(&record.cluster, child.id()) {
                return Ok(Ok(Launched { url, child }));
            }
            if child.ends_within(Duration::from_millis(10)) {
                return Ok(Err(reason(&path)));
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
fn is_ready(cluster: &Path, id: i32) -> bool {
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
