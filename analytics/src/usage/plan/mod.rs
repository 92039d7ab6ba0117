//! From a question to one statement over the coarsest tables that hold it exactly.
//!
//! The statement is a pipeline; each stage is a SELECT over the one before. *Read*: what the caller may see of each table, under the
//! names of the groups. *Group*: states of each group and of the whole, the whole before anything is left out. *Rank*: the
//! largest values of one group. *Fill*: buckets without usage. *Show*: `having`, order, offset and limit, and all others as one.

mod bounds;
mod fill;
mod group;
mod read;
mod record;
mod show;

pub use record::{RecordPlan, plan_records};

use chrono::{DateTime, Utc};
use domain::{
    Area, Error, Period, Result, Scope,
    slice::Of,
    usage::{Dimension, Expression, Fill, Kind, Known, Measure, Source, State},
};
use strum::VariantArray as _;

use super::{
    CubeQuery, Group, Inventory, Key, Need, UsageLimits,
    column::Columns,
    limit::beyond,
    query::Word,
    scoped::{Parameters, Scoped},
    times::{Era, Times},
};
use crate::cube::Table;

/// A checked question as one statement.
#[derive(Clone, Debug)]
pub struct UsagePlan {
    sql: String,
    pub(super) parameters: Parameters,
    pub(super) source: Source,
    tables: Vec<Table>,
    pub(super) period: Period,
    pub(super) previous: Option<Period>,
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

    /// Quantities that the question asks for and that are open to the caller.
    pub(super) fn open(&self, query: &CubeQuery) -> Vec<Measure> {
        let measures = query.measures.iter().copied();
        let open = measures.filter(|measure| !self.closed.contains(measure));
        open.collect()
    }
}

/// Objects of a page, each of which is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Parents<'a> {
    /// What they are.
    pub dimension: Dimension,
    /// Which.
    pub ids: &'a [Key],
    /// Most rows of each, with those passed over.
    pub rows: usize,
}

impl<'a> Parents<'a> {
    /// Objects that share the most rows of an answer.
    pub fn of(dimension: Dimension, ids: &'a [Key]) -> Self {
        Self {
            dimension,
            ids,
            rows: UsageLimits::ROWS / ids.len().max(1),
        }
    }
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
    plan_within(UsageLimits::ROWS, scope, query, parents, inventory, now)
}

/// Plans one statement for a file: it has as many rows as the question leaves, in order.
///
/// # Errors
/// Those of [`plan`].
pub(super) fn plan_file(
    scope: &Scope,
    query: &CubeQuery,
    inventory: &Inventory,
    now: DateTime<Utc>,
) -> Result<UsagePlan> {
    let mut plan = plan_within(UsageLimits::FILE_ROWS, scope, query, None, inventory, now)?;
    if query.merges() {
        // What is put together comes in no order.
        plan.sql = format!("SELECT *\nFROM (\n{}\n)\nORDER BY rest, place", plan.sql);
    }
    Ok(plan)
}

fn plan_within(
    most: usize,
    scope: &Scope,
    query: &CubeQuery,
    parents: Option<Parents<'_>>,
    inventory: &Inventory,
    now: DateTime<Utc>,
) -> Result<UsagePlan> {
    let plan = |query: &CubeQuery| plan_as_asked(most, scope, query, parents, inventory, now);
    plan(query).map_err(|refusal| bounds::that_do(refusal, query, |query| plan(query).map(drop)))
}

fn plan_as_asked(
    most: usize,
    scope: &Scope,
    query: &CubeQuery,
    parents: Option<Parents<'_>>,
    inventory: &Inventory,
    now: DateTime<Utc>,
) -> Result<UsagePlan> {
    let scoped = Scoped::new(scope, query.source.into())?;
    query.check_within(most)?;
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
    check_parents(query, parents)?;
    let times = Times::of(query, now)?;
    let most = parents.map_or(most, |parents| parents.rows);
    let limit = limit(query, most, times.buckets())?;
    let planner = Planner::new(scoped, query, parents, inventory, times, limit);
    planner.plan(closed, now)
}

/// Whether an area is open to the caller.
fn is_open(scope: &Scope, area: Option<Area>) -> bool {
    area.is_none_or(|area| scope.visibility().of(area))
}

