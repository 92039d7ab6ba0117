//! What the data folder remembers of its cluster between runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Error, data::write_private};

/// What the data folder remembers between runs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) cluster: PathBuf,
    pub(super) password: String,
    /// The last port, tried first so that the address usually stays.
    pub(super) port: Option<u16>,
}

impl Record {
    /// What is remembered, if anything is.
    pub(super) fn read(data: &Path) -> Result<Option<Self>, Error> {
        let path = Self::path(data);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(&path, error)),
        };
        let mut record: Self =
            serde_json::from_slice(&bytes).map_err(|error| Error::file(&path, error.into()))?;
        // Relative to the data folder, so that the folder can be moved as a whole.
        record.cluster = data.join(record.cluster);
        Ok(Some(record))
    }

    /// Remembers it.
    pub(super) fn write(&self, data: &Path) -> Result<(), Error> {
        let cluster = self
            .cluster
            .strip_prefix(data)
            .unwrap_or(&self.cluster)
            .to_owned();
        let record = Self {
            cluster,
            password: self.password.clone(),
            port: self.port,
        };
        let path = Self::path(data);
        let bytes =
            serde_json::to_vec_pretty(&record).map_err(|error| Error::file(&path, error.into()))?;
        write_private(&path, &bytes)
    }

    /// Where it is remembered.
    pub(super) fn path(data: &Path) -> PathBuf {
        data.join("postgres.json")
    }
}

/// 244 random bits in letters and digits.
pub(super) fn secret() -> String {
    format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    )
}
