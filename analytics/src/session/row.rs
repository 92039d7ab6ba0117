//! A row of the log of sessions, and its encoding.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use domain::{
    Error, Result,
    id::{BatchId, CustomerId, DeviceId, SimId, TenantId},
    tenant::SessionRetentions,
};
use uuid::Uuid;

use crate::{
    binary::{put_text, put_uuid, skip, skip_text, some_uuid, take_text, take_time, take_uuid},
    expiry::session_expires,
};

/// Version of the encoding that [`encode`] writes, among those of sessions. Payloads of older versions stay readable: add a version, and
/// a reader for the one before.
pub const ENCODING: i16 = 1;

/// One rollup with what it was resolved to at its time, and what it counts; or a correction of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Owner.
    pub tenant: TenantId,
    /// Customer at `event_at`; none is "unassigned".
    pub customer: Option<CustomerId>,
    /// The SIM.
    pub sim: SimId,
    /// Device that the SIM sat in at `event_at`.
    pub device: Option<DeviceId>,
    /// Visited network, `262-02`; empty when unknown.
    pub network: String,
    /// Radio access type; empty when unknown.
    pub rat: String,
    /// Hash of the SIM and the session's id.
    pub session: Uuid,
    /// The session's id, as the network gave it.
    pub session_id: String,
    /// Hash of all that the rollup says.
    pub identity: Uuid,
    /// Event time, kept in milliseconds.
    pub event_at: DateTime<Utc>,
    /// Whether the rollup ends its session.
    pub terminates: bool,
    /// The SIM's address, as text.
    pub ip: String,
    /// Bytes sent by the device since the session began, as the rollup says.
    pub counter_in: u64,
    /// Bytes received by the device since then.
    pub counter_out: u64,
    /// Bytes sent by the device that it counts.
    pub bytes_up: u64,
    /// Bytes received by the device that it counts.
    pub bytes_down: u64,
    /// Sessions that began with it: 1 or 0.
    pub sessions: u8,
    /// Counters that began again without a new session: 1 or 0.
    pub resets: u8,
    /// 1, or -1 where it takes back what a rollup was worth.
    pub sign: i8,
    /// Whether this is the row by which the rollup came. Others are corrections.
    pub arrived: bool,
    /// The batch that it came in.
    pub batch: BatchId,
    /// When it was received, kept in milliseconds.
    pub received_at: DateTime<Utc>,
}

/// The place of a rollup within its session: what is greater is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Event time, Unix milliseconds.
    pub event_ms: i64,
    /// At the same time an end is newer than an update.
    pub terminates: bool,
    /// Then more bytes sent by the device are newer.
    pub counter_in: u64,
    /// Then more bytes received by it.
    pub counter_out: u64,
    /// Then the greater identity, so that no two rollups have one place.
    pub identity: Uuid,
}

impl SessionRow {
    /// The rollup's place within its session.
    pub const fn order(&self) -> Order {
        Order {
            event_ms: self.event_at.timestamp_millis(),
            terminates: self.terminates,
            counter_in: self.counter_in,
            counter_out: self.counter_out,
            identity: self.identity,
        }
    }
}

/// Encodes rows as ClickHouse `RowBinary`, but for what an attempt adds.
pub fn encode(rows: &[SessionRow]) -> Bytes {
    let mut out = BytesMut::with_capacity(rows.len() * 220);
    for row in rows {
        put_uuid(&mut out, row.tenant.uuid());
        put_uuid(&mut out, row.customer.map_or(Uuid::nil(), CustomerId::uuid));
        put_uuid(&mut out, row.sim.uuid());
        put_uuid(&mut out, row.device.map_or(Uuid::nil(), DeviceId::uuid));
        put_text(&mut out, &row.network);
        put_text(&mut out, &row.rat);
        put_uuid(&mut out, row.session);
        put_text(&mut out, &row.session_id);
        put_uuid(&mut out, row.identity);
        out.put_i64_le(row.event_at.timestamp_millis());
        out.put_i8(row.terminates.into());
        put_text(&mut out, &row.ip);
        for count in [
            row.counter_in,
            row.counter_out,
            row.bytes_up,
            row.bytes_down,
        ] {
            out.put_u64_le(count);
        }
        out.put_u8(row.sessions);
        out.put_u8(row.resets);
        out.put_i8(row.sign);
        out.put_u8(row.arrived.into());
        put_uuid(&mut out, row.batch.uuid());
        out.put_i64_le(row.received_at.timestamp_millis());
    }
    out.freeze()
}

