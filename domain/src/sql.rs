//! A statement under construction: text and its parameters, kept in step. Values never enter the text.

use std::fmt::Write as _;

use sea_orm::{Value, sea_query::ArrayType};
use uuid::Uuid;

use crate::scope::{Scope, Segments};

/// SQL text with `$n` placeholders and the values they stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            values: Vec::new(),
        }
    }

    /// Appends text that the program wrote itself.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
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
pub(crate) fn texts<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Value {
    let values = texts
        .into_iter()
        .map(|text| Value::from(text.into()))
        .collect::<Vec<_>>();
    Value::Array(ArrayType::String, Some(Box::new(values)))
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
