//! A folder of this machine.

use std::{
    io::{self, ErrorKind, Write as _},
    path::{Path as FilePath, PathBuf},
};

use domain::{Error, Result};
use object_store::{local::LocalFileSystem, path::Path};
use tokio::{fs, task};

/// Levels of folders between this one and the files: tenant, job, claim.
const LEVELS: usize = 3;

/// A folder with files.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &FilePath) -> Result<(Self, LocalFileSystem)> {
        let failed = "the folder of exports cannot be used";
        std::fs::create_dir_all(path).map_err(|error| Error::unavailable(failed, error))?;
        let store = LocalFileSystem::new_with_prefix(path);
        let store = store.map_err(|error| Error::unavailable(failed, error))?;
        let store = store.with_automatic_cleanup(true).with_fsync(true);
        let path = path.to_owned();
        Ok((Self { path }, store))
    }

    /// Whether it takes bytes: some are written to a file that has no name and is gone at once.
    pub(super) async fn ping(&self) -> io::Result<()> {
        let path = self.path.clone();
        let written = task::spawn_blocking(move || {
            std::fs::create_dir_all(&path)?;
            tempfile::tempfile_in(&path)?.write_all(b"ping")
        });
        written.await.map_err(io::Error::other)?
    }

    /// Removes a folder below, and those above it that have nothing else. Unfinished files have names that the store does not list.
    pub(super) async fn remove(&self, folder: &str) -> io::Result<()> {
        let removed = fs::remove_dir_all(self.path.join(folder)).await;
        ignoring(removed, ErrorKind::NotFound)?;
        let above = FilePath::new(folder).ancestors().skip(1);
        for folder in above.filter(|folder| !folder.as_os_str().is_empty()) {
            // It may have other files, or get some in this moment: then it stays.
            if fs::remove_dir(self.path.join(folder)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The folders of claims, whatever they have.
    pub(super) async fn claims(&self) -> io::Result<Vec<Path>> {
        let mut folders = vec![Path::default()];
        for _ in 0..LEVELS {
            let mut below = Vec::new();
            for folder in folders {
                below.append(&mut self.below(&folder).await?);
            }
            folders = below;
        }
        Ok(folders)
    }

    /// What a folder below has; nothing if it is gone, or is none.
    async fn below(&self, folder: &Path) -> io::Result<Vec<Path>> {
        let mut found = Vec::new();
        let mut entries = match fs::read_dir(self.path.join(folder.as_ref())).await {
            Ok(entries) => entries,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(found);
            }
            Err(error) => return Err(error),
        };
        while let Some(entry) = entries.next_entry().await? {
            if let Some(name) = entry.file_name().to_str() {
                found.push(folder.clone().join(name));
            }
        }
        Ok(found)
    }
}

fn ignoring(outcome: io::Result<()>, kind: ErrorKind) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() != kind => Err(error),
        _ => Ok(()),
    }
}
