//! The program under test: one process with both engines, two or five servers, and commands beside them.

use std::{
    fs::{self, DirBuilder},
    net::TcpListener,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    disk::Disk,
    log::Log,
    process::{Launch, Process},
};

/// After so many seconds a server takes over what another one journaled and did not count.
pub(crate) const TAKEOVER_SECONDS: u64 = 2;
/// Ports are looked for from here: below those that the system gives to outgoing connections, so that a connection to
/// a stopped process can't end at itself.
const FIRST_PORT: u16 = 21_000;
/// How long the engines may take to start after a crash.
const ENGINES_READY: Duration = Duration::from_mins(1);
/// How often they are started until they run.
const STARTS: u32 = 5;

/// Where everything of one run is.
pub(crate) struct Stage {
    folder: PathBuf,
    program: PathBuf,
    /// Addresses of the servers.
    pub(crate) urls: Vec<String>,
    environment: Vec<(String, String)>,
    log: Arc<Log>,
}

/// Both engines, on a small disk.
pub(crate) struct Engines {
    pub(crate) process: Process,
    pub(crate) disk: Disk,
    pub(crate) data: PathBuf,
    pub(crate) postgres: u16,
    pub(crate) log: Arc<Log>,
    launch: Launch,
}

/// One server.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) launch: Launch,
    pub(crate) number: usize,
    /// Data folder of the engines that it uses.
    pub(crate) engines: PathBuf,
    pub(crate) log: Arc<Log>,
}

/// Where the engines answer.
#[derive(Default)]
struct Addresses {
    database: String,
    clickhouse: String,
}

impl Engines {
    /// Starts fresh engines on the disk.
    async fn open(
        program: &Path,
        library: &Path,
        folder: &Path,
        disk: Disk,
        log: Arc<Log>,
    ) -> Result<(Self, Addresses)> {
        let data = disk.path().join("engines");
        // As root, Postgres runs as somebody else, who must be able to pass.
        DirBuilder::new()
            .mode(0o711)
            .create(&data)
            .context("the disk is not empty")?;
        let ports = free_ports(2)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let launch = Launch {
            program: program.to_owned(),
            arguments: [
                "engines".to_owned(),
                "--with-parent".to_owned(),
                format!("--data={}", text(&data)),
                format!("--postgres-port={}", ports[0]),
                format!("--clickhouse-listen=127.0.0.1:{}", ports[1]),
            ]
            .into(),
            environment: vec![("SIMCUBE_ENGINES".into(), text(library))],
            log: folder.join("engines.log"),
        };
        let (process, addresses) = start(&launch).await?;
        Ok((
            Self {
                process,
                disk,
                data,
                postgres: ports[0],
                launch,
                log,
            },
            addresses,
        ))
    }

    /// Starts them again where they were.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        for _ in 0..STARTS {
            match start(&self.launch).await {
                Ok((process, _)) => {
                    self.process = process;
                    self.log.event("the engines are ready");
                    return Ok(());
                }
                Err(error) => self
                    .log
                    .event(format_args!("the engines do not start: {error:#}")),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bail!("the engines did not start in {STARTS} tries")
    }
}

/// Starts the engines and waits until they say where they are.
async fn start(launch: &Launch) -> Result<(Process, Addresses)> {
    let mut process = launch.start_piped()?;
    let output = process.child().stdout.take().context("no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut addresses = Addresses::default();
    let reading = async {
        while let Some(line) = lines.next_line().await? {
            match line.split_once('=') {
                Some(("SIMCUBE_TEST_DATABASE_URL", url)) => url.clone_into(&mut addresses.database),
                Some(("SIMCUBE_TEST_CLICKHOUSE_URL", url)) => {
                    url.clone_into(&mut addresses.clickhouse);
                }
                Some(("SIMCUBE_TEST_READY", _)) => return Ok(()),
                _ => {}
            }
        }
        bail!("they ended: see {}", launch.log.display())
    };
    tokio::time::timeout(ENGINES_READY, reading)
        .await
        .context("they are not ready")??;
    Ok((process, addresses))
}

impl Stage {
    /// Starts fresh engines on `disk` for so many servers; logs go to `folder`.
    pub(crate) async fn open(
        program: &Path,
        library: &Path,
        folder: &Path,
        disk: Disk,
        servers: usize,
        log: Arc<Log>,
    ) -> Result<(Self, Engines)> {
        let (engines, addresses) =
            Engines::open(program, library, folder, disk, log.clone()).await?;
        let data = folder.join("server");
        fs::create_dir(&data)?;
        let environment = [
            ("DATABASE_URL", addresses.database),
            ("CLICKHOUSE_URL", addresses.clickhouse),
            ("SIMCUBE_DATA", data.to_string_lossy().into_owned()),
            (
                "SIMCUBE_INTAKE__TAKEOVER_SECONDS",
                TAKEOVER_SECONDS.to_string(),
            ),
        ];
        let urls = free_ports(servers)?
            .into_iter()
            .map(|port| format!("http://127.0.0.1:{port}"));
        let stage = Self {
            folder: folder.to_owned(),
            program: program.to_owned(),
            urls: urls.collect(),
            environment: environment
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            log,
        };
        Ok((stage, engines))
    }

    fn launch(&self, arguments: &[&str], log: &str) -> Launch {
        Launch {
            program: self.program.clone(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: self.environment.clone(),
            log: self.folder.join(log),
        }
    }

    /// Runs a command to its end: whether it succeeded, and what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<(bool, String)> {
        self.launch(arguments, "commands.log").run().await
    }

    /// Runs a command that must succeed.
    pub(crate) async fn print(&self, arguments: &[&str]) -> Result<String> {
        match self.run(arguments).await? {
            (true, said) => Ok(said),
            (false, said) => bail!(
                "simcube {} failed: {said}; see commands.log",
                arguments.join(" ")
            ),
        }
    }

    /// Writes a file into the folder of the run.
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Starts the servers, without waiting until they are ready.
    pub(crate) fn serve(&self, engines: &Engines) -> Result<Vec<Server>> {
        let server = |(number, url): (usize, &String)| {
            let address = url.trim_start_matches("http://");
            let launch = self.launch(&["serve", "--listen", address], &server_log(number));
            Ok(Server {
                process: launch.start()?,
                launch,
                number,
                engines: engines.data.clone(),
                log: self.log.clone(),
            })
        };
        self.urls.iter().enumerate().map(server).collect()
    }

    /// Lines of the servers' logs that no fault excuses.
    pub(crate) fn panics(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for number in 0..self.urls.len() {
            let log = fs::read_to_string(self.folder.join(server_log(number)))?;
            found.extend(
                log.lines()
                    .filter(|line| line.contains("panicked at"))
                    .map(str::to_owned),
            );
        }
        Ok(found)
    }
}

fn server_log(number: usize) -> String {
    format!("server-{}.log", number + 1)
}

/// Ports that nobody listens on.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let mut held = Vec::new();
    for port in FIRST_PORT..32_000 {
        if held.len() == count {
            break;
        }
        held.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    held.iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}
