//! What is live and what was seen last, put right from the log: both take repeated rows, so what the log has is entered once more.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    Result,
    id::{BatchId, SimId, TenantId},
};

use super::SessionRow;
use crate::{
    Store, System,
    store::fault,
    verify::{Permit, listed, patient},
};

/// Longest text of a statement, bytes: it may name many SIMs.
const STATEMENT_BYTES: &str = "33554432";
/// SIMs that are named in one statement.
const SIMS: usize = 50_000;
/// The number that packs the place of a rollup, as the views make it.
pub(crate) const VERSION: &str = "bitShiftLeft(toUInt256(toUnixTimestamp64Milli(event_at)), 208) \
    + bitShiftLeft(toUInt256(toUInt8(request_type)), 207) + bitShiftLeft(toUInt256(counter_in), 143) \
    + bitShiftLeft(toUInt256(counter_out), 79) + toUInt256(bitShiftRight(toUInt128(identity), 49))";

/// A table that is made of the log: of each of its keys it has the newest rollup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub(crate) table: &'static str,
    /// What a row is of.
    pub(crate) key: &'static str,
    /// The part of the key that is neither tenant nor SIM.
    pub(crate) of: &'static str,
    /// What a row says besides.
    pub(crate) says: &'static str,
    /// What is found out anew and not compared.
    derived: &'static str,
}

impl Live {
    pub(crate) const ALL: [Self; 2] = [
        Self {
            table: "session_live",
            key: "tenant, sim, session",
            of: "session",
            says: "session_id, customer, network, rat, ip, counter_in, counter_out, request_type, event_at, batch",
            derived: "version, expires",
        },
        Self {
            table: "sim_last_seen",
            key: "tenant, sim, customer",
            of: "customer",
            says: "event_at, network, rat, batch",
            derived: "version",
        },
    ];

    fn columns(self) -> String {
        format!("{}, {}, {}", self.key, self.says, self.derived)
    }
}

impl Store {
    /// Enters once more what the log has of the batches of these rows. What is there already is not changed by it, and what is newer stays.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine; doing it again does the rest.
    pub async fn restore_live(
        &self,
        _: &System,
        rows: &[SessionRow],
        permit: &impl Permit,
    ) -> Result<()> {
        let batches: BTreeSet<BatchId> = rows.iter().map(|row| row.batch).collect();
        let batches: Vec<String> = (batches.iter())
            .map(|batch| format!("'{}'", batch.uuid()))
            .collect();
        let times = || rows.iter().map(|row| row.event_at.timestamp());
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            return Ok(());
        };
        let which = format!(
            "batch IN ({}) AND event_at >= toDateTime({}, 'UTC') AND event_at <= toDateTime({}, 'UTC')",
            batches.join(", "),
            first.max(0),
            last + 1
        );
        self.enter_live(rows, &which, permit).await
    }

    /// Enters the newest of those rows of the log that are of the same SIMs and meet a condition.
    async fn enter_live(
        &self,
        rows: &[SessionRow],
        which: &str,
        permit: &impl Permit,
    ) -> Result<()> {
        let sims: BTreeSet<(TenantId, SimId)> =
            rows.iter().map(|row| (row.tenant, row.sim)).collect();
        let sims: Vec<_> = sims.into_iter().collect();
        for same_tenant in sims.chunk_by(|a, b| a.0 == b.0) {
            for chunk in same_tenant.chunks(SIMS) {
                let sims: Vec<SimId> = chunk.iter().map(|(_, sim)| *sim).collect();
                for live in Live::ALL {
                    self.enter_where(live, chunk[0].0, &sims, which, permit)
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Forgets what a batch brought, of which the log has nothing any more, and enters what the log has of its SIMs instead.
    ///
    /// # Errors
    /// As [`Store::restore_live`].
    pub async fn forget_live(
        &self,
        _: &System,
        batch: BatchId,
        rows: &[SessionRow],
        permit: &impl Permit,
    ) -> Result<()> {
        for live in Live::ALL {
            let of_batch = format!("batch = '{}'", batch.uuid());
            self.forget_where(live, &of_batch, permit).await?;
        }
        self.enter_live(rows, "true", permit).await
    }

    /// Forgets what stands there of SIMs and was made at a time of which the log has everything.
    pub(crate) async fn forget_sims(
        &self,
        live: Live,
        tenant: TenantId,
        sims: &[SimId],
        since: &str,
        permit: &impl Permit,
    ) -> Result<()> {
        let which = format!(
            "tenant = '{}' AND sim IN ({}) AND {since}",
            tenant.uuid(),
            listed(sims)
        );
        self.forget_where(live, &which, permit).await
    }

    /// Enters the newest that the log has of SIMs.
    pub(crate) async fn enter_newest(
        &self,
        live: Live,
        tenant: TenantId,
        sims: &[SimId],
        permit: &impl Permit,
    ) -> Result<()> {
        self.enter_where(live, tenant, sims, "true", permit).await
    }

    async fn forget_where(&self, live: Live, which: &str, permit: &impl Permit) -> Result<()> {
        permit.begin_by().await?;
        let sql = format!("ALTER TABLE {} DELETE WHERE {which}", live.table);
        self.query(&sql)
            .with_setting("mutations_sync", "2")
            .with_setting("max_query_size", STATEMENT_BYTES)
            .execute()
            .await
            .map_err(fault)
    }

    async fn enter_where(
        &self,
        live: Live,
        tenant: TenantId,
        sims: &[SimId],
        which: &str,
        permit: &impl Permit,
    ) -> Result<()> {
        if sims.is_empty() {
            return Ok(());
        }
        let begin_by = permit.begin_by().await?;
        let sql = restore_sql(live, tenant, sims, which, begin_by);
        patient(self.query(&sql))
            .with_setting("max_query_size", STATEMENT_BYTES)
            .with_setting("insert_deduplicate", "0")
            .execute()
            .await
            .map_err(fault)
    }
}

fn restore_sql(
    live: Live,
    tenant: TenantId,
    sims: &[SimId],
    which: &str,
    begin_by: DateTime<Utc>,
) -> String {
    let (table, columns, of) = (live.table, live.columns(), live.key);
    format!(
        "INSERT INTO {table} ({columns})\nSELECT {columns} FROM (SELECT *, {VERSION} AS version FROM session_log \
         WHERE tenant = '{}' AND sim IN ({}) AND arrived = 1 AND {which})\n\
         WHERE throwIf(now() > toDateTime({}, 'UTC'), 'the apply lock may be lost') = 0\n\
         ORDER BY version DESC LIMIT 1 BY {of}",
        tenant.uuid(),
        listed(sims),
        begin_by.timestamp()
    )
}
