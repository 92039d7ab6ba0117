//! What can be wrong with the engines, each as a sentence that says what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why the engines are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the folder, and the caller wants it alone.
    #[error("the data folder {folder} is in use{}: stop that process, or choose another folder with --data",
        holder.map(|pid| format!(" by process {pid}")).unwrap_or_default(), folder = folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// The process, once it is ready.
        holder: Option<u32>,
    },
    /// Another process has the folder and does not become ready.
    #[error("the data folder {} is in use by a process that does not answer: wait until it is ready, or stop it", .0.display())]
    NotReady(PathBuf),
    /// The folder has another format.
    #[error("the data folder {} has format {found}, this program reads format {wanted}: use the version of \
             simcube that made it, or choose another folder with --data", folder.display())]
    Format {
        /// The data folder.
        folder: PathBuf,
        /// What its VERSION file says.
        found: String,
        /// What this program reads.
        wanted: &'static str,
    },
    /// The folder's VERSION file says nothing.
    #[error("the file {} is empty, so the format of the data folder is not known: restore the file from a backup, or choose \
             another folder with --data", .0.display())]
    FormatUnknown(PathBuf),
    /// The disk is full.
    #[error("the disk that holds {} is full: free some space, or choose another folder with --data", .0.display())]
    DiskFull(PathBuf),
    /// The folder or a file in it may not be written.
    #[error("cannot write to {}: {reason}; choose another folder with --data, or change its permissions", path.display())]
    NotWritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Something else is wrong with a file.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody said where the engines are.
    #[error(
        "the folder of the engines is not known: start with ./dev, or fill one with engines/fetch and name it in \
             SIMCUBE_ENGINES, or set DATABASE_URL and CLICKHOUSE_URL"
    )]
    EnginesUnknown,
    /// The engines folder has no Postgres.
    #[error("there is no Postgres in {}: run engines/fetch, or set DATABASE_URL", .0.display())]
    PostgresMissing(PathBuf),
    /// The cluster is of another major version.
    #[error("the database in {} was made by Postgres {found}, the fetched one is {wanted}: start it with the engines of \
             version {found}, dump it with pg_dump, and load the dump into a new data folder", folder.display())]
    PostgresVersion {
        /// The cluster.
        folder: PathBuf,
        /// Its major version.
        found: String,
        /// The fetched major version.
        wanted: String,
    },
    /// The cluster outside the data folder is another data folder's.
    #[error("the database {} belongs to the data folder {owner}: a copied data folder needs a copy of its database, \
             see \"postgres.json\" in it", cluster.display())]
    PostgresForeign {
        /// The cluster.
        cluster: PathBuf,
        /// The data folder that it belongs to.
        owner: String,
    },
    /// The cluster is there, and its password is not.
    #[error("{} is missing, and without it the database in {} cannot be opened: restore the file from a backup, or choose \
             another folder with --data", record.display(), cluster.display())]
    RecordMissing {
        /// The file.
        record: PathBuf,
        /// The cluster.
        cluster: PathBuf,
    },
    /// Root has nobody to run Postgres as.
    #[error(
        "Postgres does not run as root, and there is neither a user postgres nor nobody: run as another user, or \
             set DATABASE_URL"
    )]
    NoAccount,
    /// It did not come up, or did not make its cluster.
    #[error("the private Postgres did not start: {0}")]
    Postgres(String),
    /// It ended while it was needed.
    #[error("the private Postgres ended by itself ({status}); its log is {}. What it had committed is on disk: start again",
        log.display())]
    PostgresEnded {
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
    },
    /// ClickHouse did not open.
    #[error(transparent)]
    ClickHouse(#[from] crate::clickhouse::EngineError),
}

impl Error {
    /// Sorts what the system says about a path.
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists => Self::NotWritable {
                path,
                reason: source.to_string(),
            },
            _ => Self::File { path, source },
        }
    }
}
