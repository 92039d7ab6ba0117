//! Why a job is not made or changed.

use super::model::JobState;
use crate::{Code, Error};

/// What is wrong with a job that is to be, or with one that is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The caller has no such job.
    #[error("no such job")]
    NotFound,
    /// Not a name that a file could have.
    #[error(
        "a name has 1 to 100 printable characters, none of them / or \\, and does not begin with a dot"
    )]
    Name,
    /// It is over already.
    #[error("this is {} and cannot be cancelled", .0.as_ref())]
    Over(JobState),
    /// It is not one that ended without a result.
    #[error("this is {}: only what failed or was cancelled is done again", .0.as_ref())]
    NotFailed(JobState),
    /// Who asks for it again is somebody else.
    #[error("only whoever asked for it asks for it again")]
    NotAsker,
    /// The caller did not come with a token.
    #[error("jobs are made by callers with a token")]
    NoToken,
}

impl JobError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::Name => Code::InvalidInput,
            Self::Over(_) | Self::NotFailed(_) => Code::Conflict,
            Self::NotAsker | Self::NoToken => Code::Forbidden,
        }
    }
}

impl From<JobError> for Error {
    fn from(error: JobError) -> Self {
        let made = Self::new(error.code(), error.to_string());
        match error {
            JobError::Name => made.at("name"),
            _ => made,
        }
    }
}
