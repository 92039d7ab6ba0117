//! What can be wrong with a question about a network.

use crate::{Code, Error};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The dictionary has no such network.
    #[error("no such network")]
    NotFound,
    /// It is new, and nobody said what it is called.
    #[error("the dictionary has no such network: say its name")]
    NoName,
    /// No network of the dictionary is in this country.
    #[error(
        "no network of the dictionary is in this country: an ISO 3166-1 alpha-2 code is expected"
    )]
    UnknownCountry,
}

impl NetworkError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::NoName | Self::UnknownCountry => Code::InvalidInput,
        }
    }
}

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
