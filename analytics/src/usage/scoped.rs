//! The one builder of tenant-facing statements.
//!
//! [`Scoped::new`] cannot be called without a [`Scope`], and a statement can read usage only through
//! [`Scoped::own`], [`Scoped::records`], [`Scoped::hours`] and [`Scoped::years`], which always carry the tenant and the caller's segments.
//! Which tables these are, of usage records or of sessions, is its [`Family`], and one statement may read of both in turn.

use chrono::{DateTime, Utc};
use clickhouse::query::Query;
use domain::{
    Permission, Result, Scope,
    scope::{Segment, Segments},
    tenant::Settings,
};
use uuid::Uuid;

use super::{Dimension, inventory::quoted};
use crate::{
    Family,
    cube::{Cube, Level, Table, moment},
};

/// Most spans of time that are named one by one, so that the engine's index helps with each.
const SPANS: usize = 32;
/// Most cells' periods that are. A list of them is looked up in half the time that comparisons take.
const PERIODS: u32 = 10_000;

/// A value that travels beside the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    Uuid(Uuid),
    Uuids(Vec<Uuid>),
    Texts(Vec<String>),
    Number(u32),
    Numbers(Vec<u32>),
    Integer(i128),
}

impl Parameter {
    /// Whether it is a list of nothing.
    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::Uuids(ids) => ids.is_empty(),
            Self::Texts(texts) => texts.is_empty(),
            Self::Numbers(numbers) => numbers.is_empty(),
            Self::Uuid(_) | Self::Number(_) | Self::Integer(_) => false,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Uuid(_) => "UUID",
            Self::Uuids(_) => "Array(UUID)",
            Self::Texts(_) => "Array(String)",
            Self::Number(_) => "UInt32",
            Self::Numbers(_) => "Array(UInt32)",
            Self::Integer(_) => "Int256",
        }
    }
}

/// Values in the order in which they were bound; the first is `p0`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Takes a value and returns what stands for it in the text.
    pub(crate) fn bind(&mut self, parameter: Parameter) -> String {
        let text = format!("{{p{}:{}}}", self.0.len(), parameter.kind());
        self.0.push(parameter);
        text
    }

    /// All values, as the engine is told them.
    pub(super) fn texts(&self) -> Vec<String> {
        let list = |items: Vec<String>| format!("[{}]", items.join(","));
        let text = |parameter: &Parameter| match parameter {
            Parameter::Uuid(id) => id.to_string(),
            Parameter::Uuids(ids) => list(ids.iter().map(|id| format!("'{id}'")).collect()),
            Parameter::Texts(texts) => list(texts.iter().map(|text| quoted(text)).collect()),
            Parameter::Number(number) => number.to_string(),
            Parameter::Numbers(numbers) => list(numbers.iter().map(u32::to_string).collect()),
            Parameter::Integer(integer) => integer.to_string(),
        };
        self.0.iter().map(text).collect()
    }

    /// Binds all values to a query.
    pub(crate) fn attach(&self, query: Query) -> Query {
        let strings = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect::<Vec<_>>();
        self.0
            .iter()
            .enumerate()
            .fold(query, |query, (place, parameter)| {
                let name = format!("p{place}");
                match parameter {
                    Parameter::Uuid(id) => query.param(&name, id.to_string()),
                    Parameter::Uuids(ids) => query.param(&name, strings(ids)),
                    Parameter::Texts(texts) => query.param(&name, texts),
                    Parameter::Number(number) => query.param(&name, number),
                    Parameter::Numbers(numbers) => query.param(&name, numbers),
                    Parameter::Integer(integer) => query.param(&name, integer.to_string()),
                }
            })
    }
}

/// What one caller may see, as SQL.
pub(super) struct Scoped {
    pub(super) parameters: Parameters,
    visible: String,
    /// What cells must be known by to tell what is visible.
    named: Vec<Dimension>,
    /// The tables that are read.
    pub(super) family: Family,
    settings: Settings,
}

impl Scoped {
    /// What the caller may see of the tables of a family.
    ///
    /// # Errors
    /// `FORBIDDEN` when the caller may not read usage.
    pub(super) fn new(scope: &Scope, family: Family) -> Result<Self> {
        scope.require(Permission::UsageRead)?;
        let mut parameters = Parameters::default();
        let tenant = parameters.bind(Parameter::Uuid(scope.tenant().uuid()));
        let mut visible = format!("tenant = {tenant}");
        let mut named = Vec::new();
        if let Segments::Part(segment) = scope.segments() {
            visible.push_str(&within(segment, &mut parameters));
            named = names(segment);
        }
        Ok(Self {
            parameters,
            visible,
            named,
            family,
            settings: scope.settings(),
        })
    }

    /// From when on the tenant's records are all there.
    pub(super) fn records_from(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.family.whole_from(self.settings, now)
    }

    /// The smallest cube of a level that can be narrowed to what the caller may see, and knows these dimensions: whoever
    /// was granted single SIMs or devices never reads one without them.
    pub(super) fn cube(&self, level: Level, dimensions: &[Dimension]) -> Cube {
        Cube::of(level, &[dimensions, &self.named].concat())
    }

