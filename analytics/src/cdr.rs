//! Usage records: their row, its encoding, and the one way in which rows enter ClickHouse.
//!
//! An insert is not atomic over the records and the four cubes, and nothing that the engine remembers of it (a token, an
//! answer that got lost) proves what is there. So an insert that was answered well is done; any other is looked up
//! ([`crate::settle`]), once it cannot write any more: each carries a moment after which the engine refuses to begin it,
//! and the batch's id, by which those that have begun can be seen.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use domain::{
    Error, Result,
    id::{BatchId, CustomerId, DeviceId, SimId, TenantId},
    tenant::Retentions,
};
use uuid::Uuid;

use crate::{
    Store,
    binary::{put_text, put_uuid, skip, skip_text, some_uuid, take_text, take_time, take_uuid},
    expiry::expires,
    store::{exception_code, fault},
};

/// Most rows of one insert: they are one block.
pub const MAX_BATCH_ROWS: u64 = 500_000;

/// Version of the encoding that [`encode`] writes. Payloads of older versions stay readable: add a version, and a
/// reader for the one before.
pub const ENCODING: i16 = 1;

/// Bytes of `apply_by` at the end of a row.
const DEADLINE: usize = 4;

/// Columns in the order of the encoding, with what an attempt adds.
pub(crate) const COLUMNS: &str = "tenant, customer, sim, device, network, rat, service, source, record_id, identity, \
                                  start, end, bytes_up, bytes_down, units, sign, batch, received_at, apply_by, expires";

/// One accepted usage record with what it was resolved to at the time of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdrRow {
    /// Owner.
    pub tenant: TenantId,
    /// Customer at `start`; none is "unassigned".
    pub customer: Option<CustomerId>,
    /// The SIM.
    pub sim: SimId,
    /// Device that the SIM sat in at `start`.
    pub device: Option<DeviceId>,
    /// Visited network, `262-02`; empty when unknown.
    pub network: String,
    /// Radio access type; empty when unknown.
    pub rat: String,
    /// `DATA`, `SMS` or `VOICE`.
    pub service: String,
    /// The stream that delivered it.
    pub source: String,
    /// Its identity within the source.
    pub record_id: String,
    /// Hash of source and record id.
    pub identity: Uuid,
    /// Event time, kept in milliseconds.
    pub start: DateTime<Utc>,
    /// End of the use, kept in milliseconds.
    pub end: DateTime<Utc>,
    /// Bytes sent by the device.
    pub bytes_up: u64,
    /// Bytes received by the device.
    pub bytes_down: u64,
    /// Messages, seconds or another count that the service has.
    pub units: u64,
    /// 1, or -1 in a correction.
    pub sign: i8,
    /// The batch that it came in.
    pub batch: BatchId,
    /// When it was received, kept in milliseconds.
    pub received_at: DateTime<Utc>,
}

/// One attempt to insert rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The batch that the rows are of.
    pub batch: BatchId,
    /// When it must have begun, by the engine's clock, whole seconds.
    pub apply_by: DateTime<Utc>,
}

impl Attempt {
    /// What the statement says of itself.
    pub(crate) fn mark(batch: BatchId) -> String {
        format!("apply {batch}")
    }
}

