//! A file and its manifest, both or neither; and a folder of files.

use std::{
    fs::Permissions,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use domain::Error as Refusal;
use service::Session;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use crate::{Error, Export, Files, Manifest, Order, Progress, parts::write};

/// Writes an export to `path`, and its manifest beside it, under the same name with `.manifest.json` after it. Under these names there is
/// never a part of a file: the manifest comes last.
///
/// # Errors
/// Those of [`Export::write`].
pub async fn to_file(
    export: &Export<'_>,
    path: &Path,
    progress: impl FnMut(Progress),
) -> Result<Manifest, Error> {
    let (folder, name) = parts(path)?;
    let file = temporary(folder)?;
    let mut sink = tokio::fs::File::from_std(file.as_file().try_clone()?);
    let mut manifest = export.write(&mut sink, progress).await?;
    manifest.file = Some(name.clone());
    let mut beside = temporary(folder)?;
    let text = serde_json::to_string_pretty(&manifest).map_err(Refusal::internal)?;
    writeln!(beside, "{text}")?;
    for written in [&file, &beside] {
        written.as_file().sync_all()?;
    }
    let manifest_path = folder.join(format!("{name}.manifest.json"));
    // One of an earlier file would say wrong things of this one.
    match std::fs::remove_file(&manifest_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    file.persist(path).map_err(|error| error.error)?;
    beside.persist(manifest_path).map_err(|error| error.error)?;
    Ok(manifest)
}

/// Writes the files of an order to a folder `path`, which must not be there yet, with `manifest.json` among them. Under this name there is
/// never a part of them.
///
/// # Errors
/// `INVALID_INPUT` when there is something of this name, and those of [`Export::write`].
pub async fn to_folder(
    session: &Session,
    order: &Order,
    path: &Path,
    progress: impl FnMut(Progress),
) -> Result<Manifest, Error> {
    const FILES: &str = "files";
    if path.exists() {
        let text = format!(
            "{} is there already: several files go to a new folder",
            path.display()
        );
        return Err(Refusal::invalid(text).at("out").into());
    }
    let (beside, _) = parts(path)?;
    let temporary = tempfile::Builder::new()
        .prefix(".simcube-")
        .tempdir_in(beside)?;
    let files = Files::in_folder(temporary.path())?;
    let never = CancellationToken::new();
    let written = write((&files, FILES), (session, order), &never, progress).await?;
    std::fs::rename(temporary.path().join(FILES), path)?;
    Ok(written.manifest)
}

/// A file in the same folder, which is gone unless it gets a name. Whoever may read other new files may read it.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".simcube-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

fn parts(path: &Path) -> Result<(&Path, String), Error> {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.ok_or_else(|| Refusal::invalid("the file has no name").at("out"))?;
    let beside = path.parent().filter(|folder| *folder != PathBuf::new());
    if let Some(missing) = beside.filter(|folder| !folder.is_dir()) {
        let text = format!("there is no folder {}", missing.display());
        return Err(Refusal::invalid(text).at("out").into());
    }
    // A device or a folder would be replaced by the file.
    if path.exists() && !path.is_file() {
        return Err(
            Refusal::invalid("there is something else of this name than a file")
                .at("out")
                .into(),
        );
    }
    let folder = path.parent().filter(|folder| *folder != PathBuf::new());
    Ok((folder.unwrap_or(Path::new(".")), name.into_owned()))
}