    /// These columns of the caller's part of a table in some spans of time (Unix seconds), narrowed by further conditions.
    pub(super) fn own(
        &mut self,
        columns: &str,
        table: Table,
        spans: &[[u32; 2]],
        conditions: &[String],
    ) -> String {
        let (name, visible, inside) = match table {
            Table::Cube(cube) => (
                self.family.cube(cube),
                self.visible_in(cube),
                self.periods(cube.level(), spans),
            ),
            Table::Records => (
                self.family.records(),
                self.visible.clone(),
                self.inside(self.family.time(), spans),
            ),
        };
        let mut sql =
            format!("SELECT {columns}\n    FROM {name}\n    WHERE {visible}\n      AND {inside}");
        for condition in conditions {
            sql.push_str("\n      AND ");
            sql.push_str(condition);
        }
        sql
    }

    /// Whether a cell of a level is in one of some spans, which do not meet and are in order.
    fn periods(&mut self, level: Level, spans: &[[u32; 2]]) -> String {
        let width = match level {
            Level::Hour => 3_600,
            Level::Day => 86_400,
            Level::Month | Level::Year => return self.inside("period", spans),
        };
        let count: u32 = spans.iter().map(|[from, to]| (to - from) / width).sum();
        if spans.len() < 2 || count > PERIODS {
            return self.inside("period", spans);
        }
        let starts = spans
            .iter()
            .flat_map(|[from, to]| (*from..*to).step_by(width as usize));
        let starts = self.parameters.bind(Parameter::Numbers(starts.collect()));
        format!("toUnixTimestamp(period) IN {starts}")
    }

    /// Whether a moment is in one of some spans, which do not meet and are in order.
    fn inside(&mut self, moment: &str, spans: &[[u32; 2]]) -> String {
        let [first, .., last] = spans else {
            return match spans {
                [span] => self.between(moment, *span),
                _ => "false".to_owned(),
            };
        };
        if spans.len() <= SPANS {
            let spans: Vec<_> = spans
                .iter()
                .map(|span| format!("({})", self.between(moment, *span)))
                .collect();
            return format!("({})", spans.join(" OR "));
        }
        // Every bound begins a stretch that is inside or is not.
        let bounds = self.parameters.bind(Parameter::Numbers(spans.concat()));
        let turns = spans.iter().flat_map(|_| [1, 0]).collect();
        let turns = self.parameters.bind(Parameter::Numbers(turns));
        let whole = self.between(moment, [first[0], last[1]]);
        format!(
            "{whole} AND transform(roundDown(toUnixTimestamp({moment}), {bounds}), {bounds}, {turns}, toUInt32(0)) = 1"
        )
    }

    fn between(&mut self, column: &str, span: [u32; 2]) -> String {
        let [from, to] = span.map(|bound| {
            let bound = self.parameters.bind(Parameter::Number(bound));
            moment(column, bound)
        });
        format!("{column} >= {from} AND {column} < {to}")
    }

    fn visible_in(&self, cube: Cube) -> String {
        match cube.rows() {
            Some(rows) => format!("{} AND {rows}", self.visible),
            None => self.visible.clone(),
        }
    }

    /// The caller's part of the raw records, narrowed by conditions. Answers come from cubes; this is for the few questions about single
    /// records.
    pub(super) fn records(&self, conditions: &[String]) -> String {
        self.part(self.family.records(), conditions)
    }

    /// The caller's part of the full cube of hours, narrowed by conditions.
    pub(super) fn hours(&self, conditions: &[String]) -> String {
        self.part(self.family.cube(Cube::Full(Level::Hour)), conditions)
    }

    fn part(&self, table: &str, conditions: &[String]) -> String {
        format!(
            "SELECT * FROM {table}\n    WHERE {}\n      AND {}",
            self.visible,
            conditions.join("\n      AND ")
        )
    }

    /// The end of a SELECT: the smallest cube that the caller may see all of, which knows the receipt of the newest record. Reading it
    /// costs a fraction of any question.
    pub(super) fn years(&self) -> String {
        let years = self.cube(Level::Year, &[]);
        let table = self.family.cube(years);
        format!("FROM {table} WHERE {}", self.visible_in(years))
    }
}

/// The dimensions that the conditions of a segment name.
fn names(segment: &Segment) -> Vec<Dimension> {
    let named = [
        (
            Dimension::Customer,
            segment.within.is_some() || !segment.customers.is_empty(),
        ),
        (Dimension::Sim, !segment.sims.is_empty()),
        (Dimension::Device, !segment.devices.is_empty()),
    ];
    let named = named.into_iter().filter(|(_, is_named)| *is_named);
    named.map(|(dimension, _)| dimension).collect()
}

/// The caller's segments (see [`Segment`]): within the token's customer, and in any of the grants if there are any.
fn within(segment: &Segment, parameters: &mut Parameters) -> String {
    if segment.is_empty() {
        return " AND false".into();
    }
    let mut sql = String::new();
    if let Some(customer) = segment.within {
        let customer = parameters.bind(Parameter::Uuid(customer.uuid()));
        sql.push_str(" AND customer = ");
        sql.push_str(&customer);
    }
    let grants = [
        (
            "customer",
            segment
                .customers
                .iter()
                .map(|id| id.uuid())
                .collect::<Vec<_>>(),
        ),
        ("sim", segment.sims.iter().map(|id| id.uuid()).collect()),
        (
            "device",
            segment.devices.iter().map(|id| id.uuid()).collect(),
        ),
    ];
    let granted: Vec<String> = grants
        .into_iter()
        .filter(|(_, ids)| !ids.is_empty())
        .map(|(column, ids)| format!("{column} IN {}", parameters.bind(Parameter::Uuids(ids))))
        .collect();
    if !granted.is_empty() {
        sql.push_str(" AND (");
        sql.push_str(&granted.join(" OR "));
        sql.push(')');
    }
    sql
}
