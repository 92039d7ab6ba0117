//! The Postgres side of topics: how far each partition is journaled, what became of its messages, and those that are nobody's.
//!
//! A topic names no tenant, so all of this is the platform's ([`crate::SystemCx`]).
//!
//! **Offsets belong to the ledger.** [`pass`] moves a partition's position in the transaction that journals its messages, from
//! where the last one ended and from nowhere else. Whoever reads the same messages, at the same time or later, is told that it is
//! stale and journals nothing of them. Offsets that are not there (a compacted topic, the markers of transactions) are normal.
//!
//! **Nothing disappears.** Of each partition, messages read = tombstones + quarantined + decoded, and decoded = accepted +
//! duplicate + rejected; the table has both as a CHECK.
//!
//! **Rollups are known by their batch.** What they count depends on what came before, so which messages a batch of rollups was made of is
//! remembered as long as its rows are kept ([`remember`]).

mod account;
mod listing;
mod passed;
mod position;
mod quarantine;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use strum::{AsRefStr, Display, EnumMessage, EnumString, VariantArray};
use uuid::Uuid;

use crate::{
    Result,
    journal::Kind,
    row::{Columns, Decode},
};

pub use account::{Account, Sums, account, sums};
pub use listing::{Listed, QuarantineCondition, SHOWN_BYTES, list};
pub use passed::{Extent, Passed, extent, forget_passed, passed, remember};
pub use position::{
    End, Position, Standing, ends, find, forget, open, pass, positions, skip, stop,
};
pub use quarantine::{Held, Kept, file, held, kept, sent, unsent};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// Which cluster's: another one with the same topics is another place.
    pub cluster: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// Its number, from 0.
    pub number: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

impl Decode for Partition {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            cluster: row.get::<&str>()?.into(),
            topic: row.get::<&str>()?.into(),
            number: row.get()?,
        })
    }
}

/// A message that has a payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it lies in its partition.
    pub offset: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// What it says.
    pub payload: Bytes,
}

/// What was sent is not for logs.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, {} bytes)", self.offset, self.payload.len())
    }
}

/// Tells one message from another one at its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// SHA-256 over key and payload, each with whether it is there and its length.
    pub fn of(key: Option<&[u8]>, payload: Option<&[u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in [key, payload] {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            hasher.update(length.to_be_bytes());
            hasher.update(part.unwrap_or_default());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(&hasher.finalize());
        Self(digest)
    }
}

/// Why a message is read.
#[derive(AsRefStr, Display, EnumString, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reading {
    /// In its order: the position moves.
    Consume,
    /// Again, from the topic.
    Replay,
    /// Again, from quarantine.
    Release,
}

/// Why a message is quarantined. The words are part of the public contract.
#[derive(AsRefStr, Display, EnumMessage, EnumString, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Longer than a record may be.
    TooLong,
    /// Not a JSON object that is known, or without an ICCID.
    Malformed,
    /// No key, or one that is no ICCID.
    InvalidKey,
    /// The key is another card's than the record's.
    KeyMismatch,
    /// No SIM of any tenant has this ICCID.
    UnknownIccid,
    /// Several SIMs of the platform fit, and none exactly.
    AmbiguousIccid,
    /// A record of this source and id came through a topic before and was another tenant's.
    CountedElsewhere,
}

/// Why a partition is not read until an operator decides.
#[derive(AsRefStr, Display, EnumString, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stop {
    /// The topic does not have the position's offset any more: messages were lost that were never read.
    OffsetLost,
    /// The last message that was read is another one now: the topic was deleted and made again.
    TopicReplaced,
    /// The next message cannot be read: it is damaged, or its batch comes to more than 100 MB when it is unpacked.
    Unreadable,
}

/// A message that is kept because it is nobody's or nobody can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The message.
    pub message: Message,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub text: String,
}

/// Why the messages of a passage are read, with what that means for position and quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// In their order.
    Consume {
        /// Where the last passage ended, -1 for the first.
        from: i64,
        /// The last message's offset + 1.
        to: i64,
        /// Of the last message.
        digest: Digest,
        /// Where the partition ended when the broker was asked last: what lies before and is not read yet waits.
        end: i64,
    },
    /// Again, from the topic.
    Replay,
    /// Again, from quarantine: what is decoded now is marked as released.
    Release {
        /// The rows of these offsets.
        rows: Vec<(i64, Uuid)>,
    },
}

impl Way {
    /// Without what it means.
    pub fn reading(&self) -> Reading {
        match self {
            Self::Consume { .. } => Reading::Consume,
            Self::Replay => Reading::Replay,
            Self::Release { .. } => Reading::Release,
        }
    }
}

/// Messages of one partition that are journaled together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Whose.
    pub partition: Partition,
    /// What its messages are read as.
    pub kind: Kind,
    /// Why they are read.
    pub way: Way,
    /// How many of them have no payload.
    pub tombstones: u64,
    /// Those that are a tenant's, by offset.
    pub decoded: Vec<Message>,
    /// The others.
    pub quarantined: Vec<Quarantined>,
}

impl Passage {
    /// The message at an offset, of those that are a tenant's.
    pub fn message(&self, offset: i64) -> Option<&Message> {
        let place = self
            .decoded
            .binary_search_by_key(&offset, |message| message.offset);
        place.ok().map(|place| &self.decoded[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_key_from_payload_and_nothing_from_empty() {
        let digests = [
            Digest::of(Some(b"ab"), Some(b"c")),
            Digest::of(Some(b"a"), Some(b"bc")),
            Digest::of(Some(b"abc"), None),
            Digest::of(Some(b"abc"), Some(b"")),
            Digest::of(None, Some(b"abc")),
            Digest::of(Some(b""), Some(b"abc")),
        ];
        for (n, digest) in digests.iter().enumerate() {
            assert!(!digests[..n].contains(digest), "{n}");
        }
    }
}
