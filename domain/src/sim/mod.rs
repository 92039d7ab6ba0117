//! SIMs: the record, its state machine's states, and the lists over it.
//!
//! What a SIM did is usage (analytics); where it sits and how it is used are links and labels. Nothing here reads or
//! writes a device's state (CRD-01).

pub mod resolve;

use std::{collections::HashMap, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Cx, Error, Permission, Result,
    id::{CustomerId, DeviceId, SimId},
    identifier::Iccid,
    label::{self, LabelFilter},
    paging::{Direction, Keyset, Page, PageRequest},
    sql::{Sql, Visible, push_segments, texts, uuids},
};

/// The four states of a SIM (SIM-01). Everything operational is a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SimState {
    /// Provisioned, not active.
    Inactive,
    /// Enabled for connectivity.
    Active,
    /// Temporarily disabled.
    Suspended,
    /// End of life.
    Terminated,
}

impl SimState {
    /// Every state, in order of life.
    pub const ALL: [Self; 4] = [
        Self::Inactive,
        Self::Active,
        Self::Suspended,
        Self::Terminated,
    ];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "INACTIVE",
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::Terminated => "TERMINATED",
        }
    }
}

impl FromStr for SimState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::invalid("a SIM is INACTIVE, ACTIVE, SUSPENDED or TERMINATED"))
    }
}

/// A SIM record (SIM-06, as far as it is built).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sim {
    /// Identifier.
    pub id: SimId,
    /// Serial number as given (ITU-T E.118).
    pub iccid: String,
    /// Subscriber identity (ITU-T E.212).
    pub imsi: Option<String>,
    /// Phone number (ITU-T E.164), without plus sign.
    pub msisdn: Option<String>,
    /// State.
    pub state: SimState,
    /// The customer it is assigned to now.
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
    sim_id: Uuid,
    iccid: String,
    imsi: Option<String>,
    msisdn: Option<String>,
    state: String,
    customer_id: Option<Uuid>,
    simulated: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Sim {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: SimId::new(row.sim_id),
            iccid: row.iccid,
            imsi: row.imsi,
            msisdn: row.msisdn,
            state: row.state.parse()?,
            customer: row.customer_id.map(CustomerId::new),
            simulated: row.simulated,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Which SIMs (PLT-15). Conditions are joined by AND.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SimFilter {
    /// Part of the ICCID or MSISDN.
    pub search: Option<String>,
    /// Any of these states; empty means any state.
    pub states: Vec<SimState>,
    /// Any of these customers.
    pub customers: Option<Vec<CustomerId>>,
    /// `true`: only SIMs of no customer; `false`: only assigned ones.
    pub unassigned: Option<bool>,
    /// All of these label conditions.
    pub labels: Vec<LabelFilter>,
    /// Only simulated, or only real SIMs.
    pub simulated: Option<bool>,
}

/// What a SIM list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SimOrderField {
    /// Serial number.
    #[default]
    Iccid,
    /// Time of the record's creation.
    CreatedAt,
}

const COLUMNS: &str = "sim.sim_id, sim.iccid, sim.imsi, sim.msisdn, sim.state, sim.customer_id, sim.simulated, \
                       sim.created_at, sim.updated_at";

/// The scoped start of every find.
fn scoped(cx: &Cx) -> Result<Sql> {
    cx.scope().require(Permission::SimsRead)?;
    let mut sql = Sql::new(&format!("SELECT {COLUMNS} FROM sim WHERE sim.tenant_id = "));
    sql.bind(cx.scope().tenant().uuid());
    push_segments(&mut sql, cx.scope(), "sim", Visible::Sims);
    Ok(sql)
}

fn push_filter(sql: &mut Sql, filter: &SimFilter) {
    if let Some(search) = &filter.search {
        let pattern = format!("%{}%", escape_like(search));
        sql.push(" AND (sim.iccid LIKE ").bind(pattern.clone());
        sql.push(" OR sim.msisdn LIKE ").bind(pattern).push(")");
    }
    if !filter.states.is_empty() {
        sql.push(" AND sim.state = ANY(")
            .bind(texts(filter.states.iter().map(|s| s.as_str())))
            .push(")");
    }
    if let Some(customers) = &filter.customers {
        let ids = uuids(customers.iter().map(|id| id.uuid()));
        sql.push(" AND sim.customer_id = ANY(").bind(ids).push(")");
    }
    match filter.unassigned {
        Some(true) => _ = sql.push(" AND sim.customer_id IS NULL"),
        Some(false) => _ = sql.push(" AND sim.customer_id IS NOT NULL"),
        None => {}
    }
    if let Some(simulated) = filter.simulated {
        sql.push(" AND sim.simulated = ").bind(simulated);
    }
    label::push_filters(sql, "sim", &filter.labels);
}

