//! What a chunk of rows means for the fleet as it is stored. Pure: reads nothing, writes nothing.

mod customers;
mod identifiers;
mod refusal;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    known::{Known, KnownSim, Target},
    model::{Cell, FleetRow, RowCode, RowError},
    slug::slug,
    timeline::{Moment, Timeline},
    usage::Counted,
};
use crate::{
    identifier::{Imsi, Msisdn},
    sim::SimState,
};
use customers::Customers;
use identifiers::Identifiers;
use refusal::Refusal;

/// A customer to create.
pub(super) struct NewCustomer {
    pub(super) slug: String,
    pub(super) name: String,
}

/// A label, as key and value, and the device that shall carry it.
pub(super) type DeviceLabel<'a> = (Target, &'a (String, String));

/// What shall become of one SIM.
pub(super) struct SimPlan<'a> {
    /// The rows that say so, by `valid_from`.
    pub(super) rows: Vec<&'a FleetRow>,
    pub(super) id: Option<Uuid>,
    pub(super) imsi: Option<&'a str>,
    pub(super) msisdn: Option<&'a str>,
    pub(super) state: SimState,
    pub(super) labels: Vec<&'a (String, String)>,
    pub(super) customer: Timeline<Target>,
    /// From when on it has other customers than before.
    pub(super) customer_change: Option<Moment>,
    pub(super) device: Timeline<Target>,
    /// From when on it is in other devices than before.
    pub(super) device_change: Option<Moment>,
    /// Labels of its devices that are not set like this yet.
    pub(super) device_labels: Vec<DeviceLabel<'a>>,
    /// Whether the SIM itself is to be written.
    pub(super) sim_changed: bool,
}

impl<'a> SimPlan<'a> {
    /// The row whose attributes hold.
    pub(super) fn row(&self) -> &'a FleetRow {
        self.rows[self.rows.len() - 1]
    }

    /// Whether its customers or devices change.
    pub(super) fn reassigned(&self) -> bool {
        self.first_change().is_some()
    }

    /// From when on its customers or devices change.
    pub(super) fn first_change(&self) -> Option<Moment> {
        let changes = [self.customer_change, self.device_change];
        changes.into_iter().flatten().min()
    }

    /// Whether the SIM is not yet like this.
    fn differs(&self, stored: &KnownSim) -> bool {
        stored.state != self.state
            || self
                .imsi
                .is_some_and(|imsi| stored.imsi.as_deref() != Some(imsi))
            || self
                .msisdn
                .is_some_and(|msisdn| stored.msisdn.as_deref() != Some(msisdn))
            || !self.labels.is_empty()
            || self.reassigned()
    }

    /// Whether anything is to be written.
    pub(super) fn changed(&self) -> bool {
        self.sim_changed || !self.device_labels.is_empty()
    }
}

/// What shall become of a chunk.
#[derive(Default)]
pub(super) struct Plan<'a> {
    pub(super) sims: Vec<SimPlan<'a>>,
    pub(super) errors: Vec<RowError>,
    pub(super) customers: Vec<NewCustomer>,
    /// Names of devices to create.
    pub(super) devices: Vec<String>,
}

/// Makes the plan.
pub(super) fn plan<'a>(
    rows: &'a [FleetRow],
    known: &Known,
    counted: &Counted,
    now: DateTime<Utc>,
) -> Plan<'a> {
    let mut by_iccid: BTreeMap<&str, Vec<&FleetRow>> = BTreeMap::new();
    for row in rows {
        by_iccid.entry(row.iccid.as_str()).or_default().push(row);
    }
    let mut groups: Vec<_> = by_iccid.into_values().collect();
    groups.sort_by_key(|rows| rows[0].line);
    let mut planner = Planner {
        known,
        counted,
        now,
        identifiers: Identifiers::new(known),
        customers: Customers::known(known),
        devices: HashMap::new(),
        plan: Plan::default(),
    };
    for mut rows in groups {
        rows.sort_by_key(|row| row.valid_from);
        match planner.sim(&rows) {
            Ok(sim) => planner.accept(sim),
            Err(refusal) => planner.plan.errors.extend(refusal.errors(&rows)),
        }
    }
    drop_set_device_labels(&mut planner.plan.sims, known);
    planner.plan
}

struct Planner<'a, 'k> {
    known: &'k Known,
    counted: &'k Counted,
    now: DateTime<Utc>,
    identifiers: Identifiers<'a, 'k>,
    customers: Customers,
    /// The devices that this plan creates, by name.
    devices: HashMap<String, usize>,
    plan: Plan<'a>,
}

