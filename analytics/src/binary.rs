//! Values in ClickHouse `RowBinary`, written and read back.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub(crate) fn put_uuid(out: &mut BytesMut, uuid: Uuid) {
    let (high, low) = uuid.as_u64_pair();
    out.put_u64_le(high);
    out.put_u64_le(low);
}

pub(crate) fn put_text(out: &mut BytesMut, text: &str) {
    // Seven bits at a time, the lowest first; the top bit marks that more follow.
    let mut rest = text.len();
    while rest >= 0x80 {
        out.put_u8(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest.to_le_bytes()[0]);
    out.put_slice(text.as_bytes());
}

pub(crate) fn take_uuid(from: &mut Bytes) -> Option<Uuid> {
    let high = from.try_get_u64_le().ok()?;
    Some(Uuid::from_u64_pair(high, from.try_get_u64_le().ok()?))
}

pub(crate) fn take_time(from: &mut Bytes) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(from.try_get_i64_le().ok()?)
}

pub(crate) fn take_text(from: &mut Bytes) -> Option<String> {
    let length = take_length(from)?;
    (from.remaining() >= length)
        .then(|| from.split_to(length))
        .and_then(|text| String::from_utf8(text.into()).ok())
}

fn take_length(from: &mut Bytes) -> Option<usize> {
    let mut length = 0_usize;
    for shift in (0..35).step_by(7) {
        let byte = from.try_get_u8().ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

/// None for the nil UUID, which stands for "nobody".
pub(crate) fn some_uuid(uuid: Uuid) -> Option<Uuid> {
    (!uuid.is_nil()).then_some(uuid)
}

/// Passes over a text.
pub(crate) fn skip_text(from: &mut Bytes) -> Option<()> {
    let length = take_length(from)?;
    skip(from, length)
}

/// Passes over so many bytes.
pub(crate) fn skip(from: &mut Bytes, bytes: usize) -> Option<()> {
    (from.remaining() >= bytes).then(|| from.advance(bytes))
}
