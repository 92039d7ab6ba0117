//! The ClickHouse engine inside this process (`libchdb`), behind the HTTP protocol of a ClickHouse server.
//!
//! [`Engine::open`] takes a library and a data folder. A client then speaks ClickHouse's HTTP protocol to it through
//! an in-memory pipe ([`InProcess`]), so the same client, the same SQL and the same row types serve both the embedded
//! engine and a server. [`Engine::serve_unix`] and [`Engine::serve_tcp`] offer the same protocol to other processes,
//! which connect with [`UnixSocket`] or as to any server; anyone who can connect may run any statement, so the socket
//! is for its owner only and a TCP listener belongs on a loopback address in tests.
//!
//! Rules kept here, each learned from a failure of the engine: one engine and one data folder per process; a
//! keeper connection holds the engine open while every request gets a connection of its own, because a failed
//! statement poisons its connection; memory and time are always bounded; its configuration is a file of ours, or
//! it would read whatever `config.xml` lies about; on exit all connections are closed and nothing is unloaded.

mod connector;
mod ffi;
mod http;
mod request;
mod serve;

use std::{
    ffi::CString,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use connector::{InProcess, Stream, UnixSocket};
use ffi::{Connection, Library};

/// Oldest engine whose interface and behaviour this program knows.
const OLDEST_ENGINE: Version = Version(26, 7);

/// Whether an engine is open in this process; the library allows one.
static OPEN: AtomicBool = AtomicBool::new(false);

/// How much of the machine the engine may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Statements that run at the same time; further ones wait.
    pub concurrency: u32,
    /// Threads of one statement.
    pub threads: u32,
    /// Bytes of memory of one statement.
    pub statement_bytes: u64,
    /// Bytes of memory of the whole engine.
    pub engine_bytes: u64,
    /// Longest running time of a statement; a client that goes away does not stop one.
    pub execution_time: Duration,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            concurrency: 8,
            threads: 2,
            statement_bytes: 2 << 30,
            engine_bytes: 4 << 30,
            execution_time: Duration::from_mins(1),
        }
    }
}

/// Why the embedded engine could not be opened. Each text is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The library file does not exist.
    #[error("the ClickHouse library {0} does not exist; fetch the engines or set CLICKHOUSE_URL")]
    LibraryMissing(PathBuf),
    /// The library file exists and cannot be loaded.
    #[error("the ClickHouse library {0} cannot be loaded: {1}")]
    LibraryUnusable(PathBuf, #[source] libloading::Error),
    /// The library is older than what this program was made for.
    #[error(
        "the ClickHouse library has version {found}; this program needs {OLDEST_ENGINE} or newer"
    )]
    LibraryTooOld {
        /// The library's version.
        found: String,
    },
    /// The data was written by a newer engine.
    #[error(
        "the ClickHouse data in {folder} was written by version {data}, the library is {library}: use a newer library"
    )]
    DataTooNew {
        /// The data folder.
        folder: PathBuf,
        /// Version that wrote the data.
        data: String,
        /// The library's version.
        library: String,
    },
    /// Another process has the data folder open.
    #[error("the ClickHouse data in {0} is in use by another process")]
    InUse(PathBuf),
    /// This process already has an engine.
    #[error("this process already has a ClickHouse engine open; one process can hold one")]
    AlreadyOpen,
    /// The folder cannot be read or written.
    #[error("the ClickHouse data folder {0} cannot be used: {1}")]
    Folder(PathBuf, #[source] io::Error),
    /// The engine refused to start.
    #[error("the ClickHouse engine did not start on {0}; its reason is in the lines above")]
    Refused(PathBuf),
}

/// The open engine. Share it; [`Engine::close`] ends it.
pub struct Engine {
    library: Arc<Library>,
    arguments: Vec<CString>,
    limits: EngineLimits,
    permits: Arc<Semaphore>,
    held: Mutex<Option<Held>>,
}

/// What an open engine holds, in the order in which it is let go.
struct Held {
    _keeper: Connection,
    _lock: File,
    _process: ProcessGuard,
}

/// The process's right to an engine.
struct ProcessGuard;

impl ProcessGuard {
    fn take() -> Result<Self, EngineError> {
        if OPEN.swap(true, Ordering::AcqRel) {
            Err(EngineError::AlreadyOpen)
        } else {
            Ok(Self)
        }
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        OPEN.store(false, Ordering::Release);
    }
}

