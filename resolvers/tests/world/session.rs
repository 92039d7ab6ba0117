//! Sessions of the fleet, as intake stores them.

use analytics::{CdrRow, SessionRow, cdr::Attempt, session};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock as _, SystemClock,
    id::{BatchId, CustomerId, SimId, TenantId},
    session::session_key,
    tenant::{SessionRetention, SessionRetentions},
};
use uuid::Uuid;

use super::{World, at::session_up};

/// A rollup that counts nothing; each is another one.
pub(crate) fn rollup(
    tenant: TenantId,
    sim: SimId,
    id: &str,
    event_at: DateTime<Utc>,
) -> SessionRow {
    SessionRow {
        tenant,
        customer: None,
        sim,
        device: None,
        network: "262-99".into(),
        rat: "LTE".into(),
        session: session_key(sim, id),
        session_id: id.into(),
        identity: Uuid::now_v7(),
        event_at,
        terminates: false,
        ip: "10.0.0.1".into(),
        counter_in: 0,
        counter_out: 0,
        bytes_up: 0,
        bytes_down: 0,
        sessions: 0,
        resets: 0,
        sign: 1,
        arrived: true,
        batch: BatchId::new(Uuid::nil()),
        received_at: event_at,
    }
}

impl World {
    /// Inserts rollups in one batch, to be kept whatever the engine's clock says.
    pub(crate) async fn apply_sessions(&self, rows: &mut [SessionRow]) {
        let batch = BatchId::new(Uuid::now_v7());
        for row in &mut *rows {
            row.batch = batch;
        }
        let attempt = Attempt {
            batch,
            apply_by: SystemClock.now() + TimeDelta::hours(1),
        };
        let kept: SessionRetentions = (rows.iter())
            .map(|row| (row.tenant, SessionRetention::new(20_000, None)))
            .collect();
        let payload = session::encode(rows);
        let applied = (self.store).apply_sessions(&attempt, rows.len() as u64, &payload, &kept);
        applied.await.expect("applied");
        // These rollups are in no journal, whose marks raise it.
        self.by_hand("SELECT raise_version(ARRAY(SELECT tenant_id FROM tenant), 'usage')");
    }

    /// A session of each SIM that has a rollup where there is a record of its three days, which counts more of the second day than the record
    /// does, and whose counter began again on the third.
    pub(crate) async fn sessions_beside(&self, records: &[CdrRow]) {
        let rows = records.iter().enumerate().map(|(place, record)| {
            let (n, day) = (place as u64 / 3 + 1, place as u64 % 3 + 1);
            let bytes_up = session_up(n, day);
            SessionRow {
                customer: record.customer,
                device: record.device,
                network: record.network.clone(),
                rat: record.rat.clone(),
                counter_in: bytes_up,
                counter_out: record.bytes_down,
                bytes_up,
                bytes_down: record.bytes_down,
                sessions: u8::from(day == 1),
                resets: u8::from(day == 3),
                received_at: self.now,
                ..rollup(record.tenant, record.sim, &format!("s{n}"), record.start)
            }
        });
        let mut rows: Vec<_> = rows.collect();
        self.apply_sessions(&mut rows).await;
    }

    /// Two rollups of one session of each of these SIMs, by their customers: five and ten minutes ago, those of later SIMs a second earlier.
    pub(crate) async fn sessions_of(
        &self,
        tenant: TenantId,
        sims: impl IntoIterator<Item = (SimId, Option<CustomerId>)>,
    ) {
        let mut rows = Vec::new();
        for (n, (sim, customer)) in (1_u64..).zip(sims) {
            for (place, minutes) in [(1, 10), (2, 5)] {
                let ago = TimeDelta::minutes(minutes) + TimeDelta::seconds(n.cast_signed());
                let id = format!("session-{}", n - 1);
                rows.push(SessionRow {
                    customer,
                    counter_in: place * 100 * n,
                    counter_out: place * 1_000 * n,
                    bytes_up: 100 * n,
                    bytes_down: 1_000 * n,
                    sessions: u8::from(place == 1),
                    ..rollup(tenant, sim, &id, self.now - ago)
                });
            }
        }
        self.apply_sessions(&mut rows).await;
    }
}
