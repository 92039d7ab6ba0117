//! Devices as they are now.

use domain::{Permission as P, device::Device, id::DeviceId};
use service::Relations;

use super::inventory::Exported;
use crate::{Cell, Column, Error, Kind};

impl Exported for DeviceId {
    fn columns() -> Vec<Column> {
        let text = |name, needs, description| Column::of(name, Kind::Text, needs, description);
        vec![
            text("device_id", P::DevicesRead, "Identifier."),
            text("name", P::DevicesRead, "Name, unique in the tenant."),
            text(
                "kind",
                P::DevicesRead,
                "What it is, for example `tracker`; free text.",
            )
            .or_empty(),
            text(
                "state",
                P::DevicesRead,
                "State: REGISTERED, ACTIVE, DISABLED or RETIRED.",
            ),
            text(
                "connectivity",
                P::DevicesRead,
                "How it can communicate: CELLULAR, WIFI, LORA, with spaces between.",
            ),
            text(
                "customer_id",
                P::CustomersRead,
                "Customer that it belongs to now.",
            )
            .or_empty(),
            text("customer", P::CustomersRead, "Name of that customer.").or_empty(),
            text(
                "iccids",
                P::SimsRead,
                "Serial numbers of the SIMs in it now, with spaces between.",
            ),
            Column::of(
                "simulated",
                Kind::Flag,
                P::DevicesRead,
                "Made by the simulator.",
            ),
            Column::of(
                "created_at",
                Kind::Moment,
                P::DevicesRead,
                "When the record was made.",
            ),
            Column::of(
                "updated_at",
                Kind::Moment,
                P::DevicesRead,
                "When the record last changed.",
            ),
        ]
    }

    fn with_cells(
        row: &Device,
        relations: &Relations<Self>,
        pass: &mut dyn FnMut(Vec<Cell<'_>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Device {
            id,
            name,
            kind,
            state,
            connectivity,
            customer,
            simulated,
            created_at,
            updated_at,
        } = row;
        let customers = relations.customers.as_ref();
        let customer = customers.zip(*customer).and_then(|(all, id)| all.get(&id));
        let sims = relations.counterparts.as_ref();
        let sims = sims.and_then(|sims| sims.get(id)).into_iter().flatten();
        let iccids: Vec<&str> = sims.map(|sim| sim.iccid.as_str()).collect();
        let connectivity: Vec<&str> = connectivity.iter().map(AsRef::as_ref).collect();
        let device_id = id.to_string();
        let customer_id = customer.map(|customer| customer.id.to_string());
        pass(vec![
            Cell::Text(&device_id),
            Cell::Text(name),
            kind.as_deref().into(),
            Cell::Text(state.as_ref()),
            Cell::Text(&connectivity.join(" ")),
            customer_id.as_deref().into(),
            customer.map(|customer| customer.name.as_str()).into(),
            Cell::Text(&iccids.join(" ")),
            Cell::Flag(*simulated),
            Cell::Moment(*created_at),
            Cell::Moment(*updated_at),
        ])
    }
}
