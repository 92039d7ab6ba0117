//! How devices are read.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Connectivity, Device, DeviceCondition, DeviceOrderField, filter};
use crate::{
    Permission, ReadCx, Result, assignment,
    id::{DeviceId, SimId},
    list::{Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    saved_filter::{self, Clause},
    sql::{Sql, Visible, push_segments, uuids},
};

impl Decode for Device {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            name: row.get()?,
            kind: row.get()?,
            state: row.word()?,
            connectivity: row.words::<Connectivity>()?,
            customer: row.get()?,
            simulated: row.get()?,
            created_at: row.get()?,
            updated_at: row.get()?,
        })
    }
}

lists!(Device, by DeviceCondition, sorted by DeviceOrderField, asked by Clause<DeviceCondition> as saved_filter::resolve);

impl Listed for Device {
    const WHAT: &'static str = "device";
    const ID: &'static str = "device.device_id";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::DevicesRead)?;
        let mut sql = Sql::new(
            "SELECT device.device_id, device.name, nullif(device.kind, ''), device.state, device.connectivity, \
             device.customer_id, device.simulated, device.created_at, device.updated_at \
             FROM device WHERE device.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        push_segments(&mut sql, cx.scope(), "device", Visible::Devices);
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &DeviceCondition) {
        filter::push(sql, condition);
    }

    fn column(field: DeviceOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: DeviceOrderField) -> String {
        match field {
            DeviceOrderField::Name => self.name.clone(),
            DeviceOrderField::CreatedAt => sort_moment(self.created_at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id.uuid()
    }
}

pub(super) async fn by_sims(cx: &ReadCx, sims: &[SimId]) -> Result<HashMap<SimId, Device>> {
    cx.scope().require(Permission::DevicesRead)?;
    let sims = sims.iter().map(|id| id.uuid());
    let sides = ("sim_id", "device_id");
    let (links, devices) = assignment::linked::<Device, DeviceId>(cx, sides, uuids(sims)).await?;
    let pair = |(sim, device): (Uuid, Uuid)| {
        let device = devices.get(&DeviceId::new(device))?;
        Some((SimId::new(sim), device.clone()))
    };
    Ok(links.into_iter().filter_map(pair).collect())
}
