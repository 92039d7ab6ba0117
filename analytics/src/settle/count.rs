//! What the records hold of whole batches.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use clickhouse::Row;
use domain::{
    Error, Result,
    id::{BatchId, TenantId},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{CHUNK, LOW_HALF, QUERY_BYTES, Record};
use crate::{
    Family, Store, System,
    store::fault,
    verify::{Count, Keeps, patient},
};

impl Store {
    /// One row for each record of a tenant in a batch that is there more than once; two where the copies are not alike.
    pub async fn doubled<R: Record>(
        &self,
        _: &System,
        tenant: TenantId,
        batch: BatchId,
    ) -> Result<Vec<R>> {
        let family = R::Retention::FAMILY;
        let sql = format!(
            "SELECT DISTINCT {columns}, toUInt32(0) AS apply_by FROM {records} AS t \
             WHERE t.tenant = '{tenant}' AND t.batch = '{batch}' AND {which} AND (t.identity, t.sign) IN \
             (SELECT identity, sign FROM {records} WHERE tenant = '{tenant}' AND batch = '{batch}' AND {which} \
              GROUP BY identity, sign HAVING count() > 1) LIMIT 2 BY identity, sign",
            columns = R::COLUMNS,
            records = family.records(),
            which = family.in_ledger(),
            tenant = tenant.uuid(),
            batch = batch.uuid(),
        );
        let lines: Vec<R::Line> = patient(self.query(&sql)).fetch_all().await.map_err(fault)?;
        let row = |line: R::Line| {
            let read = R::read(line, tenant).map(|(row, _)| row);
            read.ok_or_else(|| Error::internal("a record outside of time"))
        };
        lines.into_iter().map(row).collect()
    }

    /// What the records of a family hold of each of `batches`, all of which were received and used within these bounds (both ends
    /// included). Batches without a row have no entry.
    pub async fn count_batches(
        &self,
        _: &System,
        family: Family,
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
            sessions: i64,
            resets: i64,
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
                "SELECT batch, {}, reinterpretAsInt64(sum({LOW_HALF})) AS checksum FROM {} \
                 WHERE received_at BETWEEN {} AND {} AND {} BETWEEN {} AND {} AND batch IN ({wanted}) \
                 GROUP BY batch",
                family.rows_of_ledger(),
                family.records(),
                moment(received[0]),
                moment(received[1]),
                family.time(),
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
                    sessions: line.sessions,
                    resets: line.resets,
                };
                (BatchId::new(line.batch), (count, line.checksum))
            }));
        }
        Ok(counts)
    }
}

fn moment(at: DateTime<Utc>) -> String {
    let text = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!(
        "toDateTime64('{}', 3, 'UTC')",
        text.replace('T', " ").trim_end_matches('Z')
    )
}
