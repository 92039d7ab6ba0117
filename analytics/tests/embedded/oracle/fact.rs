//! What is counted, of either source.

use analytics::{CdrRow, SessionRow};
use chrono::{DateTime, Utc};
use domain::id::{CustomerId, DeviceId, TenantId};
use uuid::Uuid;

/// A usage record or a rollup of a session, or what takes one back.
pub(crate) struct Fact {
    /// Its place among those of its source.
    pub(super) place: usize,
    pub(super) tenant: TenantId,
    pub(super) customer: Option<CustomerId>,
    pub(super) sim: Uuid,
    pub(super) device: Option<DeviceId>,
    pub(super) network: String,
    pub(super) rat: String,
    /// Of a rollup none, as of its stream.
    pub(super) service: String,
    pub(super) stream: String,
    pub(super) at: DateTime<Utc>,
    pub(super) received_at: DateTime<Utc>,
    pub(super) sign: i8,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) units: u64,
    pub(super) sessions: u8,
    pub(super) resets: u8,
}

impl Fact {
    pub(super) fn of_record((place, row): (usize, &CdrRow)) -> Self {
        Self {
            place,
            tenant: row.tenant,
            customer: row.customer,
            sim: row.sim.uuid(),
            device: row.device,
            network: row.network.clone(),
            rat: row.rat.clone(),
            service: row.service.clone(),
            stream: row.source.clone(),
            at: row.start,
            received_at: row.received_at,
            sign: row.sign,
            up: row.bytes_up,
            down: row.bytes_down,
            units: row.units,
            sessions: 0,
            resets: 0,
        }
    }

    pub(super) fn of_rollup((place, row): (usize, &SessionRow)) -> Self {
        Self {
            place,
            tenant: row.tenant,
            customer: row.customer,
            sim: row.sim.uuid(),
            device: row.device,
            network: row.network.clone(),
            rat: row.rat.clone(),
            service: String::new(),
            stream: String::new(),
            at: row.event_at,
            received_at: row.received_at,
            sign: row.sign,
            up: row.bytes_up,
            down: row.bytes_down,
            units: 0,
            sessions: row.sessions,
            resets: row.resets,
        }
    }
}
