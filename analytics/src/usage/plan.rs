//! From a question to one statement over the coarsest exact cube.

use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};
use domain::{Area, Code, Error, Period, Result, Scope};

use super::{
    Dimension, Filter, Grain, Key, Measure, Order, OrderBy, UsageLimits, UsageQuery, filter,
    scoped::{Parameter, Parameters, Scoped, column},
};
use crate::cube::{Cube, Level};

/// A checked question as one statement.
#[derive(Clone, Debug)]
pub struct UsagePlan {
    sql: String,
    pub(super) parameters: Parameters,
    cube: Cube,
}

impl UsagePlan {
    /// The statement; its values stand beside it.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The cube that it reads.
    pub fn table(&self) -> Cube {
        self.cube
    }
}

/// Plans a question.
///
/// # Errors
/// `FORBIDDEN` for what the caller may not see, `NOT_EXACT` for bounds that no cube has, `LIMIT_EXCEEDED` and
/// `INVALID_INPUT` for what is too much or makes no sense.
pub fn plan(scope: &Scope, query: &UsageQuery) -> Result<UsagePlan> {
    Planner::new(scope, query, None)?.plan(&[])
}

/// Plans one statement that answers the question for each of several parents.
pub(super) fn plan_by(
    scope: &Scope,
    query: &UsageQuery,
    parent: Dimension,
    ids: &[Key],
) -> Result<UsagePlan> {
    if ids.len() > UsageLimits::PARENTS {
        return Err(beyond(
            "too many parents at once",
            UsageLimits::PARENTS,
            ids.len(),
        ));
    }
    let rows = ids.len().saturating_mul(query.limit as usize);
    if rows > UsageLimits::ROWS {
        let error = beyond(
            "too many parents times the usage limit",
            UsageLimits::ROWS,
            rows,
        );
        return Err(error.suggest("ask for a smaller page or limit"));
    }
    Planner::new(scope, query, Some(parent))?.plan(ids)
}

struct Planner<'a> {
    query: &'a UsageQuery,
    parent: Option<Dimension>,
    scoped: Scoped,
    cube: Cube,
}

impl<'a> Planner<'a> {
    fn new(scope: &Scope, query: &'a UsageQuery, parent: Option<Dimension>) -> Result<Self> {
        let scoped = Scoped::new(scope)?;
        query.check()?;
        let named = named(query, parent);
        check_areas(scope, &named)?;
        let level = choose(query.period, query.grain)?;
        Ok(Self {
            query,
            parent,
            cube: scoped.cube(level, &named),
            scoped,
        })
    }

    fn plan(mut self, ids: &[Key]) -> Result<UsagePlan> {
        let mut conditions = Vec::new();
        if let Some(parent) = self.parent {
            conditions.push(filter::is_in(parent, ids, &mut self.scoped.parameters)?);
        }
        if let Some(filter) = &self.query.filter {
            conditions.push(filter.sql(&mut self.scoped.parameters)?);
        }
        let labelled = self.labelled(&conditions);
        let limit = self
            .scoped
            .parameters
            .bind(Parameter::Number(self.query.limit.saturating_add(1)));
        let sql = format!(
            "WITH labelled AS (\n    {labelled}\n)\n\
             SELECT kind, rowNumberInAllBlocks() AS place, parent, bucket, keys, up, down, total_records, sims, \
             toInt64(0) AS watermark\nFROM (\n    {}\n    ORDER BY {}\n    LIMIT {limit} BY kind, parent\n)\n\
             UNION ALL\n\
             SELECT toUInt8(2), toUInt64(0), '', toUInt32(0), emptyArrayString(), toInt128(0), toInt128(0), \
             toInt64(0), toUInt64(0), {}",
            self.grouped(),
            self.order(),
            self.scoped.watermark(),
        );
        Ok(UsagePlan {
            sql,
            parameters: self.scoped.parameters,
            cube: self.cube,
        })
    }

    fn joins_country(&self) -> bool {
        named(self.query, self.parent).contains(&Dimension::Country)
    }

