//! A row of the log as it is read back.

use chrono::DateTime;
use clickhouse::Row;
use domain::id::{BatchId, CustomerId, DeviceId, SimId, TenantId};
use serde::Deserialize;
use uuid::Uuid;

use super::SessionRow;
use crate::binary::some_uuid;

/// The columns of a [`Line`] but the deadline.
pub(crate) const COLUMNS: &str = "customer, sim, device, CAST(network, 'String') AS network, CAST(rat, 'String') AS rat, \
    session, session_id, identity, toUnixTimestamp64Milli(event_at) AS event_at, toUInt8(request_type) AS terminates, ip, \
    counter_in, counter_out, bytes_up, bytes_down, sessions, resets, sign, arrived, batch, \
    toUnixTimestamp64Milli(received_at) AS received_at";

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
    #[serde(with = "clickhouse::serde::uuid")]
    session: Uuid,
    session_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    identity: Uuid,
    event_at: i64,
    terminates: u8,
    ip: String,
    counter_in: u64,
    counter_out: u64,
    bytes_up: u64,
    bytes_down: u64,
    sessions: u8,
    resets: u8,
    sign: i8,
    arrived: u8,
    #[serde(with = "clickhouse::serde::uuid")]
    batch: Uuid,
    received_at: i64,
    pub(crate) apply_by: u32,
}

impl Line {
    /// The row as it was encoded; none when it holds an impossible time.
    pub(crate) fn row(self, tenant: TenantId) -> Option<SessionRow> {
        Some(SessionRow {
            tenant,
            customer: some_uuid(self.customer).map(CustomerId::new),
            sim: SimId::new(self.sim),
            device: some_uuid(self.device).map(DeviceId::new),
            network: self.network,
            rat: self.rat,
            session: self.session,
            session_id: self.session_id,
            identity: self.identity,
            event_at: DateTime::from_timestamp_millis(self.event_at)?,
            terminates: self.terminates != 0,
            ip: self.ip,
            counter_in: self.counter_in,
            counter_out: self.counter_out,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
            sessions: self.sessions,
            resets: self.resets,
            sign: self.sign,
            arrived: self.arrived != 0,
            batch: BatchId::new(self.batch),
            received_at: DateTime::from_timestamp_millis(self.received_at)?,
        })
    }
}
