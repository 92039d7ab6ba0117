//! The one way in which rows of sessions enter ClickHouse, and which of them are there.

use std::{collections::HashSet, fmt::Write as _};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Result,
    id::{SimId, TenantId},
    tenant::SessionRetentions,
};
use serde::Deserialize;
use uuid::Uuid;

use super::due;
use crate::{
    Store, System,
    cdr::{Attempt, Unapplied, insert_block},
    store::fault,
};

/// Columns in the order of the encoding, with what an attempt adds.
const COLUMNS: &str = "tenant, customer, sim, device, network, rat, session, session_id, identity, event_at, request_type, \
                       ip, counter_in, counter_out, bytes_up, bytes_down, sessions, resets, sign, arrived, batch, received_at, \
                       apply_by, expires";
/// Rollups looked up by one statement: some 150 KB of text.
pub(super) const CHUNK: usize = 1_000;
/// Room for the text of a look-up.
pub(super) const QUERY_BYTES: &str = "1000000";

/// What finds a rollup in the log: tenant, SIM, event time, session and identity.
pub type Arrival = (TenantId, SimId, DateTime<Utc>, Uuid, Uuid);

#[derive(Row, Deserialize)]
struct Identity {
    #[serde(with = "clickhouse::serde::uuid")]
    identity: Uuid,
}

impl Store {
    /// Inserts rows as one block, into the log and, through the views, into every cube, what is live, and what was seen last. When this
    /// returns, all of it is there and survives a power loss. The log is kept as long as `retentions` says.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn apply_sessions(
        &self,
        attempt: &Attempt,
        rows: u64,
        payload: &Bytes,
        retentions: &SessionRetentions,
    ) -> Result<(), Unapplied> {
        let due = due(payload, attempt.apply_by, retentions);
        let into = format!("session_log ({COLUMNS})");
        insert_block(self, &into, attempt.batch, rows, due).await
    }

    /// The identities of those rollups that the log has. Each is looked up by the key of the log.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn arrived(&self, _: &System, rollups: &[Arrival]) -> Result<HashSet<Uuid>> {
        let mut order: Vec<&Arrival> = rollups.iter().collect();
        order.sort_unstable();
        let mut found = HashSet::new();
        for same_tenant in order.chunk_by(|a, b| a.0 == b.0) {
            for chunk in same_tenant.chunks(CHUNK) {
                let lines: Vec<Identity> = self
                    .query(&arrived_sql(chunk))
                    .with_setting("max_query_size", QUERY_BYTES)
                    .fetch_all()
                    .await
                    .map_err(fault)?;
                found.extend(lines.into_iter().map(|line| line.identity));
            }
        }
        Ok(found)
    }
}

fn arrived_sql(chunk: &[&Arrival]) -> String {
    let mut keys = String::new();
    for (_, sim, event_at, session, identity) in chunk {
        // Writing to a String cannot fail.
        let _ = write!(
            keys,
            "('{}',{},'{session}','{identity}'),",
            sim.uuid(),
            moment(*event_at)
        );
    }
    keys.pop();
    let tenant = chunk.first().map_or(Uuid::nil(), |first| first.0.uuid());
    format!(
        "SELECT DISTINCT identity FROM session_log \
         WHERE tenant = '{tenant}' AND (sim, event_at, session, identity) IN ({keys}) AND arrived = 1"
    )
}

/// A moment as the log keeps it, for a statement.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.3f"))
}
