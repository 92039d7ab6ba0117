//! Ledger = records = every cube: looked at without holding intake up, and repaired.
//!
//! # A look
//! For a moment, tried for 200 ms at a time so that intake goes on between the tries, no batch is applied: the five tables
//! are cloned by hard links and a snapshot of Postgres is opened ([`Report::stood_still`] says how long that took). Everything
//! else is compared on these two while intake goes on:
//!
//! 1. each tenant's part of each batch with the records, by number, sums and checksum of identities; records of batches that
//!    the ledger does not know; identities that two records have;
//! 2. the two books, accounting and batches, with each other, and the accounting with the cube of hours;
//! 3. each cube with the next finer table at the full key ([`analytics::verify`]).
//!
//! What is journaled and not counted yet is no difference: hours may lack exactly what is on its way.
//!
//! # A repair
//! It goes up the chain. First the journal brings back records ([`RecordsFromJournal`]) and copies of records are dropped.
//! Then, for each tenant and month that differs, hours are corrected from records if the ledger finds these whole, and days,
//! months and years each from the next finer cube if the ledger finds the hours whole. A table that is itself short corrects
//! nothing: what cannot be repaired is reported in a sentence ([`Repaired::refused`]).

mod batches;
mod books;
mod repair;
mod report;

use std::{collections::BTreeMap, time::Duration};

use analytics::{
    Store, System,
    verify::{Clones, Count, Table, Tables, records_are_whole_from},
};
use chrono::{DateTime, Datelike as _, Months, TimeZone as _, Utc};
use domain::{
    Code, Db, Error, Period, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::ledger::{self, Sums},
    tenant,
};
use tokio::time::sleep;
use uuid::Uuid;

use books::{Open, uneven_hours};
pub use repair::{RecordsFromJournal, Repaired};
pub use report::{Line, Report, Verdict, Waiting};

use crate::standstill::StandStill;

/// Most batches of a tenant on their way with which its records are still judged.
const OPEN_PARTS: u32 = 10_000;
/// How long a moment is looked for in which no batch is being applied.
const PATIENCE: Duration = Duration::from_mins(1);
/// A batch whose fate is uncertain may be in some tables and not in others until it is settled: then a difference must
/// outlast this many looks.
const LOOKS: u32 = 4;
/// Between two looks.
const REST: Duration = Duration::from_secs(1);
/// Most differing cells, and most identities that are there twice, that one look names.
const SHOWN: usize = 200;

/// Verifies one installation.
#[derive(Clone)]
pub struct Verifier {
    store: Store,
    db: Db,
}

/// One moment of both stores.
struct Still {
    tables: Tables,
    ledger: SystemCx,
    system: System,
}

impl Verifier {
    /// Needs three connections of the platform's pool.
    pub fn new(store: Store, db: Db) -> Self {
        Self { store, db }
    }

    /// Compares everything. `run` is random: it names the clones and salts the hashes.
    ///
    /// # Errors
    /// `CONFLICT` when somebody else verifies; `UNAVAILABLE` when an engine does not answer, or intake could not be held
    /// back within a minute.
    pub async fn look(&self, run: Uuid) -> Result<Report> {
        let alone = self.alone().await?;
        let report = self.look_again(run).await?;
        alone.commit().await?;
        Ok(report)
    }

    /// Keeps other verifications out; they would take each other's clones for leftovers.
    async fn alone(&self) -> Result<SystemCx> {
        ledger::try_verify(&self.db)
            .await?
            .ok_or_else(|| Error::new(Code::Conflict, "another verification is under way"))
    }

    async fn look_again(&self, run: Uuid) -> Result<Report> {
        let mut report = self.look_once(run).await?;
        for _ in 1..LOOKS {
            if report.count() == 0 || report.uncertain == 0 {
                break;
            }
            sleep(REST).await;
            report = self.look_once(run).await?;
        }
        Ok(report)
    }

    async fn look_once(&self, run: Uuid) -> Result<Report> {
        let system = System::new(self.db.clock().now());
        let clones = self.store.clones(&system, run).await?;
        let (still, stood_still) = self.stand_still(system, clones).await?;
        let looked = still.look(run).await;
        // The clones go whatever happened; a failure before this one matters more.
        let gone = still.tables.thaw().await;
        let mut report = looked?;
        report.stood_still = stood_still;
        gone.map(|()| report)
    }

    /// Takes both stores at one moment, and says how long intake was held back for it.
    async fn stand_still(&self, system: System, clones: Clones) -> Result<(Still, Duration)> {
        let frozen = self.stand().await?;
        let tables = clones.fill().await?;
        let ledger = self.db.snapshot().await?;
        let since = frozen.since();
        frozen.end().await?;
        let still = Still {
            tables,
            ledger,
            system,
        };
        Ok((still, since.elapsed()))
    }

