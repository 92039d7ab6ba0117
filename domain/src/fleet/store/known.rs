//! What is stored of what rows are about.

use std::collections::{HashMap, HashSet};

use sea_orm::Value;
use uuid::Uuid;

use super::history::{History, history};
use crate::{
    Error, ReadCx, Result, SystemCx,
    fleet::{
        known::{Known, KnownCustomer, KnownLabel, KnownSim, Target},
        model::{Cell, FleetRow},
        slug::slug,
        timeline::{Span, Timeline},
    },
    identifier::{Imsi, Msisdn},
    label::Labelled,
};

/// Reads everything that the rows may touch.
pub(in crate::fleet) async fn known(
    cx: &ReadCx,
    system: &SystemCx,
    rows: &[FleetRow],
) -> Result<Known> {
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