    fn asks(&self, measure: Measure) -> bool {
        asks(self.query, measure)
    }

    /// Names of the columns that make a group: the time bucket, then the keys.
    fn group(&self) -> Vec<String> {
        let keys = (0..self.query.dimensions.len()).map(|place| format!("k{place}"));
        self.query
            .grain
            .map(|_| "bucket_start".to_owned())
            .into_iter()
            .chain(keys)
            .collect()
    }

    /// The rows that the caller may see, with the group's columns under fixed names.
    fn labelled(&mut self, conditions: &[String]) -> String {
        let mut columns = Vec::new();
        if let Some(parent) = self.parent {
            columns.push(format!("{} AS parent_key", column(parent)));
        }
        if let Some(grain) = self.query.grain {
            columns.push(format!("{} AS bucket_start", bucket(grain)));
        }
        for (place, dimension) in self.query.dimensions.iter().enumerate() {
            columns.push(format!("{} AS k{place}", column(*dimension)));
        }
        if self.asks(Measure::ActiveSims) {
            columns.push("sim AS subscriber".into());
        }
        columns.extend(["bytes_up", "bytes_down", "records"].map(str::to_owned));
        let columns = columns.join(", ");
        let period = [self.query.period.from(), self.query.period.to()].map(seconds);
        if !self.joins_country() {
            return self.scoped.own(&columns, self.cube, period, conditions);
        }
        // A country is known only after the join, so conditions wait for it there.
        let own = self.scoped.own("*", self.cube, period, &[]);
        let mut sql = format!(
            "SELECT {columns}\n    FROM (\n    {own}\n    ) AS own\n    LEFT ANY JOIN (SELECT plmn, country_code FROM \
             network FINAL) AS reference ON reference.plmn = own.network"
        );
        if !conditions.is_empty() {
            sql.push_str("\n    WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        sql
    }

    /// One line per group (kind 0) and one for the whole (kind 1), per parent. A group whose records were all taken back is
    /// none: cubes keep such cells, with sums of zero.
    fn grouped(&self) -> String {
        let group = self.group();
        let parent = self.parent.map(|_| "parent_key".to_owned());
        let columns: Vec<String> = parent.iter().chain(&group).cloned().collect();
        let kind = match group.first() {
            Some(first) => format!("toUInt8(grouping({first}))"),
            None => "toUInt8(1)".into(),
        };
        let sum = |measures: &[Measure], column: &str, zero: &str| {
            if measures.iter().any(|measure| self.asks(*measure)) {
                format!("sum({column})")
            } else {
                zero.into()
            }
        };
        let up = sum(
            &[Measure::BytesUp, Measure::BytesTotal],
            "bytes_up",
            "toInt128(0)",
        );
        let down = sum(
            &[Measure::BytesDown, Measure::BytesTotal],
            "bytes_down",
            "toInt128(0)",
        );
        let records = sum(
            &[Measure::Records, Measure::ActiveSims],
            "records",
            "toInt64(0)",
        );
        let sets = |extra: &str| {
            let set = |columns: &[String]| {
                let names: Vec<&str> = columns
                    .iter()
                    .map(String::as_str)
                    .chain([extra])
                    .filter(|name| !name.is_empty())
                    .collect();
                format!("({})", names.join(", "))
            };
            let whole = set(parent.as_slice());
            if group.is_empty() {
                whole
            } else {
                format!("{}, {whole}", set(&columns))
            }
        };
        let heads = self.heads();
        if self.asks(Measure::ActiveSims) {
            // First per SIM, so that a SIM whose records were all corrected away is not active.
            let heading = [&[format!("{kind} AS kind")], &columns[..]]
                .concat()
                .join(", ");
            format!(
                "SELECT kind, {heads}, sum(sim_up) AS up, sum(sim_down) AS down, sum(sim_records) AS total_records, \
                 countIf(sim_records > 0) AS sims\n    FROM (\n        SELECT {heading}, {up} AS sim_up, \
                 {down} AS sim_down, {records} AS sim_records\n        FROM labelled\n        GROUP BY GROUPING SETS \
                 ({})\n    )\n    GROUP BY {}\n    HAVING sum(sim_records) <> 0",
                sets("subscriber"),
                std::iter::once("kind")
                    .chain(columns.iter().map(String::as_str))
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        } else {
            format!(
                "SELECT {kind} AS kind, {heads}, {up} AS up, {down} AS down, {records} AS total_records, \
                 toUInt64(0) AS sims\n    FROM labelled\n    GROUP BY GROUPING SETS ({})\n    HAVING sum(records) <> 0",
                sets("")
            )
        }
    }

    /// Parent, time bucket and keys of a line in types that do not depend on the question.
    fn heads(&self) -> String {
        let parent = if self.parent.is_some() {
            "toString(parent_key)"
        } else {
            "''"
        };
        let bucket = if self.query.grain.is_some() {
            "toUnixTimestamp(bucket_start)"
        } else {
            "toUInt32(0)"
        };
        let keys: Vec<_> = (0..self.query.dimensions.len())
            .map(|place| format!("toString(k{place})"))
            .collect();
        let keys = if keys.is_empty() {
            "emptyArrayString()".to_owned()
        } else {
            format!("CAST([{}], 'Array(String)')", keys.join(", "))
        };
        format!("{parent} AS parent, {bucket} AS bucket, {keys} AS keys")
    }

    fn order(&self) -> String {
        let key = |dimension: Dimension| {
            let place = self
                .query
                .dimensions
                .iter()
                .position(|d| *d == dimension)
                .unwrap_or_default();
            format!("keys[{}]", place + 1)
        };
        let mut parts: Vec<String> = self
            .query
            .order_by
            .iter()
            .map(|order| {
                let by = match order.by {
                    OrderBy::Measure(Measure::BytesUp) => "up".into(),
                    OrderBy::Measure(Measure::BytesDown) => "down".into(),
                    OrderBy::Measure(Measure::BytesTotal) => "up + down".into(),
                    OrderBy::Measure(Measure::Records) => "total_records".into(),
                    OrderBy::Measure(Measure::ActiveSims) => "sims".into(),
                    OrderBy::Dimension(dimension) => key(dimension),
                    OrderBy::Period => "bucket".into(),
                };
                if order.descending {
                    format!("{by} DESC")
                } else {
                    by
                }
            })
            .collect();
        // An array sorts element by element, which is all keys in turn.
        parts.extend(["bucket".to_owned(), "keys".to_owned()]);
        parts.join(", ")
    }
}

fn beyond(what: &str, limit: usize, actual: usize) -> Error {
    let text = format!("{what}: {actual}, and {limit} is the limit");
    Error::limit(text, limit as u64, actual as u64)
}

pub(super) fn check(query: &UsageQuery) -> Result<()> {
    check_sizes(query)?;
    check_order(query)
}

fn check_sizes(query: &UsageQuery) -> Result<()> {
    if query.measures.is_empty() {
        return Err(Error::invalid("at least one measure must be asked for"));
    }
    if query.dimensions.len() > UsageLimits::DIMENSIONS {
        let named = query.dimensions.len();
        let error = beyond("too many dimensions", UsageLimits::DIMENSIONS, named);
        return Err(error.at("dimensions"));
    }
    let twice = |(place, dimension)| query.dimensions[..place].contains(dimension);
    if query.dimensions.iter().enumerate().any(twice) {
        return Err(Error::invalid("a dimension is named twice").at("dimensions"));
    }
    if query.limit as usize > UsageLimits::ROWS {
        let error = beyond("too many rows", UsageLimits::ROWS, query.limit as usize);
        return Err(error.at("limit").suggest("narrow the question"));
    }
    let filter = query.filter.as_ref().map_or(Ok(()), Filter::check_size);
    filter.map_err(|error| error.at("filter"))
}

fn check_order(query: &UsageQuery) -> Result<()> {
    if query.order_by.len() > UsageLimits::DIMENSIONS + 2 {
        let (most, named) = (UsageLimits::DIMENSIONS + 2, query.order_by.len());
        return Err(beyond("too many sort keys", most, named).at("order_by"));
    }
    for Order { by, .. } in &query.order_by {
        match by {
            OrderBy::Dimension(dimension) if !query.dimensions.contains(dimension) => {
                let text = format!("cannot sort by {dimension:?} without grouping by it");
                return Err(Error::invalid(text).at("order_by"));
            }
            OrderBy::Period if query.grain.is_none() => {
                let text = "cannot sort by period without a grain";
                return Err(Error::invalid(text).at("order_by"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Every dimension that cells must be known by to answer a question: what it groups, filters and sorts by, and SIMs when
/// they are counted.
fn named(query: &UsageQuery, parent: Option<Dimension>) -> Vec<Dimension> {
    let filtered = query.filter.iter().flat_map(Filter::dimensions);
    let counted = asks(query, Measure::ActiveSims).then_some(Dimension::Sim);
    let dimensions = query.dimensions.iter().copied();
    dimensions
        .chain(parent)
        .chain(filtered)
        .chain(counted)
        .collect()
}

/// Whether a quantity is wanted or sorted by.
fn asks(query: &UsageQuery, measure: Measure) -> bool {
    let by = OrderBy::Measure(measure);
    query.measures.contains(&measure) || query.order_by.iter().any(|order| order.by == by)
}

/// A closed area is closed on every way in: grouping, filtering, sorting and counting.
fn check_areas(scope: &Scope, named: &[Dimension]) -> Result<()> {
    if !scope.visibility().of(Area::Sims) && named.contains(&Dimension::Sim) {
        return Err(Error::forbidden(
            "SIMs are not open to you: usage cannot be asked by SIM nor SIMs counted",
        ));
    }
    if !scope.visibility().of(Area::Devices) && named.contains(&Dimension::Device) {
        return Err(Error::forbidden(
            "devices are not open to you: usage cannot be asked by device",
        ));
    }
    Ok(())
}

/// The coarsest cube whose periods fill the asked period exactly and fit into the time buckets.
fn choose(period: Period, grain: Option<Grain>) -> Result<Level> {
    let fits_grain = |level: Level| match grain {
        None | Some(Grain::Year) => true,
        Some(Grain::Month) => level <= Level::Month,
        // A week is made of days, a month is not made of weeks.
        Some(Grain::Day | Grain::Week) => level <= Level::Day,
        Some(Grain::Hour) => level == Level::Hour,
    };
    let exact = |level: &Level| {
        fits_grain(*level) && level.begins_at(period.from()) && level.begins_at(period.to())
    };
    Level::ALL
        .into_iter()
        .rev()
        .find(exact)
        .ok_or_else(|| not_exact(period))
}

fn not_exact(period: Period) -> Error {
    let hour = TimeDelta::hours(1);
    let text = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
    let from = period.from().duration_trunc(hour).unwrap_or(period.from());
    let up = period
        .to()
        .checked_add_signed(hour - TimeDelta::nanoseconds(1));
    let to = up
        .and_then(|up| up.duration_trunc(hour).ok())
        .unwrap_or(period.to());
    let error = Error::new(Code::NotExact, "usage is counted in whole UTC hours");
    error.suggest(format!("from {} to {}", text(from), text(to)))
}

/// Unix seconds, held within what a cube can hold; there is no usage outside.
fn seconds(moment: DateTime<Utc>) -> u32 {
    u32::try_from(moment.timestamp().max(0)).unwrap_or(u32::MAX)
}

fn bucket(grain: Grain) -> String {
    match grain {
        Grain::Hour => "period".into(),
        Grain::Day => Level::Day.start_of("period"),
        Grain::Week => "toDateTime(toMonday(period), 'UTC')".into(),
        Grain::Month => Level::Month.start_of("period"),
        Grain::Year => Level::Year.start_of("period"),
    }
}
