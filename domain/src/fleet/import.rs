//! One chunk, one transaction: read what is known, plan, ask for counted usage if an assignment changes, write. A file is
//! one chunk where it must not be kept in part, and any number of them where it may be of any size.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek},
};

use uuid::Uuid;

use super::{
    chunk::{Chunk, chunks},
    known::{Known, Target},
    model::{ERRORS_KEPT, Report, RowCode, RowError},
    owner,
    plan::{Plan, SimPlan, plan},
    store::{self, History, NewDevice, SimRecord},
    timeline::{Moment, Span, Timeline},
    usage::{Counted, CountedUsage, Patience},
};
use crate::{
    Db, Permission, Result, Scope, SystemCx, WriteCx, change::Change, id::SimId, label::Labelled,
};

/// Most rows of a file that is imported in one transaction. Such a file takes some seconds, during which the tenant's intake
/// may wait.
pub const WHOLE_ROWS: u64 = 20_000;

/// Imports a file of at most [`WHOLE_ROWS`] rows in one transaction: whatever happens, all of it is kept or nothing. A dry run
/// does the same and keeps nothing.
///
/// # Errors
/// `INVALID_INPUT` when the header is refused, `LIMIT_EXCEEDED` for more rows, `FORBIDDEN` without `INVENTORY_WRITE`,
/// `CONFLICT` when the fleet changed meanwhile, or a failing store. Bad rows are no error: they are in the report.
pub async fn import_whole<R: Read + Seek + Send>(
    cx: WriteCx,
    system: SystemCx,
    reader: R,
    usage: &impl CountedUsage,
    dry_run: bool,
) -> Result<Report> {
    cx.scope().require(Permission::InventoryWrite)?;
    if let Some(report) = cx.earlier().await? {
        return Ok(report);
    }
    let file = chunks(reader)?.whole(WHOLE_ROWS)?;
    let mut report = import(&cx, &system, &file, usage, &mut Patience::default()).await?;
    report.errors.truncate(ERRORS_KEPT);
    if dry_run {
        cx.discard().await?;
    } else {
        cx.commit(Change::FleetImported(report.clone())).await?;
    }
    Ok(report)
}

/// Imports a file of any size, one transaction per chunk, and passes each chunk's report to `progress`.
///
/// # Errors
/// `INVALID_INPUT` when the header is refused, `FORBIDDEN`, or a failing store; chunks already reported stay.
pub async fn import_file<R: Read + Seek + Send>(
    db: &Db,
    scope: &Scope,
    reader: R,
    usage: &impl CountedUsage,
    mut progress: impl FnMut(&Report) + Send,
) -> Result<Report> {
    scope.require(Permission::InventoryWrite)?;
    let mut total = Report::default();
    let mut patience = Patience::default();
    for chunk in chunks(reader)? {
        let cx = db.write(scope).await?;
        let system = db.system().await?;
        let report = import(&cx, &system, &chunk, usage, &mut patience).await?;
        cx.commit(Change::FleetImported(report.clone())).await?;
        progress(&report);
        total.merge(report);
    }
    Ok(total)
}

/// Imports one chunk. The caller commits.
///
/// # Errors
/// `FORBIDDEN` without `INVENTORY_WRITE`, `CONFLICT` when the fleet changed meanwhile, or a failing store. Bad rows
/// are no error: they are in the report.
pub async fn import(
    cx: &WriteCx,
    system: &SystemCx,
    chunk: &Chunk,
    usage: &impl CountedUsage,
    patience: &mut Patience,
) -> Result<Report> {
    cx.scope().require(Permission::InventoryWrite)?;
    store::take_turn(cx).await?;
    let known = store::known(cx, system, &chunk.rows).await?;
    let mut planned = plan(&chunk.rows, &known, &Counted::default(), cx.now());
    let (sims, first) = reassigned(&planned);
    if let Some(first) = first {
        let counted = Counted::ask(cx, usage, &sims, first, patience).await?;
        planned = plan(&chunk.rows, &known, &counted, cx.now());
    }
    let mut report = Report {
        errors: chunk.errors.clone(),
        ..Report::default()
    };
    report.errors.append(&mut planned.errors);
    let refused = apply(cx, &known, &planned, &mut report).await?;
    for sim in &planned.sims {
        let rows = sim.rows.len() as u64;
        match (sim.id, sim.changed()) {
            (None, _) if refused.contains(sim.row().iccid.as_str()) => {
                report.errors.extend(sim.rows.iter().map(|row| {
                    let reason = "this ICCID cannot be taken into the fleet; ask your provider";
                    RowError::new(row.line, RowCode::IccidUnavailable, reason)
                }));
            }
            (None, _) => report.created += rows,
            (Some(_), true) => report.updated += rows,
            (Some(_), false) => report.unchanged += rows,
        }
    }
    report.errors.sort_by_key(|error| error.line);
    report.rejected = report.errors.len() as u64;
    report.rows = report.created + report.updated + report.unchanged + report.rejected;
    Ok(report)
}

