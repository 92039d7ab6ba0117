//! Devices: the record, its states and the lists over it (DEV-01..05).
//!
//! Device state is lifecycle, not connectivity, and is independent of the state of any SIM inside (DEV-04).

use std::{collections::HashMap, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Cx, Error, Permission, Result,
    id::{CustomerId, DeviceId, SimId},
    label::{self, LabelFilter},
    paging::{Direction, Keyset, Page, PageRequest},
    sim::{count_of, escape_like},
    sql::{Sql, Visible, push_segments, texts, uuids},
};

/// States of a device (C-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceState {
    /// Known, not in service yet.
    Registered,
    /// In service.
    Active,
    /// Taken out of service for a while.
    Disabled,
    /// End of life.
    Retired,
}

impl DeviceState {
    /// Every state, in order of life.
    pub const ALL: [Self; 4] = [
        Self::Registered,
        Self::Active,
        Self::Disabled,
        Self::Retired,
    ];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::Active => "ACTIVE",
            Self::Disabled => "DISABLED",
            Self::Retired => "RETIRED",
        }
    }
}

impl FromStr for DeviceState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::invalid("a device is REGISTERED, ACTIVE, DISABLED or RETIRED"))
    }
}

/// A way in which a device can communicate (DEV-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Connectivity {
    /// Through a SIM.
    Cellular,
    /// Through a wireless LAN.
    Wifi,
    /// Through a long-range (LoRa) gateway.
    Lora,
}

impl Connectivity {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Cellular, Self::Wifi, Self::Lora];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cellular => "CELLULAR",
            Self::Wifi => "WIFI",
            Self::Lora => "LORA",
        }
    }
}

