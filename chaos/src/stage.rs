//! The program under test: one process with both engines, two or five servers, a consumer, and commands beside them. One of the servers
//! reads topics, too, so that two processes share them.

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
/// After so many seconds of silence a consumer's partitions are another one's.
pub(crate) const SESSION_SECONDS: u64 = 6;
/// How long things go wrong.
pub(crate) const SPAN: Duration = Duration::from_secs(7);
/// Ports are looked for from here: below those that the system gives to outgoing connections, so that a connection to
/// a stopped process can't end at itself.
const FIRST_PORT: u16 = 21_000;
/// The broker's is looked for from here.
const BROKER_PORT: u16 = 29_000;
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
    /// What those who read or write topics have besides.
    topics: Vec<(String, String)>,
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

/// One server, or the consumer.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) launch: Launch,
    /// For the account of the run.
    pub(crate) name: String,
    /// Others take over what it was at after so many seconds of silence.
    pub(crate) takeover_seconds: u64,
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
    /// Starts fresh engines on `disk` for so many servers, and topics of a broker on the port; logs go to `folder`.
    pub(crate) async fn open(
        program: &Path,
        library: &Path,
        folder: &Path,
        disk: Disk,
        servers: usize,
        broker: u16,
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
        // Small and many, so that much happens between two of them.
        let topics = [
            ("KAFKA_BROKERS", format!("127.0.0.1:{broker}")),
            (
                "SIMCUBE_KAFKA__SESSION_SECONDS",
                SESSION_SECONDS.to_string(),
            ),
            ("SIMCUBE_KAFKA__BATCH_RECORDS", "60".to_owned()),
            ("SIMCUBE_KAFKA__LINGER_MILLISECONDS", "100".to_owned()),
        ];
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        let urls = free_ports(servers)?
            .into_iter()
            .map(|port| format!("http://127.0.0.1:{port}"));
        let stage = Self {
            folder: folder.to_owned(),
            program: program.to_owned(),
            urls: urls.collect(),
            environment: environment.map(owned).into(),
            topics: topics.map(owned).into(),
            log,
        };
        Ok((stage, engines))
    }

    /// How to start a process that knows the topics.
    pub(crate) fn launch(&self, arguments: &[&str], log: &str) -> Launch {
        let mut launch = self.launch_alone(arguments, log);
        launch.environment.extend_from_slice(&self.topics);
        launch
    }

    /// How to start one that does not.
    fn launch_alone(&self, arguments: &[&str], log: &str) -> Launch {
        Launch {
            program: self.program.clone(),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            environment: self.environment.clone(),
            log: self.folder.join(log),
        }
    }

    /// Where a file or a folder of the run is.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
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

    /// Starts the servers and the consumer, without waiting until they are ready. The first server reads topics, too.
    pub(crate) fn serve(&self, engines: &Engines) -> Result<Vec<Server>> {
        let mut servers = Vec::new();
        for (number, url) in self.urls.iter().enumerate() {
            let words = ["serve", "--listen", url.trim_start_matches("http://")];
            let (name, log) = (format!("server {}", number + 1), server_log(number));
            servers.push(if number == 0 {
                self.start(engines, name, self.launch(&words, &log), SESSION_SECONDS)?
            } else {
                let launch = self.launch_alone(&words, &log);
                self.start(engines, name, launch, TAKEOVER_SECONDS)?
            });
        }
        let launch = self.launch(&["consume"], CONSUMER_LOG);
        servers.push(self.start(engines, "consumer".to_owned(), launch, SESSION_SECONDS)?);
        Ok(servers)
    }

    fn start(
        &self,
        engines: &Engines,
        name: String,
        launch: Launch,
        takeover_seconds: u64,
    ) -> Result<Server> {
        Ok(Server {
            process: launch.start()?,
            launch,
            name,
            takeover_seconds,
            engines: engines.data.clone(),
            log: self.log.clone(),
        })
    }

    /// Lines of the logs that no fault excuses.
    pub(crate) fn panics(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let servers = (0..self.urls.len()).map(server_log);
        for name in servers.chain([CONSUMER_LOG.to_owned()]) {
            let log = fs::read_to_string(self.folder.join(name))?;
            found.extend(
                log.lines()
                    .filter(|line| line.contains("panicked at"))
                    .map(str::to_owned),
            );
        }
        Ok(found)
    }
}

const CONSUMER_LOG: &str = "consumer.log";

fn server_log(number: usize) -> String {
    format!("server-{}.log", number + 1)
}

/// A port that nobody listens on, for the broker, which takes seconds until it does: far from those of the engines and the servers.
pub(crate) fn broker_port() -> Result<u16> {
    ports(BROKER_PORT, 1)?.pop().context("no port is free")
}

/// Ports that nobody listens on.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    ports(FIRST_PORT, count)
}

fn ports(first: u16, count: usize) -> Result<Vec<u16>> {
    let mut held = Vec::new();
    for port in first..32_000 {
        if held.len() == count {
            break;
        }
        held.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    held.iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}
