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

use super::{
    CHUNK, LOW_HALF, QUERY_BYTES,
    row::{COLUMNS, Line},
};
use crate::{
    CdrRow, Store, System,
    store::fault,
    verify::{Count, patient},
};

impl Store {
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
}

fn moment(at: DateTime<Utc>) -> String {
    let text = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!(
        "toDateTime64('{}', 3, 'UTC')",
        text.replace('T', " ").trim_end_matches('Z')
    )
}
