//! Where the cluster and the programs lie, so that the user who runs them can reach them.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::account::{Account, copy};
use crate::{Error, data::digest};

/// Where root keeps clusters that cannot lie in the data folder.
const OUTSIDE: &str = "/var/lib/simcube";

/// Where a new cluster goes.
pub(super) fn place(data: &Path, account: Option<Account>) -> Result<PathBuf, Error> {
    let inside = data.join("postgres");
    match account {
        Some(account) if !account.can_enter_above(&inside) => {
            let home = Path::new(OUTSIDE).join(digest(data));
            public_folder(&home)?;
            let owner = home.join("owner");
            fs::write(&owner, data.display().to_string())
                .map_err(|error| Error::file(&owner, error))?;
            Ok(home.join("postgres"))
        }
        _ => Ok(inside),
    }
}

fn public_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .map_err(|error| Error::file(path, error))
}

/// A cluster outside belongs to one data folder; a copy of that folder must not start it.
pub(super) fn check_owner(cluster: &Path, data: &Path) -> Result<(), Error> {
    if cluster.starts_with(data) {
        return Ok(());
    }
    let owner = cluster.with_file_name("owner");
    let owner = fs::read_to_string(&owner).map_err(|error| Error::file(&owner, error))?;
    if Path::new(owner.trim()) == data {
        return Ok(());
    }
    Err(Error::PostgresForeign {
        cluster: cluster.to_owned(),
        owner: owner.trim().to_owned(),
    })
}

/// The programs, or a copy of them where the user who runs them can read it.
pub(super) fn readable_binaries(
    binaries: &Path,
    account: Option<Account>,
) -> Result<PathBuf, Error> {
    let binaries = binaries
        .canonicalize()
        .map_err(|error| Error::file(binaries, error))?;
    let Some(account) = account else {
        return Ok(binaries);
    };
    if account.can_reach(&binaries.join("bin/postgres")) {
        return Ok(binaries);
    }
    let stamp = fs::read(binaries.join("STAMP")).unwrap_or_default();
    let name = format!(
        "engine-{}",
        digest(Path::new(&*String::from_utf8_lossy(&stamp)))
    );
    let copied = Path::new(OUTSIDE).join(name);
    if copied.join("bin/postgres").is_file() {
        return Ok(copied);
    }
    public_folder(Path::new(OUTSIDE))?;
    let draft = copied.with_extension(std::process::id().to_string());
    let moved = copy(&binaries, &draft).and_then(|()| {
        fs::set_permissions(&draft, Permissions::from_mode(0o755))?;
        fs::rename(&draft, &copied)
    });
    match moved {
        // Another program may have been faster.
        Err(_) if copied.join("bin/postgres").is_file() => {
            fs::remove_dir_all(&draft).map_err(|error| Error::file(&draft, error))?;
        }
        moved => moved.map_err(|error| Error::file(&copied, error))?,
    }
    Ok(copied)
}
