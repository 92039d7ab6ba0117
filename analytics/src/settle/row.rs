//! A record as it is read back.

use chrono::DateTime;
use clickhouse::Row;
use domain::id::{BatchId, CustomerId, DeviceId, SimId, TenantId};
use serde::Deserialize;
use uuid::Uuid;

use crate::CdrRow;

/// The columns of a [`Line`] but the deadline.
pub(super) const COLUMNS: &str = "customer, sim, device, CAST(network, 'String') AS network, CAST(rat, 'String') AS rat, \
    CAST(service, 'String') AS service, CAST(source, 'String') AS source, record_id, identity, \
    toUnixTimestamp64Milli(start) AS start, toUnixTimestamp64Milli(end) AS end, bytes_up, bytes_down, units, \
    sign, batch, toUnixTimestamp64Milli(received_at) AS received_at";

#[derive(Row, Deserialize)]
pub struct Line {
    #[serde(with = "clickhouse::serde::uuid")]
    customer: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    device: Uuid,
    network: String,
    rat: String,
    service: String,
    source: String,
    record_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    pub(super) identity: Uuid,
    start: i64,
    end: i64,
    bytes_up: u64,
    bytes_down: u64,
    units: u64,
    sign: i8,
    #[serde(with = "clickhouse::serde::uuid")]
    batch: Uuid,
    received_at: i64,
    pub(super) apply_by: u32,
}

impl Line {
    /// The row as it was encoded; none when it holds an impossible time.
    pub(super) fn row(self, tenant: TenantId) -> Option<CdrRow> {
        let some = |uuid: Uuid| (!uuid.is_nil()).then_some(uuid);
        Some(CdrRow {
            tenant,
            customer: some(self.customer).map(CustomerId::new),
            sim: SimId::new(self.sim),
            device: some(self.device).map(DeviceId::new),
            network: self.network,
            rat: self.rat,
            service: self.service,
            source: self.source,
            record_id: self.record_id,
            identity: self.identity,
            start: DateTime::from_timestamp_millis(self.start)?,
            end: DateTime::from_timestamp_millis(self.end)?,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
            units: self.units,
            sign: self.sign,
            batch: BatchId::new(self.batch),
            received_at: DateTime::from_timestamp_millis(self.received_at)?,
        })
    }
}
