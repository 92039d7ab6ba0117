//! Made-up usage.

use analytics::{
    CdrRow, Store, System,
    cdr::{self, Attempt},
    verify::{Count, Permit, Table},
};
use chrono::{DateTime, Datelike, DurationRound, Months, TimeDelta, Utc};
use domain::{
    Clock, Result, SystemClock,
    id::{BatchId, CustomerId, DeviceId, SimId, TenantId},
    tenant::Retentions,
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

/// An attempt that has more time than it needs.
pub(crate) fn attempt(batch: BatchId) -> Attempt {
    Attempt {
        batch,
        apply_by: now() + TimeDelta::hours(2),
    }
}

/// Inserts a batch.
pub(crate) async fn apply(store: &Store, batch: BatchId, rows: &[CdrRow]) {
    apply_kept(store, batch, rows, &Retentions::default()).await;
}

/// Inserts a batch of tenants that keep their records like this.
pub(crate) async fn apply_kept(
    store: &Store,
    batch: BatchId,
    rows: &[CdrRow],
    retentions: &Retentions,
) {
    let (attempt, payload) = (attempt(batch), cdr::encode(rows));
    let applied = store.apply(&attempt, rows.len() as u64, &payload, retentions);
    applied.await.expect("applied");
}

/// The sums of each of the tables.
pub(crate) async fn everything(store: &Store) -> Vec<Count> {
    let system = System::new(now());
    let totals = store.tables(&system).totals(&system).await;
    let mut sums = vec![Count::default(); Table::ALL.len()];
    for total in totals.expect("totals") {
        let place = Table::ALL.iter().position(|table| *table == total.table);
        sums[place.expect("a table")] += total.count;
    }
    sums
}

/// The statement that puts records into the store as an insert of a batch does, through the views.
pub(crate) fn insert(rows: &[CdrRow]) -> String {
    let values: Vec<String> = rows
        .iter()
        .map(|row| {
            let customer = row.customer.map_or(Uuid::nil(), CustomerId::uuid);
            let device = row.device.map_or(Uuid::nil(), DeviceId::uuid);
            format!(
                "('{}', '{customer}', '{}', '{device}', '{}', '{}', '{}', '{}', '{}', '{}', {}, {}, {}, {}, {}, {}, '{}', {})",
                row.tenant.uuid(),
                row.sim.uuid(),
                row.network,
                row.rat,
                row.service,
                row.source,
                row.record_id,
                row.identity,
                row.start.timestamp_millis(),
                row.end.timestamp_millis(),
                row.bytes_up,
                row.bytes_down,
                row.units,
                row.sign,
                row.batch.uuid(),
                row.received_at.timestamp_millis(),
            )
        })
        .collect();
    format!(
        "INSERT INTO cdr (* EXCEPT(expires)) SELECT * REPLACE (fromUnixTimestamp64Milli(start, 'UTC') AS start, \
         fromUnixTimestamp64Milli(end, 'UTC') AS end, fromUnixTimestamp64Milli(received_at, 'UTC') AS received_at), \
         now() + 3600 FROM values('tenant UUID, customer UUID, sim UUID, device UUID, network String, rat String, \
         service String, source String, record_id String, identity UUID, start Int64, end Int64, bytes_up UInt64, \
         bytes_down UInt64, units UInt64, sign Int8, batch UUID, received_at Int64', {})",
        values.join(", ")
    )
}

/// Leave to correct until then.
pub(crate) struct Leave(pub(crate) DateTime<Utc>);

impl Permit for Leave {
    async fn begin_by(&self) -> Result<DateTime<Utc>> {
        Ok(self.0)
    }
}

/// Leave that no test outlasts.
pub(crate) fn leave() -> Leave {
    Leave(later())
}

/// A deadline that no test reaches.
pub(crate) fn later() -> DateTime<Utc> {
    DateTime::from_timestamp(4_000_000_000, 0).expect("a time")
}