/// Reads what [`encode`] wrote, now or in an earlier version.
///
/// # Errors
/// `INTERNAL` when the bytes end early or hold impossible values (the journal is damaged), or are of a newer version.
pub fn decode(encoding: i16, mut payload: Bytes) -> Result<Vec<SessionRow>> {
    if encoding != ENCODING {
        let text =
            format!("payloads of sessions, version {encoding}, were written by a newer program");
        return Err(Error::internal(text));
    }
    let mut rows = Vec::new();
    while payload.has_remaining() {
        let row = take_row(&mut payload);
        rows.push(row.ok_or_else(|| Error::internal("a journaled batch is damaged"))?);
    }
    Ok(rows)
}

fn take_row(from: &mut Bytes) -> Option<SessionRow> {
    Some(SessionRow {
        tenant: TenantId::new(take_uuid(from)?),
        customer: some_uuid(take_uuid(from)?).map(CustomerId::new),
        sim: SimId::new(take_uuid(from)?),
        device: some_uuid(take_uuid(from)?).map(DeviceId::new),
        network: take_text(from)?,
        rat: take_text(from)?,
        session: take_uuid(from)?,
        session_id: take_text(from)?,
        identity: take_uuid(from)?,
        event_at: take_time(from)?,
        terminates: take_bool(from)?,
        ip: take_text(from)?,
        counter_in: from.try_get_u64_le().ok()?,
        counter_out: from.try_get_u64_le().ok()?,
        bytes_up: from.try_get_u64_le().ok()?,
        bytes_down: from.try_get_u64_le().ok()?,
        sessions: from.try_get_u8().ok()?,
        resets: from.try_get_u8().ok()?,
        sign: from.try_get_i8().ok()?,
        arrived: take_bool(from)?,
        batch: BatchId::new(take_uuid(from)?),
        received_at: take_time(from)?,
    })
}