/// A closed area is closed on every way in: grouping, filtering, sorting, ranking and choosing.
fn check_areas(scope: &Scope, query: &CubeQuery, parent: Option<Dimension>) -> Result<()> {
    let parent = parent.map(|parent| (String::new(), parent.entry().area));
    let mut ways = query.ways().chain(parent);
    let Some((field, area)) = ways.find(|(_, area)| !is_open(scope, *area)) else {
        return Ok(());
    };
    let text = match area {
        Some(Area::Sessions) => "sessions are not open to you: usage cannot be asked by them",
        Some(Area::Devices) => "devices are not open to you: usage cannot be asked by device",
        _ => {
            "SIMs are not open to you: usage cannot be grouped or filtered by SIM, nor active SIMs be counted"
        }
    };
    let error = Error::forbidden(text);
    Err(if field.is_empty() {
        error
    } else {
        error.at(&field)
    })
}

fn check_parents(query: &CubeQuery, parents: Option<Parents<'_>>) -> Result<()> {
    if let Some(Parents { dimension, .. }) = parents {
        query.check_word(&Word::Dimension(dimension))?;
    }
    let (most, count) = (
        UsageLimits::PARENTS,
        parents.map_or(0, |parents| parents.ids.len()),
    );
    if count <= most {
        return Ok(());
    }
    Err(beyond("too many parents at once", most, count as u64))
}

/// Most rows to show of `most`, when time has so many buckets: beside the largest of a group each of them has a row of others.
fn limit(query: &CubeQuery, most: usize, buckets: usize) -> Result<u32> {
    if query.group_by.is_empty() {
        return Ok(1);
    }
    let has_others = query.others && query.top.is_some();
    let besides = query.offset as usize + if has_others { buckets } else { 0 };
    let left = u32::try_from(most.saturating_sub(besides)).unwrap_or(u32::MAX);
    let asked = query.limit.unwrap_or(left.max(1));
    let rows = asked as usize + besides;
    if rows <= most {
        return Ok(asked);
    }
    let error = beyond(
        "offset and limit, with rows of others, come to too many rows of each object",
        most,
        rows as u64,
    );
    let field = if query.limit.is_some() {
        "limit"
    } else {
        "offset"
    };
    Err(error
        .at(field)
        .suggest("ask for fewer rows, or for a smaller page"))
}

/// SIMs, when they are counted.
fn subscribers(query: &CubeQuery) -> Option<Dimension> {
    query
        .states()
        .contains(&State::Sims)
        .then_some(Dimension::Sim)
}

/// What a slice is of.
const fn sliced(of: Of) -> Dimension {
    match of {
        Of::Sims => Dimension::Sim,
        Of::Devices => Dimension::Device,
    }
}

/// The columns of cells that tell these dimensions.
fn needed(named: &[Dimension]) -> Vec<&'static str> {
    let columns = named
        .iter()
        .filter_map(|dimension| match dimension.entry().known {
            Known::Cells(column) => Some(column),
            Known::Network => Some("network"),
            Known::Sim => None,
        });
    let mut columns: Vec<_> = columns.collect();
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
        State::Sessions => ("begun", "begun_before"),
        State::Resets => ("fell", "fell_before"),
    }
}

/// The states that cells keep as sums, with their columns.
fn kept_sums() -> impl Iterator<Item = (State, &'static str)> {
    let states = State::VARIANTS.iter();
    states.filter_map(|state| Some((*state, state.column()?)))
}

/// A quantity of a group. `state` is the column of a state, or an expression of it.
fn quantity(expression: &Expression, state: &dyn Fn(State) -> String) -> String {
    let sum = |states: &[State]| {
        let states: Vec<_> = states.iter().map(|one| state(*one)).collect();
        format!("({})", states.join(" + "))
    };
    match expression {
        Expression::Sum(states) => sum(states),
        Expression::Average { of, per } => {
            let (of, per) = (sum(of), state(*per));
            let double = 2 * 10_u32.pow(Expression::PLACES);
            format!("if({per} > 0, intDiv(toInt256({of}) * {double} + {per}, 2 * {per}), NULL)")
        }
    }
}

/// A quantity of a row; a bucket that was filled in without values has none.
fn shown(query: &CubeQuery, measure: Measure) -> String {
    let value = quantity(&measure.entry().expression, &|state| {
        column(state).0.to_owned()
    });
    if query.fill == Fill::Null {
        format!("if(records_used = 0, NULL, {value})")
    } else {
        value
    }
}

