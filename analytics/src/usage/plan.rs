//! From a question to one statement over the coarsest tables that hold it exactly.
//!
//! The statement is a pipeline; each stage is a SELECT over the one before. *Read*: what the caller may see of each table, under the
//! names of the groups. *Group*: states of each group and of the whole, the whole before anything is left out. *Rank*: the
//! largest values of one group. *Fill*: buckets without usage. *Show*: `having`, order, offset and limit, and all others as one.

use std::iter;

use chrono::{DateTime, Utc};
use domain::{
    Area, Error, Period, Result, Scope,
    usage::{Attribution, Dimension, Expression, Fill, Kind, Known, Measure, State},
};
use strum::VariantArray;
use uuid::Uuid;

use super::{
    Carried, CubeQuery, Group, Inventory, Key, Need, OrderBy, UsageLimits,
    filter::{self, Names},
    limit::beyond,
    scoped::{Parameter, Parameters, Scoped},
    tile::{Depth, Tile, tiles},
    times::{Era, Times},
};
use crate::cube::Table;

/// A checked question as one statement.
#[derive(Clone, Debug)]
pub struct UsagePlan {
    sql: String,
    pub(super) parameters: Parameters,
    tables: Vec<Table>,
    pub(super) period: Period,
    pub(super) limit: u32,
    /// Quantities that are asked for and closed to the caller.
    pub(super) closed: Vec<Measure>,
}

impl UsagePlan {
    /// The statement; its values stand beside it.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Its values, as the engine is told them.
    pub fn parameters(&self) -> Vec<String> {
        self.parameters.texts()
    }

    /// The tables that it reads, the coarsest first.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The period that is meant.
    pub fn period(&self) -> Period {
        self.period
    }
}

/// Objects of a page, each of which is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Parents<'a> {
    /// What they are.
    pub dimension: Dimension,
    /// Which.
    pub ids: &'a [Key],
}

/// Plans one statement that answers the question, for each of several parents if there are some. `inventory` has what
/// [`CubeQuery::needs`] names.
///
/// # Errors
/// `FORBIDDEN` for what the caller may not see, `NOT_EXACT` for bounds that no table has, `LIMIT_EXCEEDED` and
/// `INVALID_INPUT` for what is too much or makes no sense.
pub fn plan(
    scope: &Scope,
    query: &CubeQuery,
    parents: Option<Parents<'_>>,
    inventory: &Inventory,
    now: DateTime<Utc>,
) -> Result<UsagePlan> {
    let scoped = Scoped::new(scope)?;
    query.check()?;
    let parent = parents.map(|parents| parents.dimension);
    check_areas(scope, query, parent)?;
    let closed = |measure: &Measure| !is_open(scope, measure.entry().area);
    let closed: Vec<Measure> = query.measures.iter().copied().filter(closed).collect();
    let query = &CubeQuery {
        measures: query
            .measures
            .iter()
            .copied()
            .filter(|measure| !closed.contains(measure))
            .collect(),
        ..query.clone()
    };
    let limit = limit(query, parents)?;
    let times = Times::of(query, now)?;
    let named: Vec<Dimension> = query
        .dimensions()
        .chain(parent)
        .chain(subscribers(query))
        .chain(query.needs(parent).iter().map(Need::dimension))
        .collect();
    let planner = Planner {
        states: query.states(),
        needed: needed(query, parent),
        query,
        parents,
        inventory,
        scoped,
        times,
        named,
        limit,
    };
    planner.plan(closed, now)
}

/// Whether an area is open to the caller.
fn is_open(scope: &Scope, area: Option<Area>) -> bool {
    area.is_none_or(|area| scope.visibility().of(area))
}

/// A closed area is closed on every way in: grouping, filtering, sorting, ranking and choosing.
fn check_areas(scope: &Scope, query: &CubeQuery, parent: Option<Dimension>) -> Result<()> {
    let now = (query.attribution == Attribution::Current).then_some(Area::Sims);
    let dimensions = query
        .dimensions()
        .chain(parent)
        .map(|dimension| dimension.entry().area);
    let asked = query.measures.len();
    // Quantities that are only shown are left out one by one; what rows depend on is refused.
    let measures = query
        .named_measures()
        .skip(asked)
        .map(|measure| measure.entry().area);
    match dimensions
        .chain(measures)
        .chain([now])
        .find(|area| !is_open(scope, *area))
    {
        None => Ok(()),
        Some(Some(Area::Devices)) => Err(Error::forbidden(
            "devices are not open to you: usage cannot be asked by device",
        )),
        Some(_) => Err(Error::forbidden(
            "SIMs are not open to you: usage cannot be asked by SIM nor SIMs counted",
        )),
    }
}