fn take_bool(from: &mut Bytes) -> Option<bool> {
    match from.try_get_u8().ok()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The payload with `apply_by` and the day on which it may go after each of its rows, as it is sent, and how many these are; none when it
/// is damaged.
pub fn due(
    payload: &Bytes,
    apply_by: DateTime<Utc>,
    retentions: &SessionRetentions,
) -> Option<(u64, Bytes)> {
    const UUID: usize = 16;
    // Four counts, sessions, resets, sign, arrived, batch, received_at.
    const TAIL: usize = 4 * 8 + 4 + UUID + 8;
    let apply_by = u32::try_from(apply_by.timestamp()).ok()?;
    let mut out = BytesMut::with_capacity(payload.len() + payload.len() / 24);
    let mut rest = payload.clone();
    let mut rows = 0;
    while rest.has_remaining() {
        let from = payload.len() - rest.remaining();
        let tenant = TenantId::new(take_uuid(&mut rest)?);
        skip(&mut rest, 3 * UUID)?;
        skip_text(&mut rest)?;
        skip_text(&mut rest)?;
        skip(&mut rest, UUID)?;
        skip_text(&mut rest)?;
        skip(&mut rest, UUID)?;
        let event_at = take_time(&mut rest)?;
        skip(&mut rest, 1)?;
        skip_text(&mut rest)?;
        skip(&mut rest, TAIL)?;
        out.put_slice(&payload[from..payload.len() - rest.remaining()]);
        out.put_u32_le(apply_by);
        out.put_u16_le(session_expires(event_at, retentions.of(tenant)));
        rows += 1;
    }
    Some((rows, out.freeze()))
}

#[cfg(test)]
mod tests {
    use domain::tenant::SessionRetention;
    use proptest::prelude::*;

    use super::*;

    /// Bytes of what an attempt adds to a row.
    const ADDED: usize = 6;

    fn time() -> impl Strategy<Value = DateTime<Utc>> {
        (0_i64..4_000_000_000_000)
            .prop_map(|ms| DateTime::from_timestamp_millis(ms).expect("in range"))
    }

    prop_compose! {
        fn row()(
            ids in any::<[u128; 7]>(),
            customer in any::<bool>(),
            device in any::<bool>(),
            texts in any::<[String; 3]>(),
            long in "[a-z]{0,300}",
            times in [time(), time()],
            numbers in any::<[u64; 4]>(),
            small in any::<[u8; 2]>(),
            flags in any::<[bool; 2]>(),
            sign in prop_oneof![Just(1_i8), Just(-1)],
        ) -> SessionRow {
            let id = |i: usize| Uuid::from_u128(ids[i].max(1));
            let [network, rat, ip] = texts;
            SessionRow {
                tenant: TenantId::new(id(0)),
                customer: customer.then(|| CustomerId::new(id(1))),
                sim: SimId::new(id(2)),
                device: device.then(|| DeviceId::new(id(3))),
                network, rat,
                session: id(4),
                session_id: long,
                identity: id(5),
                event_at: times[0],
                terminates: flags[0],
                ip,
                counter_in: numbers[0],
                counter_out: numbers[1],
                bytes_up: numbers[2],
                bytes_down: numbers[3],
                sessions: small[0],
                resets: small[1],
                sign,
                arrived: flags[1],
                batch: BatchId::new(id(6)),
                received_at: times[1],
            }
        }
    }

    /// One payload of each version as some program wrote it. A new version adds a line; no line ever changes.
    #[test]
    fn payloads_of_every_version_are_read() {
        let first = "\
            0000000000000000010000000000000000000000000000000200000000000000000000000000000003000000000000000000\
            0000000000000400000000000000063236322d3031034c544500000000000000000500000000000000027331000000000000\
            00000600000000000000e803000000000000010831302e302e302e3107000000000000000800000000000000090000000000\
            00000a000000000000000100ff0100000000000000000700000000000000b80b000000000000";
        let bytes: Vec<u8> = (0..first.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&first[at..at + 2], 16).expect("hex"))
            .collect();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("a time");
        let id = Uuid::from_u128;
        let row = SessionRow {
            tenant: TenantId::new(id(1)),
            customer: Some(CustomerId::new(id(2))),
            sim: SimId::new(id(3)),
            device: Some(DeviceId::new(id(4))),
            network: "262-01".into(),
            rat: "LTE".into(),
            session: id(5),
            session_id: "s1".into(),
            identity: id(6),
            event_at: at(1),
            terminates: true,
            ip: "10.0.0.1".into(),
            counter_in: 7,
            counter_out: 8,
            bytes_up: 9,
            bytes_down: 10,
            sessions: 1,
            resets: 0,
            sign: -1,
            arrived: true,
            batch: BatchId::new(id(7)),
            received_at: at(3),
        };
        assert_eq!(encode(std::slice::from_ref(&row)), bytes);
        assert_eq!(decode(1, bytes.into()).expect("version 1"), [row]);
        assert!(decode(2, Bytes::new()).is_err());
    }

    #[test]
    fn within_a_session_time_comes_first_then_the_end_then_counters_then_the_identity() {
        let order = |event_ms, terminates, counter_in, counter_out, identity| Order {
            event_ms,
            terminates,
            counter_in,
            counter_out,
            identity: Uuid::from_u128(identity),
        };
        let sorted = [
            order(1, true, 9, 9, 9),
            order(2, false, 8, 8, 8),
            order(2, false, 8, 9, 7),
            order(2, false, 9, 0, 6),
            order(2, true, 0, 0, 5),
            order(2, true, 0, 0, 1 << 100),
        ];
        assert!(sorted.is_sorted_by(|a, b| a < b));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(rows in proptest::collection::vec(row(), 0..8)) {
            let bytes = encode(&rows);
            prop_assert_eq!(decode(ENCODING, bytes).expect("own bytes"), rows);
        }

        #[test]
        fn what_is_sent_is_what_is_encoded_with_deadline_and_expiry(rows in proptest::collection::vec(row(), 0..8), days in 1..90_u16) {
            let own = rows.first().map(|row| (row.tenant, SessionRetention::new(days, None)));
            let retentions: SessionRetentions = own.into_iter().collect();
            let (count, sent) = due(&encode(&rows), DateTime::UNIX_EPOCH + chrono::TimeDelta::days(9), &retentions).expect("own bytes");
            prop_assert_eq!(count, rows.len() as u64);
            let mut expected = BytesMut::new();
            for row in &rows {
                expected.put_slice(&encode(std::slice::from_ref(row)));
                expected.put_u32_le(9 * 86_400);
                expected.put_u16_le(session_expires(row.event_at, retentions.of(row.tenant)));
            }
            prop_assert_eq!(sent.len(), encode(&rows).len() + rows.len() * ADDED);
            prop_assert_eq!(sent, expected.freeze());
        }

        #[test]
        fn damaged_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 1..400)) {
            let bytes = Bytes::from(bytes);
            if due(&bytes, DateTime::UNIX_EPOCH, &SessionRetentions::default()).is_none() {
                prop_assert!(decode(ENCODING, bytes).is_err());
            }
        }

        #[test]
        fn a_cut_batch_is_refused(row in row(), cut in 1_usize..100) {
            let bytes = encode(&[row]);
            let cut = bytes.slice(..bytes.len() - cut);
            prop_assert_eq!(due(&cut, DateTime::UNIX_EPOCH, &SessionRetentions::default()), None);
            prop_assert!(decode(ENCODING, cut).is_err());
        }
    }
}
