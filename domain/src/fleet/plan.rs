//! What a chunk of rows means for the fleet as it is stored. Pure: reads nothing, writes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    model::{Cell, FleetRow, RowCode, RowError},
    parse::slug,
    timeline::{Moment, Timeline},
};
use crate::{
    identifier::{Imsi, Msisdn},
    journal::Uncounted,
    sim::SimState,
};

/// The part of the stored fleet that a chunk touches.
#[derive(Default)]
pub(super) struct Known {
    /// ICCIDs under every text by which a row's SIM may be known; whether it is this tenant's.
    pub(super) iccids: HashMap<String, bool>,
    pub(super) sims: HashMap<String, KnownSim>,
    pub(super) customers: Vec<KnownCustomer>,
    pub(super) devices: HashMap<String, Uuid>,
    /// Labels of stored devices.
    pub(super) device_labels: HashMap<Uuid, HashMap<String, String>>,
    pub(super) labels: HashMap<String, KnownLabel>,
    pub(super) imsi_owners: HashMap<String, Uuid>,
    pub(super) msisdn_owners: HashMap<String, Uuid>,
}

/// A stored SIM.
pub(super) struct KnownSim {
    pub(super) id: Uuid,
    pub(super) imsi: Option<String>,
    pub(super) msisdn: Option<String>,
    pub(super) state: SimState,
    pub(super) labels: HashMap<String, String>,
    pub(super) customer: Timeline<Target>,
    pub(super) device: Timeline<Target>,
}

/// A stored customer.
pub(super) struct KnownCustomer {
    pub(super) id: Uuid,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) archived: bool,
}

/// A stored label definition.
pub(super) struct KnownLabel {
    pub(super) id: Uuid,
    pub(super) options: Option<Vec<String>>,
}

/// A customer or device: stored, or one that the plan creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Known(Uuid),
    New(usize),
}

/// A customer to create.
pub(super) struct NewCustomer {
    pub(super) slug: String,
    pub(super) name: String,
}

/// A label, as key and value, and the device that shall carry it.
pub(super) type DeviceLabel<'a> = (Target, &'a (String, String));

/// Usage that stands in the way of changing assignments.
#[derive(Default)]
pub(super) struct Counted {
    /// The last moment at which counted usage of a SIM begins, which may lie ahead of the clock.
    pub(super) last: HashMap<Uuid, DateTime<Utc>>,
    /// Until when the tenant has usage that is accepted and not counted yet. Whose it is, is not known.
    pub(super) uncounted: Uncounted,
}

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

    /// Whether anything is to be written.
    pub(super) fn changed(&self) -> bool {
        self.sim_changed || !self.device_labels.is_empty()
    }
}

/// What shall become of a chunk.
pub(super) struct Plan<'a> {
    pub(super) sims: Vec<SimPlan<'a>>,
    pub(super) errors: Vec<RowError>,
    pub(super) customers: Vec<NewCustomer>,
    /// Names of devices to create.
    pub(super) devices: Vec<String>,
}

/// A refused row of a SIM, which refuses its other rows too.
struct Refusal {
    line: u64,
    code: RowCode,
    reason: String,
}

impl Refusal {
    fn new(row: &FleetRow, code: RowCode, reason: impl Into<String>) -> Self {
        Self {
            line: row.line,
            code,
            reason: reason.into(),
        }
    }

    /// One error per row: the culprit's own, and for the others where to look.
    fn errors(self, rows: &[&FleetRow]) -> Vec<RowError> {
        let error = |row: &&FleetRow| {
            if row.line == self.line {
                RowError::new(row.line, self.code, self.reason.clone())
            } else {
                let reason = format!("line {} of the same SIM was refused", self.line);
                RowError::new(row.line, RowCode::IncompleteHistory, reason)
            }
        };
        rows.iter().map(error).collect()
    }
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
        iccids: HashSet::new(),
        imsis: HashSet::new(),
        msisdns: HashSet::new(),
        customers: Customers::known(known),
        devices: HashMap::new(),
        plan: Plan {
            sims: Vec::new(),
            errors: Vec::new(),
            customers: Vec::new(),
            devices: Vec::new(),
        },
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
    /// ICCIDs that this plan creates, and identifiers that it gives out.
    iccids: HashSet<String>,
    imsis: HashSet<&'a str>,
    msisdns: HashSet<&'a str>,
    customers: Customers,
    /// The devices that this plan creates, by name.
    devices: HashMap<String, usize>,
    plan: Plan<'a>,
}

