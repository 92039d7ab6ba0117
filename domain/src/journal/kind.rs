//! What batches are of.

use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

use crate::usage::Source;

/// What a batch is of. Each kind has a ledger of its own, and payloads whose encodings are versions within the kind.
#[derive(
    AsRefStr,
    EnumMessage,
    EnumString,
    VariantArray,
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// Usage records.
    Cdr,
    /// Rollups of sessions.
    Session,
}

impl From<Source> for Kind {
    fn from(source: Source) -> Self {
        match source {
            Source::Cdr => Self::Cdr,
            Source::Session => Self::Session,
        }
    }
}
