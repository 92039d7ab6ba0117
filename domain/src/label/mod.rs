//! Labels: everything operational about a SIM or device (LAB-01..03). A label never grants access and never decides
//! billing (LAB-08).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Cx, Permission, Result,
    id::{DeviceId, LabelId, SimId},
    scope::Segments,
    sql::{Sql, Visible, push_segments, uuids},
};

/// A label on a SIM or device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Key of the definition.
    pub key: String,
    /// Value on this object.
    pub value: String,
}

/// A key that the tenant uses, with its menu if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Identifier.
    pub id: LabelId,
    /// Key, unique in the tenant.
    pub key: String,
    /// Allowed values; `None` means free text.
    pub options: Option<Vec<String>>,
    /// When it was defined.
    pub created_at: DateTime<Utc>,
}

/// A condition on labels: the object carries `key` with one of `values`, or with any value if there are none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelFilter {
    /// Key of the definition.
    pub key: String,
    /// Accepted values.
    pub values: Vec<String>,
}

#[derive(FromQueryResult)]
struct DefinitionRow {
    label_id: Uuid,
    key: String,
    options: Option<Vec<String>>,
    created_at: DateTime<Utc>,
}

/// The definitions, by key. Callers who see a part of the fleet get those that occur on what they see.
pub async fn definitions(cx: &Cx) -> Result<Vec<Definition>> {
    cx.scope().require(Permission::LabelsRead)?;
    let mut sql = Sql::new(
        "SELECT d.label_id, d.key, d.options, d.created_at FROM label_definition d WHERE d.tenant_id = ",
    );
    sql.bind(cx.scope().tenant().uuid());
    if matches!(cx.scope().segments(), Segments::Part(_)) {
        sql.push(" AND (false");
        if cx.scope().may(Permission::SimsRead) {
            push_used(&mut sql, cx, Visible::Sims);
        }
        if cx.scope().may(Permission::DevicesRead) {
            push_used(&mut sql, cx, Visible::Devices);
        }
        sql.push(")");
    }
    sql.push(" ORDER BY d.key");
    let rows: Vec<DefinitionRow> = cx.select(sql).await?;
    Ok(rows
        .into_iter()
        .map(|row| Definition {
            id: LabelId::new(row.label_id),
            key: row.key,
            options: row.options,
            created_at: row.created_at,
        })
        .collect())
}

fn push_used(sql: &mut Sql, cx: &Cx, rows: Visible) {
    let (label, object, id) = match rows {
        Visible::Devices => ("device_label", "device", "device_id"),
        _ => ("sim_label", "sim", "sim_id"),
    };
    sql.push(&format!(
        " OR EXISTS (SELECT FROM {label} l JOIN {object} o ON (o.tenant_id, o.{id}) = (l.tenant_id, l.{id}) \
         WHERE (l.tenant_id, l.label_id) = (d.tenant_id, d.label_id)"
    ));
    push_segments(sql, cx.scope(), "o", rows);
    sql.push(")");
}

#[derive(FromQueryResult)]
struct LabelRow {
    object: Uuid,
    key: String,
    value: String,
}

async fn labels(cx: &Cx, sql: &str, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Vec<Label>>> {
    let rows: Vec<LabelRow> = cx
        .all(sql, [cx.scope().tenant().uuid().into(), uuids(ids)])
        .await?;
    let mut labels: HashMap<Uuid, Vec<Label>> = HashMap::new();
    for LabelRow { object, key, value } in rows {
        labels.entry(object).or_default().push(Label { key, value });
    }
    Ok(labels)
}

/// The labels of SIMs that the caller has already been shown, by key.
pub async fn by_sims(cx: &Cx, sims: &[SimId]) -> Result<HashMap<SimId, Vec<Label>>> {
    cx.scope().require(Permission::SimsRead)?;
    let sql = "SELECT l.sim_id AS object, d.key, l.value FROM sim_label l \
               JOIN label_definition d ON (d.tenant_id, d.label_id) = (l.tenant_id, l.label_id) \
               WHERE l.tenant_id = $1 AND l.sim_id = ANY($2) ORDER BY l.sim_id, d.key";
    let labels = labels(cx, sql, sims.iter().map(|id| id.uuid()).collect()).await?;
    Ok(labels
        .into_iter()
        .map(|(id, labels)| (SimId::new(id), labels))
        .collect())
}

/// The labels of devices that the caller has already been shown, by key.
pub async fn by_devices(cx: &Cx, devices: &[DeviceId]) -> Result<HashMap<DeviceId, Vec<Label>>> {
    cx.scope().require(Permission::DevicesRead)?;
    let sql = "SELECT l.device_id AS object, d.key, l.value FROM device_label l \
               JOIN label_definition d ON (d.tenant_id, d.label_id) = (l.tenant_id, l.label_id) \
               WHERE l.tenant_id = $1 AND l.device_id = ANY($2) ORDER BY l.device_id, d.key";
    let labels = labels(cx, sql, devices.iter().map(|id| id.uuid()).collect()).await?;
    Ok(labels
        .into_iter()
        .map(|(id, labels)| (DeviceId::new(id), labels))
        .collect())
}

/// Appends ` AND EXISTS …` per condition. `alias` is `sim` or `device`.
pub(crate) fn push_filters(sql: &mut Sql, alias: &str, filters: &[LabelFilter]) {
    for filter in filters {
        sql.push(&format!(
            " AND EXISTS (SELECT FROM {alias}_label l JOIN label_definition d \
             ON (d.tenant_id, d.label_id) = (l.tenant_id, l.label_id) \
             WHERE (l.tenant_id, l.{alias}_id) = ({alias}.tenant_id, {alias}.{alias}_id) AND d.key = "
        ));
        sql.bind(filter.key.clone());
        if !filter.values.is_empty() {
            sql.push(" AND l.value = ANY(")
                .bind(crate::sql::texts(filter.values.iter()))
                .push(")");
        }
        sql.push(")");
    }
}