/// Most rows of each parent.
fn limit(query: &CubeQuery, parents: Option<Parents<'_>>) -> Result<u32> {
    let count = parents.map_or(1, |parents| parents.ids.len().max(1));
    if count > UsageLimits::PARENTS {
        return Err(beyond(
            "too many parents at once",
            UsageLimits::PARENTS,
            count as u64,
        ));
    }
    if query.group_by.is_empty() {
        return Ok(1);
    }
    let most = u32::try_from(UsageLimits::ROWS / count).unwrap_or(u32::MAX);
    let asked = query.limit.unwrap_or(most.saturating_sub(query.offset));
    let rows = u64::from(asked) + u64::from(query.offset);
    if rows > most.into() {
        let error = beyond(
            "too many rows, with those passed over, times parents",
            UsageLimits::ROWS,
            rows * count as u64,
        );
        return Err(error.at("limit").suggest("ask for a smaller page or limit"));
    }
    Ok(asked)
}

/// SIMs, when they are counted.
fn subscribers(query: &CubeQuery) -> Option<Dimension> {
    query
        .states()
        .contains(&State::Sims)
        .then_some(Dimension::Sim)
}

/// The columns of cells that the read has to hand on, besides sums.
fn needed(query: &CubeQuery, parent: Option<Dimension>) -> Vec<&'static str> {
    let dimensions = query.dimensions().chain(parent).chain(subscribers(query));
    let columns = dimensions.filter_map(|dimension| match dimension.entry().known {
        Known::Cells(column) => Some(column),
        Known::Network => Some("network"),
        Known::Sim => None,
    });
    let mut columns: Vec<_> = columns
        .chain(query.needs(parent).iter().map(Need::column))
        .collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Names of a state's column: of the period, and of the one that it is compared with.
const fn column(state: State) -> (&'static str, &'static str) {
    match state {
        State::BytesUp => ("up", "up_before"),
        State::BytesDown => ("down", "down_before"),
        State::Units => ("units_used", "units_before"),
        State::Records => ("records_used", "records_before"),
        State::Sims => ("sims", "sims_before"),
    }
}

/// The states that cells keep as sums, with their columns in cells and in records.
const SUMS: [(State, &str); 4] = [
    (State::BytesUp, "bytes_up"),
    (State::BytesDown, "bytes_down"),
    (State::Units, "units"),
    (State::Records, "records"),
];

/// A quantity of a group. `state` is the expression of a state.
fn quantity(measure: Measure, state: &dyn Fn(State) -> String) -> String {
    let sum = |states: &[State]| {
        let states: Vec<_> = states.iter().map(|one| state(*one)).collect();
        format!("({})", states.join(" + "))
    };
    match &measure.entry().expression {
        Expression::Sum(states) => sum(states),
        Expression::Average { of, per } => {
            let (of, per) = (sum(of), state(*per));
            let double = 2 * 10_u32.pow(Expression::PLACES);
            format!("if({per} > 0, intDiv(toInt256({of}) * {double} + {per}, 2 * {per}), NULL)")
        }
    }
}

struct Planner<'a> {
    query: &'a CubeQuery,
    parents: Option<Parents<'a>>,
    inventory: &'a Inventory,
    scoped: Scoped,
    times: Times,
    /// What cells must be known by.
    named: Vec<Dimension>,
    needed: Vec<&'static str>,
    states: Vec<State>,
    limit: u32,
}

impl Names for Planner<'_> {
    fn column(&self, dimension: Dimension) -> String {
        self.value(dimension)
    }

    fn matching(&self, need: &Need) -> String {
        match self.inventory.find(need) {
            Some(place) => format!("SELECT id FROM carried{place}"),
            None => "SELECT generateUUIDv4() WHERE false".to_owned(),
        }
    }
}

