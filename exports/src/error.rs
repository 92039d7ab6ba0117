//! Why a file cannot be written or read.

use parquet::errors::ParquetError;

/// A failure with a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk, or bytes that are not Parquet.
    #[error("the Parquet file cannot be written or read: {0}")]
    Parquet(#[from] ParquetError),
    /// Columns in memory could not be built or read.
    #[error("the Parquet file's columns do not fit together: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Another kind of file.
    #[error("the Parquet file has no column `{name}` of the expected type")]
    Column {
        /// The column that is missing or of another type.
        name: &'static str,
    },
    /// A cell of another kind than its column, or none.
    #[error("column `{name}` was given a cell of another kind")]
    Cell {
        /// The column.
        name: &'static str,
    },
    /// A sum of more than 38 digits.
    #[error("column `{name}` holds at most 38 digits")]
    TooLarge {
        /// The column.
        name: &'static str,
    },
    /// A stored value that its type cannot hold.
    #[error("column `{name}` holds an impossible value")]
    Value {
        /// The column.
        name: &'static str,
    },
}
