//! Running Postgres as somebody else: it refuses root. Whom to become, what that user can reach, and giving files
//! to it.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
};

use crate::Error;

/// Users to become, the first that exists.
const NAMES: [&str; 2] = ["postgres", "nobody"];

/// A user of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The user for Postgres when this process is root; none when it is not and Postgres simply runs as itself.
    pub(super) fn needed() -> Result<Option<Self>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let path = Path::new("/etc/passwd");
        let users = fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
        NAMES
            .iter()
            .find_map(|name| find(&users, name))
            .map(Some)
            .ok_or(Error::NoAccount)
    }

    /// Whether the user can read `path` and pass through every folder above it, judged by owner, group and mode.
    pub(super) fn can_reach(self, path: &Path) -> bool {
        let allowed = |path: &Path, wanted: u32| {
            fs::metadata(path).is_ok_and(|metadata| self.bits(&metadata) & wanted == wanted)
        };
        allowed(path, 0o5) && self.can_enter_above(path)
    }

    /// Whether the user can pass through every folder above `path`.
    pub(super) fn can_enter_above(self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|folder| {
            fs::metadata(folder).is_ok_and(|metadata| self.bits(&metadata) & 0o1 == 0o1)
        })
    }

    fn bits(self, metadata: &Metadata) -> u32 {
        let mode = metadata.mode();
        if metadata.uid() == self.uid {
            mode >> 6 & 0o7
        } else if metadata.gid() == self.gid {
            mode >> 3 & 0o7
        } else {
            mode & 0o7
        }
    }

    /// Makes the user the owner of `path` and of everything in it.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        lchown(path, Some(self.uid), Some(self.gid))?;
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }
}

fn find(users: &str, name: &str) -> Option<Account> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let mut ids = fields.skip(1);
        Some(Account {
            uid: ids.next()?.parse().ok()?,
            gid: ids.next()?.parse().ok()?,
        })
    })
}

/// Copies a folder with its modes and symbolic links.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        assert_eq!(
            find(USERS, "nobody"),
            Some(Account {
                uid: 65534,
                gid: 65533
            })
        );
        assert_eq!(find(USERS, "no"), None);
    }

    #[test]
    fn a_folder_below_a_private_one_is_out_of_reach() {
        let parent = tempfile::tempdir().unwrap();
        let inner = parent.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let metadata = fs::metadata(&inner).unwrap();
        let owner = Account {
            uid: metadata.uid(),
            gid: metadata.gid(),
        };
        let stranger = Account {
            uid: owner.uid + 1,
            gid: owner.gid + 1,
        };
        fs::set_permissions(parent.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert!(owner.can_reach(&inner));
        assert!(!stranger.can_reach(&inner));
        fs::set_permissions(parent.path(), PermissionsExt::from_mode(0o711)).unwrap();
        assert!(stranger.can_reach(&inner));
    }

    #[test]
    fn a_copy_keeps_modes_and_links() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("bin")).unwrap();
        fs::write(from.path().join("bin/program"), "x").unwrap();
        fs::set_permissions(
            from.path().join("bin/program"),
            PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        std::os::unix::fs::symlink("program", from.path().join("bin/link")).unwrap();
        let to = to.path().join("copy");
        copy(from.path(), &to).unwrap();
        assert_eq!(
            fs::metadata(to.join("bin/program")).unwrap().mode() & 0o777,
            0o755
        );
        assert_eq!(
            fs::read_link(to.join("bin/link")).unwrap(),
            Path::new("program")
        );
    }
}