/// Why an insert is not known to be in the records and in every cube.
#[derive(Debug, thiserror::Error)]
pub enum Unapplied {
    /// It began too late, and nothing of it was written.
    #[error("the insert began after its deadline")]
    Late,
    /// The engine answered that it failed; a part of it may have been written.
    #[error("the usage store refused the insert: {reason}")]
    Refused {
        /// What the engine said.
        reason: String,
        /// Whether no repetition helps: the rows are at fault.
        for_good: bool,
    },
    /// There is no answer: it may be written, or be written later.
    #[error("the usage store did not answer")]
    Unknown(#[source] Error),
}

/// Encodes rows as ClickHouse `RowBinary`, each with room for its deadline.
pub fn encode(rows: &[CdrRow]) -> Bytes {
    let mut out = BytesMut::with_capacity(rows.len() * 200);
    for row in rows {
        put_uuid(&mut out, row.tenant.uuid());
        put_uuid(&mut out, row.customer.map_or(Uuid::nil(), CustomerId::uuid));
        put_uuid(&mut out, row.sim.uuid());
        put_uuid(&mut out, row.device.map_or(Uuid::nil(), DeviceId::uuid));
        for text in [
            &row.network,
            &row.rat,
            &row.service,
            &row.source,
            &row.record_id,
        ] {
            put_text(&mut out, text);
        }
        put_uuid(&mut out, row.identity);
        out.put_i64_le(row.start.timestamp_millis());
        out.put_i64_le(row.end.timestamp_millis());
        out.put_u64_le(row.bytes_up);
        out.put_u64_le(row.bytes_down);
        out.put_u64_le(row.units);
        out.put_i8(row.sign);
        put_uuid(&mut out, row.batch.uuid());
        out.put_i64_le(row.received_at.timestamp_millis());
        out.put_u32_le(0);
    }
    out.freeze()
}

/// Reads what [`encode`] wrote, now or in an earlier version.
///
/// # Errors
/// `INTERNAL` when the bytes end early or hold impossible values (the journal is damaged), or are of a newer version.
pub fn decode(encoding: i16, mut payload: Bytes) -> Result<Vec<CdrRow>> {
    if encoding != ENCODING {
        let text = format!("payloads of version {encoding} were written by a newer program");
        return Err(Error::internal(text));
    }
    let mut rows = Vec::new();
    while payload.has_remaining() {
        rows.push(
            take_row(&mut payload)
                .ok_or_else(|| Error::internal("a journaled batch is damaged"))?,
        );
    }
    Ok(rows)
}

fn take_row(from: &mut Bytes) -> Option<CdrRow> {
    Some(CdrRow {
        tenant: TenantId::new(take_uuid(from)?),
        customer: some_uuid(take_uuid(from)?).map(CustomerId::new),
        sim: SimId::new(take_uuid(from)?),
        device: some_uuid(take_uuid(from)?).map(DeviceId::new),
        network: take_text(from)?,
        rat: take_text(from)?,
        service: take_text(from)?,
        source: take_text(from)?,
        record_id: take_text(from)?,
        identity: take_uuid(from)?,
        start: take_time(from)?,
        end: take_time(from)?,
        bytes_up: from.try_get_u64_le().ok()?,
        bytes_down: from.try_get_u64_le().ok()?,
        units: from.try_get_u64_le().ok()?,
        sign: from.try_get_i8().ok()?,
        batch: BatchId::new(take_uuid(from)?),
        received_at: take_time(from)?,
        // The deadline of an attempt that is not this one.
    })
    .filter(|_| from.try_get_u32_le().is_ok())
}

/// The payload with `apply_by` and the day on which it may go in each of its rows, as it is sent, and how many these are; none when it
/// is damaged.
pub fn due(
    payload: &Bytes,
    apply_by: DateTime<Utc>,
    retentions: &Retentions,
) -> Option<(u64, Bytes)> {
    const UUID: usize = 16;
    // End, two byte counts, units, sign, batch, received_at.
    const TAIL: usize = 4 * 8 + 1 + UUID + 8;
    let apply_by = u32::try_from(apply_by.timestamp()).ok()?;
    let mut out = BytesMut::with_capacity(payload.len() + payload.len() / 64);
    let mut rest = payload.clone();
    let mut rows = 0;
    while rest.has_remaining() {
        let from = payload.len() - rest.remaining();
        let tenant = TenantId::new(take_uuid(&mut rest)?);
        skip(&mut rest, 3 * UUID)?;
        for _ in 0..5 {
            skip_text(&mut rest)?;
        }
        skip(&mut rest, UUID)?;
        let start = take_time(&mut rest)?;
        skip(&mut rest, TAIL)?;
        out.put_slice(&payload[from..payload.len() - rest.remaining()]);
        out.put_u32_le(apply_by);
        out.put_u16_le(expires(start, retentions.of(tenant)));
        skip(&mut rest, DEADLINE)?;
        rows += 1;
    }
    Some((rows, out.freeze()))
}

impl Store {
    /// Inserts rows as one block, into the records and, through the views, into every cube. When this returns, all of it
    /// is there and survives a power loss. The records are kept as long as `retentions` says.
    ///
    /// # Errors
    /// See [`Unapplied`]; what is there then must be looked up. `INTERNAL` inside [`Unapplied::Unknown`] when the payload
    /// is not `rows` rows (1 to [`MAX_BATCH_ROWS`]); nothing is sent then.
    pub async fn apply(
        &self,
        attempt: &Attempt,
        rows: u64,
        payload: &Bytes,
        retentions: &Retentions,
    ) -> Result<(), Unapplied> {
        let due = due(payload, attempt.apply_by, retentions);
        let into = format!("cdr ({COLUMNS})");
        insert_block(self, &into, attempt.batch, rows, due).await
    }
}

/// Inserts the rows of a batch as one block, `into` a table and its columns: those that are `due`, with how many they are, which must be
/// `rows`.
pub(crate) async fn insert_block(
    store: &Store,
    into: &str,
    batch: BatchId,
    rows: u64,
    due: Option<(u64, Bytes)>,
) -> Result<(), Unapplied> {
    let due = due.filter(|(found, _)| *found == rows && (1..=MAX_BATCH_ROWS).contains(&rows));
    let Some((_, mut rest)) = due else {
        let text = format!("batch {batch} does not hold {rows} rows");
        return Err(Unapplied::Unknown(Error::internal(text)));
    };
    let block = MAX_BATCH_ROWS.to_string();
    let mark = Attempt::mark(batch);
    let mut insert = store
        .client()
        .insert_formatted_with(format!(
            "INSERT INTO {into} /* {mark} */ FORMAT RowBinary"
        ))
        // Nothing that is equal to something earlier may be dropped.
        .with_setting("insert_deduplicate", "0")
        // On a cluster, more than one replica has it when this is answered. A single server does not look at it.
        .with_setting("insert_quorum", "auto")
        .with_setting("materialized_views_ignore_errors", "0")
        // The horizon bounds the partitions of a batch.
        .with_setting("max_partitions_per_insert_block", "0")
        .with_setting("max_insert_block_size", &block)
        .with_setting("min_insert_block_size_rows", &block)
        .with_setting("min_insert_block_size_bytes", "0")
        .with_setting("max_insert_threads", "1")
        .with_setting("input_format_parallel_parsing", "0");
    // Pieces of a size that the pipe to the engine takes at once.
    while !rest.is_empty() {
        let piece = rest.split_to(rest.len().min(256 * 1024));
        insert.send(piece).await.map_err(unapplied)?;
    }
    insert.end().await.map_err(unapplied)
}

/// Sorts a failed insert by what it leaves behind.
fn unapplied(error: clickhouse::error::Error) -> Unapplied {
    // CANNOT_PARSE_TEXT, CANNOT_READ_ALL_DATA, ARGUMENT_OUT_OF_BOUND, TOO_LARGE_STRING_SIZE, INCORRECT_DATA,
    // TOO_MANY_PARTS of one block, CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN, VIOLATED_CONSTRAINT
    const FOR_GOOD: [u32; 8] = [6, 33, 69, 131, 117, 252, 349, 469];
    let clickhouse::error::Error::BadResponse(reason) = &error else {
        return Unapplied::Unknown(fault(error));
    };
    let Some(code) = exception_code(reason) else {
        return Unapplied::Unknown(fault(error));
    };
    if code == 469 && reason.contains("_apply_by_check") {
        return Unapplied::Late;
    }
    // The same code says that the table has too many parts, which merges reduce.
    let passing = code == 252 && !reason.contains("single INSERT block");
    Unapplied::Refused {
        for_good: FOR_GOOD.contains(&code) && !passing,
        reason: reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use domain::tenant::Retention;
    use proptest::prelude::*;

    use super::*;

    fn time() -> impl Strategy<Value = DateTime<Utc>> {
        (0_i64..4_000_000_000_000)
            .prop_map(|ms| DateTime::from_timestamp_millis(ms).expect("in range"))
    }

    prop_compose! {
        fn row()(
            ids in any::<[u128; 6]>(),
            customer in any::<bool>(),
            device in any::<bool>(),
            texts in any::<[String; 4]>(),
            long in "[a-z]{0,300}",
            times in [time(), time(), time()],
            numbers in any::<[u64; 3]>(),
            sign in prop_oneof![Just(1_i8), Just(-1)],
        ) -> CdrRow {
            let id = |i: usize| Uuid::from_u128(ids[i].max(1));
            let [network, rat, service, source] = texts;
            CdrRow {
                tenant: TenantId::new(id(0)),
                customer: customer.then(|| CustomerId::new(id(1))),
                sim: SimId::new(id(2)),
                device: device.then(|| DeviceId::new(id(3))),
                network, rat, service, source,
                record_id: long,
                identity: id(4),
                start: times[0],
                end: times[1],
                bytes_up: numbers[0],
                bytes_down: numbers[1],
                units: numbers[2],
                sign,
                batch: BatchId::new(id(5)),
                received_at: times[2],
            }
        }
    }

    /// One payload of each version as some program wrote it. A new version adds a line; no line ever changes.
    #[test]
    fn payloads_of_every_version_are_read() {
        let first = "\
            00000000000000000100000000000000000000000000000002000000000000000000000000000000030000000000000000000000\
            000000000400000000000000063236322d3031034c5445044441544102677702723100000000000000000500000000000000e803\
            000000000000d0070000000000000700000000000000080000000000000009000000000000000100000000000000000600000000\
            000000b80b00000000000000000000";
        let bytes: Vec<u8> = (0..first.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&first[at..at + 2], 16).expect("hex"))
            .collect();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("a time");
        let id = Uuid::from_u128;
        let row = CdrRow {
            tenant: TenantId::new(id(1)),
            customer: Some(CustomerId::new(id(2))),
            sim: SimId::new(id(3)),
            device: Some(DeviceId::new(id(4))),
            network: "262-01".into(),
            rat: "LTE".into(),
            service: "DATA".into(),
            source: "gw".into(),
            record_id: "r1".into(),
            identity: id(5),
            start: at(1),
            end: at(2),
            bytes_up: 7,
            bytes_down: 8,
            units: 9,
            sign: 1,
            batch: BatchId::new(id(6)),
            received_at: at(3),
        };
        assert_eq!(encode(std::slice::from_ref(&row)), bytes);
        assert_eq!(decode(1, bytes.into()).expect("version 1"), [row]);
        assert!(decode(2, Bytes::new()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(rows in proptest::collection::vec(row(), 0..8)) {
            let bytes = encode(&rows);
            prop_assert_eq!(decode(ENCODING, bytes).expect("own bytes"), rows);
        }

        #[test]
        fn what_is_sent_is_what_is_encoded_with_deadline_and_expiry(rows in proptest::collection::vec(row(), 0..8), days in 60..3_650_u16) {
            let own = rows.first().map(|row| (row.tenant, Retention::new(days, None)));
            let retentions: Retentions = own.into_iter().collect();
            let (count, sent) = due(&encode(&rows), DateTime::UNIX_EPOCH + chrono::TimeDelta::days(9), &retentions).expect("own bytes");
            prop_assert_eq!(count, rows.len() as u64);
            let mut expected = BytesMut::new();
            for row in &rows {
                let bytes = encode(std::slice::from_ref(row));
                expected.put_slice(&bytes[..bytes.len() - DEADLINE]);
                expected.put_u32_le(9 * 86_400);
                let kept = retentions.of(row.tenant);
                expected.put_u16_le(expires(row.start, kept));
            }
            prop_assert_eq!(sent, expected.freeze());
        }

        #[test]
        fn damaged_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 1..400)) {
            let bytes = Bytes::from(bytes);
            if due(&bytes, DateTime::UNIX_EPOCH, &Retentions::default()).is_none() {
                prop_assert!(decode(ENCODING, bytes).is_err());
            }
        }

        #[test]
        fn a_cut_batch_is_refused(row in row(), cut in 1_usize..100) {
            let bytes = encode(&[row]);
            let cut = bytes.slice(..bytes.len() - cut);
            prop_assert_eq!(due(&cut, DateTime::UNIX_EPOCH, &Retentions::default()), None);
            prop_assert!(decode(ENCODING, cut).is_err());
        }
    }
}
