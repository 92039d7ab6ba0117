//! Step 1: records or rejections.

use domain::{
    Code,
    session::{self, Rollup},
};

use crate::{
    format::{self, Cdr, Rejection, Shape},
    read::{Batch as Records, Flaw, Raw, Room},
};

/// Records decoded before other tasks get a turn.
const DECODED_AT_ONCE: usize = 1_000;

/// A record, and what it became or why it is refused.
#[derive(Clone)]
pub(super) struct Item<T> {
    pub(super) raw: Raw,
    pub(super) outcome: Result<T, Box<Rejection>>,
}

impl<T> Item<T> {
    /// Why nothing of it could be read, if so.
    pub(super) fn flaw(&self) -> Option<(Code, String)> {
        let rejection = self.outcome.as_ref().err().filter(|it| it.unreadable)?;
        let code = match self.raw.flaw {
            Some(Flaw::Rest { code, .. }) => code,
            Some(Flaw::TooLong) => Code::LimitExceeded,
            None => Code::InvalidInput,
        };
        Some((code, rejection.message.clone()))
    }
}

/// Decoded records and the room that they take.
pub(super) struct Items<T = Cdr> {
    pub(super) items: Vec<Item<T>>,
    /// Held until they are journaled.
    pub(super) _room: Option<Room>,
}

/// Usage records of a shape.
pub(super) async fn decode(shape: &Shape, records: Records) -> Items {
    read(records, shape.source(), |bytes| {
        format::decode(shape, bytes)
    })
    .await
}

/// Rollups of sessions.
pub(super) async fn decode_rollups(records: Records) -> Items<Rollup> {
    read(records, session::SOURCE, format::decode_rollup).await
}

async fn read<T>(
    records: Records,
    source: &str,
    decode: impl Fn(&[u8]) -> Result<T, Box<Rejection>>,
) -> Items<T> {
    let flawed = |message: &str| {
        let mut rejection = Rejection::unreadable(message);
        source.clone_into(&mut rejection.source);
        Err(Box::new(rejection))
    };
    let mut items = Vec::with_capacity(records.records.len());
    for (n, raw) in records.records.into_iter().enumerate() {
        if n % DECODED_AT_ONCE == DECODED_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let outcome = match &raw.flaw {
            None => decode(&raw.bytes),
            Some(Flaw::TooLong) => flawed("the record is too long"),
            Some(Flaw::Rest { why, .. }) => flawed(why),
        };
        items.push(Item { raw, outcome });
    }
    Items {
        items,
        _room: Some(records.room),
    }
}
