//! Why a tenant is not created, or not found.

use crate::{Code, Error};

/// What is wrong with a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// There is none of that name.
    #[error("no such tenant")]
    NotFound,
    /// Not 1 to 63 of `a-z`, `0-9` and `-`.
    #[error("a slug has 1 to 63 of a-z, 0-9 and -, and does not begin with -")]
    Slug,
    /// Another tenant has it.
    #[error("a tenant with this slug exists")]
    SlugTaken,
    /// Not 1 to 200 characters.
    #[error("a tenant's name has 1 to 200 characters")]
    Name,
    /// Another tenant has it.
    #[error("a tenant with this name exists")]
    NameTaken,
    /// Too few days of records, or too many.
    #[error("usage records are kept for 60 to 3650 days")]
    RecordDays,
    /// Too few days of sessions, or too many.
    #[error("the log of sessions is kept for 1 to 90 days")]
    SessionDays,
    /// Rollups of sessions come too often, or too rarely.
    #[error("rollups of a session are 1 to 1440 minutes apart")]
    SessionMinutes,
    /// Too few days of files, or too many.
    #[error("files are kept for 1 to 3650 days")]
    ExportDays,
    /// No bytes, or more than there are.
    #[error("files take at least one byte")]
    ExportBytes,
}

impl TenantError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::Slug
            | Self::Name
            | Self::RecordDays
            | Self::SessionDays
            | Self::SessionMinutes
            | Self::ExportDays
            | Self::ExportBytes => Code::InvalidInput,
            Self::SlugTaken | Self::NameTaken => Code::Conflict,
        }
    }
}

impl From<TenantError> for Error {
    fn from(error: TenantError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
