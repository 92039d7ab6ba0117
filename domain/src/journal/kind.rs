//! What batches are of.

use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

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