/// Known SIMs whose assignment would change, and from when on the first of them would.
fn reassigned(planned: &Plan<'_>) -> (Vec<SimId>, Option<Moment>) {
    let known = |sim: &SimPlan<'_>| Some((SimId::new(sim.id?), sim.first_change()?));
    let (sims, moments): (_, Vec<Moment>) = planned.sims.iter().filter_map(known).unzip();
    (sims, moments.into_iter().min())
}

/// Writes a plan, reports what is created besides SIMs, and returns the ICCIDs that could not be taken.
async fn apply<'p>(
    cx: &WriteCx,
    known: &Known,
    planned: &'p Plan<'_>,
    report: &mut Report,
) -> Result<BTreeSet<&'p str>> {
    let changed: Vec<&SimPlan<'_>> = planned.sims.iter().filter(|sim| sim.changed()).collect();
    let customers = create_customers(cx, planned, &changed).await?;
    let named = planned.customers.iter().zip(&customers);
    let created = named.filter(|(_, id)| id.is_some());
    report.customers = created.map(|(new, _)| new.name.clone()).collect();
    let devices = create_devices(cx, planned, &changed, &customers).await?;
    report.devices = devices.iter().flatten().count() as u64;
    let record = |plan| SimRecord {
        plan,
        customer: current(plan, &customers),
    };
    let (new, old): (Vec<_>, Vec<_>) = changed
        .iter()
        .filter(|plan| plan.sim_changed)
        .map(|plan| record(*plan))
        .partition(|record| record.plan.id.is_none());
    let created = store::create_sims(cx, &new).await?;
    store::update_sims(cx, &old).await?;
    let id_of = |sim: &SimPlan<'_>| {
        sim.id
            .or_else(|| created.get(sim.row().iccid.as_str()).copied())
    };
    let spans = |sim: &SimPlan<'_>, timeline: &Timeline<Target>, ids: &[Option<Uuid>]| {
        id_of(sim).map(|id| (id, resolve(timeline, ids)))
    };
    let histories = changed.iter().filter(|sim| sim.customer_change.is_some());
    let histories = histories
        .filter_map(|sim| spans(sim, &sim.customer, &customers))
        .collect();
    store::replace_history(cx, History::Customer, histories).await?;
    let histories = changed.iter().filter(|sim| sim.device_change.is_some());
    let histories = histories
        .filter_map(|sim| spans(sim, &sim.device, &devices))
        .collect();
    store::replace_history(cx, History::Device, histories).await?;
    owner::follow(cx, &moved_devices(known, &changed, &devices)).await?;
    report.labels = set_labels(cx, known, &changed, id_of, &devices).await?;
    let refused = new.iter().map(|record| record.plan.row().iccid.as_str());
    Ok(refused
        .filter(|iccid| !created.contains_key(*iccid))
        .collect())
}

