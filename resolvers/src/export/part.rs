//! `ExportPart`.

use async_graphql::Object;
use exports::Part;
use schema::scalar::BigInt;

/// One of several files.
pub(crate) struct ExportPart {
    pub(super) part: Part,
    /// Where it can be had.
    pub(super) download_url: Option<String>,
}

/// One of several files.
#[Object]
impl ExportPart {
    /// Its path below the folder of all of them, such as `month=2026-10/records.parquet`.
    async fn path(&self) -> &str {
        &self.part.path
    }

    /// Rows of it.
    async fn rows(&self) -> BigInt {
        BigInt(self.part.rows.into())
    }

    /// Bytes of it.
    async fn bytes(&self) -> BigInt {
        BigInt(self.part.bytes.into())
    }

    /// SHA-256 of it, in hexadecimal digits.
    async fn sha256(&self) -> &str {
        &self.part.sha256
    }

    /// Where it can be had for 15 minutes, as `Export.downloadUrl` says.
    async fn download_url(&self) -> Option<&str> {
        self.download_url.as_deref()
    }
}
