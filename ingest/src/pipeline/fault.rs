//! Failing on purpose, at any step.

use domain::Result;

/// A moment of the pipeline at which a test, or an operator who tests recovery, can stop the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Records are decoded, nothing is written.
    Decoded,
    /// SIMs are known, nothing is written.
    Resolved,
    /// Identities are written, not committed.
    Claimed,
    /// Everything of the batch is written, not committed.
    Recorded,
    /// The journal has the batch, the cubes have not.
    Committed,
    /// The cubes have the batch, the journal does not know.
    Applied,
    /// All is done but the reply.
    Marked,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 7] = [
        Self::Decoded,
        Self::Resolved,
        Self::Claimed,
        Self::Recorded,
        Self::Committed,
        Self::Applied,
        Self::Marked,
    ];

    /// A word for flags and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Resolved => "resolved",
            Self::Claimed => "claimed",
            Self::Recorded => "recorded",
            Self::Committed => "committed",
            Self::Applied => "applied",
            Self::Marked => "marked",
        }
    }
}

/// Fails on purpose.
pub trait Fault: Send + Sync + 'static {
    /// Called when a batch reaches `step`. An error stops the batch there, as a crash would; a fault may also end the
    /// process.
    fn reached(&self, step: Step) -> Result<()>;
}

/// Production.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFault;

impl Fault for NoFault {
    fn reached(&self, _: Step) -> Result<()> {
        Ok(())
    }
}