/// Ids of the plan's new customers, by index; only those that a changed SIM needs are created.
async fn create_customers(
    cx: &WriteCx,
    planned: &Plan<'_>,
    changed: &[&SimPlan<'_>],
) -> Result<Vec<Option<Uuid>>> {
    let needed: BTreeSet<usize> = changed
        .iter()
        .flat_map(|sim| new_targets(&sim.customer))
        .collect();
    let new = needed.iter().map(|index| &planned.customers[*index]);
    let ids = store::create_customers(cx, new).await?;
    Ok(planned
        .customers
        .iter()
        .map(|customer| ids.get(&customer.slug).copied())
        .collect())
}

/// Devices that a SIM whose assignment changes sits in, or once sat in.
fn moved_devices(known: &Known, changed: &[&SimPlan<'_>], created: &[Option<Uuid>]) -> Vec<Uuid> {
    let reassigned = changed.iter().filter(|sim| sim.reassigned());
    let devices: BTreeSet<Uuid> = reassigned
        .flat_map(|sim| {
            let stored = known.sims.get(sim.row().iccid.as_str());
            let before = stored.into_iter().flat_map(|sim| sim.device.spans());
            before.chain(sim.device.spans())
        })
        .filter_map(|span| id_of(*span.value, created))
        .collect();
    devices.into_iter().collect()
}

/// Ids of the plan's new devices, by index. A device begins with the present customer of the first SIM in it, which
/// nearly always stays so; its history decides in the end.
async fn create_devices(
    cx: &WriteCx,
    planned: &Plan<'_>,
    changed: &[&SimPlan<'_>],
    customers: &[Option<Uuid>],
) -> Result<Vec<Option<Uuid>>> {
    let mut needed: BTreeSet<usize> = BTreeSet::new();
    let mut new = Vec::new();
    for sim in changed {
        for index in new_targets(&sim.device) {
            if needed.insert(index) {
                new.push(NewDevice {
                    name: &planned.devices[index],
                    kind: sim.row().device_kind.as_deref().unwrap_or_default(),
                    customer: current(sim, customers),
                    simulated: sim.row().simulated,
                });
            }
        }
    }
    let ids = store::create_devices(cx, new).await?;
    Ok(planned
        .devices
        .iter()
        .map(|name| ids.get(name).copied())
        .collect())
}

/// Sets labels and returns the keys of those that are new.
async fn set_labels(
    cx: &WriteCx,
    known: &Known,
    changed: &[&SimPlan<'_>],
    sim_id: impl Fn(&SimPlan<'_>) -> Option<Uuid>,
    devices: &[Option<Uuid>],
) -> Result<Vec<String>> {
    let (mut on_sims, mut on_devices) = (Vec::new(), BTreeMap::new());
    for sim in changed {
        // None is a SIM that could not be taken; its rows say nothing about its devices either.
        let Some(sim_id) = sim_id(sim) else { continue };
        let labels = sim.labels.iter();
        on_sims.extend(labels.map(|(key, value)| (sim_id, key.as_str(), value.as_str())));
        for (device, (key, value)) in &sim.device_labels {
            if let Some(device) = id_of(*device, devices) {
                on_devices.insert((device, key.as_str()), value.as_str());
            }
        }
    }
    let keys = on_sims.iter().map(|(_, key, _)| *key);
    let new: BTreeSet<&str> = keys
        .chain(on_devices.keys().map(|(_, key)| *key))
        .filter(|key| !known.labels.contains_key(*key))
        .collect();
    let created = store::create_labels(cx, new.into_iter()).await?;
    let label = |key: &str| match known.labels.get(key) {
        Some(label) => Some(label.id),
        None => created.get(key).copied(),
    };
    let touched: BTreeSet<Uuid> = on_devices.keys().map(|(device, _)| *device).collect();
    let on_sims = on_sims
        .into_iter()
        .filter_map(|(sim, key, value)| Some((sim, label(key)?, value)));
    store::set_labels(cx, Labelled::Sim, on_sims.collect()).await?;
    let on_devices = on_devices
        .into_iter()
        .filter_map(|((device, key), value)| Some((device, label(key)?, value)));
    store::set_labels(cx, Labelled::Device, on_devices.collect()).await?;
    store::touch_devices(cx, touched.into_iter().collect()).await?;
    let mut keys: Vec<String> = created.into_keys().collect();
    keys.sort_unstable();
    Ok(keys)
}

fn new_targets(timeline: &Timeline<Target>) -> impl Iterator<Item = usize> {
    timeline.spans().filter_map(|span| match span.value {
        Target::New(index) => Some(*index),
        Target::Known(_) => None,
    })
}

fn id_of(target: Target, created: &[Option<Uuid>]) -> Option<Uuid> {
    match target {
        Target::Known(id) => Some(id),
        Target::New(index) => created.get(index).copied().flatten(),
    }
}

fn current(sim: &SimPlan<'_>, customers: &[Option<Uuid>]) -> Option<Uuid> {
    sim.customer
        .current()
        .and_then(|target| id_of(*target, customers))
}

fn resolve(timeline: &Timeline<Target>, created: &[Option<Uuid>]) -> Vec<Span<Uuid>> {
    timeline
        .spans()
        .filter_map(|span| {
            let value = id_of(*span.value, created)?;
            Some(Span {
                from: span.from,
                to: span.to,
                value,
            })
        })
        .collect()
}
