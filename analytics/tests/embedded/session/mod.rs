//! Sessions: their log, and what it feeds.

mod family;
mod neighbour;
mod read;
mod table;

use analytics::{
    SessionRow, Store,
    session::{self, Arrival},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    id::{BatchId, CustomerId, SimId, TenantId},
    tenant::SessionRetentions,
};
use uuid::Uuid;

use crate::fleet::attempt;

/// A SIM, by its number.
pub(super) fn sim(n: u128) -> SimId {
    SimId::new(Uuid::from_u128(n))
}

/// A rollup of a session of SIM 1 that counts one byte up and two down; each has an identity of its own.
pub(super) fn rollup(tenant: TenantId, batch: BatchId, event_at: DateTime<Utc>) -> SessionRow {
    SessionRow {
        tenant,
        customer: Some(CustomerId::new(Uuid::from_u128(7))),
        sim: sim(1),
        device: None,
        network: "262-02".into(),
        rat: "LTE".into(),
        session: Uuid::from_u128(11),
        session_id: "s11".into(),
        identity: Uuid::new_v4(),
        event_at,
        terminates: false,
        ip: "10.0.0.1".into(),
        counter_in: 1,
        counter_out: 2,
        bytes_up: 1,
        bytes_down: 2,
        sessions: 0,
        resets: 0,
        sign: 1,
        arrived: true,
        batch,
        received_at: event_at + TimeDelta::minutes(1),
    }
}

/// What takes back what a rollup was worth, and what it is worth now, of a later batch.
pub(super) fn correction(of: &SessionRow, batch: BatchId, up: u64) -> [SessionRow; 2] {
    let back = SessionRow {
        sign: -1,
        arrived: false,
        batch,
        ..of.clone()
    };
    let now = SessionRow {
        sign: 1,
        bytes_up: up,
        ..back.clone()
    };
    [back, now]
}

/// Inserts a batch.
pub(super) async fn apply(store: &Store, rows: &[SessionRow]) {
    let (attempt, payload) = (attempt(rows[0].batch), session::encode(rows));
    let retentions = SessionRetentions::default();
    let applied = store.apply_sessions(&attempt, rows.len() as u64, &payload, &retentions);
    applied.await.expect("applied");
}

/// What finds a rollup.
pub(super) fn arrival(row: &SessionRow) -> Arrival {
    (row.tenant, row.sim, row.event_at, row.session, row.identity)
}