/// One page.
///
/// # Errors
/// `FORBIDDEN` when SIMs are closed to the caller, `INVALID_CURSOR` for a cursor of another question.
pub async fn list(
    cx: &Cx,
    filter: &SimFilter,
    (field, direction): (SimOrderField, Direction),
    page: &PageRequest,
) -> Result<Page<Sim>> {
    let mut sql = scoped(cx)?;
    push_filter(&mut sql, filter);
    let (column, cast) = match field {
        SimOrderField::Iccid => ("sim.iccid", "text"),
        SimOrderField::CreatedAt => ("sim.created_at", "timestamptz"),
    };
    let keyset = Keyset::new(column, cast, "sim.sim_id", direction, filter);
    keyset.push(&mut sql, page)?;
    let sims = fetch(cx, sql).await?;
    Ok(keyset.page(sims, page, |sim: &Sim| {
        let key = match field {
            SimOrderField::Iccid => sim.iccid.clone(),
            SimOrderField::CreatedAt => sim.created_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        };
        (key, sim.id.uuid())
    }))
}

/// How many match.
pub async fn count(cx: &Cx, filter: &SimFilter) -> Result<u64> {
    let mut sql = scoped(cx)?;
    push_filter(&mut sql, filter);
    count_of(cx, sql).await
}

/// # Errors
/// `NOT_FOUND` when the caller cannot see such a SIM.
pub async fn get(cx: &Cx, id: SimId) -> Result<Sim> {
    by_ids(cx, &[id])
        .await?
        .remove(&id)
        .ok_or_else(|| Error::not_found("SIM"))
}

/// Finds a SIM by its ICCID, with or without the check digit.
///
/// # Errors
/// `INVALID_INPUT` when the text is no ICCID, `NOT_FOUND` when the caller cannot see such a SIM, `CONFLICT` when two
/// SIMs of the tenant could be meant.
pub async fn get_by_iccid(cx: &Cx, iccid: &Iccid) -> Result<Sim> {
    let mut sql = scoped(cx)?;
    sql.push(" AND sim.iccid = ANY(")
        .bind(texts(iccid.keys()))
        .push(")");
    let mut sims = fetch(cx, sql).await?;
    if let Some(exact) = sims.iter().position(|sim| sim.iccid == iccid.as_str()) {
        return Ok(sims.swap_remove(exact));
    }
    match (sims.pop(), sims.is_empty()) {
        (Some(sim), true) => Ok(sim),
        (None, _) => Err(Error::not_found("SIM")),
        (Some(_), false) => Err(Error::new(
            crate::Code::Conflict,
            "more than one SIM matches this ICCID: give all its digits",
        )),
    }
}

/// The visible ones among `ids`.
pub async fn by_ids(cx: &Cx, ids: &[SimId]) -> Result<HashMap<SimId, Sim>> {
    let mut sql = scoped(cx)?;
    sql.push(" AND sim.sim_id = ANY(")
        .bind(uuids(ids.iter().map(|id| id.uuid())))
        .push(")");
    Ok(fetch(cx, sql)
        .await?
        .into_iter()
        .map(|sim| (sim.id, sim))
        .collect())
}

#[derive(FromQueryResult)]
struct Linked {
    sim_id: Uuid,
    device_id: Uuid,
}

/// The visible SIMs that sit in each device at this moment (CRD-05).
pub async fn by_devices(cx: &Cx, devices: &[DeviceId]) -> Result<HashMap<DeviceId, Vec<Sim>>> {
    cx.scope().require(Permission::SimsRead)?;
    let links: Vec<Linked> = cx
        .all(
            "SELECT sim_id, device_id FROM sim_device \
             WHERE tenant_id = $1 AND device_id = ANY($2) AND valid @> $3::timestamptz",
            [
                cx.scope().tenant().uuid().into(),
                uuids(devices.iter().map(|id| id.uuid())),
                cx.now().into(),
            ],
        )
        .await?;
    let ids: Vec<_> = links.iter().map(|link| SimId::new(link.sim_id)).collect();
    let sims = by_ids(cx, &ids).await?;
    let mut found: HashMap<_, Vec<Sim>> = HashMap::new();
    for link in links {
        if let Some(sim) = sims.get(&SimId::new(link.sim_id)) {
            found
                .entry(DeviceId::new(link.device_id))
                .or_default()
                .push(sim.clone());
        }
    }
    for sims in found.values_mut() {
        sims.sort_by(|a, b| a.iccid.cmp(&b.iccid));
    }
    Ok(found)
}

async fn fetch(cx: &Cx, sql: Sql) -> Result<Vec<Sim>> {
    let rows: Vec<Row> = cx.select(sql).await?;
    rows.into_iter().map(Sim::try_from).collect()
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

/// The number of rows that a scoped find would return.
pub(crate) async fn count_of(cx: &Cx, sql: Sql) -> Result<u64> {
    let (list, values) = sql.into_parts();
    let count: Option<Count> = cx
        .one(
            &format!("SELECT count(*) AS n FROM ({list}) AS list"),
            values,
        )
        .await?;
    Ok(count.map_or(0, |count| u64::try_from(count.n).unwrap_or(0)))
}

/// Makes `%`, `_` and `\` stand for themselves in LIKE.
pub(crate) fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
