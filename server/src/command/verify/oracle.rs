//! The usage that a simulation expects, held against records and cubes.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Display,
    hash::Hash,
    path::Path,
};

use analytics::{
    Family, System,
    verify::{Listed, Table},
};
use anyhow::{Context as _, Result};
use domain::{
    Clock as _, Error, Period, ReadCx, SystemClock, customer, device,
    id::{CustomerId, DeviceId, SimId},
    journal::{self, Rejection, RejectionCode, RejectionCondition, RejectionFilter},
    list::List as _,
    sim,
    usage::Dimension,
};
use simulator::oracle::{self, AccountingRow, Oracle, UsageRow};

use crate::command::stores::{Stores, explain};

/// Objects looked up in one statement.
const CHUNK: usize = 1_000;

/// What `simulate --oracle` wrote.
pub(super) type Expected = Oracle;

pub(super) fn read(folder: &Path) -> Result<Expected> {
    oracle::read(folder).with_context(|| format!("cannot read the oracle in {}", folder.display()))
}

/// Compares usage in every table that knows SIMs by everything that it knows (by day; coarser cubes by their own period), and the books.
pub(super) async fn compare(stores: &Stores, expected: &Expected) -> Result<Vec<String>> {
    let scope = stores.administrator(&expected.manifest.tenant).await?;
    let cx = stores
        .db
        .read(&scope)
        .await
        .map_err(|error| explain(&error))?;
    let compared = async {
        let system = System::new(SystemClock.now());
        let mut differences = Vec::new();
        let mut names = Names::default();
        let tables = stores.store.tables(&system);
        let period = Period::new(expected.manifest.from, expected.manifest.until)?;
        let tables_of_sims = Table::ALL
            .into_iter()
            .filter(|table| table.knows(Dimension::Sim));
        for table in tables_of_sims {
            let width = table.listed_by();
            let tenant = scope.tenant();
            let listed = tables
                .list(&system, table, tenant, width.widened(period)?)
                .await?;
            let listed = only(listed, &expected.manifest.sources);
            names.learn(&cx, &listed).await?;
            let rows = listed.iter().map(|listed| names.row(listed));
            let start_of = |day| width.period_at(day).map_or(day, |period| period.from());
            let found = oracle::compare(&expected.usage, start_of, rows);
            let table = table.shown(Family::Cdr);
            println!(
                "{table}: {} cells compared with the oracle",
                expected.usage.len()
            );
            differences.extend(
                found
                    .iter()
                    .map(|difference| format!("{table}: {difference}")),
            );
        }
        let books = books(stores, &cx, &expected.accounting).await?;
        let found = oracle::compare_accounting(&expected.accounting, books);
        differences.extend(
            found
                .iter()
                .map(|difference| format!("ledger: {difference}")),
        );
        Ok(differences)
    };
    compared
        .await
        .map_err(|error: domain::Error| explain(&error))
}

fn only(listed: Vec<Listed>, sources: &[String]) -> Vec<Listed> {
    listed
        .into_iter()
        .filter(|row| sources.contains(&row.key.source))
        .collect()
}

/// The names under which the oracle knows SIMs, devices and customers.
#[derive(Default)]
struct Names {
    sims: HashMap<SimId, String>,
    devices: HashMap<DeviceId, String>,
    customers: HashMap<CustomerId, String>,
}

impl Names {
    async fn learn(&mut self, cx: &ReadCx, listed: &[Listed]) -> domain::Result<()> {
        let sims: BTreeSet<SimId> = listed.iter().filter_map(|row| row.key.sim).collect();
        let sims: Vec<SimId> = sims
            .into_iter()
            .filter(|id| !self.sims.contains_key(id))
            .collect();
        for ids in sims.chunks(CHUNK) {
            let found = sim::by_ids(cx, ids).await?;
            self.sims.extend(
                found
                    .into_values()
                    .map(|sim| (sim.id, sim.iccid.as_str().to_owned())),
            );
        }
        let devices: BTreeSet<DeviceId> = listed.iter().filter_map(|row| row.key.device).collect();
        let devices: Vec<DeviceId> = devices
            .into_iter()
            .filter(|id| !self.devices.contains_key(id))
            .collect();
        for ids in devices.chunks(CHUNK) {
            let found = device::by_ids(cx, ids).await?;
            self.devices
                .extend(found.into_values().map(|device| (device.id, device.name)));
        }
        let customers: BTreeSet<CustomerId> =
            listed.iter().filter_map(|row| row.key.customer).collect();
        let customers: Vec<CustomerId> = customers
            .into_iter()
            .filter(|id| !self.customers.contains_key(id))
            .collect();
        for ids in customers.chunks(CHUNK) {
            let found = customer::by_ids(cx, ids).await?;
            self.customers.extend(
                found
                    .into_values()
                    .map(|customer| (customer.id, customer.slug.clone())),
            );
        }
        Ok(())
    }

    /// Negative counts have no place in the oracle's row: they show as a difference of another kind.
    fn row(&self, listed: &Listed) -> UsageRow {
        let (key, count) = (&listed.key, &listed.count);
        let customer = key.customer.map(|id| named(&self.customers, id));
        let device = key.device.map(|id| named(&self.devices, id));
        let sim = key.sim.map(|id| named(&self.sims, id));
        UsageRow {
            source: key.source.clone(),
            customer: customer.unwrap_or_default(),
            iccid: sim.unwrap_or_default(),
            device: device.unwrap_or_default(),
            network: key.network.clone(),
            rat: key.rat.clone(),
            service: key.service.clone(),
            day: listed.start,
            records: u64::try_from(count.records).unwrap_or(u64::MAX),
            bytes_up: count.bytes_up,
            bytes_down: count.bytes_down,
        }
    }
}

/// The name of an object, or its id if it has none here.
fn named<Id: Copy + Eq + Hash + Display>(names: &HashMap<Id, String>, id: Id) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

/// Accepted records from the ledger, and how many were refused for which reason.
async fn books(
    stores: &Stores,
    cx: &ReadCx,
    expected: &[AccountingRow],
) -> domain::Result<Vec<AccountingRow>> {
    let system = stores.db.system().await?;
    let mut rows = Vec::new();
    for row in journal::ledger(&system, journal::Kind::Cdr, cx.scope().tenant()).await? {
        rows.push(AccountingRow {
            source: row.source,
            code: String::new(),
            records: row.accepted,
            bytes_up: i128::try_from(row.bytes_up).map_err(domain::Error::internal)?,
            bytes_down: i128::try_from(row.bytes_down).map_err(domain::Error::internal)?,
        });
    }
    for row in expected.iter().filter(|row| !row.code.is_empty()) {
        rows.push(AccountingRow {
            records: refused(cx, row).await?,
            ..row.clone()
        });
    }
    Ok(rows)
}

async fn refused(cx: &ReadCx, row: &AccountingRow) -> domain::Result<u64> {
    let unknown = |_| Error::invalid(format!("no rejection code: {}", row.code));
    let code: RejectionCode = row.code.parse().map_err(unknown)?;
    let filter = RejectionFilter::And(vec![
        RejectionCondition::Sources(vec![row.source.clone()]).into(),
        RejectionCondition::Codes(vec![code]).into(),
    ]);
    Rejection::count(cx, &filter).await
}
