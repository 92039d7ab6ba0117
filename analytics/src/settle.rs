//! What of a batch is in the records, looked up: the evidence that settling rests on.
//!
//! Rows are found by their own key, so a look-up reads what was in flight and no more. Whoever settles holds the apply
//! lock, and has seen that no insert of the batch is running ([`Store::applying`]) after its deadline passed by the engine's own
//! clock ([`Store::now`]): nothing can be added behind their back.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use chrono::{DateTime, SecondsFormat, Utc};
use clickhouse::Row;
use domain::{
    Error, Result,
    id::{BatchId, CustomerId, DeviceId, SimId, TenantId},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    CdrRow, Store, System,
    cdr::Attempt,
    cube::Level,
    store::fault,
    verify::{Count, Permit, patient},
};

/// Rows looked up by one statement: some 100 KB of text.
const CHUNK: usize = 1_000;
/// Room for the text of a look-up.
const QUERY_BYTES: &str = "1000000";

/// What was found of some rows; both name them by their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Rows that are not there, or not as they should be.
    pub missing: Vec<usize>,
    /// Rows of which there is more than one, or another one. They must go before the missing are added.
    pub surplus: Vec<usize>,
    /// The latest deadline of what is there.
    pub apply_by: DateTime<Utc>,
}

#[derive(Row, Deserialize)]
struct Line {
    #[serde(with = "clickhouse::serde::uuid")]
    customer: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    device: Uuid,
    network: String,
    rat: String,
    service: String,
    source: String,
    record_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    identity: Uuid,
    start: i64,
    end: i64,
    bytes_up: u64,
    bytes_down: u64,
    units: u64,
    sign: i8,
    #[serde(with = "clickhouse::serde::uuid")]
    batch: Uuid,
    received_at: i64,
    apply_by: u32,
}

