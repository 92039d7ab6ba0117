//! What ends a command before it begins.

/// A command could not begin because of its arguments or of what it found, not because of a fault.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);
