//! Who a SIM or a device belonged to, and when. Usage belongs to the customer of its time, so this history decides whose it
//! is.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    Permission, ReadCx, Result,
    id::{CustomerId, DeviceId, Id, SimId},
    row::{Columns, Decode},
    sql::{Sql, Visible, push_segments, uuids},
};

/// A span in which a SIM or device belonged to one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// To whom.
    pub customer: CustomerId,
    /// Since when; none: always.
    pub from: Option<DateTime<Utc>>,
    /// Until when, this moment excluded; none: still.
    pub to: Option<DateTime<Utc>>,
}

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

/// The assignments of SIMs that the caller has already been shown, oldest first. Callers who see a part of the fleet get
/// those to customers that they see: whose it was before is not theirs to know.
///
/// # Errors
/// `FORBIDDEN` when SIMs or customers are closed to the caller.
pub async fn by_sims(cx: &ReadCx, sims: &[SimId]) -> Result<HashMap<SimId, Vec<Assignment>>> {
    cx.scope().require(Permission::SimsRead)?;
    by_objects(cx, "sim", sims).await
}

/// The assignments of devices that the caller has already been shown, as [`by_sims`].
///
/// # Errors
/// `FORBIDDEN` when devices or customers are closed to the caller.
pub async fn by_devices(
    cx: &ReadCx,
    devices: &[DeviceId],
) -> Result<HashMap<DeviceId, Vec<Assignment>>> {
    cx.scope().require(Permission::DevicesRead)?;
    by_objects(cx, "device", devices).await
}

async fn by_objects<I: Id>(
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
