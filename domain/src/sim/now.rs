//! What every visible SIM is now, for answers that group by it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Sim, SimState};
use crate::{
    Permission, ReadCx, Result,
    group::Key,
    id::{CustomerId, DeviceId, SimId},
    list::{Listed, at_most, too_many},
    row::{Columns, Decode},
    slice::Extent,
    sql::{Sql, Visible, push_segments},
};

/// A SIM and the state that it is in.
struct InState(SimId, SimState);

impl Decode for InState {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self(row.get()?, row.word()?))
    }
}

/// The state of each visible SIM, in no order.
///
/// # Errors
/// `FORBIDDEN` when SIMs are closed to the caller, `LIMIT_EXCEEDED` when there are more than the extent allows.
pub async fn states(cx: &ReadCx, extent: impl Into<Extent>) -> Result<Vec<(SimId, SimState)>> {
    let sql = Sim::scoped(cx)?.wrapped("SELECT sim.sim_id, sim.state FROM (", ") AS sim");
    let rows = all(cx, sql, extent.into()).await?;
    Ok(rows
        .into_iter()
        .map(|InState(id, state)| (id, state))
        .collect())
}

/// The customer of each visible SIM, in no order.
///
/// # Errors
/// Those of [`states`].
pub async fn customers(
    cx: &ReadCx,
    extent: impl Into<Extent>,
) -> Result<Vec<(SimId, Key<CustomerId>)>> {
    let mut sql = Sim::scoped(cx)?.wrapped(
        "SELECT sim.sim_id, seen.customer_id, sim.customer_id IS NOT NULL FROM (",
        ") AS sim LEFT JOIN customer AS seen ON seen.customer_id = sim.customer_id AND seen.tenant_id = ",
    );
    sql.bind(cx.scope().tenant().uuid());
    push_segments(&mut sql, cx.scope(), "seen", Visible::Customers);
    let rows: Vec<(SimId, Option<Uuid>, bool)> = all(cx, sql, extent.into()).await?;
    let key = |(sim, seen, is_any): (SimId, Option<Uuid>, bool)| {
        (sim, key(seen.map(CustomerId::new), is_any))
    };
    Ok(rows.into_iter().map(key).collect())
}

/// A SIM, the device that it sits in or will, and since when.
struct Stay {
    sim: SimId,
    seen: Option<DeviceId>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    is_any: bool,
}

impl Decode for Stay {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            sim: row.get()?,
            seen: row.get()?,
            from: row.get()?,
            to: row.get()?,
            is_any: row.get()?,
        })
    }
}

/// The device that each visible SIM sits in, in no order.
///
/// # Errors
/// Those of [`states`], and `FORBIDDEN` when devices are closed to the caller.
pub async fn devices(
    cx: &ReadCx,
    extent: impl Into<Extent>,
) -> Result<Vec<(SimId, Key<DeviceId>)>> {
    cx.scope().require(Permission::DevicesRead)?;
    let now = cx.now();
    let tenant = cx.scope().tenant().uuid();
    // What is to come is looked at too: an answer is good until the first of it.
    let mut sql = Sim::scoped(cx)?.wrapped(
        "SELECT sim.sim_id, seen.device_id, nullif(lower(link.valid), '-infinity'), nullif(upper(link.valid), 'infinity'), \
         link.device_id IS NOT NULL FROM (",
        ") AS sim LEFT JOIN sim_device AS link ON link.sim_id = sim.sim_id AND link.tenant_id = ",
    );
    sql.bind(tenant)
        .push(" AND coalesce(upper(link.valid), 'infinity') > ")
        .bind(now)
        .push("::timestamptz LEFT JOIN device AS seen ON seen.device_id = link.device_id AND seen.tenant_id = ")
        .bind(tenant);
    push_segments(&mut sql, cx.scope(), "seen", Visible::Devices);
    let stays: Vec<Stay> = all(cx, sql, extent.into()).await?;
    let bounds = stays.iter().flat_map(|stay| [stay.from, stay.to]).flatten();
    if let Some(next) = bounds.filter(|bound| *bound > now).min() {
        cx.only_until(next);
    }
    // Of a SIM that is in none now, what is to come is none.
    let present = stays.into_iter().map(|stay| {
        let is_now = stay.from.is_none_or(|from| from <= now);
        (
            stay.sim,
            if is_now {
                key(stay.seen, stay.is_any)
            } else {
                Key::Unassigned
            },
        )
    });
    Ok(present.collect())
}

fn key<T>(seen: Option<T>, is_any: bool) -> Key<T> {
    match seen {
        Some(id) => Key::Value(id),
        None if is_any => Key::Hidden,
        None => Key::Unassigned,
    }
}

/// Runs a statement about SIMs as `sim`, which has no condition yet.
async fn all<T: Decode>(cx: &ReadCx, mut sql: Sql, extent: Extent) -> Result<Vec<T>> {
    extent.push(&mut sql, cx, Visible::Sims, "sim.sim_id");
    let rows = at_most(cx, sql, extent.most).await?;
    rows.ok_or_else(|| {
        too_many::<Sim>("would have to be looked at", extent.most)
            .suggest("ask without what SIMs are now")
    })
}
