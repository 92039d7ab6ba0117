//! What a plan writes.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::{
    Error, Result, WriteCx,
    db::{OnViolation, on_constraint},
    fleet::{
        FleetError,
        plan::{NewCustomer, SimPlan},
        timeline::Timeline,
    },
    label::Labelled,
};

fn changed() -> Error {
    FleetError::Changed.into()
}

/// Names that somebody else may take while a file is imported.
const NAMES: [OnViolation; 6] = [
    ("sim_imsi_key", changed),
    ("sim_msisdn_key", changed),
    ("customer_slug_key", changed),
    ("customer_name_key", changed),
    ("device_name_key", changed),
    ("label_definition_key_key", changed),
];

fn constraint(error: impl Into<Error>) -> Error {
    on_constraint(error, &NAMES)
}

/// Runs an insert that returns what is new by name or key, with its id.
async fn create(cx: &WriteCx, sql: &str, records: Vec<Json>) -> Result<HashMap<String, Uuid>> {
    if records.is_empty() {
        return Ok(HashMap::new());
    }
    let values = [Json::from(records).into(), cx.now().into()];
    let created = cx.all(sql, values).await.map_err(constraint)?;
    Ok(created.into_iter().collect())
}

/// Creates customers and returns their ids by slug. Every visibility switch is off (default deny).
pub(in crate::fleet) async fn create_customers(
    cx: &WriteCx,
    new: impl Iterator<Item = &NewCustomer>,
) -> Result<HashMap<String, Uuid>> {
    let sql = "INSERT INTO customer (tenant_id, slug, name, created_at)
        SELECT current_tenant(), r.slug, r.name, $2
        FROM jsonb_to_recordset($1) AS r(slug text, name text)
        RETURNING slug, customer_id";
    create(
        cx,
        sql,
        new.map(|c| json!({ "slug": c.slug, "name": c.name }))
            .collect(),
    )
    .await
}

/// A device to create.
pub(in crate::fleet) struct NewDevice<'a> {
    pub(in crate::fleet) name: &'a str,
    pub(in crate::fleet) kind: &'a str,
    pub(in crate::fleet) customer: Option<Uuid>,
    pub(in crate::fleet) simulated: bool,
}

/// Creates devices and returns their ids by name.
pub(in crate::fleet) async fn create_devices(
    cx: &WriteCx,
    new: Vec<NewDevice<'_>>,
) -> Result<HashMap<String, Uuid>> {
    let sql = "INSERT INTO device (tenant_id, name, kind, state, connectivity, customer_id, simulated,
            created_at, updated_at)
        SELECT current_tenant(), r.name, r.kind, 'ACTIVE', ARRAY['CELLULAR'], r.customer, r.simulated, $2, $2
        FROM jsonb_to_recordset($1) AS r(name text, kind text, customer uuid, simulated boolean)
        RETURNING name, device_id";
    let record = |device: NewDevice<'_>| {
        json!({ "name": device.name, "kind": device.kind, "customer": device.customer,
            "simulated": device.simulated })
    };
    create(cx, sql, new.into_iter().map(record).collect()).await
}

/// Creates free-text label definitions and returns their ids by key.
pub(in crate::fleet) async fn create_labels(
    cx: &WriteCx,
    keys: impl Iterator<Item = &str>,
) -> Result<HashMap<String, Uuid>> {
    let sql = "INSERT INTO label_definition (tenant_id, key, created_at)
        SELECT current_tenant(), r.key, $2 FROM jsonb_to_recordset($1) AS r(key text)
        RETURNING key, label_id";
    create(cx, sql, keys.map(|key| json!({ "key": key })).collect()).await
}

/// A SIM to create or change, with its present customer.
pub(in crate::fleet) struct SimRecord<'p, 'a> {
    pub(in crate::fleet) plan: &'p SimPlan<'a>,
    pub(in crate::fleet) customer: Option<Uuid>,
}

impl SimRecord<'_, '_> {
    fn json(&self) -> Json {
        let row = self.plan.row();
        json!({ "id": self.plan.id, "iccid": row.iccid.as_str(), "imsi": self.plan.imsi,
            "msisdn": self.plan.msisdn, "state": self.plan.state.as_ref(), "customer": self.customer,
            "simulated": row.simulated })
    }
}