impl Line {
    /// The row as it was encoded; none when it holds an impossible time.
    fn row(self, tenant: TenantId) -> Option<CdrRow> {
        let some = |uuid: Uuid| (!uuid.is_nil()).then_some(uuid);
        Some(CdrRow {
            tenant,
            customer: some(self.customer).map(CustomerId::new),
            sim: SimId::new(self.sim),
            device: some(self.device).map(DeviceId::new),
            network: self.network,
            rat: self.rat,
            service: self.service,
            source: self.source,
            record_id: self.record_id,
            identity: self.identity,
            start: DateTime::from_timestamp_millis(self.start)?,
            end: DateTime::from_timestamp_millis(self.end)?,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
            units: self.units,
            sign: self.sign,
            batch: BatchId::new(self.batch),
            received_at: DateTime::from_timestamp_millis(self.received_at)?,
        })
    }
}

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
        let replicated: Vec<String> = self
            .query(
                "SELECT name FROM system.tables WHERE database = currentDatabase() \
                 AND (name = 'cdr' OR startsWith(name, 'usage_')) AND startsWith(engine, 'Replicated') ORDER BY name",
            )
            .fetch_all()
            .await
            .map_err(fault)?;
        for table in replicated {
            self.execute(&format!("SYSTEM SYNC REPLICA {table} LIGHTWEIGHT"))
                .await?;
        }
        Ok(())
    }

    /// Whether a statement is running that changes records or cubes beside an insert. The caller holds the apply lock, so
    /// such a statement is of a process that has lost it.
    pub async fn is_correcting(&self, _: &System) -> Result<bool> {
        let running: u64 = self
            .query(&format!(
                "SELECT count() FROM (SELECT 1 FROM system.processes WHERE {CORRECTING} UNION ALL \
                 SELECT 1 FROM system.mutations \
                 WHERE database = currentDatabase() AND table = 'cdr' AND NOT is_done)"
            ))
            .fetch_one()
            .await
            .map_err(fault)?;
        Ok(running > 0)
    }

    /// Asks the engine to break off what [`Store::is_correcting`] sees. A mutation goes on.
    pub async fn stop_correcting(&self, _: &System) -> Result<()> {
        self.execute(&format!("KILL QUERY WHERE {CORRECTING} ASYNC"))
            .await
    }

    /// Those of `batches` of which an insert is running.
    pub async fn applying(&self, _: &System, batches: &[BatchId]) -> Result<Vec<BatchId>> {
        let running: Vec<String> = self
            .query("SELECT query FROM system.processes WHERE query LIKE 'INSERT INTO cdr %'")
            .fetch_all()
            .await
            .map_err(fault)?;
        let is_running = |batch: &BatchId| {
            let mark = Attempt::mark(*batch);
            running.iter().any(|query| query.contains(&mark))
        };
        Ok(batches.iter().copied().filter(is_running).collect())
    }

    /// Looks `rows` up, each by its key.
    pub async fn look_up(&self, _: &System, rows: &[CdrRow]) -> Result<Found> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|at| key(&rows[*at]));
        let mut found = Found::default();
        for same_tenant in order.chunk_by(|a, b| rows[*a].tenant == rows[*b].tenant) {
            for chunk in same_tenant.chunks(CHUNK) {
                self.look_up_chunk(rows, chunk, &mut found).await?;
            }
        }
        Ok(found)
    }

    async fn look_up_chunk(
        &self,
        rows: &[CdrRow],
        chunk: &[usize],
        found: &mut Found,
    ) -> Result<()> {
        let Some(tenant) = chunk.first().map(|at| rows[*at].tenant) else {
            return Ok(());
        };
        let lines: Vec<Line> = self
            .query(&look_up_sql(tenant, chunk.iter().map(|at| &rows[*at])))
            .with_setting("max_query_size", QUERY_BYTES)
            .fetch_all()
            .await
            .map_err(fault)?;
        let mut by_identity: HashMap<Uuid, Vec<CdrRow>> = HashMap::with_capacity(lines.len());
        for line in lines {
            let apply_by = DateTime::from_timestamp(line.apply_by.into(), 0).unwrap_or_default();
            found.apply_by = found.apply_by.max(apply_by);
            let row = line.row(tenant);
            let row = row.ok_or_else(|| Error::internal("a record outside of time"))?;
            by_identity.entry(row.identity).or_default().push(row);
        }
        for at in chunk {
            match by_identity.get(&rows[*at].identity).map(Vec::as_slice) {
                None => found.missing.push(*at),
                Some([only]) if *only == rows[*at] => {}
                Some(_) => {
                    found.surplus.push(*at);
                    found.missing.push(*at);
                }
            }
        }
        Ok(())
    }

    /// Takes every copy of `rows` that had to begin before `before` out of the records; no cube notices. What is inserted
    /// again has a later deadline, so a statement that comes late takes nothing of it. The caller settles the cubes
    /// afterwards.
    pub async fn take_out(
        &self,
        _: &System,
        rows: &[&CdrRow],
        before: DateTime<Utc>,
        permit: &impl Permit,
    ) -> Result<()> {
        let mut partitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let partition = Level::Hour.partition_at(row.start);
            let (id, _) = partition.ok_or_else(|| Error::internal("a record outside of time"))?;
            let name = format!("('{}','{}')", row.tenant.uuid(), row.identity);
            partitions.entry(id).or_default().push(name);
        }
        for (partition, names) in partitions {
            for names in names.chunks(CHUNK) {
                let sql = format!(
                    "ALTER TABLE cdr DELETE IN PARTITION ID '{partition}' \
                     WHERE apply_by < toDateTime({}, 'UTC') AND (tenant, identity) IN ({})",
                    before.timestamp(),
                    names.join(",")
                );
                permit.begin_by().await?;
                self.query(&sql)
                    .with_setting("mutations_sync", "2")
                    .with_setting("max_query_size", QUERY_BYTES)
                    .execute()
                    .await
                    .map_err(fault)?;
            }
        }
        Ok(())
    }

    /// One row for each record of a tenant in a batch that is there more than once; two where the copies are not alike.
    pub async fn doubled(
        &self,
        _: &System,
        tenant: TenantId,
        batch: BatchId,
    ) -> Result<Vec<CdrRow>> {
        let sql = format!(
            "SELECT DISTINCT {COLUMNS}, toUInt32(0) AS apply_by FROM cdr AS t \
             WHERE t.tenant = '{tenant}' AND t.batch = '{batch}' AND t.sign > 0 AND t.identity IN \
             (SELECT identity FROM cdr WHERE tenant = '{tenant}' AND batch = '{batch}' AND sign > 0 \
              GROUP BY identity HAVING count() > 1) LIMIT 2 BY identity",
            tenant = tenant.uuid(),
            batch = batch.uuid(),
        );
        let lines: Vec<Line> = patient(self.query(&sql)).fetch_all().await.map_err(fault)?;
        let row = |line: Line| {
            line.row(tenant)
                .ok_or_else(|| Error::internal("a record outside of time"))
        };
        lines.into_iter().map(row).collect()
    }

    /// What the records hold of each of `batches`, all of which were received and used within these bounds (both ends
    /// included). Batches without a row have no entry.
    pub async fn count_batches(
        &self,
        _: &System,
        batches: &[BatchId],
        received: [DateTime<Utc>; 2],
        started: [DateTime<Utc>; 2],
    ) -> Result<HashMap<BatchId, (Count, i64)>> {
        #[derive(Row, Deserialize)]
        struct Line {
            #[serde(with = "clickhouse::serde::uuid")]
            batch: Uuid,
            records: i64,
            bytes_up: i128,
            bytes_down: i128,
            units: i128,
            checksum: i64,
        }
        let mut counts = HashMap::with_capacity(batches.len());
        for chunk in batches.chunks(CHUNK) {
            let wanted = chunk
                .iter()
                .map(|batch| format!("'{}'", batch.uuid()))
                .collect::<Vec<_>>()
                .join(",");
            let sql = format!(
                "SELECT batch, toInt64(count()) AS records, sum(toInt128(bytes_up)) AS bytes_up, \
                 sum(toInt128(bytes_down)) AS bytes_down, sum(toInt128(units)) AS units, \
                 reinterpretAsInt64(sum({})) AS checksum FROM cdr \
                 WHERE received_at BETWEEN {} AND {} AND start BETWEEN {} AND {} AND batch IN ({wanted}) \
                 GROUP BY batch",
                LOW_HALF,
                moment(received[0]),
                moment(received[1]),
                moment(started[0]),
                moment(started[1]),
            );
            let lines: Vec<Line> = self
                .query(&sql)
                .with_setting("max_query_size", QUERY_BYTES)
                .fetch_all()
                .await
                .map_err(fault)?;
            counts.extend(lines.into_iter().map(|line| {
                let count = Count {
                    records: line.records,
                    bytes_up: line.bytes_up,
                    bytes_down: line.bytes_down,
                    units: line.units,
                };
                (BatchId::new(line.batch), (count, line.checksum))
            }));
        }
        Ok(counts)
    }

    /// The mark that was left last, by the number in its upper half; none in a new database.
    pub async fn mark(&self, _: &System) -> Result<Option<Uuid>> {
        let marks: Vec<String> = self
            .query("SELECT toString(mark) FROM intake_mark ORDER BY toUInt128(mark) DESC LIMIT 1")
            .fetch_all()
            .await
            .map_err(fault)?;
        let mark = marks.first().map(|mark| Uuid::parse_str(mark));
        mark.transpose().map_err(Error::internal)
    }

    /// Leaves a mark.
    pub async fn set_mark(&self, _: &System, mark: Uuid) -> Result<()> {
        self.execute(&format!("INSERT INTO intake_mark (mark) VALUES ('{mark}')"))
            .await
    }
}

