//! Why a schedule is not made or changed.

use crate::{Code, Error};

/// What is wrong with a schedule that is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a name that a file could have, with the month behind it.
    #[error(
        "a name has 1 to 92 printable characters, none of them / or \\, and does not begin with a dot"
    )]
    Name,
}

impl ScheduleError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::Name => Code::InvalidInput,
        }
    }
}

impl From<ScheduleError> for Error {
    fn from(error: ScheduleError) -> Self {
        let made = Self::new(error.code(), error.to_string());
        match error {
            ScheduleError::Name => made.at("name"),
        }
    }
}
