//! Single usage records of a period.

use std::collections::BTreeMap;

use analytics::usage::{Dimension, Selection, UsageRecord};
use domain::{Period, Permission as P, Result, usage::Unit};
use futures::{FutureExt as _, future::BoxFuture};
use service::{Session, UsageRecords};

use super::{
    Source,
    names::{Names, cell, id, of_network},
    origin,
};
use crate::{Cell, Column, Error, Kind, manifest::Origin, run::Sink};

/// Records that are looked up together.
const ROWS: usize = 2_000;

/// What is looked up.
const NAMED: [Dimension; 4] = [
    Dimension::Sim,
    Dimension::Customer,
    Dimension::Device,
    Dimension::Network,
];

pub(super) fn columns() -> Vec<Column> {
    let text =
        |name: &'static str, needs, says: &'static str| Column::of(name, Kind::Text, needs, says);
    let moment =
        |name: &'static str, says: &'static str| Column::of(name, Kind::Moment, P::UsageRead, says);
    let amount = |name: &'static str, unit, says: &'static str| Column {
        unit: Some(unit),
        additive: true,
        ..Column::of(name, Kind::Integer, P::UsageRead, says)
    };
    let mut columns = vec![
        // Sources make it from what identifies the SIM.
        text("record_id", P::SimsRead, "Its identity within the stream.").or_empty(),
        text("stream", P::UsageRead, "The stream that delivered it."),
        moment("start", "When the use began."),
        moment("end", "When the use ended."),
        moment("received_at", "When it was received."),
        text("sim_id", P::SimsRead, "The SIM."),
        text("iccid", P::SimsRead, "Its serial number.").or_empty(),
        text(
            "customer_id",
            P::UsageRead,
            "Customer that the SIM belonged to at the time of use.",
        )
        .or_empty(),
        text("customer", P::CustomersRead, "Its name.").or_empty(),
        text(
            "device_id",
            P::DevicesRead,
            "Device that the SIM was in at the time of use.",
        )
        .or_empty(),
        text("device", P::DevicesRead, "Its name.").or_empty(),
        text("network", P::UsageRead, "Visited network, by its MCC-MNC.").or_empty(),
    ];
    columns.extend(of_network());
    columns.extend([
        text(
            "radio_access_type",
            P::UsageRead,
            "Radio access type, as the record names it, such as LTE.",
        )
        .or_empty(),
        text("service", P::UsageRead, "DATA, SMS or VOICE."),
        amount("bytes_up", Unit::Bytes, "Bytes sent by the device."),
        amount("bytes_down", Unit::Bytes, "Bytes received by the device."),
        amount(
            "units",
            Unit::ServiceUnits,
            "Messages for the service SMS, seconds for VOICE.",
        ),
        amount(
            "records",
            Unit::Records,
            "1; -1 in a correction that takes a record back, whose bytes and units are negative, too.",
        ),
        text(
            "batch_id",
            P::IngestRead,
            "The batch that it came in: its evidence.",
        ),
    ]);
    columns
}

/// Records that are being read.
pub(super) struct Records {
    session: Session,
    records: UsageRecords,
}

impl Records {
    pub(super) async fn open(session: Session, selection: &Selection) -> Result<Self> {
        let records = session.records(selection).await?;
        Ok(Self { session, records })
    }
}

/// What the objects that some records name are known by.
async fn names(session: &Session, records: &[UsageRecord]) -> Result<Names> {
    let mut names = Names::default();
    for dimension in NAMED {
        let keys = records.iter().map(|record| match dimension {
            Dimension::Sim => &record.sim,
            Dimension::Customer => &record.customer,
            Dimension::Device => &record.device,
            _ => &record.network,
        });
        names.add(session, dimension, keys).await?;
    }
    Ok(names)
}

/// # Errors
/// [`Error::Beyond`] for what 64 bits with a sign do not hold.
fn push(record: &UsageRecord, names: &Names, sink: &mut dyn Sink) -> Result<(), Error> {
    let UsageRecord {
        record_id,
        stream,
        start,
        end,
        received_at,
        sim,
        customer,
        device,
        network,
        rat,
        service,
        bytes_up,
        bytes_down,
        units,
        sign,
        batch,
    } = record;
    let [sim, customer, device] = [
        (Dimension::Sim, sim),
        (Dimension::Customer, customer),
        (Dimension::Device, device),
    ]
    .map(|(dimension, key)| (id(dimension, Some(key)), names.of(dimension, Some(key))));
    let [name, country] = names.network_cells(Some(network));
    // Intake takes what 64 bits hold without a sign.
    let integer = |name: &str, value: i128| {
        let beyond = |_| Error::Beyond {
            name: name.to_owned(),
            stream: stream.clone(),
            start: *start,
        };
        i64::try_from(value).map(Cell::Integer).map_err(beyond)
    };
    sink.push(&[
        record_id.as_deref().into(),
        Cell::Text(stream),
        Cell::Moment(*start),
        Cell::Moment(*end),
        Cell::Moment(*received_at),
        sim.0.as_deref().into(),
        sim.1.into(),
        customer.0.as_deref().into(),
        customer.1.into(),
        device.0.as_deref().into(),
        device.1.into(),
        cell(Some(network)),
        name,
        country,
        Cell::from(Some(rat.as_str()).filter(|rat| !rat.is_empty())),
        Cell::Text(service),
        integer("bytes_up", *bytes_up)?,
        integer("bytes_down", *bytes_down)?,
        integer("units", *units)?,
        Cell::Integer((*sign).into()),
        Cell::Text(&batch.to_string()),
    ])
}

impl Source for Records {
    fn columns(&self) -> Vec<Column> {
        columns()
    }

    fn next<'a>(&'a mut self, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<bool, Error>> {
        async move {
            let records = self.records.next(ROWS).await?;
            let names = names(&self.session, &records).await?;
            for record in &records {
                push(record, &names, sink)?;
            }
            Ok(!records.is_empty())
        }
        .boxed()
    }

    fn count(&mut self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.records
            .count()
            .map(|counted| counted.map(Some))
            .boxed()
    }

    fn period(&self) -> Option<Period> {
        Some(self.records.period())
    }

    fn provenance(self: Box<Self>) -> Result<Option<Origin>> {
        let provenance = self.records.provenance()?;
        Ok(Some(origin(&provenance, false, BTreeMap::new())))
    }
}
