//! Why labels are not defined, set or removed.

use crate::{Code, Error};

/// What is wrong with a label or a definition that is to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Not 1 to 60 printable characters without `=` and `;`, which fleet files need.
    #[error("a key has 1 to 60 printable characters, no = and no ;")]
    Key,
    /// The tenant has this key.
    #[error("a label with this key is defined")]
    KeyTaken,
    /// Not 1 to 100 different values of 1 to 200 printable characters.
    #[error(
        "options are 1 to 100 different values of 1 to 200 printable characters; null allows any text"
    )]
    Options,
    /// SIMs and devices carry it.
    #[error("SIMs and devices carry this label, {0} of them: remove it from them first")]
    InUse(u64),
    /// SIMs and devices carry a value that would not be an option any more.
    #[error(
        "SIMs and devices carry a value that would not be an option any more, {0} of them: change them first"
    )]
    OptionInUse(u64),
    /// Nothing is defined by this key.
    #[error("no label `{0}` is defined")]
    Undefined(String),
    /// More than once in what is set and removed, so that it is not clear what is wanted.
    #[error("`{0}` is named more than once")]
    NamedTwice(String),
    /// Not one of the options.
    #[error("`{value}` is not among the options of `{key}`")]
    NotAnOption {
        /// The label.
        key: String,
        /// What it was to be.
        value: String,
    },
    /// Not 1 to 200 printable characters.
    #[error("a value has 1 to 200 printable characters")]
    Value,
}

impl LabelError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::KeyTaken | Self::InUse(_) | Self::OptionInUse(_) => Code::Conflict,
            Self::Undefined(_) => Code::NotFound,
            _ => Code::InvalidInput,
        }
    }

    /// The field that is to blame.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Key | Self::KeyTaken => Some("key"),
            Self::Options | Self::OptionInUse(_) => Some("options"),
            Self::NotAnOption { .. } | Self::Value => Some("value"),
            Self::InUse(_) | Self::Undefined(_) | Self::NamedTwice(_) => None,
        }
    }
}

impl From<LabelError> for Error {
    fn from(error: LabelError) -> Self {
        let plain = Self::new(error.code(), error.to_string());
        match error.field() {
            Some(field) => plain.at(field),
            None => plain,
        }
    }
}
