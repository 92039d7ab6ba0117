//! Rebuilding a part of a cube from the records.

use chrono::{DateTime, TimeDelta, Utc};
use clickhouse::Row;
use domain::{Code, Error, Period, Result};
use serde::Deserialize;

use super::{Count, records_are_whole, within};
use crate::{Store, System, cube::Level, store::fault};

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The cube.
    pub level: Level,
    /// Id of the partition.
    pub partition: String,
    /// What it spans.
    pub period: Period,
    /// Its sums before.
    pub before: Count,
    /// Its sums now: those of the records.
    pub after: Count,
}

#[derive(Row, Deserialize)]
struct Sums {
    records: i64,
    bytes_up: i128,
    bytes_down: i128,
    units: i128,
}

impl Store {
    /// Rebuilds the partition of a cube around `moment` from the records, in a table beside it, compares, and swaps
    /// it in at once; readers see the old or the new one. De-duplication still knows every batch afterwards.
    ///
    /// The caller must hold back [`Store::apply`] meanwhile (the apply lock): a batch that came in between would be
    /// noticed by the comparison, one between comparison and swap would not.
    ///
    /// And it must first send again every batch that recovery may still send again. A cube that lost a part (a power
    /// loss, a dropped partition) lost the tokens of that part too: sending again puts both back, while rebuilding
    /// alone would put back the sums, and the same batch sent later would be counted twice.
    ///
    /// Single servers only: no cluster has run it.
    ///
    /// # Errors
    /// `CONFLICT` when records of the partition may have expired, or when they changed during the repair; the cube
    /// is then as it was.
    pub async fn repair(
        &self,
        system: &System,
        level: Level,
        moment: DateTime<Utc>,
    ) -> Result<Repaired> {
        let (partition, period) = level
            .partition_at(moment)
            .ok_or_else(|| Error::invalid("no cube holds that time"))?;
        if !records_are_whole(period.from(), system.now()) {
            return Err(Error::new(
                Code::Conflict,
                format!(
                    "records of {level} {partition} may have expired: rebuilding it would lose usage"
                ),
            ));
        }
        let staging = format!("repair_{level}_{partition}");
        let outcome = self.rebuild(level, &partition, period, &staging).await;
        // The table goes whatever happened; a failure before this one matters more.
        let dropped = self
            .execute(&format!("DROP TABLE IF EXISTS {staging} SYNC"))
            .await;
        let repaired = outcome?;
        dropped.map(|()| repaired)
    }

    async fn rebuild(
        &self,
        level: Level,
        partition: &str,
        period: Period,
        staging: &str,
    ) -> Result<Repaired> {
        self.execute(&format!("DROP TABLE IF EXISTS {staging} SYNC"))
            .await?;
        self.execute(&format!("CREATE TABLE {staging} AS {level}"))
            .await?;
        let mut day = period.from();
        while day < period.to() {
            // Day by day, so that time and memory stay small however many records a month has.
            let next = day + TimeDelta::days(1);
            self.fill(level, staging, Period::new(day, next)?).await?;
            day = next;
        }
        let records = "sum(toInt64(sign)) AS records, sum(toInt128(cdr.bytes_up) * sign) AS bytes_up, \
                       sum(toInt128(cdr.bytes_down) * sign) AS bytes_down, sum(toInt128(cdr.units) * sign) AS units";
        let cube = |table: &str| {
            format!(
                "sum({table}.records) AS records, sum({table}.bytes_up) AS bytes_up, \
                 sum({table}.bytes_down) AS bytes_down, sum({table}.units) AS units"
            )
        };
        let expected = self.sums(records, "cdr", &within("start", period)).await?;
        let after = self.sums(&cube(staging), staging, "true").await?;
        let before = self
            .sums(
                &cube(level.table()),
                level.table(),
                &within("period", period),
            )
            .await?;
        if after != expected {
            return Err(Error::new(
                Code::Conflict,
                format!(
                    "records of {level} {partition} changed while it was rebuilt: it is left as it was"
                ),
            ));
        }
        let swap = if after == Count::default() {
            // No records: nothing belongs there. ClickHouse refuses to replace a partition by none.
            format!("ALTER TABLE {level} DROP PARTITION ID '{partition}'")
        } else {
            format!("ALTER TABLE {level} REPLACE PARTITION ID '{partition}' FROM {staging}")
        };
        self.execute(&swap).await?;
        Ok(Repaired {
            level,
            partition: partition.to_owned(),
            period,
            before,
            after,
        })
    }

    /// Adds up the records of a period as the cube's view does.
    async fn fill(&self, level: Level, staging: &str, period: Period) -> Result<()> {
        let (watermark, watermark_sum) = match level {
            Level::Year => (", received_at", ", max(cdr.received_at)"),
            _ => ("", ""),
        };
        let key = "tenant, period, customer, sim, device, network, rat, service, source";
        let sql = format!(
            "INSERT INTO {staging} ({key}, bytes_up, bytes_down, units, records{watermark})\n\
             SELECT tenant, {} AS period, customer, sim, device, network, rat, service, source, \
             sum(toInt128(cdr.bytes_up) * sign), sum(toInt128(cdr.bytes_down) * sign), \
             sum(toInt128(cdr.units) * sign), sum(toInt64(sign)){watermark_sum}\n\
             FROM cdr WHERE {} GROUP BY {key}",
            level.start_of("start"),
            within("start", period),
        );
        // Without a token, two equal blocks would count as one.
        self.query(&sql)
            .with_setting("insert_deduplicate", "0")
            .execute()
            .await
            .map_err(fault)
    }

    async fn sums(&self, sums: &str, table: &str, condition: &str) -> Result<Count> {
        let sql = format!("SELECT {sums} FROM {table} WHERE {condition}");
        let sums: Sums = self.query(&sql).fetch_one().await.map_err(fault)?;
        Ok(Count {
            records: sums.records,
            bytes_up: sums.bytes_up,
            bytes_down: sums.bytes_down,
            units: sums.units,
        })
    }
}
