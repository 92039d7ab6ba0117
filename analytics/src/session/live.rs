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
const VERSION: &str = "bitShiftLeft(toUInt256(toUnixTimestamp64Milli(event_at)), 208) \
    + bitShiftLeft(toUInt256(toUInt8(request_type)), 207) + bitShiftLeft(toUInt256(counter_in), 143) \
    + bitShiftLeft(toUInt256(counter_out), 79) + toUInt256(bitShiftRight(toUInt128(identity), 49))";

/// The two tables, with what they take of a row of the log and what a row of theirs is of.
const TABLES: [(&str, &str, &str); 2] = [
    (
        "session_live",
        "tenant, sim, session, session_id, customer, network, rat, ip, counter_in, counter_out, request_type, event_at, batch, \
         version, expires",
        "tenant, sim, session",
    ),
    (
        "sim_last_seen",
        "tenant, sim, customer, event_at, network, rat, batch, version",
        "tenant, sim, customer",
    ),
];

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
                for (table, columns, of) in TABLES {
                    let begin_by = permit.begin_by().await?;
                    let sql = restore_sql([table, columns, of], chunk, which, begin_by);
                    patient(self.query(&sql))
                        .with_setting("max_query_size", STATEMENT_BYTES)
                        .with_setting("insert_deduplicate", "0")
                        .execute()
                        .await
                        .map_err(fault)?;
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
        for (table, ..) in TABLES {
            permit.begin_by().await?;
            let sql = format!(
                "ALTER TABLE {table} DELETE WHERE batch = '{}'",
                batch.uuid()
            );
            self.query(&sql)
                .with_setting("mutations_sync", "2")
                .execute()
                .await
                .map_err(fault)?;
        }
        self.enter_live(rows, "true", permit).await
    }
}

fn restore_sql(
    [table, columns, of]: [&str; 3],
    sims: &[(TenantId, SimId)],
    which: &str,
    begin_by: DateTime<Utc>,
) -> String {
    let tenant = sims
        .first()
        .map_or_else(String::new, |first| first.0.uuid().to_string());
    let named: Vec<SimId> = sims.iter().map(|(_, sim)| *sim).collect();
    format!(
        "INSERT INTO {table} ({columns})\nSELECT {columns} FROM (SELECT *, {VERSION} AS version FROM session_log \
         WHERE tenant = '{tenant}' AND sim IN ({}) AND arrived = 1 AND {which})\n\
         WHERE throwIf(now() > toDateTime({}, 'UTC'), 'the apply lock may be lost') = 0\n\
         ORDER BY version DESC LIMIT 1 BY {of}",
        listed(&named),
        begin_by.timestamp()
    )
}
