//! How assignments are read.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures::future::try_join;
use sea_orm::Value;
use uuid::Uuid;

use super::Assignment;
use crate::{
    Error, Permission, ReadCx, Result,
    filter::Filter,
    id::{Id, SimId},
    list::{List, Listed, filtered},
    row::{Columns, Decode},
    sim::Sim,
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

/// A SIM in a device, and from when to when.
pub(super) struct Stay {
    pub(super) sim: Uuid,
    pub(super) device: Uuid,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
}

impl Decode for Stay {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            sim: row.get()?,
            device: row.get()?,
            from: row.get()?,
            to: row.get()?,
        })
    }
}

/// Which SIM is in which device at this moment, of those whose `column` is one of `ids`, and what is on the `other` side of these links as
/// far as the caller may see it; both are asked for together.
///
/// # Errors
/// `FORBIDDEN` when the other side is closed to the caller.
pub(crate) async fn linked<T: Listed, I: Id>(
    cx: &ReadCx,
    (column, other): (&str, &str),
    ids: Value,
) -> Result<(Vec<(Uuid, Uuid)>, HashMap<I, T>)> {
    let mut sql = T::scoped(cx)?;
    sql.push(&format!(
        " AND {} = ANY(ARRAY(SELECT {other} FROM sim_device WHERE tenant_id = ",
        T::ID
    ));
    sql.bind(cx.scope().tenant().uuid())
        .push(" AND ")
        .push_any(column, ids.clone());
    let now = cx.now();
    push_not_over(&mut sql, now);
    sql.push("))");
    let (links, rows) = try_join(links(cx, now, column, ids), cx.select::<T>(sql)).await?;
    let rows = rows.into_iter().map(|row| (I::new(row.uuid()), row));
    Ok((links, rows.collect()))
}

fn push_not_over(sql: &mut Sql, now: DateTime<Utc>) {
    sql.push(" AND coalesce(upper(valid), 'infinity') > ")
        .bind(now)
        .push("::timestamptz");
}

/// How many spans SIMs of a filter have, in which neither their customer nor their device changed: of those that belong to nobody only
/// where `with_unassigned`, of devices only where `with_devices`. Between two bounds there is a span if one that is told has begun
/// and has not ended.
pub(super) async fn count(
    cx: &ReadCx,
    filter: &Filter<<Sim as List>::Condition>,
    with_devices: bool,
    with_unassigned: bool,
) -> Result<u64> {
    cx.scope().require(Permission::CustomersRead)?;
    let mut sql = filtered::<Sim>(cx, filter)?.wrapped(
        "WITH listed (id) AS (SELECT id FROM (",
        ") AS list (id)), span (sim_id, valid, told) AS (
             SELECT span.sim_id, span.valid, 1 FROM sim_customer AS span JOIN listed ON listed.id = span.sim_id WHERE span.tenant_id = ",
    );
    sql.bind(cx.scope().tenant().uuid());
    push_segments(&mut sql, cx.scope(), "span", Visible::Customers);
    if with_devices {
        sql.push(&format!(
            " UNION ALL SELECT stay.sim_id, stay.valid, {} FROM sim_device AS stay JOIN listed ON listed.id = stay.sim_id
              WHERE stay.tenant_id = ",
            i32::from(with_unassigned)
        ));
        sql.bind(cx.scope().tenant().uuid());
    }
    sql.push(
        "), bound (sim_id, at, told) AS (
             SELECT sim_id, coalesce(lower(valid), '-infinity'), told FROM span
             UNION ALL SELECT sim_id, coalesce(upper(valid), 'infinity'), -told FROM span
         )
         SELECT count(*) FILTER (WHERE told > 0) FROM (
             SELECT sum(sum(told)) OVER (PARTITION BY sim_id ORDER BY at) AS told FROM bound GROUP BY sim_id, at
         ) AS begun",
    );
    sql.vary();
    let (count,): (i64,) = cx.select_one(sql).await?.unwrap_or_default();
    u64::try_from(count).map_err(Error::internal)
}

const STAYS: &str = "SELECT sim_id, device_id, nullif(lower(valid), '-infinity'), nullif(upper(valid), 'infinity') \
                     FROM sim_device WHERE tenant_id = ";

/// In which devices SIMs were, are and will be, by SIM and time. Whether the caller may know that is not decided here.
pub(super) async fn stays(cx: &ReadCx, sims: &[SimId]) -> Result<Vec<Stay>> {
    let mut sql = Sql::new(STAYS);
    sql.bind(cx.scope().tenant().uuid())
        .push(" AND ")
        .push_any("sim_id", uuids(sims.iter().map(|id| id.uuid())));
    sql.push(" ORDER BY sim_id, lower(valid)");
    cx.select(sql).await
}

/// Which SIM is in which device `now`. What is to come is looked at too: an answer is good until the first of it.
async fn links(
    cx: &ReadCx,
    now: DateTime<Utc>,
    column: &str,
    ids: Value,
) -> Result<Vec<(Uuid, Uuid)>> {
    let mut sql = Sql::new(STAYS);
    sql.bind(cx.scope().tenant().uuid())
        .push(" AND ")
        .push_any(column, ids);
    push_not_over(&mut sql, now);
    let stays: Vec<Stay> = cx.select(sql).await?;
    let bounds = stays.iter().flat_map(|stay| [stay.from, stay.to]).flatten();
    if let Some(next) = bounds.filter(|bound| *bound > now).min() {
        cx.noted().only_until(next);
    }
    let is_now = |stay: &Stay| stay.from.is_none_or(|from| from <= now);
    let links = stays.into_iter().filter(is_now);
    Ok(links.map(|stay| (stay.sim, stay.device)).collect())
}
