//! The statements of fleet import: a constant number per chunk, each for all rows at once.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::Value;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{
    model::{Cell, FleetRow},
    owner::Stay,
    parse::slug,
    plan::{Known, KnownCustomer, KnownLabel, KnownSim, NewCustomer, SimPlan, Target},
    timeline::{Span, Timeline},
};
use crate::{
    Code, Error, ReadCx, Result, SystemCx, WriteCx,
    db::{OnViolation, on_constraint},
    identifier::{Imsi, Msisdn},
    label::Labelled,
};

/// Imports of one tenant take turns, so that what a plan read still holds when it is written.
pub(super) async fn take_turn(cx: &WriteCx) -> Result<()> {
    let sql =
        "SELECT pg_advisory_xact_lock(hashtextextended('fleet.import ' || current_tenant(), 0))";
    cx.execute(sql, []).await?;
    Ok(())
}

/// Reads everything that the rows may touch.
pub(super) async fn known(cx: &ReadCx, system: &SystemCx, rows: &[FleetRow]) -> Result<Known> {
    let (customers, devices, labels) = (
        customers(cx, rows).await?,
        devices(cx, rows).await?,
        labels(cx, rows).await?,
    );
    let labelled = rows.iter().filter(|row| !row.device_labels.is_empty());
    let labelled: HashSet<Uuid> = labelled
        .filter_map(|row| devices.get(row.device.text()?).copied())
        .collect();
    let labelled: Vec<Uuid> = labelled.into_iter().collect();
    let device_labels = set_already(cx, Labelled::Device, &labelled).await?;
    let sims = sims(cx, rows).await?;
    let (imsi_owners, msisdn_owners) = owners(cx, rows).await?;
    Ok(Known {
        iccids: iccids(cx, system, rows).await?,
        sims,
        customers,
        devices,
        device_labels,
        labels,
        imsi_owners,
        msisdn_owners,
    })
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    let distinct: HashSet<String> = texts.map(str::to_owned).collect();
    distinct.into_iter().collect::<Vec<_>>().into()
}

async fn iccids(
    cx: &ReadCx,
    system: &SystemCx,
    rows: &[FleetRow],
) -> Result<HashMap<String, bool>> {
    let keys: Vec<String> = rows.iter().flat_map(|row| row.iccid.keys()).collect();
    let keys = texts(keys.iter().map(String::as_str));
    let sql = "SELECT sim.iccid, sim.tenant_id = $2 FROM sim WHERE sim.iccid = ANY($1)";
    let values = [keys, cx.scope().tenant().uuid().into()];
    Ok(system.all(sql, values).await?.into_iter().collect())
}

async fn sims(cx: &ReadCx, rows: &[FleetRow]) -> Result<HashMap<String, KnownSim>> {
    type Row = (Uuid, String, Option<String>, Option<String>, String);
    let sql = "SELECT sim_id, iccid, imsi, msisdn, state FROM sim
        WHERE tenant_id = current_tenant() AND iccid = ANY($1) ORDER BY sim_id FOR UPDATE";
    let found: Vec<Row> = cx
        .all(sql, [texts(rows.iter().map(|row| row.iccid.as_str()))])
        .await?;
    let ids: Vec<Uuid> = found.iter().map(|(id, ..)| *id).collect();
    let mut customers = history(cx, History::Customer, &ids).await?;
    let mut devices = history(cx, History::Device, &ids).await?;
    let mut labels = set_already(cx, Labelled::Sim, &ids).await?;
    let sim = |(id, iccid, imsi, msisdn, state): Row| {
        let sim = KnownSim {
            id,
            imsi,
            msisdn,
            state: state.parse().map_err(Error::internal)?,
            labels: labels.remove(&id).unwrap_or_default(),
            customer: known_targets(customers.remove(&id)),
            device: known_targets(devices.remove(&id)),
        };
        Ok((iccid, sim))
    };
    found.into_iter().map(sim).collect()
}