impl Planner<'_> {
    fn plan(mut self, closed: Vec<Measure>, now: DateTime<Utc>) -> Result<UsagePlan> {
        let (read, tables) = self.read(now)?;
        let mut sql = self.group(&read);
        if self.query.top.is_some() {
            sql = self.rank(&sql)?;
        }
        if self.fills() {
            sql = self.fill(&sql);
        }
        let shown = self.show(&sql);
        let carried: String = self
            .inventory
            .iter()
            .map(|(place, _, carried)| format!("carried{place} AS (\n    {}\n)", carried.sql()))
            .collect::<Vec<_>>()
            .join(",\n");
        let with = if carried.is_empty() {
            carried
        } else {
            format!("WITH {carried}\n")
        };
        let sql = format!(
            "{with}{shown}\nUNION ALL\nSELECT toUInt8(2), toUInt64(0), '', toUInt8(0), toUInt8(0), emptyArrayString(), \
             CAST([], 'Array(Int128)'), CAST([], 'Array(Int128)'), toUnixTimestamp64Milli(max(received_at))\n{}",
            self.scoped.years(),
        );
        Ok(UsagePlan {
            sql,
            parameters: self.scoped.parameters,
            tables,
            period: self.times.period,
            limit: self.limit,
            closed,
        })
    }

    /// Whether a state is wanted.
    fn has(&self, state: State) -> bool {
        self.states.contains(&state)
    }

    /// The columns of cells that are summed.
    fn wanted_sums(&self) -> impl Iterator<Item = &'static str> {
        let wanted = SUMS
            .iter()
            .filter(|(state, _)| self.has(*state) || *state == State::Records);
        wanted.map(|(_, source)| *source)
    }

    fn compares(&self) -> bool {
        self.times.before.is_some()
    }

    fn fills(&self) -> bool {
        self.query.fill != Fill::None && self.times_of_groups().next().is_some()
    }

    /// Whether buckets are all that there is to fill in: the whole has them, with or without usage.
    fn fills_wholes(&self) -> bool {
        self.fills() && self.keys_of_groups().next().is_none()
    }

    /// Whether groups are put together after they were made.
    fn merges(&self) -> bool {
        self.query.others || self.query.top.is_some()
    }

    /// Whether the SIMs of a group are kept, to be counted anew when it is put together with others.
    fn keeps_sims(&self) -> bool {
        self.merges() && self.has(State::Sims)
    }

    /// Columns of the groups, in order.
    fn groups(&self) -> Vec<String> {
        (0..self.query.group_by.len())
            .map(|place| format!("g{place}"))
            .collect()
    }

    /// Columns of the groups of time.
    fn times_of_groups(&self) -> impl Iterator<Item = String> {
        let groups = self.query.group_by.iter().enumerate();
        groups
            .filter(|(_, group)| group.is_time())
            .map(|(place, _)| format!("g{place}"))
    }

    /// Columns of the other groups.
    fn keys_of_groups(&self) -> impl Iterator<Item = String> {
        let groups = self.query.group_by.iter().enumerate();
        groups
            .filter(|(_, group)| !group.is_time())
            .map(|(place, _)| format!("g{place}"))
    }

    fn parent(&self) -> Option<String> {
        self.parents.map(|_| "parent".to_owned())
    }

    /// The value of a dimension where a table was read, and after what the cells do not know was joined.
    fn value(&self, dimension: Dimension) -> String {
        if let Some(need) = Need::of(dimension, self.query.attribution)
            && let Some(place) = self.inventory.find(&need)
        {
            let (nobody, hidden) = (Uuid::nil(), Carried::HIDDEN);
            // What the caller may not see any more did not travel.
            return match dimension.entry().kind {
                Kind::Id => format!(
                    "if(id{place} = toUUID('{nobody}') OR word{place} = '{hidden}', toUUID('{}'), toUUIDOrZero(word{place}))",
                    Uuid::max()
                ),
                Kind::Text => {
                    format!("if(id{place} = toUUID('{nobody}'), '{hidden}', word{place})")
                }
            };
        }
        match dimension.entry().known {
            Known::Cells(column) => column.to_owned(),
            Known::Network => "country_code".to_owned(),
            // Nobody looked it up, so nobody may see it.
            Known::Sim => format!("'{}'", Carried::HIDDEN),
        }
    }

    fn is_joined(&self, dimension: Dimension) -> bool {
        dimension.entry().known == Known::Network
            || Need::of(dimension, self.query.attribution).is_some()
    }

    /// Everything that the caller may see of the periods, under the names of the groups.
    fn read(&mut self, now: DateTime<Utc>) -> Result<(String, Vec<Table>)> {
        let mut conditions = (Vec::new(), Vec::new());
        if let Some(Parents { dimension, ids }) = self.parents {
            let mut parameters = std::mem::take(&mut self.scoped.parameters);
            let condition = filter::is_in(dimension, ids, &mut parameters, self);
            self.scoped.parameters = parameters;
            let place = if self.is_joined(dimension) {
                &mut conditions.1
            } else {
                &mut conditions.0
            };
            place.push(condition?);
        }
        if let Some(filter) = &self.query.filter {
            let mut parameters = std::mem::take(&mut self.scoped.parameters);
            let condition = filter.sql(&mut parameters, self);
            let condition = condition.map_err(|error| error.at("filter"));
            self.scoped.parameters = parameters;
            let joined = filter
                .dimensions()
                .into_iter()
                .any(|dimension| self.is_joined(dimension));
            let place = if joined {
                &mut conditions.1
            } else {
                &mut conditions.0
            };
            place.push(condition?);
        }
        let (mut reads, mut tables) = (Vec::new(), Vec::new());
        let eras = [Some(self.times.now.clone()), self.times.before.clone()];
        for (number, era) in eras.into_iter().enumerate() {
            let Some(era) = era.filter(|era| !era.slices.is_empty()) else {
                continue;
            };
            let slices = self.slices(&era);
            for tile in tiles(&era.slices, now)? {
                let (table, read) = self.tile(&tile, number, &slices, &conditions.0);
                if !tables.contains(&table) {
                    tables.push(table);
                }
                reads.push(read);
            }
        }
        let all = reads.join("\n    UNION ALL\n    ");
        let mut sql = self.joined(&all, &conditions.1);
        if self.fills_wholes() {
            sql.push_str("\n    UNION ALL\n    ");
            sql.push_str(&self.nothing()?);
        }
        Ok((sql, tables))
    }

    /// A line without usage, for each parent, so that there is a whole to fill in.
    fn nothing(&mut self) -> Result<String> {
        let mut columns: Vec<String> = self.parent().into_iter().collect();
        columns.extend(self.groups().iter().map(|_| "''".to_owned()));
        if self.has(State::Sims) {
            columns.push(format!("toUUID('{}')", uuid::Uuid::nil()));
        }
        columns.extend(self.wanted_sums().map(|_| "toInt128(0)".to_owned()));
        if self.compares() {
            columns.push("toUInt8(0)".to_owned());
        }
        let mut sql = format!("SELECT {}", columns.join(", "));
        if let Some(Parents { dimension, ids }) = self.parents {
            let ids = filter::list(dimension, ids)?;
            let ids = self.scoped.parameters.bind(ids);
            sql.push_str(&format!("\n    FROM (SELECT arrayJoin({ids}) AS parent)"));
        }
        Ok(sql)
    }

    /// Columns of the groups of time, as expressions over the moment of a cell.
    fn slices(&mut self, era: &Era) -> Vec<String> {
        let times: Vec<String> = self.times_of_groups().collect();
        if times.is_empty() {
            return Vec::new();
        }
        let starts = era
            .slices
            .iter()
            .map(|slice| super::tile::seconds(slice.from))
            .collect();
        let starts = self.scoped.parameters.bind(Parameter::Numbers(starts));
        let columns = times.iter().enumerate().map(|(place, name)| {
            let key = |slice: &super::times::Slice| {
                slice
                    .keys
                    .as_ref()
                    .map_or(String::new(), |keys| keys[place].clone())
            };
            let keys = self
                .scoped
                .parameters
                .bind(Parameter::Texts(era.slices.iter().map(key).collect()));
            format!("transform(roundDown(moment, {starts}), {starts}, {keys}, '') AS {name}")
        });
        columns.collect()
    }

    /// One table's part of a period.
    fn tile(
        &mut self,
        tile: &Tile,
        era: usize,
        slices: &[String],
        conditions: &[String],
    ) -> (Table, String) {
        let table = match tile.depth {
            Depth::Records => Table::Records,
            Depth::Cells(level) => Table::Cube(self.scoped.cube(level, &self.named)),
        };
        let is_cell = table != Table::Records;
        let mut columns: Vec<String> = self
            .needed
            .iter()
            .map(|column| (*column).to_owned())
            .collect();
        for (state, source) in SUMS {
            if self.has(state) || state == State::Records {
                columns.push(match (is_cell, state) {
                    (true, _) => format!("toInt128({source}) AS {source}"),
                    (false, State::Records) => format!("toInt128(sign) AS {source}"),
                    (false, _) => format!("toInt128({source}) * sign AS {source}"),
                });
            }
        }
        if !slices.is_empty() {
            let moment = if is_cell { "period" } else { "start" };
            columns.push(format!("toUnixTimestamp({moment}) AS moment"));
            columns.extend(slices.iter().cloned());
        }
        if self.compares() {
            columns.push(format!("toUInt8({era}) AS era"));
        }
        (
            table,
            self.scoped
                .own(&columns.join(", "), table, &tile.spans, conditions),
        )
    }

    /// What the tables hold, with what they do not know.
    fn joined(&self, all: &str, conditions: &[String]) -> String {
        let mut columns: Vec<String> = self
            .parents
            .iter()
            .map(|parents| format!("{} AS parent", self.value(parents.dimension)))
            .collect();
        for (place, group) in self.query.group_by.iter().enumerate() {
            let value = match group {
                Group::Time(_) | Group::TimePart(_) => format!("g{place}"),
                Group::Dimension(dimension) => format!("{} AS g{place}", self.value(*dimension)),
                Group::SimLabel(_) | Group::DeviceLabel(_) => {
                    format!("{} AS g{place}", self.label(group))
                }
            };
            columns.push(value);
        }
        if self.has(State::Sims) {
            columns.push("sim AS subscriber".to_owned());
        }
        columns.extend(self.wanted_sums().map(str::to_owned));
        if self.compares() {
            columns.push("era".to_owned());
        }
        let mut sql = format!(
            "SELECT {}\n    FROM (\n    {all}\n    ) AS own",
            columns.join(", ")
        );
        let parent = self.parents.map(|parents| parents.dimension);
        if self
            .query
            .dimensions()
            .chain(parent)
            .any(|dimension| dimension.entry().known == Known::Network)
        {
            sql.push_str(
                "\n    LEFT ANY JOIN (SELECT plmn, country_code FROM network FINAL) AS reference ON reference.plmn = own.network",
            );
        }
        // What the device is looked up by may itself be looked up.
        let (of_devices, of_sims): (Vec<_>, Vec<_>) = self
            .inventory
            .iter()
            .filter(|(_, need, _)| need.has_words())
            .partition(|(_, need, _)| need.dimension() == Dimension::Device);
        for (place, need, _) in of_sims.into_iter().chain(of_devices) {
            sql.push_str(&format!(
                "\n    LEFT ANY JOIN (SELECT id AS id{place}, word AS word{place} FROM carried{place}) AS now{place} \
                 ON now{place}.id{place} = {}",
                self.value(need.dimension())
            ));
        }
        if !conditions.is_empty() {
            sql.push_str("\n    WHERE ");
            sql.push_str(&conditions.join(" AND "));
        }
        sql
    }

    /// The value under a key of labels, after a mark that tells an empty one from none.
    fn label(&self, group: &Group) -> String {
        let need = group.need(self.query.attribution);
        match need.and_then(|need| self.inventory.find(&need)) {
            Some(place) => format!(
                "if(id{place} = toUUID('{}'), '', concat('=', word{place}))",
                Uuid::nil()
            ),
            None => "''".to_owned(),
        }
    }

    /// One line for each group (kind 0) and one for the whole (1), per parent; for filling also one for each key (2). A group whose
    /// records were all taken back is none: cubes keep such cells, with sums of zero.
    fn group(&self, read: &str) -> String {
        let (groups, keys) = (self.groups(), self.keys_of_groups().collect::<Vec<_>>());
        let columns: Vec<String> = self
            .parent()
            .into_iter()
            .chain(groups.iter().cloned())
            .collect();
        let by_key = self.fills() && !keys.is_empty();
        let kind = match (groups.first(), keys.first(), self.times_of_groups().next()) {
            (None, _, _) => "toUInt8(1)".to_owned(),
            (Some(_), Some(key), Some(time)) if by_key => {
                format!("toUInt8(if(grouping({key}) = 1, 1, 2 * grouping({time})))")
            }
            (Some(first), _, _) => format!("toUInt8(grouping({first}))"),
        };
        let sets = |extra: Option<&str>| {
            let set = |own: &[String]| {
                let names: Vec<&str> = self
                    .parents
                    .iter()
                    .map(|_| "parent")
                    .chain(own.iter().map(String::as_str))
                    .chain(extra)
                    .collect();
                format!("({})", names.join(", "))
            };
            let mut sets = Vec::new();
            if !groups.is_empty() {
                sets.push(set(&groups));
            }
            if by_key {
                sets.push(set(&keys));
            }
            sets.push(set(&[]));
            sets.join(", ")
        };
        // A whole alone needs no sets.
        let group_by = |extra: Option<&str>| {
            if !groups.is_empty() {
                return format!("\n    GROUP BY GROUPING SETS ({})", sets(extra));
            }
            let by: Vec<&str> = self.parents.iter().map(|_| "parent").chain(extra).collect();
            if by.is_empty() {
                String::new()
            } else {
                format!("\n    GROUP BY {}", by.join(", "))
            }
        };
        let head: Vec<String> = iter::once(format!("{kind} AS kind"))
            .chain(columns.iter().cloned())
            .collect();
        let from = format!("FROM (\n    {read}\n    )");
        let (records, records_before) = column(State::Records);
        let mut some = format!("{records} <> 0");
        if self.compares() {
            some.push_str(&format!(" OR {records_before} <> 0"));
        }
        if self.fills_wholes() {
            some.push_str(" OR kind = 1");
        }
        if !self.has(State::Sims) {
            let sums = self.sums("");
            return format!(
                "SELECT {}, {}\n    {from}{}\n    HAVING {}",
                head.join(", "),
                sums.join(", "),
                group_by(None),
                some
            );
        }
        // First per SIM, so that a SIM whose records were all corrected away is not active.
        let inner = self.sums("own_");
        let mut outer: Vec<String> = iter::once("kind".to_owned())
            .chain(columns.iter().cloned())
            .collect();
        for (state, _) in SUMS {
            for name in self.names(state) {
                outer.push(format!("sum(own_{name}) AS {name}"));
            }
        }
        for (name, records) in self
            .names(State::Sims)
            .into_iter()
            .zip([records, records_before])
        {
            outer.push(format!("toInt128(countIf(own_{records} > 0)) AS {name}"));
            if self.keeps_sims() {
                outer.push(format!(
                    "uniqExactIfState(subscriber, own_{records} > 0) AS {name}_state"
                ));
            }
        }
        let by: Vec<String> = iter::once("kind".to_owned()).chain(columns).collect();
        format!(
            "SELECT {}\n    FROM (\n    SELECT {}, subscriber, {}\n    {from}{}\n    )\n    GROUP BY {}\n    HAVING {}",
            outer.join(", "),
            head.join(", "),
            inner.join(", "),
            group_by(Some("subscriber")),
            by.join(", "),
            some
        )
    }

    /// Columns of a state.
    fn names(&self, state: State) -> Vec<&'static str> {
        let (now, before) = column(state);
        if self.compares() {
            vec![now, before]
        } else {
            vec![now]
        }
    }

    /// Sums over cells, under their names with a prefix.
    fn sums(&self, prefix: &str) -> Vec<String> {
        let mut sums = Vec::new();
        for (state, source) in SUMS {
            let wanted = self.has(state) || state == State::Records;
            for (era, name) in self.names(state).into_iter().enumerate() {
                sums.push(if !wanted {
                    format!("toInt128(0) AS {prefix}{name}")
                } else if self.compares() {
                    format!("sumIf({source}, era = {era}) AS {prefix}{name}")
                } else {
                    format!("sum({source}) AS {prefix}{name}")
                });
            }
        }
        sums
    }

    /// A quantity of a row; a bucket that was filled in without values has none.
    fn shown(&self, measure: Measure) -> String {
        let value = quantity(measure, &|state| column(state).0.to_owned());
        if self.query.fill == Fill::Null {
            format!("if(records_used = 0, NULL, {value})")
        } else {
            value
        }
    }

    /// Marks the groups of the largest values.
    fn rank(&self, grouped: &str) -> Result<String> {
        let top = self
            .query
            .top
            .as_ref()
            .ok_or_else(|| Error::internal("no group to rank"))?;
        let key = format!("g{}", top.group);
        let partition: Vec<String> = iter::once("kind = 1".to_owned())
            .chain(self.parent())
            .collect();
        let partition = partition.join(", ");
        let of_key = format!("OVER (PARTITION BY {partition}, {key})");
        let value = quantity(top.by, &|state| match state {
            State::Sims => format!("toInt128(uniqExactIfMergeIf(sims_state, kind = 0) {of_key})"),
            _ => format!("sumIf({}, kind = 0) {of_key}", column(state).0),
        });
        let text = self.text(top.group);
        // Values of the other period only are none of this one's.
        let (is_past, past) = if self.compares() {
            let is_past = format!("sumIf(records_used, kind = 0) {of_key} = 0 AS is_past, ");
            (is_past, "is_past, ")
        } else {
            (String::new(), "")
        };
        Ok(format!(
            "SELECT *, kind = 1 OR dense_rank() OVER (PARTITION BY {partition} ORDER BY {past}ranked_by DESC NULLS LAST, ranked_key) <= {} AS ranked\n    \
             FROM (\n    SELECT *, {is_past}{value} AS ranked_by, {text} AS ranked_key\n    FROM (\n    {grouped}\n    )\n    )",
            top.n
        ))
    }

    /// Adds rows for the buckets that keys lack, up to the watermark.
    fn fill(&mut self, grouped: &str) -> String {
        let mut starts = Vec::new();
        let mut keys: Vec<&[String]> = Vec::new();
        for slice in &self.times.now.slices {
            let own = slice.keys.as_deref().unwrap_or_default();
            if !keys.contains(&own) {
                starts.push(super::tile::seconds(slice.from));
                keys.push(own);
            }
        }
        let times: Vec<String> = self.times_of_groups().collect();
        let columns: Vec<Vec<String>> = (0..times.len())
            .map(|place| keys.iter().map(|own| own[place].clone()).collect())
            .collect();
        let mut arrays = vec![self.scoped.parameters.bind(Parameter::Numbers(starts))];
        arrays.extend(
            columns
                .into_iter()
                .map(|column| self.scoped.parameters.bind(Parameter::Texts(column))),
        );
        let empty: String = times.iter().map(|_| ", ''").collect();
        let watermark = format!(
            "(SELECT toUnixTimestamp(max(received_at))\n    {})",
            self.scoped.years()
        );
        let buckets = format!(
            "arrayFilter(bucket -> bucket.1 > 0 AND bucket.1 <= {watermark}, arrayZip({}))",
            arrays.join(", ")
        );
        let own = format!("[(toUInt32(0){empty})]");
        let (source, kept) = if self.fills_wholes() {
            ("kind = 1", format!("arrayConcat({own}, {buckets})"))
        } else {
            let ranked = if self.query.top.is_some() {
                " AND ranked"
            } else {
                ""
            };
            let kept = format!("if(records_used <> 0{ranked}, {buckets}, [])");
            ("kind = 2", kept)
        };
        let filled = "bucket.1 > 0";
        let mut columns: Vec<String> = vec![format!("toUInt8(if({filled}, 0, kind)) AS kind")];
        columns.extend(self.parent());
        for (place, group) in self.query.group_by.iter().enumerate() {
            let time = times.iter().position(|name| *name == format!("g{place}"));
            columns.push(match (group.is_time(), time) {
                (true, Some(time)) => {
                    format!("if({filled}, bucket.{}, g{place}) AS g{place}", time + 2)
                }
                _ => format!("g{place}"),
            });
        }
        let by = columns.len();
        for state in State::VARIANTS
            .iter()
            .filter(|state| **state != State::Sims || self.has(State::Sims))
        {
            for name in self.names(*state) {
                columns.push(format!("sum(if({filled}, 0, {name})) AS {name}"));
                if *state == State::Sims && self.keeps_sims() {
                    columns.push(format!(
                        "uniqExactIfMergeStateIf({name}_state, NOT ({filled})) AS {name}_state"
                    ));
                }
            }
        }
        if self.query.top.is_some() {
            columns.push("max(ranked) AS ranked".to_owned());
        }
        columns.push(format!("max({filled}) AS filled"));
        let by: Vec<String> = (1..=by).map(|place| place.to_string()).collect();
        format!(
            "SELECT {}\n    FROM (\n    SELECT *, arrayJoin(if({source}, {kept}, {own})) AS bucket\n    FROM (\n    {grouped}\n    )\n    )\n    GROUP BY {}",
            columns.join(", "),
            by.join(", ")
        )
    }

    /// Whether a group is a row: not one that has usage in the other period only, nor one without a partner.
    fn lives(&self) -> String {
        let used = if self.fills() {
            "(records_used <> 0 OR filled)"
        } else {
            "records_used <> 0"
        };
        let having = self.query.having.as_ref();
        having.map_or(used.to_owned(), |_| format!("{used} AND meets"))
    }

    fn show(&mut self, grouped: &str) -> String {
        if self.query.group_by.is_empty() {
            return self.show_whole(grouped);
        }
        let mut parameters = std::mem::take(&mut self.scoped.parameters);
        let having = self.query.having.as_ref();
        let having =
            having.map(|having| having.sql(&mut parameters, &|measure| self.shown(measure)));
        self.scoped.parameters = parameters;
        // Lines of keys have done their work. What has no partner counts for the whole only.
        let mut kept: Vec<String> = self
            .fills()
            .then(|| "kind < 2".to_owned())
            .into_iter()
            .collect();
        if self.compares() {
            let partners = self.times_of_groups();
            kept.extend(partners.map(|time| format!("(kind = 1 OR {time} <> '')")));
        }
        let source = match (having, kept.is_empty()) {
            (None, true) => grouped.to_owned(),
            (having, _) => {
                let meets = having.map_or(String::new(), |having| {
                    format!(", ifNull({having}, false) AS meets")
                });
                let kept = if kept.is_empty() {
                    String::new()
                } else {
                    format!("\n    WHERE {}", kept.join(" AND "))
                };
                format!("SELECT *{meets}\n    FROM (\n    {grouped}\n    ){kept}")
            }
        };
        if self.merges() {
            self.show_merged(&source)
        } else {
            self.show_rows(&source)
        }
    }

    /// The whole is all there is: no stage has anything to do.
    fn show_whole(&self, grouped: &str) -> String {
        let parent = self
            .parent()
            .map_or("''".to_owned(), |parent| format!("toString({parent})"));
        format!(
            "SELECT kind, toUInt64(0) AS place, {parent} AS parent, toUInt8(0) AS rest, toUInt8(0) AS cut, emptyArrayString() AS keys, \
             {} AS now, {} AS before, toInt64(0) AS watermark\nFROM (\n    {grouped}\n)",
            self.states_of(&|name| name.to_owned(), 0),
            self.states_of(&|name| name.to_owned(), 1),
        )
    }

    /// The rows that are asked for, and one more that tells whether there is more.
    fn show_rows(&mut self, source: &str) -> String {
        let most = self
            .limit
            .saturating_add(self.query.offset)
            .saturating_add(1);
        let most = self.scoped.parameters.bind(Parameter::Number(most));
        let parent = self
            .parent()
            .map_or("''".to_owned(), |parent| format!("toString({parent})"));
        let by = self
            .parent()
            .map_or(String::new(), |parent| format!(", {parent}"));
        format!(
            "SELECT kind, rowNumberInAllBlocks() AS place, {parent} AS parent, toUInt8(0) AS rest, toUInt8(0) AS cut, {} AS keys, \
             {} AS now, {} AS before, toInt64(0) AS watermark\nFROM (\n    SELECT *\n    FROM (\n    {source}\n    )\n    WHERE kind = 1 OR ({})\n    \
             ORDER BY {}\n    LIMIT {most} BY kind{by}\n)",
            self.keys(&|place| self.text(place)),
            self.states_of(&|name| name.to_owned(), 0),
            self.states_of(&|name| name.to_owned(), 1),
            self.lives(),
            self.order(),
        )
    }

    /// The rows that are asked for, and all others put together.
    fn show_merged(&mut self, source: &str) -> String {
        let (offset, most) = (
            self.query.offset,
            self.limit.saturating_add(self.query.offset),
        );
        let (first, last) = (
            self.scoped.parameters.bind(Parameter::Number(offset)),
            self.scoped.parameters.bind(Parameter::Number(most)),
        );
        let parent: Vec<String> = self.parent().into_iter().collect();
        let ranked = if self.query.top.is_some() {
            " AND ranked"
        } else {
            ""
        };
        let by_parent = self
            .parent()
            .map_or(String::new(), |parent| format!("PARTITION BY {parent}"));
        let partition: Vec<String> = ["kind", "eligible"]
            .map(str::to_owned)
            .into_iter()
            .chain(parent.iter().cloned())
            .collect();
        // Those that are put together: all that met the conditions and are not shown, and what has usage in the other period only.
        let meets = if self.query.having.is_some() {
            "meets AND "
        } else {
            ""
        };
        let mut hidden = format!("({meets}records_used <> 0)");
        if self.compares() {
            // A bucket that was filled in is a row, and is put together with others like any other.
            let filled = if self.fills() && self.query.having.is_some() {
                " AND (NOT filled OR meets)"
            } else {
                ""
            };
            hidden.push_str(&format!(
                " OR (records_used = 0 AND records_before <> 0{filled})"
            ));
        }
        let hidden = if self.query.others {
            format!(" OR {hidden}")
        } else {
            String::new()
        };
        let by_time = self.query.top.is_some();
        let key = |place: usize| {
            let text = self.text(place);
            if by_time && self.query.group_by[place].is_time() {
                text
            } else {
                format!("if(is_shown, {text}, '')")
            }
        };
        let parent_text = self
            .parent()
            .map_or("''".to_owned(), |parent| format!("toString({parent})"));
        let sum = |name: &str| {
            if name.starts_with("sims") {
                format!("toInt128(uniqExactIfMerge({name}_state))")
            } else {
                format!("sum({name})")
            }
        };
        format!(
            "SELECT kind, min(row) AS place, {parent_text} AS parent, toUInt8(NOT is_shown) AS rest, \
             max(is_cut) AS cut, {} AS keys, {} AS now, {} AS before, toInt64(0) AS watermark\n\
             FROM (\n    SELECT *, kind = 1 OR (eligible AND row > {first} AND row <= {last}) AS is_shown, \
             max(if(eligible, row, 0)) OVER ({by_parent}) > {last} AS is_cut\n    FROM (\n    \
             SELECT *, row_number() OVER (PARTITION BY {} ORDER BY {}) AS row\n    FROM (\n    SELECT *, kind = 0 AND {}{ranked} AS eligible\n    \
             FROM (\n    {source}\n    )\n    )\n    )\n)\nWHERE is_shown{hidden}\nGROUP BY kind, parent, is_shown, keys",
            self.keys(&key),
            self.states_of(&sum, 0),
            self.states_of(&sum, 1),
            partition.join(", "),
            self.order(),
            self.lives(),
        )
    }

    /// The states of a line in one array, in the order of [`State`]; of the other period an empty one when there is none.
    fn states_of(&self, column_of: &dyn Fn(&str) -> String, era: usize) -> String {
        if era == 1 && !self.compares() {
            return "CAST([], 'Array(Int128)')".to_owned();
        }
        let states = State::VARIANTS.iter().map(|state| {
            let name = self.names(*state)[era];
            if *state == State::Sims && !self.has(State::Sims) {
                "toInt128(0)".to_owned()
            } else {
                column_of(name)
            }
        });
        format!("[{}]", states.collect::<Vec<_>>().join(", "))
    }

    /// Text of a group's key.
    fn text(&self, place: usize) -> String {
        match &self.query.group_by[place] {
            Group::Dimension(dimension) if dimension.entry().kind == Kind::Id => {
                format!("toString(g{place})")
            }
            _ => format!("CAST(g{place}, 'String')"),
        }
    }

    /// Keys of a line in one array.
    fn keys(&self, key: &dyn Fn(usize) -> String) -> String {
        let keys: Vec<String> = (0..self.query.group_by.len()).map(key).collect();
        if keys.is_empty() {
            "emptyArrayString()".to_owned()
        } else {
            format!("[{}]", keys.join(", "))
        }
    }

    fn order(&self) -> String {
        let asked = self.query.order_by.iter().map(|order| {
            let by = match order.by {
                OrderBy::Measure(measure) => self.shown(measure),
                OrderBy::Group(place) => self.text(place),
            };
            if order.descending {
                format!("{by} DESC NULLS LAST")
            } else {
                by
            }
        });
        let ties = (0..self.query.group_by.len()).map(|place| self.text(place));
        let parts: Vec<String> = asked.chain(ties).collect();
        if parts.is_empty() {
            "kind".to_owned()
        } else {
            parts.join(", ")
        }
    }
}
