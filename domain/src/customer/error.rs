//! Why a customer is not created, changed or found.

use crate::{Code, Error};

/// What is wrong with a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomerError {
    /// The caller can see no such customer.
    #[error("no such customer")]
    NotFound,
    /// Not 1 to 63 of `a-z`, `0-9` and `-`.
    #[error("a slug has 1 to 63 of a-z, 0-9 and -, and does not begin with -")]
    Slug,
    /// Taken, perhaps by an archived customer: tokens and files name it.
    #[error("a customer with this slug exists, or existed")]
    SlugTaken,
    /// Not 1 to 200 printable characters.
    #[error("a name has 1 to 200 printable characters")]
    Name,
    /// Another customer of the tenant has it.
    #[error("a customer with this name exists")]
    NameTaken,
    /// Nobody could be called that.
    #[error("a first name has 1 to 200 printable characters")]
    FirstName,
    /// Nobody could be called that.
    #[error("a last name has 1 to 200 printable characters")]
    LastName,
    /// No mail could get there.
    #[error(
        "a mail address has one @ with text on both sides, no spaces, and at most 254 characters"
    )]
    Email,
    /// Nobody could be called there.
    #[error(
        "a phone number has 3 to 20 digits, perhaps after a +, perhaps with spaces, -, ( and ) between them"
    )]
    Phone,
}

impl CustomerError {
    /// The stable code.
    pub const fn code(self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::SlugTaken | Self::NameTaken => Code::Conflict,
            _ => Code::InvalidInput,
        }
    }

    /// The field that is to blame.
    pub const fn field(self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound => return None,
            Self::Slug | Self::SlugTaken => "slug",
            Self::Name | Self::NameTaken => "name",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::Phone => "phone",
        })
    }
}

impl From<CustomerError> for Error {
    fn from(error: CustomerError) -> Self {
        let plain = Self::new(error.code(), error.to_string());
        match error.field() {
            Some(field) => plain.at(field),
            None => plain,
        }
    }
}