struct Planner<'a> {
    query: &'a CubeQuery,
    parents: Option<Parents<'a>>,
    columns: Columns<'a>,
    scoped: Scoped,
    times: Times,
    /// What cells must be known by.
    named: Vec<Dimension>,
    needed: Vec<&'static str>,
    states: Vec<State>,
    limit: u32,
}

impl<'a> Planner<'a> {
    fn new(
        scoped: Scoped,
        query: &'a CubeQuery,
        parents: Option<Parents<'a>>,
        inventory: &'a Inventory,
        times: Times,
        limit: u32,
    ) -> Self {
        let parent = parents.map(|parents| parents.dimension);
        let named: Vec<Dimension> = query
            .dimensions()
            .chain(parent)
            .chain(subscribers(query))
            .chain(query.needs(parent).iter().map(Need::dimension))
            .collect();
        let needed = needed(&named);
        // The cells of a slice are told by their SIM or device, whatever is asked.
        let slice = inventory.slice().map(|slice| sliced(slice.of));
        Self {
            states: query.states(),
            needed,
            query,
            parents,
            columns: Columns {
                attribution: query.attribution,
                inventory,
            },
            scoped,
            times,
            named: named.into_iter().chain(slice).collect(),
            limit,
        }
    }

    fn plan(mut self, closed: Vec<Measure>, now: DateTime<Utc>) -> Result<UsagePlan> {
        let (read, tables) = self.read(now)?;
        let mut sql = self.group(&read);
        if self.query.top.is_some() {
            sql = self.rank(&sql)?;
        }
        if self.fills() {
            sql = self.fill(&sql);
        }
        let shown = self.show(&sql)?;
        let with = self.with();
        let sql = format!(
            "{with}{shown}\nUNION ALL\nSELECT toUInt8(2), toUInt64(0), '', toUInt8(0), toUInt8(0), emptyArrayString(), \
             CAST([], 'Array(Int128)'), CAST([], 'Array(Int128)'), toUnixTimestamp64Milli(max(received_at))\n{}",
            self.scoped.years(),
        );
        Ok(UsagePlan {
            sql,
            parameters: self.scoped.parameters,
            source: self.query.source,
            tables,
            period: self.times.period,
            previous: self.times.before.as_ref().and_then(Era::period),
            limit: self.limit,
            closed,
        })
    }

    /// What of the inventory travels, at the head of the statement.
    fn with(&self) -> String {
        let carried: String = self
            .columns
            .inventory
            .iter()
            .map(|(place, _, carried)| format!("carried{place} AS (\n    {}\n)", carried.sql()))
            .collect::<Vec<_>>()
            .join(",\n");
        if carried.is_empty() {
            carried
        } else {
            format!("WITH {carried}\n")
        }
    }

    /// Whether a state is wanted.
    fn has(&self, state: State) -> bool {
        self.states.contains(&state)
    }

    /// The columns of cells that are summed.
    fn wanted_sums(&self) -> impl Iterator<Item = &'static str> {
        let wanted = kept_sums().filter(|(state, _)| self.has(*state) || *state == State::Records);
        wanted.map(|(_, source)| source)
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
        self.query.merges()
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

    /// Whether it is a slice that is read. What comes to nothing there may come to something together with others, and none of it is
    /// left out.
    fn is_slice(&self) -> bool {
        self.columns.inventory.slice().is_some()
    }

    fn parent(&self) -> Option<String> {
        self.parents.map(|_| "parent".to_owned())
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

    /// Text of a group's key.
    fn text(&self, place: usize) -> String {
        match &self.query.group_by[place] {
            Group::Dimension(dimension) if dimension.entry().kind == Kind::Id => {
                format!("toString(g{place})")
            }
            _ => format!("CAST(g{place}, 'String')"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_whatever_a_quantity_is_made_of() {
        let name = |state| column(state).0.to_owned();
        let sum = Expression::Sum(&[State::Units, State::BytesUp]);
        assert_eq!(quantity(&sum, &name), "(units_used + up)");
        let average = Expression::Average {
            of: &[State::Units],
            per: State::Sims,
        };
        assert_eq!(
            quantity(&average, &name),
            "if(sims > 0, intDiv(toInt256((units_used)) * 200 + sims, 2 * sims), NULL)"
        );
    }
}
