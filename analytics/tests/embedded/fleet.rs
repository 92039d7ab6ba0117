//! Made-up usage.

use analytics::CdrRow;
use chrono::{DateTime, Datelike, DurationRound, Months, TimeDelta, Utc};
use domain::{
    Clock, SystemClock,
    id::{BatchId, CustomerId, SimId, TenantId},
};
use uuid::Uuid;

/// A moment from its RFC 3339 text.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an RFC 3339 time")
}

/// The present hour. Records older than 400 days expire by the engine's own clock, so tests that read them count from
/// here.
pub(crate) fn now() -> DateTime<Utc> {
    SystemClock
        .now()
        .duration_trunc(TimeDelta::hours(1))
        .expect("in range")
}

/// First moment of the month that many months ago.
pub(crate) fn month(ago: u32) -> DateTime<Utc> {
    let first = now().date_naive().with_day(1).expect("a first") - Months::new(ago);
    first.and_hms_opt(0, 0, 0).expect("midnight").and_utc()
}

/// The `n`th record of a tenant: one byte up, two down.
pub(crate) fn record(tenant: TenantId, batch: BatchId, n: u32, start: DateTime<Utc>) -> CdrRow {
    CdrRow {
        tenant,
        customer: Some(CustomerId::new(Uuid::from_u128(7))),
        sim: SimId::new(Uuid::from_u128(u128::from(n % 100) + 1)),
        device: None,
        network: "262-02".into(),
        rat: "LTE".into(),
        service: "DATA".into(),
        source: "test".into(),
        record_id: format!("r{n}"),
        identity: Uuid::from_u128(u128::from(n) + 1),
        start,
        end: start + TimeDelta::seconds(30),
        bytes_up: 1,
        bytes_down: 2,
        units: 0,
        sign: 1,
        batch,
        received_at: start + TimeDelta::minutes(1),
    }
}

/// A fresh id.
pub(crate) fn tenant() -> TenantId {
    TenantId::new(Uuid::new_v4())
}

/// A fresh id.
pub(crate) fn batch() -> BatchId {
    BatchId::new(Uuid::new_v4())
}
