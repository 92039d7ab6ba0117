//! The small disk that the engines live on, and filling it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    io::Errno,
};

/// A disk larger than this is somebody's real one.
const LARGEST: u64 = 2 << 30;
/// The smallest piece that is worth taking, bytes.
const PIECE: u64 = 4096;

/// A file system of its own that may be filled.
#[derive(Clone)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// # Errors
    /// When `path` is not a small file system: a real disk must not be filled.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let stat = statvfs(path).with_context(|| format!("no disk at {}", path.display()))?;
        let bytes = stat.f_blocks * stat.f_frsize;
        ensure!(
            bytes <= LARGEST,
            "{} is on a disk of {} MB, which will not be filled: run ./dev chaos, which mounts a small one",
            path.display(),
            bytes >> 20
        );
        Ok(Self(path.to_owned()))
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Takes all free bytes but `leave`, until what is returned is dropped.
    pub(crate) fn fill(&self, leave: u64) -> Result<Filler> {
        let filler = Filler(self.0.join(format!("filler-{leave}")));
        let file = File::create(&filler.0)?;
        let stat = statvfs(&self.0)?;
        let mut wanted = (stat.f_bavail * stat.f_frsize).saturating_sub(leave);
        let (mut taken, mut piece) = (0, wanted);
        // Others write meanwhile: when a piece does not fit any more, a smaller one may.
        while wanted >= PIECE && piece >= PIECE {
            match fallocate(&file, FallocateFlags::empty(), taken, piece) {
                Ok(()) => {
                    taken += piece;
                    wanted -= piece;
                    piece = piece.min(wanted);
                }
                Err(Errno::NOSPC) => piece /= 2,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
        }
        Ok(filler)
    }
}

/// The file that fills the disk. Dropping it gives the bytes back.
pub(crate) struct Filler(PathBuf);

impl Drop for Filler {
    fn drop(&mut self) {
        // The next run empties the disk, and notices.
        fs::remove_file(&self.0).ok();
    }
}
