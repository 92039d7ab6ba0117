//! What can be wrong with a question about a SIM.

use crate::{Code, Error};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// The caller can see no such SIM.
    #[error("no such SIM")]
    NotFound,
    /// Two SIMs of the tenant begin with the digits that were given.
    #[error("more than one SIM matches this ICCID: give all its digits")]
    AmbiguousIccid,
}

impl SimError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::AmbiguousIccid => Code::Conflict,
        }
    }
}

impl From<SimError> for Error {
    fn from(error: SimError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
