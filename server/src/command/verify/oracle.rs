//! The usage that a simulation expects, held against records and cubes.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Display,
    hash::Hash,
    path::Path,
};

use analytics::{
    Family, System,
    cube::Level,
    verify::{Listed, Table, Tables},
};
use anyhow::{Context as _, Result};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::{
    Clock as _, Error, Period, ReadCx, SystemClock, customer, device,
    id::{CustomerId, DeviceId, SimId},
    journal::{self, Rejection, RejectionCode, RejectionCondition, RejectionFilter},
    list::List as _,
    sim, tenant,
    usage::Dimension,
};
use simulator::oracle::{self, AccountingRow, Oracle, Row, SessionRow, UsageRow};

use crate::command::stores::{Stores, explain};

/// Objects looked up in one statement.
const CHUNK: usize = 1_000;

/// What `simulate --oracle` wrote.
pub(super) type Expected = Oracle;

pub(super) fn read(folder: &Path) -> Result<Expected> {
    oracle::read(folder).with_context(|| format!("cannot read the oracle in {}", folder.display()))
}

/// Compares usage in every table that knows SIMs by everything that it knows (by day; coarser cubes by their own period), sessions in the
/// same way by hour, and the books.
pub(super) async fn compare(stores: &Stores, expected: &Expected) -> Result<Vec<String>> {
    let scope = stores.administrator(&expected.manifest.tenant).await?;
    let cx = stores
        .db
        .read(&scope)
        .await
        .map_err(|error| explain(&error))?;
    let compared = async {
        let system = System::new(SystemClock.now());
        let tables = stores.store.tables(&system);
        let mut look = Look {
            cx: &cx,
            system,
            tables,
            names: Names::default(),
            differences: Vec::new(),
        };
        look.usage(expected).await?;
        look.sessions(stores, expected).await?;
        let books = books(stores, &cx, &expected.accounting).await?;
        let found = oracle::compare_accounting(&expected.accounting, books);
        let mut differences = look.differences;
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

/// A look at all tables, one after the other.
struct Look<'a> {
    cx: &'a ReadCx,
    system: System,
    tables: Tables,
    names: Names,
    differences: Vec<String>,
}

impl Look<'_> {
    async fn usage(&mut self, expected: &Expected) -> domain::Result<()> {
        let manifest = &expected.manifest;
        let period = Period::new(manifest.from, manifest.until)?;
        for table in tables_of_sims() {
            let listed = self.list(Family::Cdr, table, Level::Day, period).await?;
            let listed = only(listed, &manifest.sources);
            self.names.learn(self.cx, &listed).await?;
            let rows = listed.iter().map(|listed| self.names.row(listed)).collect();
            let shown = table.shown(Family::Cdr);
            self.hold(&shown, table.listed_by(Level::Day), &expected.usage, rows);
        }
        Ok(())
    }

    /// The log as far back as all of it is there.
    async fn sessions(&mut self, stores: &Stores, expected: &Expected) -> domain::Result<()> {
        let manifest = &expected.manifest;
        if expected.sessions.is_empty() {
            return Ok(());
        }
        let retentions = tenant::session_retentions(&stores.db.system().await?).await?;
        let retention = retentions.of(self.cx.scope().tenant());
        let whole = next_hour(retention.whole_from(self.system.now()));
        for table in tables_of_sims() {
            let kept = match table {
                Table::Records => whole,
                Table::Cube(_) => DateTime::UNIX_EPOCH,
            };
            if kept >= manifest.until {
                continue;
            }
            let period = Period::new(manifest.sessions_from.max(kept), manifest.until)?;
            let listed = self
                .list(Family::Session, table, Level::Hour, period)
                .await?;
            self.names.learn(self.cx, &listed).await?;
            let rows = listed.iter().map(|listed| self.names.session(listed));
            let rows = rows.collect();
            let there = expected.sessions.iter().filter(|row| row.hour >= kept);
            let there: Vec<SessionRow> = there.cloned().collect();
            let shown = table.shown(Family::Session);
            self.hold(&shown, table.listed_by(Level::Hour), &there, rows);
        }
        Ok(())
    }

    async fn list(
        &self,
        family: Family,
        table: Table,
        level: Level,
        period: Period,
    ) -> domain::Result<Vec<Listed>> {
        let period = table.listed_by(level).widened(period)?;
        let tenant = self.cx.scope().tenant();
        let tables = self.tables.of(family);
        tables
            .list(&self.system, table, level, tenant, period)
            .await
    }

    /// Holds what a table has against what is expected.
    fn hold<R: Row>(&mut self, table: &str, width: Level, expected: &[R], rows: Vec<R>) {
        let start_of = |at| width.period_at(at).map_or(at, |period| period.from());
        let found = oracle::compare(expected, start_of, rows);
        println!("{table}: {} cells compared with the oracle", expected.len());
        let found = found.iter();
        self.differences
            .extend(found.map(|difference| format!("{table}: {difference}")));
    }
}

fn tables_of_sims() -> impl Iterator<Item = Table> {
    Table::ALL
        .into_iter()
        .filter(|table| table.knows(Dimension::Sim))
}

/// The first hour that begins then or later.
fn next_hour(at: DateTime<Utc>) -> DateTime<Utc> {
    let hour = at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at);
    if hour < at {
        hour + TimeDelta::hours(1)
    } else {
        hour
    }
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

    /// Customer, SIM and device of a cell; empty where it has none.
    fn of(&self, listed: &Listed) -> [String; 3] {
        let key = &listed.key;
        let customer = key.customer.map(|id| named(&self.customers, id));
        let device = key.device.map(|id| named(&self.devices, id));
        let sim = key.sim.map(|id| named(&self.sims, id));
        [customer, sim, device].map(Option::unwrap_or_default)
    }

    /// Negative counts have no place in the oracle's row: they show as a difference of another kind.
    fn row(&self, listed: &Listed) -> UsageRow {
        let (key, count) = (&listed.key, &listed.count);
        let [customer, iccid, device] = self.of(listed);
        UsageRow {
            source: key.source.clone(),
            customer,
            iccid,
            device,
            network: key.network.clone(),
            rat: key.rat.clone(),
            service: key.service.clone(),
            day: listed.start,
            records: u64::try_from(count.records).unwrap_or(u64::MAX),
            bytes_up: count.bytes_up,
            bytes_down: count.bytes_down,
        }
    }

    /// The same of sessions, whose negative counts show as huge ones.
    fn session(&self, listed: &Listed) -> SessionRow {
        let (key, count) = (&listed.key, &listed.count);
        let [customer, iccid, device] = self.of(listed);
        SessionRow {
            customer,
            iccid,
            device,
            network: key.network.clone(),
            rat: key.rat.clone(),
            hour: listed.start,
            rollups: count.records.cast_unsigned(),
            bytes_up: count.bytes_up,
            bytes_down: count.bytes_down,
            sessions: count.sessions.cast_unsigned(),
            resets: count.resets.cast_unsigned(),
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
