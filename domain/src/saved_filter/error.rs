//! Why a filter is not saved, changed or used.

use super::model::SavedFilterKind;
use crate::{Code, Error};

/// What is wrong with a saved filter that is to be, or with one that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedFilterError {
    /// The tenant has no such filter.
    #[error("no such saved filter")]
    NotFound,
    /// Not 1 to 100 printable characters.
    #[error("a name has 1 to 100 printable characters")]
    Name,
    /// The tenant has a filter of the same kind with this name.
    #[error("a saved filter of the same kind has this name")]
    NameTaken,
    /// It says which rows of the other kind are meant.
    #[error("this saved filter is of {0}")]
    OtherKind(SavedFilterKind),
    /// It names another one.
    #[error("a saved filter names no other one")]
    Nested,
    /// What is saved for one kind is to become a filter of the other.
    #[error("this is a saved filter of {0}, and stays one")]
    KindStays(SavedFilterKind),
}

impl SavedFilterError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::NameTaken => Code::Conflict,
            Self::Name | Self::OtherKind(_) | Self::Nested | Self::KindStays(_) => {
                Code::InvalidInput
            }
        }
    }

    /// The field that is to blame.
    pub const fn field(self) -> &'static str {
        match self {
            Self::NotFound | Self::OtherKind(_) | Self::Nested => "saved",
            Self::Name | Self::NameTaken => "name",
            Self::KindStays(_) => "filter",
        }
    }
}

impl From<SavedFilterError> for Error {
    fn from(error: SavedFilterError) -> Self {
        Self::new(error.code(), error.to_string()).at(error.field())
    }
}
