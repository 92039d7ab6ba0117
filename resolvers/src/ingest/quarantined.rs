//! `QuarantinedMessage`.

use async_graphql::{Context, Object, SimpleObject};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use domain::{paging::PageRequest, topic::Listed};
use schema::{
    ingest::{QuarantineFilter, QuarantineReason},
    scalar::{BigInt, DateTime},
};

use crate::{
    connection::{self, Connection, Wanted},
    error::IntoGraphql as _,
    request::session,
    written::plain_columns,
};

/// A message of a topic that is nobody's, or that nobody can read, kept so that it can be read again.
#[derive(SimpleObject, Clone)]
pub(crate) struct QuarantinedMessage {
    /// Topic that it was read from.
    topic: String,
    /// Partition of the topic.
    partition: i32,
    /// Offset in the partition.
    offset: BigInt,
    /// Key in base64, cut at 8 KiB; null of a message without one.
    key: Option<String>,
    /// What it says in base64, cut at 8 KiB.
    payload: String,
    /// The same as text; null where it is no UTF-8.
    text: Option<String>,
    /// Bytes of all that it says.
    bytes: BigInt,
    /// Why, for programs.
    reason: QuarantineReason,
    /// Why, for people.
    message: String,
    /// When it was read.
    received_at: DateTime,
    /// When the broker had taken its dead letter; null before.
    dead_letter_at: Option<DateTime>,
    /// When it was read again and was a tenant's; null before.
    released_at: Option<DateTime>,
}

plain_columns!(QuarantinedMessage {
    topic,
    partition,
    offset,
    key,
    payload,
    text,
    bytes,
    reason,
    message,
    received_at,
    dead_letter_at,
    released_at,
});

impl From<Listed> for QuarantinedMessage {
    fn from(listed: Listed) -> Self {
        let is_cut = listed.bytes > listed.payload.len() as u64;
        Self {
            topic: listed.partition.topic.to_string(),
            partition: listed.partition.number,
            offset: BigInt(listed.offset.into()),
            key: listed.key.map(|key| BASE64_STANDARD.encode(key)),
            payload: BASE64_STANDARD.encode(&listed.payload),
            text: text(&listed.payload, is_cut),
            bytes: BigInt(listed.bytes.into()),
            reason: listed.reason.into(),
            message: listed.text,
            received_at: listed.received_at.into(),
            dead_letter_at: listed.sent_at.map(Into::into),
            released_at: listed.released_at.map(Into::into),
        }
    }
}

/// Bytes as text, if they are. Where they were cut, the last letter may be cut, too, and is left out then.
fn text(bytes: &Bytes, is_cut: bool) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(error) if is_cut && error.error_len().is_none() => {
            let whole = bytes.get(..error.valid_up_to())?;
            String::from_utf8(whole.to_vec()).ok()
        }
        Err(_) => None,
    }
}

/// Messages of topics that are nobody's.
#[derive(Default)]
pub(crate) struct QuarantineQuery;

#[Object]
impl QuarantineQuery {
    /// Messages of topics that are nobody's, or that nobody can read, newest first. For staff of the platform alone: a topic names no
    /// tenant.
    async fn ingest_quarantine(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<QuarantineFilter>,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<QuarantinedMessage>>> {
        let filter = connection::filter(filter).gql()?;
        let page = PageRequest::relay(first, after, last, before).gql()?;
        let with_total = Wanted::of(ctx).total();
        let listing = session(ctx)?.topic_quarantine(&filter, &page, with_total);
        Ok(Some(Connection::new(listing.await.gql()?, Into::into)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_if_they_are_and_a_letter_that_was_cut_is_left_out() {
        let text = |bytes: &'static [u8], is_cut| super::text(&Bytes::from_static(bytes), is_cut);
        assert_eq!(text(b"{}", false), Some("{}".into()));
        assert_eq!(text("ä".as_bytes(), true), Some("ä".into()));
        assert_eq!(text(b"a\xc3", true), Some("a".into()));
        assert_eq!(text(b"a\xc3", false), None);
        assert_eq!(text(b"\xffa", true), None);
    }
}