impl Engine {
    /// Opens the engine on the folder `data`, which is made if missing. Blocks for about 0.3 seconds.
    pub fn open(
        library: &Path,
        data: &Path,
        limits: EngineLimits,
    ) -> Result<Arc<Self>, EngineError> {
        if !library.is_file() {
            return Err(EngineError::LibraryMissing(library.to_owned()));
        }
        let process = ProcessGuard::take()?;
        let folder = |error| EngineError::Folder(data.to_owned(), error);
        fs::create_dir_all(data).map_err(folder)?;
        // Absolute, because the engine resolves relative paths on its own terms.
        let data = &data.canonicalize().map_err(folder)?;
        let lock = lock(data)?;
        let loaded = Library::load(library)
            .map_err(|error| EngineError::LibraryUnusable(library.to_owned(), error))?;
        check_version(data, &loaded.version())?;
        let config = data.join("engine.xml");
        fs::write(&config, configuration(&limits)).map_err(folder)?;
        let arguments = arguments(data, &config).ok_or_else(|| {
            folder(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path is not plain UTF-8 text",
            ))
        })?;
        let keeper = loaded
            .connect(&arguments)
            .ok_or_else(|| EngineError::Refused(data.clone()))?;
        Ok(Arc::new(Self {
            library: loaded,
            arguments,
            limits,
            permits: Arc::new(Semaphore::new(limits.concurrency.max(1) as usize)),
            held: Mutex::new(Some(Held {
                _keeper: keeper,
                _lock: lock,
                _process: process,
            })),
        }))
    }

    /// The engine's version, such as `26.7.3`.
    pub fn version(&self) -> String {
        self.library.version()
    }

    /// Refuses new statements, waits for the running ones, then closes the engine: everything is flushed and the
    /// data folder is free. Closing twice is fine.
    pub async fn close(&self) {
        let all = self.limits.concurrency.max(1);
        let idle = self.permits.acquire_many(all).await;
        self.permits.close();
        drop(idle);
        let held = self
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Flushing takes up to some hundred milliseconds; the runtime's threads are not for that.
        if tokio::task::spawn_blocking(move || drop(held))
            .await
            .is_err()
        {
            tracing::error!("closing the embedded engine panicked");
        }
    }

    /// Waits for a free place among the running statements; `None` when the engine is closed.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// A fresh connection. Costs a tenth of a millisecond while the keeper holds the engine open.
    fn connect(&self) -> Option<Connection> {
        self.library.connect(&self.arguments)
    }
}

/// Takes the folder for this process until the file is closed.
fn lock(data: &Path) -> Result<File, EngineError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data.join("engine.lock"))
        .map_err(|error| EngineError::Folder(data.to_owned(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse(data.to_owned())),
        Err(TryLockError::Error(error)) => Err(EngineError::Folder(data.to_owned(), error)),
    }
}

/// Major and minor version; patches keep the data format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.').map(|part| part.parse().ok());
        Some(Self(parts.next()??, parts.next()??))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Refuses a library that is too old for this program or for the data, and notes the version in the folder.
fn check_version(data: &Path, library: &str) -> Result<(), EngineError> {
    let too_old = || EngineError::LibraryTooOld {
        found: library.to_owned(),
    };
    let found = Version::parse(library)
        .filter(|found| *found >= OLDEST_ENGINE)
        .ok_or_else(too_old)?;
    let note = data.join("engine.version");
    match fs::read_to_string(&note) {
        Ok(written) if Version::parse(&written).is_none_or(|written| written > found) => {
            return Err(EngineError::DataTooNew {
                folder: data.to_owned(),
                data: written.trim().to_owned(),
                library: library.to_owned(),
            });
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(EngineError::Folder(data.to_owned(), error));
        }
        _ => {}
    }
    fs::write(&note, format!("{library}\n"))
        .map_err(|error| EngineError::Folder(data.to_owned(), error))
}

/// Free space below which the engine does not merge; it does not insert with less than this on top of it. A merge that met a full disk was seen to leave a part
/// with an empty file behind; a refused insert is journaled and repeated.
const RESERVE_BYTES: u64 = 256 << 20;

/// The engine's own configuration. Caches are small: cubes are read through the page cache of the system.
fn configuration(limits: &EngineLimits) -> String {
    format!(
        "<clickhouse>\n\
         \x20   <logger><level>none</level></logger>\n\
         \x20   <max_server_memory_usage>{}</max_server_memory_usage>\n\
         \x20   <mark_cache_size>134217728</mark_cache_size>\n\
         \x20   <uncompressed_cache_size>0</uncompressed_cache_size>\n\
         \x20   <storage_configuration><disks><default>\n\
         \x20       <keep_free_space_bytes>{RESERVE_BYTES}</keep_free_space_bytes>\n\
         \x20   </default></disks></storage_configuration>\n\
         \x20   <merge_tree>\n\
         \x20       <min_free_disk_bytes_to_perform_insert>{RESERVE_BYTES}</min_free_disk_bytes_to_perform_insert>\n\
         \x20   </merge_tree>\n\
         </clickhouse>\n",
        limits.engine_bytes
    )
}

fn arguments(data: &Path, config: &Path) -> Option<Vec<CString>> {
    let store = data.join("store");
    [
        "simcube".to_owned(),
        format!("--path={}", store.to_str()?),
        format!("--config-file={}", config.to_str()?),
    ]
    .into_iter()
    .map(|argument| CString::new(argument).ok())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(Version::parse("26.10.1") > Version::parse("26.7.3"));
        assert_eq!(Version::parse("26.7.3-stable.1"), Some(Version(26, 7)));
        assert_eq!(Version::parse("x"), None);
    }

    #[test]
    fn data_of_a_newer_engine_is_refused() {
        let data = tempfile::tempdir().expect("a temporary folder");
        check_version(data.path(), "26.8.1").expect("first open");
        check_version(data.path(), "26.8.3").expect("a patch is fine");
        let refused = check_version(data.path(), "26.7.3").expect_err("a downgrade");
        assert!(
            refused.to_string().contains("written by version 26.8.3"),
            "{refused}"
        );
        let old = check_version(data.path(), "25.3.1").expect_err("too old");
        assert!(old.to_string().contains("needs 26.7"), "{old}");
    }

    #[test]
    fn a_missing_library_is_said_plainly() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let refused = Engine::open(
            Path::new("/nowhere/libchdb.so"),
            data.path(),
            EngineLimits::default(),
        )
        .err()
        .expect("no library");
        assert!(
            refused
                .to_string()
                .contains("/nowhere/libchdb.so does not exist"),
            "{refused}"
        );
    }
}