/// Creates SIMs and returns their ids by ICCID. An ICCID that another tenant took meanwhile is left out.
pub(in crate::fleet) async fn create_sims(
    cx: &WriteCx,
    new: &[SimRecord<'_, '_>],
) -> Result<HashMap<String, Uuid>> {
    let sql = "INSERT INTO sim (tenant_id, iccid, imsi, msisdn, state, customer_id, simulated, created_at, updated_at)
        SELECT current_tenant(), r.iccid, r.imsi, r.msisdn, r.state, r.customer, r.simulated, $2, $2
        FROM jsonb_to_recordset($1) AS r(iccid text, imsi text, msisdn text, state text, customer uuid,
            simulated boolean)
        ON CONFLICT ON CONSTRAINT sim_iccid_key DO NOTHING
        RETURNING iccid, sim_id";
    create(cx, sql, new.iter().map(SimRecord::json).collect()).await
}

/// Runs a statement for all records, if there are any.
pub(super) async fn write(cx: &WriteCx, sql: &str, records: Vec<Json>) -> Result<()> {
    if !records.is_empty() {
        cx.execute(sql, [Json::from(records).into(), cx.now().into()])
            .await
            .map_err(constraint)?;
    }
    Ok(())
}

/// Changes SIMs. One that only moves to another device has not changed itself: devices may be closed to who sees the SIM.
pub(in crate::fleet) async fn update_sims(
    cx: &WriteCx,
    changed: &[SimRecord<'_, '_>],
) -> Result<()> {
    let sql =
        "UPDATE sim SET imsi = coalesce(r.imsi, sim.imsi), msisdn = coalesce(r.msisdn, sim.msisdn),
            state = r.state, customer_id = r.customer,
            updated_at = CASE WHEN (r.state, r.customer) IS NOT DISTINCT FROM (sim.state, sim.customer_id)
                    AND coalesce(r.imsi, sim.imsi) IS NOT DISTINCT FROM sim.imsi
                    AND coalesce(r.msisdn, sim.msisdn) IS NOT DISTINCT FROM sim.msisdn
                THEN sim.updated_at ELSE $2 END
        FROM jsonb_to_recordset($1) AS r(id uuid, imsi text, msisdn text, state text, customer uuid)
        WHERE sim.tenant_id = current_tenant() AND sim.sim_id = r.id";
    write(cx, sql, changed.iter().map(SimRecord::json).collect()).await
}

/// Gives devices their present customers, the last of their histories.
pub(in crate::fleet) async fn set_owners(
    cx: &WriteCx,
    devices: &[(Uuid, Timeline<Uuid>)],
) -> Result<()> {
    let sql = "UPDATE device SET customer_id = r.customer, updated_at = $2
        FROM jsonb_to_recordset($1) AS r(id uuid, customer uuid)
        WHERE device.tenant_id = current_tenant() AND device.device_id = r.id
            AND device.customer_id IS DISTINCT FROM r.customer";
    let record =
        |(id, owners): &(Uuid, Timeline<Uuid>)| json!({ "id": id, "customer": owners.current() });
    write(cx, sql, devices.iter().map(record).collect()).await
}

/// Sets labels: SIM or device, label, value. No label of one object is there twice.
pub(in crate::fleet) async fn set_labels(
    cx: &WriteCx,
    labelled: Labelled,
    labels: Vec<(Uuid, Uuid, &str)>,
) -> Result<()> {
    let object = labelled.table();
    let (table, column) = (format!("{object}_label"), format!("{object}_id"));
    let sql = format!(
        "INSERT INTO {table} (tenant_id, {column}, label_id, value)
        SELECT current_tenant(), r.object, r.label, r.value
        FROM jsonb_to_recordset($1) AS r(object uuid, label uuid, value text)
        WHERE $2::timestamptz IS NOT NULL
        ON CONFLICT ON CONSTRAINT {table}_pkey DO UPDATE SET value = excluded.value"
    );
    let record =
        |(object, label, value)| json!({ "object": object, "label": label, "value": value });
    write(cx, &sql, labels.into_iter().map(record).collect()).await
}

/// Notes that devices changed.
pub(in crate::fleet) async fn touch_devices(cx: &WriteCx, devices: Vec<Uuid>) -> Result<()> {
    if !devices.is_empty() {
        let sql = "UPDATE device SET updated_at = $2
            WHERE tenant_id = current_tenant() AND device_id = ANY($1)";
        cx.execute(sql, [devices.into(), cx.now().into()]).await?;
    }
    Ok(())
}
