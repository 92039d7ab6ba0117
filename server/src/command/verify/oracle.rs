//! The usage that a simulation expects, held against records and cubes.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use analytics::{
    System,
    cube::Level,
    verify::{Listed, Table},
};
use anyhow::{Context as _, Result};
use domain::{
    Clock as _, Cx, SystemClock, customer,
    id::{CustomerId, SimId},
    journal::{self, RejectionCode, RejectionFilter},
    paging::PageRequest,
    sim,
};
use ingest::simulate::oracle::{self, AccountingRow, Oracle, UsageRow};

use crate::command::stores::{Stores, explain};

/// Objects looked up in one statement.
const CHUNK: usize = 1_000;

/// Refused records read in one statement.
const PAGE: i32 = 200;

/// What `simulate --oracle` wrote.
pub(super) type Expected = Oracle;

pub(super) fn read(folder: &Path) -> Result<Expected> {
    oracle::read(folder).with_context(|| format!("cannot read the oracle in {}", folder.display()))
}

/// Compares usage by day in the records and in both cubes that know days, and the books.
pub(super) async fn compare(stores: &Stores, expected: &Expected) -> Result<Vec<String>> {
    let scope = stores.operator(&expected.manifest.tenant).await?;
    let cx = stores
        .db
        .read(&scope)
        .await
        .map_err(|error| explain(&error))?;
    let compared = async {
        let system = System::new(SystemClock.now());
        let mut differences = Vec::new();
        let mut names = Names::default();
        for table in [
            Table::Records,
            Table::Cube(Level::Hour),
            Table::Cube(Level::Day),
        ] {
            let listed = stores
                .store
                .list_days(&system, scope.tenant(), table)
                .await?;
            let listed = only(listed, &expected.manifest.sources);
            names.learn(&cx, &listed).await?;
            let rows = listed.iter().map(|listed| names.row(listed));
            let found = oracle::compare(&expected.usage, rows);
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
        .filter(|row| sources.contains(&row.source))
        .collect()
}

/// The names under which the oracle knows SIMs and customers.
#[derive(Default)]
struct Names {
    sims: HashMap<SimId, String>,
    customers: HashMap<CustomerId, String>,
}

impl Names {
    async fn learn(&mut self, cx: &Cx, listed: &[Listed]) -> domain::Result<()> {
        let sims: BTreeSet<SimId> = listed.iter().map(|row| row.sim).collect();
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
        let customers: BTreeSet<CustomerId> =
            listed.iter().filter_map(|row| row.customer).collect();
        let customers: Vec<CustomerId> = customers
            .into_iter()
            .filter(|id| !self.customers.contains_key(id))
            .collect();
        for ids in customers.chunks(CHUNK) {
            let found = customer::by_ids(cx, ids).await?;
            self.customers.extend(
                found
                    .into_values()
                    .map(|customer| (customer.id, customer.slug)),
            );
        }
        Ok(())
    }

    /// Negative counts have no place in the oracle's row: they show as a difference of another kind.
    fn row(&self, listed: &Listed) -> UsageRow {
        let customer = listed.customer.map(|id| {
            self.customers
                .get(&id)
                .cloned()
                .unwrap_or_else(|| id.to_string())
        });
        UsageRow {
            source: listed.source.clone(),
            customer: customer.unwrap_or_default(),
            iccid: self
                .sims
                .get(&listed.sim)
                .cloned()
                .unwrap_or_else(|| listed.sim.to_string()),
            network: listed.network.clone(),
            rat: listed.rat.clone(),
            service: listed.service.clone(),
            day: listed.day,
            records: u64::try_from(listed.records).unwrap_or(u64::MAX),
            bytes_up: listed.bytes_up,
            bytes_down: listed.bytes_down,
        }
    }
}

/// Accepted records from the ledger, and how many were refused for which reason.
async fn books(
    stores: &Stores,
    cx: &Cx,
    expected: &[AccountingRow],
) -> domain::Result<Vec<AccountingRow>> {
    let system = stores.db.system().await?;
    let mut rows = Vec::new();
    for row in journal::ledger(&system, cx.scope().tenant()).await? {
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

async fn refused(cx: &Cx, row: &AccountingRow) -> domain::Result<u64> {
    let filter = RejectionFilter {
        received: None,
        source: Some(row.source.clone()),
        code: Some(row.code.parse::<RejectionCode>()?),
    };
    let mut count = 0;
    let mut after = None;
    loop {
        let request = PageRequest::relay(Some(PAGE), after, None, None)?;
        let page = journal::rejections(cx, &filter, &request).await?;
        count += u64::try_from(page.rows.len()).map_err(domain::Error::internal)?;
        match page.rows.into_iter().last() {
            Some((cursor, _)) if page.has_next => after = Some(cursor),
            _ => return Ok(count),
        }
    }
}
