//! Usage records: their row, its encoding, and the one way in which a batch enters ClickHouse.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use domain::{
    Error, Result,
    id::{BatchId, CustomerId, DeviceId, SimId, TenantId},
};
use uuid::Uuid;

use crate::{Store, store::fault};

/// Most rows of one batch. Its rows must fit one block of the engine, or its token would not protect it.
pub const MAX_BATCH_ROWS: u64 = 500_000;

/// Batches that may follow a batch while re-sending it is still a no-op, everything being worst: the window counts
/// the parts of a table, and a batch makes one per month it touches (15 in 400 days and the months cut by them).
pub const RESEND_WINDOW: u32 = 10_000 / 15;

/// Columns in the order of the encoding.
const COLUMNS: &str = "tenant, customer, sim, device, network, rat, service, source, record_id, identity, start, end, \
                       bytes_up, bytes_down, units, sign, batch, received_at";

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

/// Encodes rows as ClickHouse `RowBinary`. Equal rows in equal order give equal bytes, now and in every later
/// version: the journal keeps them, and a re-sent batch must be the same block.
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
    }
    out.freeze()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// `INTERNAL` when the bytes end early or hold impossible values: the journal is damaged.
pub fn decode(mut payload: Bytes) -> Result<Vec<CdrRow>> {
    let mut rows = Vec::new();
    while payload.has_remaining() {
        rows.push(
            take_row(&mut payload)
                .ok_or_else(|| Error::internal("a journaled batch is damaged"))?,
        );
    }
    Ok(rows)
}

fn put_uuid(out: &mut BytesMut, uuid: Uuid) {
    let (high, low) = uuid.as_u64_pair();
    out.put_u64_le(high);
    out.put_u64_le(low);
}

fn put_text(out: &mut BytesMut, text: &str) {
    // Seven bits at a time, the lowest first; the top bit marks that more follow.
    let mut rest = text.len();
    while rest >= 0x80 {
        out.put_u8(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest.to_le_bytes()[0]);
    out.put_slice(text.as_bytes());
}

fn take_row(from: &mut Bytes) -> Option<CdrRow> {
    let some = |uuid: Uuid| (!uuid.is_nil()).then_some(uuid);
    Some(CdrRow {
        tenant: TenantId::new(take_uuid(from)?),
        customer: some(take_uuid(from)?).map(CustomerId::new),
        sim: SimId::new(take_uuid(from)?),
        device: some(take_uuid(from)?).map(DeviceId::new),
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
    })
}

fn take_uuid(from: &mut Bytes) -> Option<Uuid> {
    let high = from.try_get_u64_le().ok()?;
    Some(Uuid::from_u64_pair(high, from.try_get_u64_le().ok()?))
}

fn take_time(from: &mut Bytes) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(from.try_get_i64_le().ok()?)
}

fn take_text(from: &mut Bytes) -> Option<String> {
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

/// Counts the rows of a payload without reading them.
fn count(mut payload: Bytes) -> Option<u64> {
    const UUID: usize = 16;
    // Identity, start, end, two byte counts, units, sign, batch, received_at.
    const TAIL: usize = UUID + 5 * 8 + 1 + UUID + 8;
    let skip = |payload: &mut Bytes, bytes: usize| {
        (payload.remaining() >= bytes).then(|| payload.advance(bytes))
    };
    let mut rows = 0;
    while payload.has_remaining() {
        skip(&mut payload, 4 * UUID)?;
        for _ in 0..5 {
            let length = take_length(&mut payload)?;
            skip(&mut payload, length)?;
        }
        skip(&mut payload, TAIL)?;
        rows += 1;
    }
    Some(rows)
}

impl Store {
    /// Inserts one batch as one block, into the records and, through the views, into every cube. When this
    /// returns, all of it is there. Applying the same batch again is a no-op, and finishes what a crash left half
    /// done, as long as fewer than [`RESEND_WINDOW`] batches came in between.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine: the batch may be there in part, so it must be sent again.
    /// `INTERNAL` when the payload is not `rows` rows (1 to [`MAX_BATCH_ROWS`]); nothing is sent then.
    pub async fn apply(&self, batch: BatchId, rows: u64, payload: Bytes) -> Result<()> {
        if !(1..=MAX_BATCH_ROWS).contains(&rows) || count(payload.clone()) != Some(rows) {
            return Err(Error::internal(format!(
                "batch {batch} does not hold {rows} rows"
            )));
        }
        let block = MAX_BATCH_ROWS.to_string();
        let mut insert = self
            .client()
            .insert_formatted_with(format!("INSERT INTO cdr ({COLUMNS}) FORMAT RowBinary"))
            .with_setting("insert_deduplication_token", batch.uuid().to_string())
            .with_setting("insert_deduplicate", "1")
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            .with_setting("materialized_views_ignore_errors", "0")
            // One batch, one block: the same cut every time it is sent.
            .with_setting("max_insert_block_size", &block)
            .with_setting("min_insert_block_size_rows", &block)
            .with_setting("min_insert_block_size_bytes", "0")
            .with_setting("max_insert_threads", "1")
            .with_setting("input_format_parallel_parsing", "0");
        // Pieces of a size that the pipe to the engine takes at once.
        let mut rest = payload;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(256 * 1024));
            insert.send(piece).await.map_err(fault)?;
        }
        insert.end().await.map_err(fault)
    }

    /// Whether an applied batch survives a power loss by itself (`true`), or by being sent again from the journal.
    /// Costs about a third more time per batch.
    pub async fn set_fsync(&self, on: bool) -> Result<()> {
        let on = u8::from(on);
        for table in [
            "cdr",
            "usage_hour",
            "usage_day",
            "usage_month",
            "usage_year",
        ] {
            let sql = format!(
                "ALTER TABLE {table} MODIFY SETTING fsync_after_insert = {on}, fsync_part_directory = {on}"
            );
            self.execute(&sql).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(rows in proptest::collection::vec(row(), 0..8)) {
            let bytes = encode(&rows);
            prop_assert_eq!(count(bytes.clone()), Some(rows.len() as u64));
            prop_assert_eq!(decode(bytes).expect("own bytes"), rows);
        }

        #[test]
        fn damaged_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 1..400)) {
            let bytes = Bytes::from(bytes);
            if count(bytes.clone()).is_none() {
                prop_assert!(decode(bytes).is_err());
            }
        }

        #[test]
        fn a_cut_batch_is_refused(row in row(), cut in 1_usize..100) {
            let bytes = encode(&[row]);
            let cut = bytes.slice(..bytes.len() - cut);
            prop_assert_eq!(count(cut.clone()), None);
            prop_assert!(decode(cut).is_err());
        }
    }
}
