//! What became of records that somebody delivered.

use domain::{Code, journal::RejectionCode};

/// What became of a delivery. `received = accepted + duplicate + rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Records delivered.
    pub received: u64,
    /// Counted now.
    pub accepted: u64,
    /// Counted before.
    pub duplicate: u64,
    /// Refused; stored, and listed by code.
    pub rejected: u64,
    /// Of accepted and duplicate: kept, and not counted before the usage store takes them.
    pub pending: u64,
    /// The first of the refused, by position.
    pub rejections: Vec<Rejected>,
    /// Whether there are more than listed.
    pub rejections_truncated: bool,
    /// Of rejected: not even JSON, or too long to look.
    pub unreadable: u64,
    /// Why the first of them could not be read.
    pub flaw: Option<(Code, String)>,
}

/// One refused record in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Position in the body, from 0.
    pub index: u64,
    /// Why.
    pub code: RejectionCode,
    /// Why, for people.
    pub message: String,
}

impl Account {
    /// Why nothing at all could be read, if so.
    pub fn noise(&self) -> Option<(Code, &str)> {
        let (code, why) = self.flaw.as_ref()?;
        (self.unreadable == self.received).then_some((*code, why.as_str()))
    }

    /// Adds what became of the next records of the same body, listing at most `listed` rejections in all.
    pub(super) fn add(&mut self, next: Self, listed: usize) {
        self.received += next.received;
        self.accepted += next.accepted;
        self.duplicate += next.duplicate;
        self.rejected += next.rejected;
        self.pending += next.pending;
        self.unreadable += next.unreadable;
        if self.flaw.is_none() {
            self.flaw = next.flaw;
        }
        let room = listed.saturating_sub(self.rejections.len());
        self.rejections_truncated |= next.rejections_truncated || next.rejections.len() > room;
        self.rejections
            .extend(next.rejections.into_iter().take(room));
    }
}
