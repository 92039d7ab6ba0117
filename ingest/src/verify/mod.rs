//! Ledger = records = every cube: looked at without holding intake up, and repaired.
//!
//! # A look
//! For a moment, tried for 200 ms at a time so that intake goes on between the tries, no batch is applied: records and cubes
//! are cloned by hard links and a snapshot of Postgres is opened ([`Report::stood_still`] says how long that took). Everything
//! else is compared on these two while intake goes on:
//!
//! 1. each tenant's part of each batch with the records, by number, sums and checksum of identities; records of batches that
//!    the ledger does not know; identities that two records have;
//! 2. the two books, accounting and batches, with each other, and the accounting with the cube of hours;
//! 3. each cube with what it is summed up from, at its full key ([`analytics::verify`]);
//! 4. what is live and what was seen last with the log of sessions.
//!
//! What is journaled and not counted yet is no difference: hours may lack exactly what is on its way.
//!
//! # A repair
//! It goes up the chain. First the journal brings back records ([`RecordsFromJournal`]) and copies of records are dropped.
//! Then, for each tenant and month that differs, hours are corrected from records if the ledger finds these whole, and days,
//! months, years and the small cubes each from what they are summed up from if the ledger finds the hours whole. A table that is itself short corrects
//! nothing, and neither does a log that lacks rollups put right what is live: what cannot be repaired is reported in a sentence ([`Repaired::refused`]).
//! Of a batch of sessions of which some rows may have expired, nobody can tell whether it lacks others, so hours up to its last one are not corrected
//! from the log.

mod batches;
mod books;
mod hours;
mod repair;
mod report;

use std::time::Duration;

use analytics::{
    Store, System,
    verify::{Clones, Count, Tables},
};
use chrono::{DateTime, Datelike as _, Months, TimeZone as _, Utc};
use domain::{
    Code, Db, Error, Result, SystemCx,
    id::TenantId,
    journal::{
        Kind,
        ledger::{self, Sums},
    },
    tenant,
};
use tokio::time::sleep;
use uuid::Uuid;

pub(crate) use hours::{are_alike, lacking, unexplained_hour};
pub use repair::{RecordsFromJournal, Repaired};
pub use report::{Line, Report, Verdict, Waiting};

use crate::{
    kind::{KINDS, Retained, family_of},
    standstill::StandStill,
};

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
    retained: Retained,
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
        let (since, retained) = (frozen.since(), frozen.retained().clone());
        frozen.end().await?;
        let still = Still {
            tables,
            ledger,
            system,
            retained,
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
        let (_, salt) = run.as_u64_pair();
        for kind in KINDS {
            self.look_at(&mut report, kind, salt).await?;
        }
        Ok(report)
    }

    /// Everything about one kind of batches and its tables.
    async fn look_at(&self, report: &mut Report, kind: Kind, salt: u64) -> Result<()> {
        let (tables, system) = (self.tables.of(family_of(kind)), &self.system);
        self.batches(report, kind).await?;
        self.books(report, kind).await?;
        let copies = tables.twice(system, SHOWN).await?;
        report.add_copies(kind, copies);
        let Retained { records, sessions } = &self.retained;
        let compared = match kind {
            Kind::Cdr => tables.compare(system, salt, SHOWN, records).await?,
            Kind::Session => tables.compare(system, salt, SHOWN, sessions).await?,
        };
        report.add_cubes(compared);
        if kind == Kind::Session {
            let live = tables.compare_live(system, salt, SHOWN, sessions).await?;
            report.add_live(&live);
        }
        let totals = tables.totals(system).await?;
        let accepted = ledger::accepted_by_source(&self.ledger, kind).await?;
        report.add_lines(kind, totals, accepted);
        Ok(())
    }

    /// From when on every row of a tenant is there.
    fn whole_from(&self, kind: Kind, tenant: TenantId) -> DateTime<Utc> {
        self.retained.whole_from(kind, tenant, self.system.now())
    }
}

/// Sums of the ledger as the tables have them.
pub(crate) fn count(sums: Sums) -> Count {
    Count {
        records: sums.rows,
        bytes_up: sums.bytes_up,
        bytes_down: sums.bytes_down,
        units: sums.units,
        ..Count::default()
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
