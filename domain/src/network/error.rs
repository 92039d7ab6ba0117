//! What can be wrong with a question about a network.

use crate::{Code, Error};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The dictionary has no such network.
    #[error("no such network")]
    NotFound,
}

impl NetworkError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
        }
    }
}

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
