//! How SIMs are read.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Sim, SimCondition, SimError, SimOrderField, filter};
use crate::{
    Permission, ReadCx, Result, assignment,
    id::{DeviceId, SimId},
    identifier::Iccid,
    list::{Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    saved_filter::{self, Clause},
    sql::{Sql, Visible, push_segments, texts, uuids},
};

impl Decode for Sim {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            iccid: row.get()?,
            imsi: row.get()?,
            msisdn: row.get()?,
            state: row.word()?,
            customer: row.get()?,
            simulated: row.get()?,
            created_at: row.get()?,
            updated_at: row.get()?,
        })
    }
}

lists!(Sim, by SimCondition, sorted by SimOrderField, asked by Clause<SimCondition> as saved_filter::resolve);

impl Listed for Sim {
    const WHAT: &'static str = "SIM";
    const ID: &'static str = "sim.sim_id";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::SimsRead)?;
        let mut sql = Sql::new(
            "SELECT sim.sim_id, sim.iccid, sim.imsi, sim.msisdn, sim.state, sim.customer_id, sim.simulated, \
             sim.created_at, sim.updated_at FROM sim WHERE sim.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        push_segments(&mut sql, cx.scope(), "sim", Visible::Sims);
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &SimCondition) {
        filter::push(sql, condition);
    }

    fn column(field: SimOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: SimOrderField) -> String {
        match field {
            SimOrderField::Iccid => self.iccid.clone(),
            SimOrderField::CreatedAt => sort_moment(self.created_at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id.uuid()
    }
}

pub(super) async fn by_iccid(cx: &ReadCx, iccid: &Iccid) -> Result<Sim> {
    let mut sql = Sim::scoped(cx)?;
    sql.push(" AND ").push_any("sim.iccid", texts(iccid.keys()));
    let mut sims: Vec<Sim> = cx.select(sql).await?;
    if let Some(exact) = sims.iter().position(|sim| sim.iccid == iccid.as_str()) {
        return Ok(sims.swap_remove(exact));
    }
    match (sims.pop(), sims.is_empty()) {
        (Some(sim), true) => Ok(sim),
        (None, _) => Err(SimError::NotFound.into()),
        (Some(_), false) => Err(SimError::AmbiguousIccid.into()),
    }
}

pub(super) async fn by_devices(
    cx: &ReadCx,
    devices: &[DeviceId],
) -> Result<HashMap<DeviceId, Vec<Sim>>> {
    cx.scope().require(Permission::SimsRead)?;
    let devices = devices.iter().map(|id| id.uuid());
    let sides = ("device_id", "sim_id");
    let (links, sims) = assignment::linked::<Sim, SimId>(cx, sides, uuids(devices)).await?;
    let mut found: HashMap<_, Vec<Sim>> = HashMap::new();
    for (sim, device) in links {
        let sims_of = found.entry(DeviceId::new(device)).or_default();
        sims_of.extend(sims.get(&SimId::new(sim)).cloned());
    }
    for sims in found.values_mut() {
        sims.sort_by(|a, b| a.iccid.cmp(&b.iccid));
    }
    Ok(found)
}
