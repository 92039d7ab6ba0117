//! What the engine is doing: its clock, and which statements of ours are running.

use chrono::{DateTime, Utc};
use domain::{Error, Result, id::BatchId};

use crate::{Store, System, cdr::Attempt, expiry::MUTATION, store::fault};

/// Which of the running statements correct something here.
const CORRECTING: &str = "current_database = currentDatabase() \
    AND (query LIKE 'INSERT INTO usage\\_%' OR query LIKE 'ALTER TABLE cdr DELETE %' \
    OR query LIKE 'INSERT INTO session\\_%' AND query NOT LIKE 'INSERT INTO session\\_log (%' OR query LIKE 'INSERT INTO sim\\_last\\_seen %' \
    OR query LIKE 'ALTER TABLE session\\_log DELETE %')";

impl Store {
    /// The engine's clock.
    pub async fn now(&self, _: &System) -> Result<DateTime<Utc>> {
        let now: i64 = self
            .query("SELECT toUnixTimestamp64Milli(now64(3))")
            .fetch_one()
            .await
            .map_err(fault)?;
        DateTime::from_timestamp_millis(now).ok_or_else(|| Error::internal("the engine's clock"))
    }

    /// On a cluster, waits until the replica that answers here has everything that any of them took in. The caller holds the
    /// apply lock, so that nothing is added meanwhile. A single server has nothing to wait for.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the replica does not get there: what it says now is no evidence.
    pub async fn catch_up(&self, _: &System) -> Result<()> {
        self.sync("name IN ('cdr', 'sim_last_seen') OR startsWith(name, 'usage_') OR startsWith(name, 'session_')")
            .await
    }

    /// Waits until the replica that answers here has what others took into those of these tables that are replicated.
    pub(super) async fn sync(&self, tables: &str) -> Result<()> {
        let replicated: Vec<String> = self
            .query(&format!(
                "SELECT name FROM system.tables WHERE database = currentDatabase() \
                 AND ({tables}) AND startsWith(engine, 'Replicated') ORDER BY name"
            ))
            .fetch_all()
            .await
            .map_err(fault)?;
        for table in replicated {
            self.execute(&format!("SYSTEM SYNC REPLICA {table} LIGHTWEIGHT"))
                .await?;
        }
        Ok(())
    }

    /// Whether there is so much free disk space that inserts are not refused for lack of it.
    pub async fn has_room(&self, _: &System) -> Result<bool> {
        let full: u64 = self
            .query(
                "SELECT count() FROM system.disks WHERE free_space <= (SELECT toUInt64(value) \
                 FROM system.merge_tree_settings WHERE name = 'min_free_disk_bytes_to_perform_insert')",
            )
            .fetch_one()
            .await
            .map_err(fault)?;
        Ok(full == 0)
    }

    /// Whether a statement is running that changes records or cubes beside an insert; on which day records go changes neither. The caller holds the apply lock, so
    /// such a statement is of a process that has lost it.
    pub async fn is_correcting(&self, _: &System) -> Result<bool> {
        let running: u64 = self
            .query(&format!(
                "SELECT count() FROM (SELECT 1 FROM system.processes WHERE {CORRECTING} UNION ALL \
                 SELECT 1 FROM system.mutations \
                 WHERE database = currentDatabase() AND table IN ('cdr', 'session_log') AND NOT is_done AND NOT startsWith(command, '{MUTATION}'))"
            ))
            .fetch_one()
            .await
            .map_err(fault)?;
        Ok(running > 0)
    }

    /// Asks the engine to cancel what [`Store::is_correcting`] sees. A mutation goes on.
    pub async fn stop_correcting(&self, _: &System) -> Result<()> {
        self.execute(&format!("KILL QUERY WHERE {CORRECTING} ASYNC"))
            .await
    }

    /// Those of `batches` of which an insert is running.
    pub async fn applying(&self, _: &System, batches: &[BatchId]) -> Result<Vec<BatchId>> {
        let running: Vec<String> = self
            .query("SELECT query FROM system.processes WHERE query LIKE 'INSERT INTO cdr %' OR query LIKE 'INSERT INTO session\\_log %'")
            .fetch_all()
            .await
            .map_err(fault)?;
        let is_running = |batch: &BatchId| {
            let mark = Attempt::mark(*batch);
            running.iter().any(|query| query.contains(&mark))
        };
        Ok(batches.iter().copied().filter(is_running).collect())
    }
}
