//! Where the files of a test lie: a folder, or a bucket of a real S3 server.

use std::path::PathBuf;

use testkit::Bucket;

use crate::{jobs::files, support::Program};

/// Where files lie.
pub(crate) enum Store {
    /// In the data folder.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(Bucket),
}

impl Store {
    /// What a server has if nothing is said.
    pub(crate) fn folder(program: &Program) -> Self {
        Self::Folder(program.data().join("exports"))
    }

    /// Settings of a server that keeps its files here, with `more`.
    pub(crate) fn settings(&self, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut settings = match self {
            Self::Folder(_) => Vec::new(),
            Self::Bucket(bucket) => [("EXPORT_URL", bucket.url())]
                .into_iter()
                .chain(bucket.environment())
                .collect(),
        };
        settings.extend(
            more.iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        settings
    }

    /// All that is there, parts of unfinished files included.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Folder(folder) => files(folder),
            Self::Bucket(bucket) => bucket.files(),
        }
    }
}
