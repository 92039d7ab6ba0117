//! Why a file cannot be written or read.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::Code;
use parquet::errors::ParquetError;
use rust_xlsxwriter::XlsxError;

use crate::files::why;

/// A failure with a sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for is refused, or a store does not answer.
    #[error(transparent)]
    Refused(#[from] domain::Error),
    /// Whatever takes the bytes, or the folder for temporary files.
    #[error("the file cannot be written: {0}")]
    Io(#[from] std::io::Error),
    /// The disk, or bytes that are not Parquet.
    #[error("the Parquet file cannot be written or read: {0}")]
    Parquet(#[from] ParquetError),
    /// Columns in memory could not be built or read.
    #[error("the Parquet file's columns do not fit together: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The disk, or what a workbook does not hold.
    #[error("the Excel file cannot be written: {0}")]
    Xlsx(#[from] XlsxError),
    /// The disk.
    #[error("the CSV file cannot be written: {0}")]
    Csv(#[from] csv::Error),
    /// Another kind of file.
    #[error("the Parquet file has no column `{name}` of the expected type")]
    Column {
        /// The column that is missing or of another type.
        name: String,
    },
    /// A cell of another kind than its column, or none.
    #[error("column `{name}` was given a cell of another kind")]
    Cell {
        /// The column.
        name: String,
    },
    /// A sum of more than 38 digits.
    #[error("column `{name}` holds at most 38 digits")]
    TooLarge {
        /// The column.
        name: String,
    },
    /// A record with a number that a 64-bit integer with a sign does not hold.
    #[error(
        "column `{name}` holds integers below 2^63 only, and a record has more: that of the stream `{stream}` which began at {}",
        start.to_rfc3339_opts(SecondsFormat::Millis, true)
    )]
    Beyond {
        /// The column.
        name: String,
        /// The stream that delivered the record.
        stream: String,
        /// When its use began.
        start: DateTime<Utc>,
    },
    /// A text that a cell of Excel does not hold.
    #[error("column `{name}` has a text of more characters than Excel holds: {most}")]
    TooLong {
        /// The column.
        name: String,
        /// Most characters of a cell.
        most: usize,
    },
    /// A workbook whose rows take more of the disk than one may.
    #[error(
        "the workbook takes more than {most} bytes of disk while it is made: ask for less, or for another format"
    )]
    TooMuch {
        /// Most bytes of one workbook.
        most: u64,
    },
    /// A stored value that its type cannot hold.
    #[error("column `{name}` holds an impossible value")]
    Value {
        /// The column.
        name: String,
    },
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal,
            error => {
                if let Some(cause) = error.cause() {
                    tracing::error!(
                        code = error.code().as_ref(),
                        cause,
                        "a file came to nothing"
                    );
                }
                Self::new(error.code(), error.sentence())
            }
        }
    }
}

impl Error {
    /// What clients are told: nothing of disks and libraries.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Refused(error) => match error.details().and_then(|it| it.suggestion.as_ref()) {
                Some(suggestion) => format!("{error}: {suggestion}"),
                None => error.to_string(),
            },
            _ if self.is_of_disk() => {
                let why = why(self).unwrap_or("the log of the server says why");
                format!("the file cannot be written: {why}")
            }
            Self::Io(_) | Self::Csv(_) | Self::Xlsx(_) | Self::Parquet(_) | Self::Arrow(_) => {
                "internal error".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// The hidden cause, for the log only.
    pub(crate) fn cause(&self) -> Option<String> {
        match self {
            Self::Refused(error) => error.cause(),
            Self::Io(_) | Self::Csv(_) | Self::Xlsx(_) | Self::Parquet(_) | Self::Arrow(_) => {
                Some(self.to_string())
            }
            _ => None,
        }
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(error) => error.code(),
            Self::TooLarge { .. }
            | Self::Beyond { .. }
            | Self::TooLong { .. }
            | Self::TooMuch { .. } => Code::LimitExceeded,
            _ if self.is_of_disk() => Code::Unavailable,
            _ => Code::Internal,
        }
    }

    /// Whether it is of whatever takes the bytes, which may take them another time. What a format does not hold it never will.
    fn is_of_disk(&self) -> bool {
        match self {
            Self::Io(_) | Self::Xlsx(XlsxError::IoError(_) | XlsxError::ZipError(_)) => true,
            Self::Csv(error) => error.is_io_error(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_disk_refuses_is_worth_another_try() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        for (error, code, sentence) in [
            (
                Error::from(full()),
                Code::Unavailable,
                "the file cannot be written: there is no space left for files",
            ),
            (
                XlsxError::IoError(full()).into(),
                Code::Unavailable,
                "the file cannot be written: there is no space left for files",
            ),
            (
                csv::Error::from(full()).into(),
                Code::Unavailable,
                "the file cannot be written: the log of the server says why",
            ),
            (
                XlsxError::RowColumnLimitError.into(),
                Code::Internal,
                "internal error",
            ),
            (
                XlsxError::SheetnameReused("usage".into()).into(),
                Code::Internal,
                "internal error",
            ),
        ] {
            assert_eq!((error.code(), error.sentence().as_str()), (code, sentence));
            assert!(error.cause().is_some(), "the log says why");
        }
    }
}
