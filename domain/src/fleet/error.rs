//! Why a fleet file is not imported. What is wrong with one of its rows is in the report, as a [`super::RowError`].

use super::model::COLUMNS;
use crate::{Code, Error};

/// What is wrong with a whole file, or with its import.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// There is no header, or it does not come.
    #[error("the fleet file cannot be read")]
    Unreadable,
    /// It does not go back to its beginning.
    #[error("the fleet file cannot be read twice")]
    NotSeekable,
    /// Another encoding.
    #[error("the fleet file is not UTF-8: save it as CSV in UTF-8")]
    NotUtf8,
    /// Semicolons or tabs.
    #[error("the columns of the fleet file are not separated by commas: use commas")]
    NotCommas,
    /// Not one of [`COLUMNS`].
    #[error("unknown column `{0}`; known are {known}", known = COLUMNS.join(", "))]
    UnknownColumn(String),
    /// A column that would mean two things.
    #[error("column `{0}` is there twice")]
    RepeatedColumn(String),
    /// A column that every file has.
    #[error("column `{0}` is missing")]
    MissingColumn(&'static str),
    /// Somebody else took a name or an identifier that the import was about to give out.
    #[error("the fleet changed while it was imported; try again")]
    Changed,
}

impl FleetError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Changed => Code::Conflict,
            _ => Code::InvalidInput,
        }
    }
}

impl From<FleetError> for Error {
    fn from(error: FleetError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