/// The lower half of a record's identity as a number, as `Uuid::as_u64_pair` gives it.
pub(crate) const LOW_HALF: &str = "toUInt64(toUInt128(identity))";

/// The key of the records' table, for looking rows up that lie together.
fn key(row: &CdrRow) -> (TenantId, Option<CustomerId>, SimId, DateTime<Utc>, Uuid) {
    (row.tenant, row.customer, row.sim, row.start, row.identity)
}

/// The columns of a [`Line`] but the deadline.
const COLUMNS: &str = "customer, sim, device, CAST(network, 'String') AS network, CAST(rat, 'String') AS rat, \
    CAST(service, 'String') AS service, CAST(source, 'String') AS source, record_id, identity, \
    toUnixTimestamp64Milli(start) AS start, toUnixTimestamp64Milli(end) AS end, bytes_up, bytes_down, units, \
    sign, batch, toUnixTimestamp64Milli(received_at) AS received_at";

/// Which of the running statements correct something here.
const CORRECTING: &str = "current_database = currentDatabase() \
    AND (query LIKE 'INSERT INTO usage\\_%' OR query LIKE 'ALTER TABLE cdr DELETE %')";

fn moment(at: DateTime<Utc>) -> String {
    let text = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!(
        "toDateTime64('{}', 3, 'UTC')",
        text.replace('T', " ").trim_end_matches('Z')
    )
}

