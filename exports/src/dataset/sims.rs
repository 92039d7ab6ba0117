//! SIMs as they are now.

use domain::{Permission as P, id::SimId, sim::Sim};
use service::Relations;

use super::inventory::Exported;
use crate::{Cell, Column, Error, Kind};

impl Exported for SimId {
    fn columns() -> Vec<Column> {
        let text = |name, needs, description| Column::of(name, Kind::Text, needs, description);
        vec![
            text("sim_id", P::SimsRead, "Identifier."),
            text(
                "iccid",
                P::SimsRead,
                "Serial number as given (ITU-T E.118).",
            ),
            text("imsi", P::SimsRead, "Subscriber identity (ITU-T E.212).").or_empty(),
            text(
                "msisdn",
                P::SimsRead,
                "Phone number (ITU-T E.164), without plus sign.",
            )
            .or_empty(),
            text(
                "state",
                P::SimsRead,
                "State: INACTIVE, ACTIVE, SUSPENDED or TERMINATED.",
            ),
            text(
                "customer_id",
                P::CustomersRead,
                "Customer that it is assigned to now.",
            )
            .or_empty(),
            text("customer", P::CustomersRead, "Name of that customer.").or_empty(),
            text("device_id", P::DevicesRead, "Device that it sits in now.").or_empty(),
            text("device", P::DevicesRead, "Name of that device.").or_empty(),
            Column::of(
                "simulated",
                Kind::Flag,
                P::SimsRead,
                "Made by the simulator.",
            ),
            Column::of(
                "created_at",
                Kind::Moment,
                P::SimsRead,
                "When the record was made.",
            ),
            Column::of(
                "updated_at",
                Kind::Moment,
                P::SimsRead,
                "When the record last changed.",
            ),
        ]
    }

    fn with_cells(
        row: &Sim,
        relations: &Relations<Self>,
        pass: &mut dyn FnMut(Vec<Cell<'_>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Sim {
            id,
            iccid,
            imsi,
            msisdn,
            state,
            customer,
            simulated,
            created_at,
            updated_at,
        } = row;
        let customers = relations.customers.as_ref();
        let customer = customers.zip(*customer).and_then(|(all, id)| all.get(&id));
        let devices = relations.counterparts.as_ref();
        let device = devices.and_then(|devices| devices.get(id));
        let sim_id = id.to_string();
        let customer_id = customer.map(|customer| customer.id.to_string());
        let device_id = device.map(|device| device.id.to_string());
        pass(vec![
            Cell::Text(&sim_id),
            Cell::Text(iccid),
            imsi.as_deref().into(),
            msisdn.as_deref().into(),
            Cell::Text(state.as_ref()),
            customer_id.as_deref().into(),
            customer.map(|customer| customer.name.as_str()).into(),
            device_id.as_deref().into(),
            device.map(|device| device.name.as_str()).into(),
            Cell::Flag(*simulated),
            Cell::Moment(*created_at),
            Cell::Moment(*updated_at),
        ])
    }
}
