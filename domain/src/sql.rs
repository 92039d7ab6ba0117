//! A statement under construction: text and its parameters, kept in step. Values never enter the text.

use std::fmt::Write as _;

use sea_orm::{Value, sea_query::ArrayType};
use uuid::Uuid;

use crate::{
    Period,
    scope::{Scope, Segments},
};

/// SQL text with `$n` placeholders and the values they stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
    varies: bool,
}

impl Sql {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            values: Vec::new(),
            varies: false,
        }
    }

    /// Appends text that the program wrote itself.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// A placeholder for `value`, to be put somewhere else.
    pub(crate) fn placeholder(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// The statement within a larger one.
    pub(crate) fn wrapped(mut self, before: &str, after: &str) -> Self {
        self.text.insert_str(0, before);
        self.text.push_str(after);
        self
    }

    /// Appends a placeholder for `value`.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let n = self.values.len();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "${n}");
        self
    }

    /// Appends the term that `column` is one of `values`, an array.
    pub(crate) fn push_any(&mut self, column: &str, values: Value) {
        self.push(column).push(" = ANY(").bind(values).push(")");
    }

    /// Appends the term that `column` is null, or is not.
    pub(crate) fn push_is_null(&mut self, column: &str, yes: bool) {
        let term = if yes { " IS NULL" } else { " IS NOT NULL" };
        self.push(column).push(term);
    }

    /// Appends the term that `column` is in a period.
    pub(crate) fn push_within(&mut self, column: &str, period: Period) {
        self.push("(").push(column).push(" >= ").bind(period.from());
        self.push(" AND ")
            .push(column)
            .push(" < ")
            .bind(period.to());
        self.push(")");
    }

    /// Says that the text depends on what was asked or by whom: there are many of its kind, and each has a plan of its own.
    pub(crate) fn vary(&mut self) {
        self.varies = true;
    }

    /// Whether the text is one of few, whose plans are worth keeping.
    pub(crate) fn is_fixed(&self) -> bool {
        !self.varies
    }

    /// The text and its values, in order.
    pub(crate) fn into_parts(self) -> (String, Vec<Value>) {
        (self.text, self.values)
    }
}

/// A `uuid[]` parameter.
pub(crate) fn uuids(ids: impl IntoIterator<Item = Uuid>) -> Value {
    let values = ids.into_iter().map(Value::from).collect::<Vec<_>>();
    Value::Array(ArrayType::Uuid, Some(Box::new(values)))
}

/// A `text[]` parameter.
pub(crate) fn texts<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Value {
    let values = texts
        .into_iter()
        .map(|text| Value::from(text.as_ref()))
        .collect::<Vec<_>>();
    Value::Array(ArrayType::String, Some(Box::new(values)))
}

/// Appends the term that one of `columns` contains `text`, in any case.
pub(crate) fn contains(sql: &mut Sql, columns: &[&str], text: &str) {
    // What means something in a pattern stands for itself.
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    let pattern = format!("%{escaped}%");
    for (place, column) in columns.iter().enumerate() {
        let before = if place == 0 { "(" } else { " OR " };
        sql.push(before)
            .push(column)
            .push(" ILIKE ")
            .bind(pattern.clone());
    }
    sql.push(")");
}

/// The kind of row that a segment predicate is written for.
#[derive(Clone, Copy)]
pub(crate) enum Visible {
    Sims,
    Devices,
    Customers,
}

/// Appends ` AND …` so that only rows of the caller's segments remain. `alias` is the table's alias; the
/// predicate is the Postgres form of [`crate::scope::Segment`].
pub(crate) fn push_segments(sql: &mut Sql, scope: &Scope, alias: &str, rows: Visible) {
    let Segments::Part(segment) = scope.segments() else {
        return;
    };
    sql.vary();
    if segment.is_empty() {
        sql.push(" AND false");
        return;
    }
    if let Some(customer) = segment.within {
        sql.push(&format!(" AND {alias}.customer_id = "))
            .bind(customer.uuid());
    }
    if !segment.has_grants() {
        return;
    }
    let customers = uuids(segment.customers.iter().map(|id| id.uuid()));
    let pool = match rows {
        Visible::Sims => Some(("sim_id", uuids(segment.sims.iter().map(|id| id.uuid())))),
        Visible::Devices => Some((
            "device_id",
            uuids(segment.devices.iter().map(|id| id.uuid())),
        )),
        // The customer that a token names is visible to its own user, whatever pool narrows the fleet.
        Visible::Customers if segment.within.is_some() => return,
        Visible::Customers => None,
    };
    sql.push(&format!(" AND ({alias}.customer_id = ANY("))
        .bind(customers)
        .push(")");
    if let Some((column, ids)) = pool {
        sql.push(&format!(" OR {alias}.{column} = ANY("))
            .bind(ids)
            .push(")");
    }
    sql.push(")");
}