    async fn stand(&self) -> Result<StandStill> {
        let cx = self.db.system().await?;
        StandStill::take(cx, &self.db, &self.store, PATIENCE).await
    }
}

impl Still {
    async fn look(&self, run: Uuid) -> Result<Report> {
        let tenants = tenant::list(&self.ledger).await?;
        let mut report = Report::new(tenants.into_iter().map(|known| (known.id, known.slug)));
        self.batches(&mut report).await?;
        self.books(&mut report).await?;
        let copies = self.tables.twice(&self.system, SHOWN).await?;
        report.add_copies(copies);
        let (_, salt) = run.as_u64_pair();
        let compared = self.tables.compare(&self.system, salt, SHOWN).await?;
        report.add_cubes(compared);
        let totals = self.tables.totals(&self.system).await?;
        let accepted = ledger::accepted_by_source(&self.ledger).await?;
        report.add_lines(totals, accepted);
        Ok(report)
    }

    fn whole_from(&self) -> DateTime<Utc> {
        records_are_whole_from(self.system.now())
    }
}

/// Sums of the ledger as the tables have them.
pub(crate) fn count(sums: Sums) -> Count {
    Count {
        records: sums.rows,
        bytes_up: sums.bytes_up,
        bytes_down: sums.bytes_down,
        units: sums.units,
    }
}

/// First moment of the month around `moment`.
fn month_of(moment: DateTime<Utc>) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(moment.year(), moment.month(), 1, 0, 0, 0)
        .single()
        .unwrap_or(moment)
}

/// First moments of all months from one moment to another, both included.
fn months(first: DateTime<Utc>, last: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    std::iter::successors(Some(month_of(first)), |month| {
        month.checked_add_months(Months::new(1))
    })
    .take_while(move |month| *month <= last)
}

/// The first hour in which ledger and records do not agree once `missing` is put in, and nothing else on its way explains it.
/// Batches in `settled` are those that `missing` is of.
pub(crate) async fn unexplained_hour(
    cx: &SystemCx,
    store: &Store,
    tenant: TenantId,
    period: Period,
    missing: &BTreeMap<(String, DateTime<Utc>), Count>,
    settled: &[BatchId],
) -> Result<Option<DateTime<Utc>>> {
    let system = System::new(cx.now());
    let Ok(period) = Period::new(
        period.from().max(records_are_whole_from(system.now())),
        period.to(),
    ) else {
        return Ok(None);
    };
    let tables = store.tables(&system);
    // In this order: batches are journaled meanwhile. One that comes in between is on its way, and not in the ledger that was
    // read; the other way round its records would be the ledger's, and nobody's.
    let uneven = uneven_hours(cx, &tables, &system, Table::Records, tenant, period).await?;
    let open = open(cx, &tables, &system, tenant, settled).await?;
    let mut lacks: BTreeMap<(String, DateTime<Utc>), Count> = uneven
        .into_iter()
        .map(|hour| ((hour.source.clone(), hour.hour), hour.lacks()))
        .collect();
    for (key, count) in missing {
        if period.from() <= key.1 && key.1 < period.to() {
            let rest = lacks.entry(key.clone()).or_default();
            *rest = *rest - *count;
        }
    }
    let nothing = Count::default();
    let found = lacks
        .into_iter()
        .find(|((_, hour), rest)| *rest != nothing && !open.explains(*hour, *rest));
    Ok(found.map(|((_, hour), _)| hour))
}

/// What a tenant has on its way, but for batches in `but`.
async fn open(
    cx: &SystemCx,
    tables: &Tables,
    system: &System,
    tenant: TenantId,
    but: &[BatchId],
) -> Result<Open> {
    let parts = ledger::open_parts(cx, tenant, OPEN_PARTS).await?;
    if parts.len() == OPEN_PARTS as usize {
        return Err(Error::new(
            Code::Unavailable,
            "too many batches are on their way to tell what is missing: try again when they are counted",
        ));
    }
    let ids: Vec<BatchId> = parts
        .iter()
        .map(|part| part.batch)
        .filter(|batch| !but.contains(batch))
        .collect();
    let counted = tables.batches_of(system, tenant, &ids).await?;
    let mut open = Open::default();
    for part in parts.iter().filter(|part| !but.contains(&part.batch)) {
        let found = counted.iter().find(|found| found.batch == part.batch);
        open.add(part, found.map(|found| found.count).unwrap_or_default());
    }
    Ok(open)
}
