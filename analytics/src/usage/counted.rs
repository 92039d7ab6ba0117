//! Until when the usage of a SIM is counted. A fleet import asks, because customer and device are baked into records.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{Error, Result, Scope, fleet::CountedUsage, id::SimId};
use serde::Deserialize;
use uuid::Uuid;

use super::scoped::{Parameter, Scoped};
use crate::{Store, cube::Level, store::fault};

/// The last counted moment of a SIM.
#[derive(Row, Deserialize)]
struct Line {
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    /// Unix milliseconds.
    last: i64,
}

impl CountedUsage for Store {
    /// The start of each SIM's newest counted record. The hour cube says where to look, so that the records of one
    /// recent stretch are read and not a year of them.
    async fn last_counted(
        &self,
        scope: &Scope,
        sims: &[SimId],
    ) -> Result<HashMap<SimId, DateTime<Utc>>> {
        let mut scoped = Scoped::new(scope)?;
        let wanted = Parameter::Uuids(sims.iter().map(|id| id.uuid()).collect());
        let wanted = format!("sim IN {}", scoped.parameters.bind(wanted));
        let hours = scoped.own(Level::Hour, 0, u32::MAX, std::slice::from_ref(&wanted));
        let records = scoped.records(&[
            wanted,
            format!(
                "start >= (SELECT min(last) FROM (SELECT max(period) AS last FROM (\n{hours}\n) GROUP BY sim))"
            ),
        ]);
        let sql = format!(
            "SELECT sim, toUnixTimestamp64Milli(max(start)) AS last FROM (\n{records}\n) GROUP BY sim HAVING sum(sign) > 0"
        );
        let query = scoped.parameters.attach(self.query(&sql));
        let lines: Vec<Line> = query.fetch_all().await.map_err(fault)?;
        lines
            .into_iter()
            .map(|line| {
                let last = DateTime::from_timestamp_millis(line.last);
                let last = last.ok_or_else(|| Error::internal("a record outside of time"))?;
                Ok((SimId::new(line.sim), last))
            })
            .collect()
    }
}
