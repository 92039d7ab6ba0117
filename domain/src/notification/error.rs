//! Why notifications are not marked.

use crate::{Code, Error};

/// What is wrong with what is to be marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// The caller was told no such thing.
    #[error("no such notification")]
    NotFound,
}

impl NotificationError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
        }
    }
}

impl From<NotificationError> for Error {
    fn from(error: NotificationError) -> Self {
        Self::new(error.code(), error.to_string()).at("ids")
    }
}
