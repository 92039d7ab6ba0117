//! Single records instead of sums.

use chrono::{DateTime, Utc};
use domain::{Area, Code, Error, Period, Result, Scope, usage::Measure};
use uuid::Uuid;

use super::{Planner, check_areas, is_open};
use crate::{
    cube::{Level, Table},
    family::Family,
    usage::{
        Inventory, Selection,
        scoped::{Parameters, Scoped},
        tile::seconds,
        times::{Times, not_exact},
    },
};

/// The key of the records' table, behind the tenant: in this order they cost no sorting.
const KEY: &str = "customer, sim, start, identity";
/// The same, where records of one SIM must not be told by their place.
const KEY_WITHOUT_SIM: &str = "customer, start, identity";

/// A checked question for single records, as one statement.
#[derive(Clone, Debug)]
pub struct RecordPlan {
    sql: String,
    count: String,
    pub(in crate::usage) parameters: Parameters,
    pub(in crate::usage) period: Period,
}

impl RecordPlan {
    /// The statement; its values stand beside it.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// A statement that counts the same records, with the same values.
    pub fn count(&self) -> &str {
        &self.count
    }

    /// Its values, as the engine is told them.
    pub fn parameters(&self) -> Vec<String> {
        self.parameters.texts()
    }
}

/// Plans one statement for the records of a selection, in the order of their table's key. `inventory` has what the filter needs.
///
/// # Errors
/// `FORBIDDEN` for what the caller may not see, `NOT_EXACT` where records may have expired, `LIMIT_EXCEEDED` and `INVALID_INPUT`
/// for what is too much or makes no sense.
pub fn plan_records(
    scope: &Scope,
    selection: &Selection,
    inventory: &Inventory,
    now: DateTime<Utc>,
) -> Result<RecordPlan> {
    let scoped = Scoped::new(scope, Family::Cdr)?;
    let query = selection.by(&[], &[Measure::Records]);
    query.check()?;
    check_areas(scope, &query, None)?;
    let times = Times::of(&query, now)?;
    let period = times.period;
    check_kept(period, scoped.records_from(now)).map_err(|error| error.at("period"))?;
    let order = if is_open(scope, Some(Area::Sims)) {
        KEY
    } else {
        KEY_WITHOUT_SIM
    };
    let planner = Planner::new(scoped, &query, None, inventory, times, 0);
    planner.records(period, order)
}

/// # Errors
/// `NOT_EXACT` where records may have expired: a file without them would look whole.
fn check_kept(period: Period, kept: DateTime<Utc>) -> Result<()> {
    if period.from() >= kept {
        return Ok(());
    }
    let text = "records that old are not kept one by one";
    // A whole day later, so that it would do for a while.
    let later = Level::Day.period_at(kept).map(|day| day.to());
    let rest = later.and_then(|from| Period::new(from, period.to()).ok());
    Err(match rest {
        Some(rest) => not_exact(text, rest),
        None => Error::new(Code::NotExact, text).suggest("ask for sums: these are kept"),
    })
}

impl Planner<'_> {
    /// A line for each record (kind 0), and one for the watermark (1).
    fn records(mut self, period: Period, order: &str) -> Result<RecordPlan> {
        const COLUMNS: &str = "record_id, source, start, end, received_at, sim, customer, device, network, rat, service, \
                               bytes_up, bytes_down, units, sign, batch";
        let (own, joined) = self.conditions()?;
        let span = [seconds(period.from()), seconds(period.to())];
        let columns = format!("{COLUMNS}, identity");
        let own = self.scoped.own(&columns, Table::Records, &[span], &own);
        let read = self.with_joins(&own, &joined);
        let count = format!("{}SELECT count()\n{read}", self.with());
        let nobody = format!("toUUID('{}')", Uuid::nil());
        let sql = format!(
            "{}SELECT toUInt8(0) AS kind, rowNumberInAllBlocks() AS place, record_id, source, toUnixTimestamp64Milli(start) AS begun, \
             toUnixTimestamp64Milli(end) AS ended, toUnixTimestamp64Milli(received_at) AS received, sim, customer, device, \
             toString(network) AS network, toString(rat) AS rat, toString(service) AS service, bytes_up, bytes_down, units, sign, batch\n\
             FROM (\n    SELECT {COLUMNS}\n    {read}\n    ORDER BY {order}\n)\n\
             UNION ALL\n\
             SELECT toUInt8(1), toUInt64(0), '', '', toInt64(0), toInt64(0), toUnixTimestamp64Milli(max(received_at)), \
             {nobody}, {nobody}, {nobody}, '', '', '', toUInt64(0), toUInt64(0), toUInt64(0), toInt8(0), {nobody}\n{}",
            self.with(),
            self.scoped.years(),
        );
        Ok(RecordPlan {
            sql,
            count,
            parameters: self.scoped.parameters,
            period,
        })
    }
}
