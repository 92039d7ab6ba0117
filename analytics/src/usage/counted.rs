//! Until when the usage of a SIM is counted. A fleet import asks, because customer and device are baked into records.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{Error, Result, Scope, fleet::CountedUsage, id::SimId};
use serde::Deserialize;
use uuid::Uuid;

use super::scoped::{Parameter, Scoped};
use crate::{Store, family::Family, store::fault};

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
    /// When each SIM's newest counted record or rollup of a session was made. The cubes of hours say where to look, so that
    /// what came in one recent stretch is read and not a year of it. Where that has expired, it is the end of that hour.
    async fn last_counted(
        &self,
        scope: &Scope,
        sims: &[SimId],
    ) -> Result<HashMap<SimId, DateTime<Utc>>> {
        let mut scoped = Scoped::new(scope, Family::Cdr)?;
        let wanted = Parameter::Uuids(sims.iter().map(|id| id.uuid()).collect());
        let wanted = format!("sim IN {}", scoped.parameters.bind(wanted));
        let lasts = Family::ALL.map(|family| last(&mut scoped, family, &wanted));
        let sql = format!(
            "SELECT sim, max(counted) AS last FROM (\n{}\n) GROUP BY sim",
            lasts.join("\nUNION ALL\n")
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

/// The last counted moment of the SIMs that meet a condition, in one family: a SIM and Unix milliseconds.
fn last(scoped: &mut Scoped, family: Family, wanted: &str) -> String {
    scoped.family = family;
    let hours = scoped.hours(&[wanted.to_owned()]);
    let hours = format!(
        "SELECT sim, max(period) AS begins FROM (\n{hours}\n) GROUP BY sim HAVING sum(records) > 0"
    );
    let time = family.time();
    let records = scoped.records(&[
        wanted.to_owned(),
        format!("{time} >= (SELECT min(begins) FROM (\n{hours}\n))"),
    ]);
    let records = format!("SELECT sim, max({time}) AS newest FROM (\n{records}\n) GROUP BY sim");
    format!(
        "SELECT sim, toUnixTimestamp64Milli(if(newest >= begins, newest, \
         addMilliseconds(toDateTime64(begins, 3, 'UTC'), {HOUR_END}))) AS counted\n\
         FROM (\n{hours}\n) AS hours LEFT JOIN (\n{records}\n) AS records USING (sim)"
    )
}
