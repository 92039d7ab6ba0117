//! Who had what when.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::write::write;
use crate::{
    ReadCx, Result, WriteCx,
    fleet::{known::Stay, timeline::Span},
};

/// Which history.
#[derive(Clone, Copy)]
pub(in crate::fleet) enum History {
    /// Customers of a SIM.
    Customer,
    /// Devices that a SIM sat in.
    Device,
    /// Customers of a device.
    Owner,
}

impl History {
    /// Its table, and the columns there that name what has it and what held.
    const fn table(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Customer => ("sim_customer", "sim_id", "customer_id"),
            Self::Device => ("sim_device", "sim_id", "device_id"),
            Self::Owner => ("device_customer", "device_id", "customer_id"),
        }
    }
}

/// The histories of these SIMs or devices.
pub(in crate::fleet) async fn history(
    cx: &ReadCx,
    history: History,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Span<Uuid>>>> {
    let (table, object, column) = history.table();
    let sql = format!(
        "SELECT {object}, {column}, nullif(lower(valid), '-infinity'), nullif(upper(valid), 'infinity')
        FROM {table} WHERE tenant_id = current_tenant() AND {object} = ANY($1)"
    );
    let mut spans: HashMap<Uuid, Vec<Span<Uuid>>> = HashMap::new();
    for (of, value, from, to) in cx.all(&sql, [ids.to_vec().into()]).await? {
        let span = Span { from, to, value };
        spans.entry(of).or_default().push(span);
    }
    Ok(spans)
}

/// The SIMs that sat in each of these devices, the SIM that is known for longest first.
pub(in crate::fleet) async fn stays(
    cx: &ReadCx,
    devices: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Stay>>> {
    type Moment = Option<DateTime<Utc>>;
    type Row = (Uuid, Option<Uuid>, Moment, Moment, Moment, Moment);
    let sql = "SELECT device_id, customer_id,
            nullif(lower(inside.valid), '-infinity'), nullif(upper(inside.valid), 'infinity'),
            nullif(lower(inside.valid * owned.valid), '-infinity'),
            nullif(upper(inside.valid * owned.valid), 'infinity')
        FROM sim_device AS inside
        LEFT JOIN sim_customer AS owned ON owned.tenant_id = inside.tenant_id AND owned.sim_id = inside.sim_id
            AND owned.valid && inside.valid
        WHERE inside.tenant_id = current_tenant() AND device_id = ANY($1)
        ORDER BY inside.sim_id";
    let mut stays: HashMap<Uuid, Vec<Stay>> = HashMap::new();
    let rows: Vec<Row> = cx.all(sql, [devices.to_vec().into()]).await?;
    for (device, customer, came, went, from, to) in rows {
        let inside = Span {
            from: came,
            to: went,
            value: (),
        };
        let owned = customer.map(|value| Span { from, to, value });
        let stay = Stay { inside, owned };
        stays.entry(device).or_default().push(stay);
    }
    Ok(stays)
}

/// Replaces the histories of SIMs or devices by their spans.
pub(in crate::fleet) async fn replace_history(
    cx: &WriteCx,
    history: History,
    histories: Vec<(Uuid, Vec<Span<Uuid>>)>,
) -> Result<()> {
    if histories.is_empty() {
        return Ok(());
    }
    let (table, object, column) = history.table();
    let ids: Vec<Uuid> = histories.iter().map(|(id, _)| *id).collect();
    let delete =
        format!("DELETE FROM {table} WHERE tenant_id = current_tenant() AND {object} = ANY($1)");
    cx.execute(&delete, [ids.into()]).await?;
    let insert = format!(
        "INSERT INTO {table} (tenant_id, {object}, {column}, valid)
        SELECT current_tenant(), r.object, r.target, tstzrange(r.starts, r.ends, '[)')
        FROM jsonb_to_recordset($1) AS r(object uuid, target uuid, starts timestamptz, ends timestamptz)
        WHERE $2::timestamptz IS NOT NULL"
    );
    let record = |object: Uuid, span: Span<Uuid>| {
        let starts = span
            .from
            .map_or_else(|| "-infinity".to_owned(), |from| from.to_rfc3339());
        json!({ "object": object, "target": span.value, "starts": starts,
            "ends": span.to.map(|to| to.to_rfc3339()) })
    };
    let records = histories
        .into_iter()
        .flat_map(|(object, spans)| spans.into_iter().map(move |span| record(object, span)));
    write(cx, &insert, records.collect()).await
}