fn known_targets(spans: Option<Vec<Span<Uuid>>>) -> Timeline<Target> {
    let spans = spans.into_iter().flatten().map(|span| Span {
        from: span.from,
        to: span.to,
        value: Target::Known(span.value),
    });
    Timeline::new(spans.collect())
}

/// Which history.
#[derive(Clone, Copy)]
pub(super) enum History {
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
pub(super) async fn history(
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
pub(super) async fn stays(cx: &ReadCx, devices: &[Uuid]) -> Result<HashMap<Uuid, Vec<Stay>>> {
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

/// The labels of these SIMs or devices.
async fn set_already(
    cx: &ReadCx,
    labelled: Labelled,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, HashMap<String, String>>> {
    let object = labelled.table();
    let (table, column) = (format!("{object}_label"), format!("{object}_id"));
    let sql = format!(
        "SELECT l.{column}, d.key, l.value
        FROM {table} l JOIN label_definition d USING (tenant_id, label_id)
        WHERE l.tenant_id = current_tenant() AND l.{column} = ANY($1)"
    );
    let mut labels: HashMap<Uuid, HashMap<String, String>> = HashMap::new();
    for (of, key, value) in cx.all(&sql, [ids.to_vec().into()]).await? {
        labels.entry(of).or_default().insert(key, value);
    }
    Ok(labels)
}

/// Customers that a row may mean, and those whose slug a new customer might want.
async fn customers(cx: &ReadCx, rows: &[FleetRow]) -> Result<Vec<KnownCustomer>> {
    let names: Vec<&str> = rows.iter().filter_map(|row| row.customer.text()).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    // A slug has no character that LIKE would read as a wildcard.
    let slugs: Vec<String> = names
        .iter()
        .map(|name| format!("{}%", slug(name)))
        .collect();
    // Nobody archives one of them until this is over.
    let sql = "SELECT customer_id, slug, name, archived_at IS NOT NULL FROM customer
        WHERE tenant_id = current_tenant()
            AND (name = ANY($1) OR slug = ANY($1) OR lower(name) = ANY($2) OR slug LIKE ANY($3))
        ORDER BY name, customer_id FOR SHARE";
    let found = cx
        .all(
            sql,
            [
                texts(names.into_iter()),
                texts(lower.iter().map(String::as_str)),
                texts(slugs.iter().map(String::as_str)),
            ],
        )
        .await?;
    let customer = |(id, slug, name, archived)| KnownCustomer {
        id,
        slug,
        name,
        archived,
    };
    Ok(found.into_iter().map(customer).collect())
}

async fn devices(cx: &ReadCx, rows: &[FleetRow]) -> Result<HashMap<String, Uuid>> {
    let names = texts(rows.iter().filter_map(|row| match &row.device {
        Cell::Text(name) => Some(name.as_str()),
        Cell::Absent | Cell::Empty => None,
    }));
    let sql =
        "SELECT name, device_id FROM device WHERE tenant_id = current_tenant() AND name = ANY($1)";
    Ok(cx.all(sql, [names]).await?.into_iter().collect())
}

async fn labels(cx: &ReadCx, rows: &[FleetRow]) -> Result<HashMap<String, KnownLabel>> {
    let keys = texts(
        rows.iter()
            .flat_map(|row| row.labels.iter().chain(&row.device_labels))
            .map(|(key, _)| key.as_str()),
    );
    // Nobody changes or deletes one of them until this is over.
    let sql = "SELECT label_id, key, options FROM label_definition
        WHERE tenant_id = current_tenant() AND key = ANY($1) ORDER BY label_id FOR SHARE";
    let found = cx.all(sql, [keys]).await?;
    let label = |(id, key, options)| (key, KnownLabel { id, options });
    Ok(found.into_iter().map(label).collect())
}

type Owners = HashMap<String, Uuid>;

async fn owners(cx: &ReadCx, rows: &[FleetRow]) -> Result<(Owners, Owners)> {
    type Row = (Uuid, Option<String>, Option<String>);
    let imsis = texts(
        rows.iter()
            .filter_map(|row| row.imsi.as_ref())
            .map(Imsi::as_str),
    );
    let msisdns = texts(
        rows.iter()
            .filter_map(|row| row.msisdn.as_ref())
            .map(Msisdn::as_str),
    );
    let sql = "SELECT sim_id, imsi, msisdn FROM sim
        WHERE tenant_id = current_tenant() AND (imsi = ANY($1) OR msisdn = ANY($2))";
    let (mut by_imsi, mut by_msisdn) = (Owners::new(), Owners::new());
    let rows: Vec<Row> = cx.all(sql, [imsis, msisdns]).await?;
    for (sim, imsi, msisdn) in rows {
        by_imsi.extend(imsi.map(|imsi| (imsi, sim)));
        by_msisdn.extend(msisdn.map(|msisdn| (msisdn, sim)));
    }
    Ok((by_imsi, by_msisdn))
}

fn changed() -> Error {
    Error::new(
        Code::Conflict,
        "the fleet changed while it was imported; try again",
    )
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
pub(super) async fn create_customers(
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
pub(super) struct NewDevice<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) customer: Option<Uuid>,
    pub(super) simulated: bool,
}

/// Creates devices and returns their ids by name.
pub(super) async fn create_devices(
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
pub(super) async fn create_labels(
    cx: &WriteCx,
    keys: impl Iterator<Item = &str>,
) -> Result<HashMap<String, Uuid>> {
    let sql = "INSERT INTO label_definition (tenant_id, key, created_at)
        SELECT current_tenant(), r.key, $2 FROM jsonb_to_recordset($1) AS r(key text)
        RETURNING key, label_id";
    create(cx, sql, keys.map(|key| json!({ "key": key })).collect()).await
}

/// A SIM to create or change, with its present customer.
pub(super) struct SimRecord<'p, 'a> {
    pub(super) plan: &'p SimPlan<'a>,
    pub(super) customer: Option<Uuid>,
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
pub(super) async fn create_sims(
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

async fn write(cx: &WriteCx, sql: &str, records: Vec<Json>) -> Result<()> {
    if !records.is_empty() {
        cx.execute(sql, [Json::from(records).into(), cx.now().into()])
            .await
            .map_err(constraint)?;
    }
    Ok(())
}

/// Changes SIMs. One that only moves to another device has not changed itself: devices may be closed to who sees the SIM.
pub(super) async fn update_sims(cx: &WriteCx, changed: &[SimRecord<'_, '_>]) -> Result<()> {
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

/// Replaces the histories of SIMs or devices by their spans.
pub(super) async fn replace_history(
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

/// Gives devices their present customers, the last of their histories.
pub(super) async fn set_owners(cx: &WriteCx, devices: &[(Uuid, Timeline<Uuid>)]) -> Result<()> {
    let sql = "UPDATE device SET customer_id = r.customer, updated_at = $2
        FROM jsonb_to_recordset($1) AS r(id uuid, customer uuid)
        WHERE device.tenant_id = current_tenant() AND device.device_id = r.id
            AND device.customer_id IS DISTINCT FROM r.customer";
    let record =
        |(id, owners): &(Uuid, Timeline<Uuid>)| json!({ "id": id, "customer": owners.current() });
    write(cx, sql, devices.iter().map(record).collect()).await
}

/// Sets labels: SIM or device, label, value. No label of one object is there twice.
pub(super) async fn set_labels(
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
pub(super) async fn touch_devices(cx: &WriteCx, devices: Vec<Uuid>) -> Result<()> {
    if !devices.is_empty() {
        let sql = "UPDATE device SET updated_at = $2
            WHERE tenant_id = current_tenant() AND device_id = ANY($1)";
        cx.execute(sql, [devices.into(), cx.now().into()]).await?;
    }
    Ok(())
}
