//! The one builder of tenant-facing statements.
//!
//! [`Scoped::new`] cannot be called without a [`Scope`], and a statement can read usage only through
//! [`Scoped::own`], [`Scoped::records`] and [`Scoped::watermark`], which always carry the tenant and the caller's segments.

use clickhouse::query::Query;
use domain::{
    Permission, Result, Scope,
    scope::{Segment, Segments},
};
use uuid::Uuid;

use super::Dimension;
use crate::cube::{Cube, Level};

/// A value that travels beside the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Uuid(Uuid),
    Uuids(Vec<Uuid>),
    Texts(Vec<String>),
    Number(u32),
}

impl Parameter {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Uuid(_) => "UUID",
            Self::Uuids(_) => "Array(UUID)",
            Self::Texts(_) => "Array(String)",
            Self::Number(_) => "UInt32",
        }
    }
}

/// Values in the order in which they were bound; the first is `p0`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Takes a value and returns what stands for it in the text.
    pub(super) fn bind(&mut self, parameter: Parameter) -> String {
        let text = format!("{{p{}:{}}}", self.0.len(), parameter.kind());
        self.0.push(parameter);
        text
    }

    /// Binds all values to a query.
    pub(super) fn attach(&self, query: Query) -> Query {
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
}

impl Scoped {
    /// # Errors
    /// `FORBIDDEN` when the caller may not read usage.
    pub(super) fn new(scope: &Scope) -> Result<Self> {
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
        })
    }

    /// The smallest cube of a level that can be narrowed to what the caller may see, and knows these dimensions: whoever
    /// was granted single SIMs or devices never reads one without them.
    pub(super) fn cube(&self, level: Level, dimensions: &[Dimension]) -> Cube {
        Cube::of(level, &[dimensions, &self.named].concat())
    }

    /// These columns of the caller's part of a cube in `[from, to)` (Unix seconds), narrowed by further conditions.
    pub(super) fn own(
        &mut self,
        columns: &str,
        cube: Cube,
        [from, to]: [u32; 2],
        conditions: &[String],
    ) -> String {
        let from = self.parameters.bind(Parameter::Number(from));
        let to = self.parameters.bind(Parameter::Number(to));
        let mut sql = format!(
            "SELECT {columns}\n    FROM {}\n    WHERE {}\n      AND period >= toDateTime({from}, 'UTC') AND period < \
             toDateTime({to}, 'UTC')",
            cube.table(),
            self.visible_in(cube)
        );
        for condition in conditions {
            sql.push_str("\n      AND ");
            sql.push_str(condition);
        }
        sql
    }

    fn visible_in(&self, cube: Cube) -> String {
        match cube.rows() {
            Some(rows) => format!("{} AND {rows}", self.visible),
            None => self.visible.clone(),
        }
    }

    /// The caller's part of the raw records, narrowed by conditions. Answers come from cubes; this is for the few
    /// questions about single records.
    pub(super) fn records(&self, conditions: &[String]) -> String {
        format!(
            "SELECT * FROM cdr\n    WHERE {}\n      AND {}",
            self.visible,
            conditions.join("\n      AND ")
        )
    }

    /// The end of a SELECT, from its last column on: receipt of the newest record that the caller may see, in Unix
    /// milliseconds, 0 when there is none. Reads the smallest cube, so it costs a fraction of any question.
    pub(super) fn watermark(&self) -> String {
        let years = self.cube(Level::Year, &[]);
        format!(
            "toUnixTimestamp64Milli(max(received_at))\nFROM {} WHERE {}",
            years.table(),
            self.visible_in(years)
        )
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

/// The column of a dimension. A country is joined from the reference networks.
pub(super) const fn column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Network => "network",
        Dimension::Country => "country_code",
        Dimension::Customer => "customer",
        Dimension::Sim => "sim",
        Dimension::Device => "device",
        Dimension::RadioAccessType => "rat",
        Dimension::Service => "service",
        Dimension::Source => "source",
    }
}

/// Whether the values of a dimension are ids.
pub(super) const fn identifies(dimension: Dimension) -> bool {
    matches!(
        dimension,
        Dimension::Customer | Dimension::Sim | Dimension::Device
    )
}
