//! How assignments are read.

use std::collections::HashMap;

use uuid::Uuid;

use super::Assignment;
use crate::{
    Permission, ReadCx, Result,
    id::Id,
    row::{Columns, Decode},
    sql::{Sql, Visible, push_segments, uuids},
};

struct Span {
    object: Uuid,
    assignment: Assignment,
}

impl Decode for Span {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            object: row.get()?,
            assignment: Assignment {
                customer: row.get()?,
                from: row.get()?,
                to: row.get()?,
            },
        })
    }
}

/// Those of objects that the caller has already been shown.
pub(super) async fn by_objects<I: Id>(
    cx: &ReadCx,
    object: &str,
    ids: &[I],
) -> Result<HashMap<I, Vec<Assignment>>> {
    cx.scope().require(Permission::CustomersRead)?;
    let mut sql = Sql::new(&format!(
        "SELECT span.{object}_id, span.customer_id, nullif(lower(span.valid), '-infinity'), upper(span.valid) \
         FROM {object}_customer AS span WHERE span.tenant_id = "
    ));
    sql.bind(cx.scope().tenant().uuid()).push(" AND ").push_any(
        &format!("span.{object}_id"),
        uuids(ids.iter().map(|id| id.uuid())),
    );
    push_segments(&mut sql, cx.scope(), "span", Visible::Customers);
    sql.push(&format!(" ORDER BY span.{object}_id, lower(span.valid)"));
    let spans: Vec<Span> = cx.select(sql).await?;
    let mut assignments: HashMap<I, Vec<Assignment>> = HashMap::new();
    for Span { object, assignment } in spans {
        assignments
            .entry(I::new(object))
            .or_default()
            .push(assignment);
    }
    Ok(assignments)
}