impl<'a> Planner<'a, '_> {
    fn accept(&mut self, sim: SimPlan<'a>) {
        self.identifiers.take(sim.row());
        self.plan.sims.push(sim);
    }

    fn sim(&mut self, rows: &[&'a FleetRow]) -> Result<SimPlan<'a>, Refusal> {
        check_moments(rows, self.now)?;
        let row = rows[rows.len() - 1];
        let stored = self.known.sims.get(row.iccid.as_str());
        if stored.is_none() {
            self.identifiers.check_iccid(row)?;
        }
        let state = next_state(row, stored)?;
        let id = stored.map(|sim| sim.id);
        self.identifiers.check_numbers(row, id)?;
        let labels = self.labels(row, stored)?;
        let device_labels = self.device_labels(rows)?;
        let before = stored.map_or_else(Timeline::default, |sim| sim.customer.clone());
        let customer = self.timeline(rows, id, &before, Self::customer_of);
        let before_device = stored.map_or_else(Timeline::default, |sim| sim.device.clone());
        let device = self.timeline(rows, id, &before_device, Self::device_of);
        self.check_archived(row, &before, &customer)?;
        let mut sim = SimPlan {
            rows: rows.to_vec(),
            id,
            imsi: row.imsi.as_ref().map(Imsi::as_str),
            msisdn: row.msisdn.as_ref().map(Msisdn::as_str),
            state,
            labels,
            customer_change: before.first_difference(&customer),
            customer,
            device_change: before_device.first_difference(&device),
            device,
            device_labels,
            sim_changed: true,
        };
        self.check_usage(&sim)?;
        sim.sim_changed = stored.is_none_or(|stored| sim.differs(stored));
        Ok(sim)
    }

    /// The labels that are not set like this yet.
    fn labels(
        &self,
        row: &'a FleetRow,
        stored: Option<&KnownSim>,
    ) -> Result<Vec<&'a (String, String)>, Refusal> {
        self.check_options(row, &row.labels)?;
        let is_set = |(key, value): &(String, String)| {
            stored
                .and_then(|sim| sim.labels.get(key))
                .is_some_and(|stored| stored == value)
        };
        Ok(row.labels.iter().filter(|label| !is_set(label)).collect())
    }

    /// What the rows say about their devices' labels, in their order.
    fn device_labels(&mut self, rows: &[&'a FleetRow]) -> Result<Vec<DeviceLabel<'a>>, Refusal> {
        let mut said = Vec::new();
        for row in rows {
            self.check_options(row, &row.device_labels)?;
            if !row.device_labels.is_empty()
                && let Some(device) = self.device_of(row).flatten()
            {
                said.extend(row.device_labels.iter().map(|label| (device, label)));
            }
        }
        Ok(said)
    }

    fn check_options(&self, row: &FleetRow, labels: &[(String, String)]) -> Result<(), Refusal> {
        for (key, value) in labels {
            let options = self
                .known
                .labels
                .get(key)
                .and_then(|label| label.options.as_ref());
            if options.is_some_and(|options| !options.contains(value)) {
                let reason = format!("`{value}` is not an option of the label `{key}`");
                return Err(Refusal::new(row, RowCode::InvalidLabel, reason));
            }
        }
        Ok(())
    }

    fn timeline(
        &mut self,
        rows: &[&FleetRow],
        id: Option<Uuid>,
        before: &Timeline<Target>,
        said: fn(&mut Self, &FleetRow) -> Option<Option<Target>>,
    ) -> Timeline<Target> {
        let counted = id.is_some_and(|id| self.counted.is_of(id));
        let lone_moment = if before.is_empty() && !counted {
            None
        } else {
            Some(self.now)
        };
        let mut changes = Vec::new();
        for row in rows {
            let Some(target) = said(self, row) else {
                continue;
            };
            let undated: Moment = if rows.len() > 1 { None } else { lone_moment };
            if row.valid_from.is_some() || undated.is_none() || before.current() != target.as_ref()
            {
                changes.push((row.valid_from.or(undated), target));
            }
        }
        before.with(&changes)
    }

    #[expect(
        clippy::option_option,
        reason = "not said, none, and somebody are three things"
    )]
    fn customer_of(&mut self, row: &FleetRow) -> Option<Option<Target>> {
        match &row.customer {
            Cell::Absent => None,
            Cell::Empty => Some(None),
            Cell::Text(name) => Some(Some(self.customer(name))),
        }
    }

    #[expect(
        clippy::option_option,
        reason = "not said, none, and some device are three things"
    )]
    fn device_of(&mut self, row: &FleetRow) -> Option<Option<Target>> {
        let Cell::Text(name) = &row.device else {
            return (row.device == Cell::Empty).then_some(None);
        };
        if let Some(id) = self.known.devices.get(name) {
            return Some(Some(Target::Known(*id)));
        }
        let devices = &mut self.plan.devices;
        let index = *self.devices.entry(name.clone()).or_insert_with(|| {
            devices.push(name.clone());
            devices.len() - 1
        });
        Some(Some(Target::New(index)))
    }

    /// Finds a customer by name, by name in any case, then by slug; otherwise plans a new one.
    fn customer(&mut self, name: &str) -> Target {
        self.customers.find(name).unwrap_or_else(|| {
            let slug = self.customers.free_slug(&slug(name));
            let new = Target::New(self.plan.customers.len());
            self.customers.add(&slug, name, new);
            let name = name.to_owned();
            self.plan.customers.push(NewCustomer { slug, name });
            new
        })
    }

    /// What an archived customer has stays its own; nothing else becomes so. Rows about its past are accepted.
    fn check_archived(
        &self,
        row: &FleetRow,
        before: &Timeline<Target>,
        after: &Timeline<Target>,
    ) -> Result<(), Refusal> {
        let Some(Target::Known(id)) = after.current() else {
            return Ok(());
        };
        if !self.customers.is_archived(*id) || before.current() == after.current() {
            return Ok(());
        }
        let reason = "the customer is archived: take that back first, or leave the SIM unassigned";
        Err(Refusal::new(row, RowCode::CustomerArchived, reason))
    }

    /// Usage that is accepted keeps the customer and the device that it was accepted for.
    fn check_usage(&self, sim: &SimPlan<'_>) -> Result<(), Refusal> {
        let (Some(id), Some(first)) = (sim.id, sim.first_change()) else {
            return Ok(());
        };
        let Some(reason) = self.counted.in_the_way(id, first) else {
            return Ok(());
        };
        let culprit = sim.rows.iter().find(|row| row.valid_from == first);
        let culprit = culprit.unwrap_or(&sim.rows[0]);
        Err(Refusal::new(culprit, RowCode::UsageAlreadyCounted, reason))
    }
}