fn look_up_sql<'r>(tenant: TenantId, rows: impl Iterator<Item = &'r CdrRow>) -> String {
    let mut keys = String::new();
    for row in rows {
        let customer = row.customer.map_or(Uuid::nil(), CustomerId::uuid);
        // Writing to a String cannot fail.
        let _ = write!(
            keys,
            "('{customer}','{}','{}','{}'),",
            row.sim.uuid(),
            row.start.format("%Y-%m-%d %H:%M:%S%.3f"),
            row.identity,
        );
    }
    keys.pop();
    format!(
        "SELECT {COLUMNS}, toUnixTimestamp(apply_by) AS apply_by FROM cdr AS t \
         WHERE t.tenant = '{}' AND (t.customer, t.sim, t.start, t.identity) IN ({keys})",
        tenant.uuid()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr;

    /// The `n`th of the tenant's records; SIMs take turns.
    fn row(tenant: TenantId, batch: BatchId, n: u32) -> CdrRow {
        let start = moment_of(n);
        CdrRow {
            tenant,
            customer: Some(CustomerId::new(Uuid::from_u128(u128::from(n % 7) + 1))),
            sim: SimId::new(Uuid::from_u128(u128::from(n % 1_000) + 1)),
            device: None,
            network: "262-02".into(),
            rat: "LTE".into(),
            service: "DATA".into(),
            source: "test".into(),
            record_id: n.to_string(),
            identity: Uuid::from_u128(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            start,
            end: start,
            bytes_up: 1,
            bytes_down: 2,
            units: 0,
            sign: 1,
            batch,
            received_at: start,
        }
    }

    /// In one month of a year that no clock lets expire.
    fn moment_of(n: u32) -> DateTime<Utc> {
        DateTime::from_timestamp(3_800_000_000 + i64::from(n), 0).expect("a time")
    }

    #[tokio::test]
    async fn a_look_up_goes_by_the_whole_key_and_reads_few_granules() {
        let server = testkit::clickhouse();
        let store = Store::remote(server.url())
            .expect("a URL")
            .with_database(server.database());
        let (tenant, batch) = (TenantId::new(Uuid::new_v4()), BatchId::new(Uuid::new_v4()));
        let rows: Vec<CdrRow> = (0..300_000).map(|n| row(tenant, batch, n)).collect();
        let attempt = Attempt {
            batch,
            apply_by: moment_of(0),
        };
        let applied = store.apply(&attempt, 300_000, &cdr::encode(&rows)).await;
        applied.expect("applied");

        let wanted = [5, 70_000, 299_999].map(|n: usize| &rows[n]);
        let sql = look_up_sql(tenant, wanted.into_iter());
        let plan: Vec<String> = store
            .query(&format!("EXPLAIN indexes = 1 {sql}"))
            .fetch_all()
            .await
            .expect("a plan");
        let plan = plan.join("\n");
        let (_, by_key) = plan.split_once("PrimaryKey").expect("the primary key");
        let (keys, rest) = by_key.split_once("Condition:").expect("a condition");
        for column in ["tenant", "customer", "sim", "start", "identity"] {
            assert!(keys.contains(column), "{column}: {plan}");
        }
        let (_, granules) = rest.split_once("Granules: ").expect("granules");
        let (read, all) = granules
            .lines()
            .next()
            .expect("a line")
            .split_once('/')
            .expect("two");
        let [read, all] = [read, all].map(|n| n.trim().parse::<u32>().expect("a number"));
        assert!(all > 30, "a table of some size: {plan}");
        assert!(read <= 6, "two granules a row at most: {plan}");
    }
}
