//! A file and its manifest, both or neither.

use std::{
    fs::Permissions,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use domain::Error as Refusal;
use tempfile::NamedTempFile;

use crate::{Error, Export, Manifest, Progress};

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
