//! To whom SIMs belonged and in which devices they were: pages of the list of SIMs, all in one snapshot.

use analytics::usage::{Dimension, Key};
use domain::{
    Permission as P, Result,
    assignment::{self, Placement},
    filter::Filter,
    group,
    id::SimId,
    list::List,
    sim::Sim,
};
use futures::{FutureExt as _, future::BoxFuture};
use service::{Session, list};

use super::{
    Source,
    names::{Names, id},
    pages::Pages,
};
use crate::{Cell, Column, Error, Kind, run::Sink};

pub(super) fn columns() -> Vec<Column> {
    let text =
        |name: &'static str, needs, says: &'static str| Column::of(name, Kind::Text, needs, says);
    let moment = |name: &'static str, says: &'static str| {
        Column::of(name, Kind::Moment, P::SimsRead, says).or_empty()
    };
    vec![
        text("sim_id", P::SimsRead, "The SIM."),
        text("iccid", P::SimsRead, "Its serial number."),
        text(
            "customer_id",
            P::CustomersRead,
            "Customer that it belonged to.",
        )
        .or_empty(),
        text("customer", P::CustomersRead, "Name of that customer.").or_empty(),
        text("device_id", P::DevicesRead, "Device that it was in.").or_empty(),
        text("device", P::DevicesRead, "Name of that device.").or_empty(),
        moment("valid_from", "Since when; empty: always."),
        moment(
            "valid_to",
            "Until when, this moment excluded; empty: still.",
        ),
    ]
}

/// A list of SIMs that is being read.
pub(super) struct Assignments {
    session: Session,
    pages: Pages<<Sim as List>::Clause, <Sim as List>::Field>,
}

impl Assignments {
    pub(super) fn new(session: Session, filter: Filter<<Sim as List>::Clause>) -> Self {
        Self {
            session,
            pages: Pages::of(filter),
        }
    }
}

/// A span, with its customer and its device as keys of usage are.
struct Span {
    placement: Placement,
    customer: Key,
    device: Key,
}

impl From<Placement> for Span {
    fn from(placement: Placement) -> Self {
        let customer = placement.customer.map_or(Key::None, Key::from);
        let device = match placement.device {
            group::Key::Value(id) => id.into(),
            group::Key::Unassigned => Key::None,
            group::Key::Hidden => Key::Hidden,
        };
        Self {
            placement,
            customer,
            device,
        }
    }
}

impl Source for Assignments {
    fn columns(&self) -> Vec<Column> {
        columns()
    }

    fn next<'a>(&'a mut self, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<bool, Error>> {
        async move {
            if self.pages.is_read {
                return Ok(false);
            }
            let listing = list::<Sim>(&self.session, &self.pages.question).await?;
            let sims: Vec<Sim> = self.pages.turn(listing).collect();
            let ids: Vec<SimId> = sims.iter().map(|sim| sim.id).collect();
            let cx = self.session.read().await?;
            let mut placements = assignment::placements(&cx, &ids).await?;
            let spans: Vec<(&Sim, Span)> = sims
                .iter()
                .flat_map(|sim| {
                    let own = placements.remove(&sim.id).unwrap_or_default();
                    own.into_iter().map(move |it| (sim, it.into()))
                })
                .collect();
            let mut names = Names::default();
            let customers = spans.iter().map(|(_, span)| &span.customer);
            names
                .add(&self.session, Dimension::Customer, customers)
                .await?;
            let devices = spans.iter().map(|(_, span)| &span.device);
            names.add(&self.session, Dimension::Device, devices).await?;
            for (sim, span) in &spans {
                push(sim, span, &names, sink)?;
            }
            Ok(true)
        }
        .boxed()
    }

    fn count(&mut self) -> BoxFuture<'_, Result<Option<u64>>> {
        async move {
            let cx = self.session.read().await?;
            let filter = Sim::resolve(&cx, &self.pages.question.filter).await?;
            assignment::count_placements(&cx, &filter).await.map(Some)
        }
        .boxed()
    }
}

fn push(sim: &Sim, span: &Span, names: &Names, sink: &mut dyn Sink) -> Result<(), Error> {
    let [customer, device] = [
        (Dimension::Customer, &span.customer),
        (Dimension::Device, &span.device),
    ]
    .map(|(dimension, key)| (id(dimension, Some(key)), names.of(dimension, Some(key))));
    let Placement { from, to, .. } = span.placement;
    sink.push(&[
        Cell::Text(&sim.id.to_string()),
        Cell::Text(&sim.iccid),
        customer.0.as_deref().into(),
        customer.1.into(),
        device.0.as_deref().into(),
        device.1.into(),
        from.map_or(Cell::Empty, Cell::Moment),
        to.map_or(Cell::Empty, Cell::Moment),
    ])
}
