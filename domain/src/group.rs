//! What the keys of groups say: a value, that there is none, or that the caller may not see it. Nothing is left out of an answer
//! because it has no value.

use strum::{AsRefStr, EnumMessage, VariantArray};

/// What stands in the key of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyStatus {
    /// A value.
    Value,
    /// The records do not say.
    Unknown,
    /// There is no value: the group is of everything that has none.
    Unassigned,
    /// A value that the caller may not see. Usage by what was true at the time of use may have several such rows, one for each value.
    Hidden,
}

/// A part of the key of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key<T> {
    /// A value.
    Value(T),
    /// No value.
    Unassigned,
    /// A value that the caller may not see.
    Hidden,
}

impl<T> Key<T> {
    /// Which of these it is.
    pub const fn status(&self) -> KeyStatus {
        match self {
            Self::Value(_) => KeyStatus::Value,
            Self::Unassigned => KeyStatus::Unassigned,
            Self::Hidden => KeyStatus::Hidden,
        }
    }

    /// The value, if there is one to see.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unassigned | Self::Hidden => None,
        }
    }
}
