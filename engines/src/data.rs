//! The data folder: who holds it, which format it has, and where its engines can be reached.
//!
//! ```text
//! VERSION          format of the folder, checked at every start
//! lock             held by the one process that has the engines
//! run.json         0600, present while they run: how a command beside that process reaches them
//! postgres.json    0600: where the private Postgres has its cluster, its password and its port
//! postgres/        the cluster (elsewhere when root owns a folder that Postgres' user cannot enter)
//! clickhouse/      tables of the embedded ClickHouse
//! clickhouse.sock  0600: ClickHouse for commands beside
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Format of the folder. It changes when an older program could no longer read a folder, or the reverse.
const FORMAT: &str = "1";

/// Bytes that must be free on the disk for the engines to start: less ends in the middle of a write.
const LEAST_FREE: u64 = 64 << 20;

/// Longest path of a Unix socket that every system takes, in bytes.
const LONGEST_SOCKET: usize = 100;

/// The folder, held by this process until dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Whether the folder could be had.
pub(crate) enum Claim {
    /// It is held by this process now.
    Free(DataFolder),
    /// Another process holds the folder of this path.
    Taken(PathBuf),
}

/// What the run file says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The process that holds the engines.
    pub(crate) pid: u32,
    /// Postgres, private or not.
    pub(crate) database_url: String,
    /// ClickHouse on a server.
    pub(crate) clickhouse_url: Option<String>,
    /// ClickHouse inside that process.
    pub(crate) clickhouse_socket: Option<PathBuf>,
}

impl Run {
    /// Whether somebody answers: the file of a crashed run stays until the next start.
    pub(crate) fn is_reachable(&self) -> bool {
        if let Some(socket) = &self.clickhouse_socket
            && UnixStream::connect(socket).is_err()
        {
            return false;
        }
        let address = url::Url::parse(&self.database_url).ok().and_then(|url| {
            let port = url.port().unwrap_or(5432);
            (url.host_str()?, port).to_socket_addrs().ok()?.next()
        });
        // An address that the URL does not show is for the client to report.
        address.is_none_or(|address| {
            TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok()
        })
    }
}

/// Takes the folder if nobody has it; makes it if missing.
pub(crate) fn claim(path: &Path) -> Result<Claim, Error> {
    // Root's Postgres runs as another user, who must be able to pass through; everything secret in it is 0600.
    let mode = if rustix::process::geteuid().is_root() {
        0o711
    } else {
        0o700
    };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| Error::file(path, error))?;
    let path = path
        .canonicalize()
        .map_err(|error| Error::file(path, error))?;
    let lock = path.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)
        .map_err(|error| Error::file(&lock, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Claim::Taken(path)),
        Err(TryLockError::Error(error)) => return Err(Error::file(&lock, error)),
    }
    let folder = DataFolder { path, _lock: file };
    folder.check_format()?;
    folder.check_space()?;
    folder.remove_run();
    Ok(Claim::Free(folder))
}

/// The run file of whoever holds the folder; none while that process is starting or stopping.
pub(crate) fn read_run(folder: &Path) -> Result<Option<Run>, Error> {
    let path = folder.join("run.json");
    match fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(&path, error)),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    let write = || {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| Error::file(path, error))
}

/// A short name for a path, the same at every start.
pub(crate) fn digest(path: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    path.as_os_str().as_bytes().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl DataFolder {
    /// Its absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where commands beside this process find ClickHouse. A path too long for a socket gets a short one.
    pub(crate) fn socket(&self) -> PathBuf {
        let path = self.path.join("clickhouse.sock");
        if path.as_os_str().len() <= LONGEST_SOCKET {
            return path;
        }
        std::env::temp_dir().join(format!("simcube-{}.sock", digest(&self.path)))
    }

    pub(crate) fn write_run(&self, run: &Run) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(run)
            .map_err(|error| Error::file(&self.path, error.into()))?;
        write_private(&self.path.join("run.json"), &bytes)
    }

    pub(crate) fn remove_run(&self) {
        match fs::remove_file(self.path.join("run.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the run file stays behind");
            }
            _ => {}
        }
    }

    /// Removes a folder in it.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(&path, error)),
            _ => Ok(()),
        }
    }

    fn check_format(&self) -> Result<(), Error> {
        let path = self.path.join("VERSION");
        match fs::read_to_string(&path) {
            Ok(found) if found.trim() == FORMAT => Ok(()),
            Ok(found) if found.trim().is_empty() => Err(Error::FormatUnknown(path)),
            Ok(found) => Err(Error::Format {
                folder: self.path.clone(),
                found: found.trim().chars().take(20).collect(),
                wanted: FORMAT,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_private(&path, format!("{FORMAT}\n").as_bytes())
            }
            Err(error) => Err(Error::file(&path, error)),
        }
    }

    fn check_space(&self) -> Result<(), Error> {
        let disk = rustix::fs::statvfs(&self.path)
            .map_err(|error| Error::file(&self.path, error.into()))?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_FREE {
            return Err(Error::DiskFull(self.path.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn hold(path: &Path) -> DataFolder {
        match claim(path).unwrap() {
            Claim::Free(folder) => folder,
            Claim::Taken(_) => panic!("taken"),
        }
    }

    #[test]
    fn a_folder_is_held_by_one_and_free_after_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = hold(&path);
        assert!(matches!(claim(&path).unwrap(), Claim::Taken(_)));
        drop(first);
        hold(&path);
    }

    #[test]
    fn a_folder_of_another_format_is_refused_with_both_formats() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("VERSION"), "7\n").unwrap();
        let Err(error) = claim(folder.path()) else {
            panic!("claimed")
        };
        let text = error.to_string();
        assert!(
            text.contains("has format 7") && text.contains("reads format 1"),
            "{text}"
        );
    }

    #[test]
    fn a_folder_whose_format_nobody_knows_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("VERSION"), "\n").unwrap();
        let Err(error) = claim(folder.path()) else {
            panic!("claimed")
        };
        assert!(error.to_string().contains("VERSION is empty"), "{error}");
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_a_sentence() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let Err(error) = claim(file.path()) else {
            panic!("claimed")
        };
        assert!(error.to_string().starts_with("cannot write to "), "{error}");
    }

    #[test]
    fn a_full_disk_is_a_sentence() {
        let error = Error::file(Path::new("/data"), io::ErrorKind::StorageFull.into());
        assert!(
            error
                .to_string()
                .starts_with("the disk that holds /data is full"),
            "{error}"
        );
    }

    #[test]
    fn the_run_file_is_private_and_of_a_crashed_run_it_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = hold(parent.path());
        let run = Run {
            pid: 1,
            database_url: "postgres://a:b@127.0.0.1:1/x".into(),
            clickhouse_url: None,
            clickhouse_socket: Some(folder.socket()),
        };
        folder.write_run(&run).unwrap();
        let mode = fs::metadata(parent.path().join("run.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = read_run(parent.path()).unwrap().unwrap();
        assert!(!read.is_reachable());
        drop(folder);
        let _again = hold(parent.path());
        assert!(read_run(parent.path()).unwrap().is_none());
    }

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let parent = tempfile::tempdir().unwrap();
        let folder = hold(&parent.path().join("x".repeat(120)));
        assert!(folder.socket().as_os_str().len() <= LONGEST_SOCKET);
    }
}
