//! The engines under a server: Postgres and ClickHouse of the operator's, or private ones in the data folder.
//!
//! [`Engines::open`] starts what no URL is given for. One process holds a data folder; a command that runs beside it
//! uses that process's engines, which it finds through the run file. Rule: lock free means open, lock held means
//! attach (or refuse, when the caller wants the folder for itself).
//!
//! What is stored in them is not known here: an open [`Engines`] says where Postgres is, by a URL, and where ClickHouse
//! is, by a [`ClickHouseAddress`]. [`clickhouse`] is the ClickHouse of this process, and what a client connects to it with.

pub mod clickhouse;
mod data;
mod error;
mod postgres;

use std::{
    future::pending,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::JoinHandle};

use clickhouse::{Engine, EngineLimits};
use data::{Claim, DataFolder, Run};
pub use error::Error;
use postgres::Postgres;

/// How long a command waits for the process that holds the data folder to become ready.
const ATTACH_WAIT: Duration = Duration::from_mins(1);

/// Which engines to use, and where the private ones live.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data folder.
    pub data: PathBuf,
    /// Folder that `engines/fetch` filled: `postgres/` and `clickhouse/`.
    pub engines: Option<PathBuf>,
    /// A Postgres of the operator's; none: a private one.
    pub database_url: Option<String>,
    /// Port of the private Postgres; none: the one that it had last, or any free one.
    pub postgres_port: Option<u16>,
    /// A ClickHouse of the operator's; none: inside this process.
    pub clickhouse_url: Option<String>,
    /// How much of the machine the embedded ClickHouse may use.
    pub limits: EngineLimits,
    /// Whether a power loss may cost nothing. Only throw-away data is better without.
    pub durable: bool,
}

impl Settings {
    fn engines_folder(&self) -> Result<&Path, Error> {
        self.engines.as_deref().ok_or(Error::EnginesUnknown)
    }

    fn library(&self) -> Result<PathBuf, Error> {
        Ok(self.engines_folder()?.join("clickhouse").join("libchdb.so"))
    }
}

/// What to do when another process holds the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Refuse: a server wants the folder for itself.
    Alone,
    /// Use that process's engines: a command beside a running server.
    Beside,
}

/// Where ClickHouse is.
#[derive(Clone)]
pub enum ClickHouseAddress {
    /// In this process; [`clickhouse::InProcess`] leads there.
    Embedded(Arc<Engine>),
    /// In the process that holds the data folder, by its socket; [`clickhouse::UnixSocket`] leads there.
    Unix(PathBuf),
    /// On a server.
    Url(String),
}

/// Both engines, ready. Call [`Engines::close`] at the end.
pub struct Engines {
    database_url: String,
    clickhouse: ClickHouseAddress,
    held: Option<Held>,
}