impl<'a> Planner<'a, '_> {
    fn accept(&mut self, sim: SimPlan<'a>) {
        let row = sim.row();
        if sim.id.is_none() {
            self.iccids.insert(row.iccid.as_str().to_owned());
        }
        self.imsis.extend(row.imsi.as_ref().map(Imsi::as_str));
        self.msisdns.extend(row.msisdn.as_ref().map(Msisdn::as_str));
        self.plan.sims.push(sim);
    }

    fn sim(&mut self, rows: &[&'a FleetRow]) -> Result<SimPlan<'a>, Refusal> {
        check_moments(rows, self.now)?;
        let row = rows[rows.len() - 1];
        let stored = self.known.sims.get(row.iccid.as_str());
        if stored.is_none() {
            self.check_iccid(row)?;
        }
        let state = row.state.stored(stored.map(|sim| sim.state));
        if stored.is_some_and(|sim| sim.state == SimState::Terminated)
            && state != SimState::Terminated
        {
            let reason = "a terminated SIM stays terminated";
            return Err(Refusal::new(row, RowCode::InvalidTransition, reason));
        }
        self.check_identifiers(row, stored.map(|sim| sim.id))?;
        let labels = self.labels(row, stored)?;
        let device_labels = self.device_labels(rows)?;
        let before = stored.map_or_else(|| Timeline::new(Vec::new()), |sim| sim.customer.clone());
        let customer = self.timeline(rows, stored, &before, Self::customer_of);
        let before_device =
            stored.map_or_else(|| Timeline::new(Vec::new()), |sim| sim.device.clone());
        let device = self.timeline(rows, stored, &before_device, Self::device_of);
        let changes = [
            before.first_difference(&customer),
            before_device.first_difference(&device),
        ];
        self.check_archived(row, &before, &customer)?;
        self.check_usage(rows, stored, changes)?;
        let imsi = row.imsi.as_ref().map(Imsi::as_str);
        let msisdn = row.msisdn.as_ref().map(Msisdn::as_str);
        let differs = stored.is_none_or(|sim| {
            sim.state != state
                || imsi.is_some_and(|imsi| sim.imsi.as_deref() != Some(imsi))
                || msisdn.is_some_and(|msisdn| sim.msisdn.as_deref() != Some(msisdn))
                || !labels.is_empty()
                || changes.iter().any(Option::is_some)
        });
        Ok(SimPlan {
            rows: rows.to_vec(),
            id: stored.map(|sim| sim.id),
            imsi,
            msisdn,
            state,
            labels,
            customer,
            customer_change: changes[0],
            device,
            device_change: changes[1],
            device_labels,
            sim_changed: differs,
        })
    }

    /// A new SIM's ICCID must be nobody's, under any text by which it may arrive.
    fn check_iccid(&self, row: &FleetRow) -> Result<(), Refusal> {
        let keys = row.iccid.keys();
        // Another tenant's ICCID and one that is merely refused read alike on purpose.
        if keys
            .iter()
            .any(|key| self.known.iccids.get(key) == Some(&false))
        {
            let reason = "this ICCID cannot be taken into the fleet; ask your provider";
            return Err(Refusal::new(row, RowCode::IccidUnavailable, reason));
        }
        let taken = |key: &String| self.known.iccids.contains_key(key) || self.iccids.contains(key);
        if keys.iter().any(taken) {
            let reason = "a SIM of the fleet has this ICCID but for the check digit";
            return Err(Refusal::new(row, RowCode::AmbiguousIccid, reason));
        }
        Ok(())
    }

    fn check_identifiers(&self, row: &FleetRow, id: Option<Uuid>) -> Result<(), Refusal> {
        let foreign = |owner: Option<&Uuid>| owner.is_some() && owner.copied() != id;
        if let Some(imsi) = row.imsi.as_ref().map(Imsi::as_str)
            && (self.imsis.contains(imsi) || foreign(self.known.imsi_owners.get(imsi)))
        {
            return Err(Refusal::new(
                row,
                RowCode::ImsiTaken,
                "another SIM has this IMSI",
            ));
        }
        if let Some(msisdn) = row.msisdn.as_ref().map(Msisdn::as_str)
            && (self.msisdns.contains(msisdn) || foreign(self.known.msisdn_owners.get(msisdn)))
        {
            return Err(Refusal::new(
                row,
                RowCode::MsisdnTaken,
                "another SIM has this MSISDN",
            ));
        }
        Ok(())
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
        stored: Option<&KnownSim>,
        before: &Timeline<Target>,
        said: fn(&mut Self, &FleetRow) -> Option<Option<Target>>,
    ) -> Timeline<Target> {
        let counted = stored.is_some_and(|sim| self.counted.last.contains_key(&sim.id));
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
        if !self.customers.archived.contains(id) || before.current() == after.current() {
            return Ok(());
        }
        let reason = "the customer is archived: take that back first, or leave the SIM unassigned";
        Err(Refusal::new(row, RowCode::CustomerArchived, reason))
    }

    /// Usage that is accepted keeps the customer and the device that it was accepted for.
    fn check_usage(
        &self,
        rows: &[&FleetRow],
        stored: Option<&KnownSim>,
        changes: [Option<Moment>; 2],
    ) -> Result<(), Refusal> {
        let (Some(sim), Some(first)) = (stored, changes.into_iter().flatten().min()) else {
            return Ok(());
        };
        let uncounted = self.counted.uncounted;
        let reason = if reaches(first, self.counted.last.get(&sim.id).copied()) {
            "usage of this SIM from that time on is already counted for another assignment"
        } else if reaches(first, uncounted.quarantined) {
            "usage that may be of this SIM is quarantined: import the row again when it is counted"
        } else if reaches(first, uncounted.journaled) {
            "usage that may be of this SIM is accepted and not counted yet; import the row again later"
        } else {
            return Ok(());
        };
        let culprit = rows
            .iter()
            .find(|row| row.valid_from == first)
            .unwrap_or(&rows[0]);
        Err(Refusal::new(culprit, RowCode::UsageAlreadyCounted, reason))
    }
}

/// Whether a change from `first` on reaches usage that ends with `last`.
pub(super) fn reaches(first: Moment, last: Option<DateTime<Utc>>) -> bool {
    last.is_some_and(|last| first.is_none_or(|first| first <= last))
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

/// The customers that a row may mean, by what it may call them.
#[derive(Default)]
struct Customers {
    by_name: HashMap<String, Target>,
    by_lower: HashMap<String, Target>,
    by_slug: HashMap<String, Target>,
    new_by_lower: HashMap<String, Target>,
    new_by_slug: HashMap<String, Target>,
    /// The last number that made a slug of its own.
    numbers: HashMap<String, u32>,
    archived: HashSet<Uuid>,
}

impl Customers {
    fn known(known: &Known) -> Self {
        let mut customers = Self::default();
        for KnownCustomer {
            id,
            slug,
            name,
            archived,
        } in &known.customers
        {
            let target = Target::Known(*id);
            customers.by_name.entry(name.clone()).or_insert(target);
            let lower = name.to_lowercase();
            customers.by_lower.entry(lower).or_insert(target);
            customers.by_slug.insert(slug.clone(), target);
            customers.archived.extend(archived.then_some(*id));
        }
        customers
    }

    /// One that is stored goes before one that is planned.
    fn find(&self, name: &str) -> Option<Target> {
        let lower = name.to_lowercase();
        let known = self.by_name.get(name).or_else(|| self.by_lower.get(&lower));
        let known = known.or_else(|| self.by_slug.get(name));
        let new = || {
            let by_lower = self.new_by_lower.get(&lower);
            by_lower.or_else(|| self.new_by_slug.get(name))
        };
        known.or_else(new).copied()
    }

    fn add(&mut self, slug: &str, name: &str, new: Target) {
        self.new_by_lower.insert(name.to_lowercase(), new);
        self.new_by_slug.insert(slug.to_owned(), new);
    }

    /// The slug itself, or with the first number that is free. Names such as `Müller` and `Möller` are two customers.
    fn free_slug(&mut self, slug: &str) -> String {
        let taken =
            |slug: &str| self.by_slug.contains_key(slug) || self.new_by_slug.contains_key(slug);
        if !taken(slug) {
            return slug.to_owned();
        }
        let number = self.numbers.entry(slug.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{slug}-{number}");
            if !taken(&numbered) {
                return numbered;
            }
        }
    }
}