/// The state that the row means.
fn next_state(row: &FleetRow, stored: Option<&KnownSim>) -> Result<SimState, Refusal> {
    let before = stored.map(|sim| sim.state);
    let state = row.state.stored(before);
    if before == Some(SimState::Terminated) && state != SimState::Terminated {
        let reason = "a terminated SIM stays terminated";
        return Err(Refusal::new(row, RowCode::InvalidTransition, reason));
    }
    Ok(state)
}

/// Leaves the device labels whose last word differs from what is stored. Several SIMs may speak of one device.
fn drop_set_device_labels(sims: &mut [SimPlan<'_>], known: &Known) {
    let mut last: HashMap<(Target, &str), &str> = HashMap::new();
    for (device, (key, value)) in sims.iter().flat_map(|sim| &sim.device_labels) {
        last.insert((*device, key), value);
    }
    last.retain(|(device, key), value| {
        let stored = match device {
            Target::Known(id) => known.device_labels.get(id).and_then(|set| set.get(*key)),
            Target::New(_) => None,
        };
        stored.is_none_or(|stored| stored != value)
    });
    for sim in sims {
        sim.device_labels
            .retain(|(device, (key, _))| last.contains_key(&(*device, key.as_str())));
    }
}

/// No two rows at one moment, none in the future.
fn check_moments(rows: &[&FleetRow], now: DateTime<Utc>) -> Result<(), Refusal> {
    for (index, row) in rows.iter().enumerate() {
        if row.valid_from.is_some_and(|from| from > now) {
            let reason = "`valid_from` is in the future";
            return Err(Refusal::new(row, RowCode::FutureAssignment, reason));
        }
        if index > 0 && rows[index - 1].valid_from == row.valid_from {
            let reason = "a second row of this SIM with the same `valid_from`";
            return Err(Refusal::new(row, RowCode::DuplicateRow, reason));
        }
    }
    Ok(())
}