/// What this process started, and the folder it started it in.
struct Held {
    folder: DataFolder,
    postgres: Option<Postgres>,
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Engines {
    /// Starts, or attaches to, whatever the settings ask for.
    ///
    /// # Errors
    /// A sentence for the operator, see [`Error`].
    pub async fn open(settings: Settings, access: Access) -> Result<Self, Error> {
        if let (Some(database), Some(clickhouse)) =
            (&settings.database_url, &settings.clickhouse_url)
        {
            return Ok(Self {
                database_url: database.clone(),
                clickhouse: ClickHouseAddress::Url(clickhouse.clone()),
                held: None,
            });
        }
        let deadline = Instant::now() + ATTACH_WAIT;
        loop {
            match data::claim(&settings.data)? {
                Claim::Free(folder) => return Self::start(settings, folder).await,
                Claim::Taken(folder) if access == Access::Alone => {
                    let holder = data::read_run(&folder)?.map(|run| run.pid);
                    return Err(Error::InUse { folder, holder });
                }
                Claim::Taken(folder) => {
                    if let Some(run) = data::read_run(&folder)?
                        && run.is_reachable()
                    {
                        return Self::attach(settings, run);
                    }
                    if Instant::now() > deadline {
                        return Err(Error::NotReady(folder));
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Opens an emptied data folder: whatever a former run left in it is removed.
    ///
    /// # Errors
    /// As [`Engines::open`]; a folder in use is refused.
    pub async fn open_empty(settings: Settings) -> Result<Self, Error> {
        match data::claim(&settings.data)? {
            Claim::Taken(folder) => {
                let holder = data::read_run(&folder)?.map(|run| run.pid);
                Err(Error::InUse { folder, holder })
            }
            Claim::Free(folder) => {
                postgres::remove(folder.path())?;
                folder.remove("clickhouse")?;
                Self::start(settings, folder).await
            }
        }
    }

    async fn start(settings: Settings, folder: DataFolder) -> Result<Self, Error> {
        let mut held = Held {
            folder,
            postgres: None,
            server: None,
        };
        let database_url = match &settings.database_url {
            Some(url) => url.clone(),
            None => held.start_postgres(&settings).await?,
        };
        let clickhouse = match &settings.clickhouse_url {
            Some(url) => ClickHouseAddress::Url(url.clone()),
            None => match held.start_clickhouse(&settings).await {
                Ok(engine) => ClickHouseAddress::Embedded(engine),
                Err(error) => {
                    held.stop().await;
                    return Err(error);
                }
            },
        };
        let run = Run {
            pid: std::process::id(),
            database_url: database_url.clone(),
            clickhouse_url: settings.clickhouse_url.clone(),
            clickhouse_socket: match &clickhouse {
                ClickHouseAddress::Embedded(_) => Some(held.folder.socket()),
                _ => None,
            },
        };
        held.folder.write_run(&run)?;
        Ok(Self {
            database_url,
            clickhouse,
            held: Some(held),
        })
    }

    /// URLs of this command's own configuration win over those of the process that holds the folder.
    fn attach(settings: Settings, run: Run) -> Result<Self, Error> {
        let clickhouse = match (
            settings.clickhouse_url,
            run.clickhouse_socket,
            run.clickhouse_url,
        ) {
            (Some(url), _, _) | (None, None, Some(url)) => ClickHouseAddress::Url(url),
            (None, Some(socket), _) => ClickHouseAddress::Unix(socket),
            (None, None, None) => return Err(Error::NotReady(settings.data)),
        };
        let database_url = settings.database_url.unwrap_or(run.database_url);
        Ok(Self {
            database_url,
            clickhouse,
            held: None,
        })
    }

    /// Connection string of a role that owns the database.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Where ClickHouse is.
    pub fn clickhouse(&self) -> &ClickHouseAddress {
        &self.clickhouse
    }

    /// Whether this process holds the data folder, rather than working beside the one that does.
    pub fn is_holder(&self) -> bool {
        self.held.is_some()
    }

    /// Waits until an engine that this process started ends by itself, and says how; for ever if it started none that can.
    pub fn lost(&self) -> impl Future<Output = Error> + Send + use<> {
        let postgres = self.held.as_ref().and_then(|held| held.postgres.as_ref());
        let lost = postgres.map(Postgres::lost);
        async move {
            match lost {
                Some(lost) => lost.await.into(),
                None => pending().await,
            }
        }
    }

    /// Stops what this process started, in order: new work is refused, running statements finish, everything is
    /// flushed, the folder is free.
    pub async fn close(self) {
        if let Some(mut held) = self.held {
            held.folder.remove_run();
            held.stop_server().await;
            if let ClickHouseAddress::Embedded(engine) = &self.clickhouse {
                engine.close().await;
            }
            held.stop().await;
        }
    }
}

impl Held {
    async fn start_postgres(&mut self, settings: &Settings) -> Result<String, Error> {
        let binaries = settings.engines_folder()?.join("postgres");
        let data = self.folder.path().to_owned();
        let (durable, port) = (settings.durable, settings.postgres_port);
        let postgres =
            tokio::task::spawn_blocking(move || Postgres::start(&binaries, &data, durable, port))
                .await;
        let postgres = postgres.map_err(|error| Error::Postgres(error.to_string()))??;
        let url = postgres.url().to_owned();
        self.postgres = Some(postgres);
        Ok(url)
    }

    async fn start_clickhouse(&mut self, settings: &Settings) -> Result<Arc<Engine>, Error> {
        let library = settings.library()?;
        let data = self.folder.path().join("clickhouse");
        let limits = settings.limits;
        let opened =
            tokio::task::spawn_blocking(move || Engine::open(&library, &data, limits)).await;
        let engine = opened.map_err(|error| Error::Postgres(error.to_string()))??;
        let socket = self.folder.socket();
        let (stop, stopped) = oneshot::channel();
        let shared = engine.clone();
        let server = tokio::spawn(async move {
            let stopped = async {
                // A dropped sender means stop as well.
                stopped.await.ok();
            };
            if let Err(error) = shared.serve_unix(&socket, stopped).await {
                tracing::warn!(%error, socket = %socket.display(),
                    "commands beside this process cannot reach ClickHouse");
            }
        });
        self.server = Some((stop, server));
        Ok(engine)
    }

    async fn stop_server(&mut self) {
        if let Some((stop, server)) = self.server.take() {
            // The server may have ended by itself.
            stop.send(()).ok();
            if let Err(error) = server.await {
                tracing::warn!(%error, "the ClickHouse socket did not close cleanly");
            }
        }
    }

    async fn stop(mut self) {
        self.stop_server().await;
        if let Some(postgres) = self.postgres.take()
            && let Err(error) = tokio::task::spawn_blocking(move || drop(postgres)).await
        {
            tracing::warn!(%error, "the private Postgres did not stop cleanly");
        }
    }
}