/// A device record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Identifier.
    pub id: DeviceId,
    /// Name, unique in the tenant.
    pub name: String,
    /// What it is, for example `tracker`; free text, empty when unknown.
    pub kind: String,
    /// Lifecycle state.
    pub state: DeviceState,
    /// How it can communicate.
    pub connectivity: Vec<Connectivity>,
    /// The customer it belongs to now, which goes with the SIMs in it ([`crate::fleet`]).
    pub customer: Option<CustomerId>,
    /// Made by the simulator.
    pub simulated: bool,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
    /// When the record last changed.
    pub updated_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    device_id: Uuid,
    name: String,
    kind: String,
    state: String,
    connectivity: Vec<String>,
    customer_id: Option<Uuid>,
    simulated: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Device {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let known = |way: &Connectivity| row.connectivity.iter().any(|word| word == way.as_str());
        Ok(Self {
            id: DeviceId::new(row.device_id),
            state: row.state.parse()?,
            connectivity: Connectivity::ALL.into_iter().filter(known).collect(),
            name: row.name,
            kind: row.kind,
            customer: row.customer_id.map(CustomerId::new),
            simulated: row.simulated,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Which devices (DEV-05). Conditions are joined by AND.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceFilter {
    /// Part of the name or kind, any case.
    pub search: Option<String>,
    /// Any of these states; empty means any state.
    pub states: Vec<DeviceState>,
    /// Any of these customers.
    pub customers: Option<Vec<CustomerId>>,
    /// `true`: only devices of no customer; `false`: only assigned ones.
    pub unassigned: Option<bool>,
    /// Can communicate in all of these ways.
    pub connectivity: Vec<Connectivity>,
    /// All of these label conditions.
    pub labels: Vec<LabelFilter>,
}

/// What a device list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum DeviceOrderField {
    /// Name.
    #[default]
    Name,
    /// Time of the record's creation.
    CreatedAt,
}

/// The scoped start of every find.
fn scoped(cx: &Cx) -> Result<Sql> {
    cx.scope().require(Permission::DevicesRead)?;
    let mut sql = Sql::new(
        "SELECT device.device_id, device.name, device.kind, device.state, device.connectivity, \
         device.customer_id, device.simulated, device.created_at, device.updated_at \
         FROM device WHERE device.tenant_id = ",
    );
    sql.bind(cx.scope().tenant().uuid());
    push_segments(&mut sql, cx.scope(), "device", Visible::Devices);
    Ok(sql)
}

fn push_filter(sql: &mut Sql, filter: &DeviceFilter) {
    if let Some(search) = &filter.search {
        let pattern = format!("%{}%", escape_like(search));
        sql.push(" AND (device.name ILIKE ").bind(pattern.clone());
        sql.push(" OR device.kind ILIKE ").bind(pattern).push(")");
    }
    if !filter.states.is_empty() {
        sql.push(" AND device.state = ANY(")
            .bind(texts(filter.states.iter().map(|s| s.as_str())))
            .push(")");
    }
    if let Some(customers) = &filter.customers {
        let ids = uuids(customers.iter().map(|id| id.uuid()));
        sql.push(" AND device.customer_id = ANY(")
            .bind(ids)
            .push(")");
    }
    match filter.unassigned {
        Some(true) => _ = sql.push(" AND device.customer_id IS NULL"),
        Some(false) => _ = sql.push(" AND device.customer_id IS NOT NULL"),
        None => {}
    }
    if !filter.connectivity.is_empty() {
        let ways = texts(filter.connectivity.iter().map(|way| way.as_str()));
        sql.push(" AND device.connectivity @> ").bind(ways);
    }
    label::push_filters(sql, "device", &filter.labels);
}

/// One page.
///
/// # Errors
/// `FORBIDDEN` when devices are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
pub async fn list(
    cx: &Cx,
    filter: &DeviceFilter,
    (field, direction): (DeviceOrderField, Direction),
    page: &PageRequest,
) -> Result<Page<Device>> {
    let mut sql = scoped(cx)?;
    push_filter(&mut sql, filter);
    let (column, cast) = match field {
        DeviceOrderField::Name => ("device.name", "text"),
        DeviceOrderField::CreatedAt => ("device.created_at", "timestamptz"),
    };
    let keyset = Keyset::new(column, cast, "device.device_id", direction, filter);
    keyset.push(&mut sql, page)?;
    let devices = fetch(cx, sql).await?;
    Ok(keyset.page(devices, page, |device: &Device| {
        let key = match field {
            DeviceOrderField::Name => device.name.clone(),
            DeviceOrderField::CreatedAt => device
                .created_at
                .to_rfc3339_opts(SecondsFormat::Micros, true),
        };
        (key, device.id.uuid())
    }))
}

/// How many match.
pub async fn count(cx: &Cx, filter: &DeviceFilter) -> Result<u64> {
    let mut sql = scoped(cx)?;
    push_filter(&mut sql, filter);
    count_of(cx, sql).await
}

/// # Errors
/// `NOT_FOUND` when the caller cannot see such a device.
pub async fn get(cx: &Cx, id: DeviceId) -> Result<Device> {
    by_ids(cx, &[id])
        .await?
        .remove(&id)
        .ok_or_else(|| Error::not_found("device"))
}

/// The visible ones among `ids`.
pub async fn by_ids(cx: &Cx, ids: &[DeviceId]) -> Result<HashMap<DeviceId, Device>> {
    let mut sql = scoped(cx)?;
    sql.push(" AND device.device_id = ANY(")
        .bind(uuids(ids.iter().map(|id| id.uuid())))
        .push(")");
    Ok(fetch(cx, sql)
        .await?
        .into_iter()
        .map(|device| (device.id, device))
        .collect())
}

#[derive(FromQueryResult)]
struct Linked {
    sim_id: Uuid,
    device_id: Uuid,
}

/// The visible device that each SIM sits in at this moment (CRD-05).
pub async fn by_sims(cx: &Cx, sims: &[SimId]) -> Result<HashMap<SimId, Device>> {
    cx.scope().require(Permission::DevicesRead)?;
    let links: Vec<Linked> = cx
        .all(
            "SELECT sim_id, device_id FROM sim_device \
             WHERE tenant_id = $1 AND sim_id = ANY($2) AND valid @> $3::timestamptz",
            [
                cx.scope().tenant().uuid().into(),
                uuids(sims.iter().map(|id| id.uuid())),
                cx.now().into(),
            ],
        )
        .await?;
    let ids: Vec<_> = links
        .iter()
        .map(|link| DeviceId::new(link.device_id))
        .collect();
    let devices = by_ids(cx, &ids).await?;
    let pair = |link: Linked| {
        let device = devices.get(&DeviceId::new(link.device_id))?;
        Some((SimId::new(link.sim_id), device.clone()))
    };
    Ok(links.into_iter().filter_map(pair).collect())
}

async fn fetch(cx: &Cx, sql: Sql) -> Result<Vec<Device>> {
    let rows: Vec<Row> = cx.select(sql).await?;
    rows.into_iter().map(Device::try_from).collect()
}
