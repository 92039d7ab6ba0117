//! Until when the usage of a SIM is counted. A fleet import asks, because customer and device are baked into records.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{Error, Result, Scope, fleet::CountedUsage, id::SimId};
use serde::Deserialize;
use uuid::Uuid;

use super::scoped::{Parameter, Scoped};
use crate::{
    Store,
    cube::{Cube, Level, Table},
    family::Family,
    store::fault,
};

/// From the beginning of an hour to its last millisecond.
const HOUR_END: u32 = 3_600_000 - 1;

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
    /// recent stretch are read and not a year of them. Where they have expired, it is the end of that hour.
    async fn last_counted(
        &self,
        scope: &Scope,
        sims: &[SimId],
    ) -> Result<HashMap<SimId, DateTime<Utc>>> {
        let mut scoped = Scoped::new(scope, Family::Cdr)?;
        let wanted = Parameter::Uuids(sims.iter().map(|id| id.uuid()).collect());
        let wanted = format!("sim IN {}", scoped.parameters.bind(wanted));
        let hours = Cube::Full(Level::Hour);
        let hours = scoped.own(
            "sim, period, records",
            Table::Cube(hours),
            &[[0, u32::MAX]],
            std::slice::from_ref(&wanted),
        );
        let hours = format!(
            "SELECT sim, max(period) AS begins FROM (\n{hours}\n) GROUP BY sim HAVING sum(records) > 0"
        );
        let records = scoped.records(&[
            wanted,
            format!("start >= (SELECT min(begins) FROM (\n{hours}\n))"),
        ]);
        let records = format!("SELECT sim, max(start) AS newest FROM (\n{records}\n) GROUP BY sim");
        let sql = format!(
            "SELECT sim, toUnixTimestamp64Milli(if(newest >= begins, newest, \
             addMilliseconds(toDateTime64(begins, 3, 'UTC'), {HOUR_END}))) AS last\n\
             FROM (\n{hours}\n) AS hours LEFT JOIN (\n{records}\n) AS records USING (sim)"
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
