//! The day on which a record may go, and making it another one.
//!
//! It is the retention of its tenant ([`Retention`]), counted from the end of the month in which it began. So all records of a partition that
//! are kept equally long go on one day: a part of such records is dropped without being read, and of a part that holds others too, a merge
//! takes them out. A partition is read for that as often as there are retentions in it, in all its life, and the number of partitions
//! stays what it is by month alone.

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Result,
    id::TenantId,
    tenant::{Retention, SessionRetention},
};
use serde::Deserialize;

use crate::{Store, System, cube::Level, store::fault, verify::patient};

/// What the statements look like that make it another day, in the engine's list of mutations.
pub(crate) const MUTATION: &str = "(UPDATE expires";
/// Seconds of a day.
const DAY: i64 = 86_400;

/// The day on which a record may go that begins at `start`, in days since 1970; the last that the engine has where it is later.
pub(crate) fn expires(start: DateTime<Utc>, retention: Retention) -> u16 {
    let month = Level::Month.period_at(start);
    let end = month.map(|month| month.to().timestamp() / DAY);
    let day = end.map(|end| end.saturating_add(retention.days().into()));
    day.and_then(|day| u16::try_from(day).ok())
        .unwrap_or(u16::MAX)
}

/// The day on which a rollup may go that was made at `event_at`, in days since 1970: its retention and some slack after the end of its
/// day. A day is what a partition of the log holds.
pub(crate) fn session_expires(event_at: DateTime<Utc>, retention: SessionRetention) -> u16 {
    let kept = i64::from(retention.days()) + SessionRetention::SLACK.num_days();
    let day = event_at.timestamp().div_euclid(DAY) + 1 + kept;
    u16::try_from(day.max(0)).unwrap_or(u16::MAX)
}

/// The same of records in SQL, and not before `at_least`.
fn expires_sql(retention: Retention, at_least: DateTime<Utc>) -> String {
    format!(
        "greatest(addMonths(toStartOfMonth(start), 1) + {}, toDate({}))",
        retention.days(),
        at_least.timestamp().div_euclid(DAY)
    )
}

#[derive(Row, Deserialize)]
struct Partition {
    id: String,
}

impl Store {
    /// Lets the records of a tenant that are there be kept as long as `retention` says, but none go before `at_least`. Whether all of them
    /// are; where not, the engine was told, or is still at it: ask again. Intake goes on meanwhile, and what it inserts is looked at, too.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine; ask again.
    pub async fn keep(
        &self,
        _: &System,
        tenant: TenantId,
        retention: Retention,
        at_least: DateTime<Utc>,
    ) -> Result<bool> {
        let sql = format!(
            "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = 'cdr' \
             AND NOT is_done AND startsWith(command, '{MUTATION}')"
        );
        let running: u64 = self.query(&sql).fetch_one().await.map_err(fault)?;
        if running > 0 {
            return Ok(false);
        }
        let day = expires_sql(retention, at_least);
        let others = format!("tenant = '{}' AND expires != {day}", tenant.uuid());
        let sql =
            format!("SELECT DISTINCT _partition_id AS id FROM cdr WHERE {others} ORDER BY id");
        let partitions: Vec<Partition> =
            (patient(self.query(&sql)).fetch_all().await).map_err(fault)?;
        for Partition { id } in &partitions {
            self.execute(&format!(
                "ALTER TABLE cdr UPDATE expires = {day} IN PARTITION ID '{id}' WHERE {others}"
            ))
            .await?;
        }
        Ok(partitions.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_month_go_together_their_days_after_its_end() {
        let day = |start: &str, days: u16| {
            let start = start.parse().expect("a moment");
            let day = expires(start, Retention::new(days, None));
            DateTime::from_timestamp(i64::from(day) * DAY, 0)
                .expect("a moment")
                .date_naive()
                .to_string()
        };
        for start in ["2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999Z"] {
            assert_eq!(day(start, 60), "2026-04-30");
            assert_eq!(day(start, 400), "2027-04-05");
        }
        assert_eq!(day("2026-12-31T23:59:59Z", 400), "2028-02-05");
        // The latest that the records' table takes.
        assert_eq!(day("2105-12-31T23:59:59Z", 3_650), "2115-12-30");
    }

    #[test]
    fn rollups_of_a_day_go_together_their_days_and_one_after_its_end() {
        let day = |at: &str, days: u16| {
            let at = at.parse().expect("a moment");
            let day = session_expires(at, SessionRetention::new(days, None));
            DateTime::from_timestamp(i64::from(day) * DAY, 0)
                .expect("a moment")
                .date_naive()
                .to_string()
        };
        for at in ["2026-02-01T00:00:00Z", "2026-02-01T23:59:59.999Z"] {
            assert_eq!(day(at, 7), "2026-02-10");
            assert_eq!(day(at, 90), "2026-05-04");
        }
    }
}
