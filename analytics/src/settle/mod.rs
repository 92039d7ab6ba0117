//! What of a batch is in the records, looked up: the evidence that settling rests on.
//!
//! Rows are found by their own key, so a look-up reads what was in flight and no more. Whoever settles holds the apply
//! lock, and has seen that no insert of the batch is running ([`Store::applying`]) after its deadline passed by the engine's own
//! clock ([`Store::now`]): nothing can be added behind their back.

mod count;
mod engine;
mod identity;
mod mark;
mod record;
mod row;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use domain::{Error, Result, id::TenantId};

use crate::{
    Store, System,
    store::fault,
    verify::{Keeps, Permit},
};
pub use record::{Name, Record};

/// Rows looked up by one statement: some 100 KB of text.
const CHUNK: usize = 1_000;
/// Room for the text of a look-up.
const QUERY_BYTES: &str = "1000000";
/// The lower half of a record's identity as a number, as `Uuid::as_u64_pair` gives it.
pub(crate) const LOW_HALF: &str = "toUInt64(toUInt128(identity))";

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

impl Store {
    /// Looks `rows` up, each by its key.
    pub async fn look_up<R: Record>(&self, _: &System, rows: &[R]) -> Result<Found> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        // Those that lie together are looked up together.
        order.sort_by_cached_key(|at| (rows[*at].tenant(), rows[*at].key()));
        let mut found = Found::default();
        for same_tenant in order.chunk_by(|a, b| rows[*a].tenant() == rows[*b].tenant()) {
            for chunk in same_tenant.chunks(CHUNK) {
                self.look_up_chunk(rows, chunk, &mut found).await?;
            }
        }
        Ok(found)
    }

    async fn look_up_chunk<R: Record>(
        &self,
        rows: &[R],
        chunk: &[usize],
        found: &mut Found,
    ) -> Result<()> {
        let Some(tenant) = chunk.first().map(|at| rows[*at].tenant()) else {
            return Ok(());
        };
        let lines: Vec<R::Line> = self
            .query(&look_up_sql(tenant, chunk.iter().map(|at| &rows[*at])))
            .with_setting("max_query_size", QUERY_BYTES)
            .fetch_all()
            .await
            .map_err(fault)?;
        let mut by_name: HashMap<Name, Vec<R>> = HashMap::with_capacity(lines.len());
        for line in lines {
            let read = R::read(line, tenant);
            let (row, apply_by) =
                read.ok_or_else(|| Error::internal("a record outside of time"))?;
            let apply_by = DateTime::from_timestamp(apply_by.into(), 0).unwrap_or_default();
            found.apply_by = found.apply_by.max(apply_by);
            by_name.entry(row.name()).or_default().push(row);
        }
        for at in chunk {
            match by_name.get(&rows[*at].name()).map(Vec::as_slice) {
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

    /// Removes every copy of `rows` that had to begin before `before` from the records; no cube notices. What is inserted
    /// again has a later deadline, so a statement that comes late removes nothing of it. The caller settles the cubes
    /// afterwards.
    pub async fn remove_rows<R: Record>(
        &self,
        _: &System,
        rows: &[&R],
        before: DateTime<Utc>,
        permit: &impl Permit,
    ) -> Result<()> {
        let family = R::Retention::FAMILY;
        let mut partitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let partition = family.partition_at(row.at());
            let id = partition.ok_or_else(|| Error::internal("a record outside of time"))?;
            partitions.entry(id).or_default().push(row.row_key());
        }
        let (records, row_key) = (family.records(), family.row_key());
        for (partition, names) in partitions {
            for names in names.chunks(CHUNK) {
                let sql = format!(
                    "ALTER TABLE {records} DELETE IN PARTITION ID '{partition}' \
                     WHERE apply_by < toDateTime({}, 'UTC') AND {row_key} IN ({})",
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
}

fn look_up_sql<'r, R: Record>(tenant: TenantId, rows: impl Iterator<Item = &'r R>) -> String {
    let keys: Vec<String> = rows.map(R::key).collect();
    format!(
        "SELECT {}, toUnixTimestamp(apply_by) AS apply_by FROM {} AS t WHERE t.tenant = '{}' AND {} IN ({})",
        R::COLUMNS,
        R::Retention::FAMILY.records(),
        tenant.uuid(),
        R::KEY,
        keys.join(",")
    )
}

#[cfg(test)]
mod tests {
    use domain::{
        id::{BatchId, CustomerId, SimId},
        tenant::Retentions,
    };
    use uuid::Uuid;

    use super::*;
    use crate::{
        CdrRow,
        cdr::{self, Attempt},
    };

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
        let applied = store
            .apply(
                &attempt,
                300_000,
                &cdr::encode(&rows),
                &Retentions::default(),
            )
            .await;
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
