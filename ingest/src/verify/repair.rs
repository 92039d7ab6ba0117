//! Repairing what differs, from the records up.

use std::collections::{BTreeMap, BTreeSet};

use analytics::{
    System,
    cdr::{self, CdrRow},
    cube::{Cube, Level},
    verify::{Area, Table},
};
use chrono::{DateTime, Utc};
use domain::{
    Error, Period, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, Payload},
    tenant,
};
use uuid::Uuid;

use super::{
    Verifier,
    books::month,
    hours::{HourDifference, open, uneven_hours, unexplained},
    month_of,
    report::{Report, Unsound},
};
use crate::standstill::StandStill;

/// Times that copies are looked for: each look names some.
const ROUNDS: u32 = 10;

/// Brings records back that the journal still has.
pub trait RecordsFromJournal {
    /// Settles every batch of which the journal has the payload, quarantined ones included: its missing records are inserted,
    /// surplus ones dropped, and the cells that it touches corrected. Says how many batches that changed. Takes the apply
    /// lock itself.
    fn settle_all(&self) -> impl Future<Output = Result<u64>> + Send;
}

/// What a repair did.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// What was repaired, each a sentence.
    pub done: Vec<String>,
    /// What could not be, and why, each a sentence.
    pub refused: Vec<String>,
    /// The look afterwards.
    pub report: Report,
}

/// A repair under way.
struct Repair<'a> {
    verifier: &'a Verifier,
    seen: Report,
    done: Vec<String>,
    refused: Vec<String>,
    /// Months whose hours are not known to be right.
    left: BTreeSet<(TenantId, DateTime<Utc>)>,
}

impl Verifier {
    /// Repairs what it can and looks again. Intake goes on: it is held back for one tenant and month at a time. A repair that
    /// was cut short is finished by the next one; one that finds nothing changes nothing.
    ///
    /// # Errors
    /// As [`Verifier::look`].
    pub async fn repair(&self, run: Uuid, journal: &impl RecordsFromJournal) -> Result<Repaired> {
        let alone = self.alone().await?;
        let mut done = Vec::new();
        let settled = journal.settle_all().await?;
        if settled > 0 {
            done.push(format!("settled {settled} batches from the journal"));
        }
        let mut seen = self.look_again(run).await?;
        let mut refused = BTreeSet::new();
        for _ in 0..ROUNDS {
            let doubled = self.put_back_doubled(&seen, &mut refused).await?;
            // What did not help once does not help twice.
            if doubled.iter().all(|sentence| done.contains(sentence)) {
                break;
            }
            done.extend(doubled);
            journal.settle_all().await?;
            seen = self.look_again(run).await?;
        }
        let refused: Vec<String> = refused.into_iter().collect();
        if seen.count() == 0 {
            alone.commit().await?;
            return Ok(Repaired {
                done,
                refused,
                report: seen,
            });
        }
        let mut repair = Repair {
            verifier: self,
            seen,
            done,
            refused,
            left: BTreeSet::new(),
        };
        repair.run().await?;
        let report = self.look_again(run).await?;
        alone.commit().await?;
        Ok(Repaired {
            done: repair.done,
            refused: repair.refused,
            report,
        })
    }

    /// Puts records that are there more than once back into the journal, a batch with all its tenants, whose next settling
    /// leaves one of each. An identity in two batches was accepted twice, by both books; which one counts is not for a repair to say, and neither is it
    /// when the copies are not alike.
    async fn put_back_doubled(
        &self,
        seen: &Report,
        refused: &mut BTreeSet<String>,
    ) -> Result<Vec<String>> {
        let doubled = seen
            .copies
            .iter()
            .filter_map(|copy| match copy.batches[..] {
                [batch] => Some((copy.tenant, batch)),
                _ => None,
            });
        let mut batches: BTreeMap<BatchId, BTreeSet<TenantId>> = BTreeMap::new();
        for (tenant, batch) in doubled.chain(seen.crowded.iter().copied()) {
            batches.entry(batch).or_default().insert(tenant);
        }
        let mut sentences = Vec::new();
        let retentions = tenant::retentions(&self.db.system().await?).await?;
        for (batch, tenants) in batches {
            let system = System::new(self.db.clock().now());
            let mut alike = Vec::new();
            for tenant in tenants {
                let rows = self.store.doubled(&system, tenant, batch).await?;
                let name = seen.name(tenant);
                let whole_from = retentions.of(tenant).whole_days_from(system.now());
                let (rows, expiring): (Vec<CdrRow>, Vec<CdrRow>) =
                    (rows.into_iter()).partition(|row| row.start >= whole_from);
                if !expiring.is_empty() {
                    let copies = expiring.len();
                    refused.insert(format!(
                        "copies of {copies} records of {batch} of {name} are left as they are: they are about to expire"
                    ));
                }
                let (mut rows, unlike) = tell_apart(rows);
                if unlike > 0 {
                    refused.insert(format!(
                        "{unlike} records of {batch} of {name} are there more than once and not alike: they are left as they are"
                    ));
                }
                if !rows.is_empty() {
                    let count = rows.len();
                    sentences.push(format!(
                        "dropped copies of {count} records of {batch} of {name}"
                    ));
                }
                alike.append(&mut rows);
            }
            let (Some(first), Some(last)) = (
                alike.iter().map(|row| row.start).min(),
                alike.iter().map(|row| row.start).max(),
            ) else {
                continue;
            };
            let payload = Payload {
                encoding: cdr::ENCODING,
                bytes: cdr::encode(&alike).to_vec(),
            };
            let received_at = alike.first().map_or(first, |row| row.received_at);
            let rows = alike.len() as u64;
            let cx = self.db.system().await?;
            journal::put_back(&cx, batch, rows, &payload, [first, last], received_at).await?;
            cx.commit().await?;
        }
        Ok(sentences)
    }
}

/// Records whose copies are alike, and how many identities have others.
fn tell_apart(rows: Vec<CdrRow>) -> (Vec<CdrRow>, usize) {
    let mut by_identity: BTreeMap<Uuid, Vec<CdrRow>> = BTreeMap::new();
    for row in rows {
        by_identity.entry(row.identity).or_default().push(row);
    }
    let all = by_identity.len();
    let alike: Vec<CdrRow> = by_identity
        .into_values()
        .filter_map(|rows| <[CdrRow; 1]>::try_from(rows).ok())
        .map(|[row]| row)
        .collect();
    let unlike = all - alike.len();
    (alike, unlike)
}

impl Repair<'_> {
    async fn run(&mut self) -> Result<()> {
        let differing = self.seen.cubes.iter();
        let months: BTreeSet<(TenantId, DateTime<Utc>)> = differing
            .filter(|difference| difference.cube.level() < Level::Year)
            .map(|difference| (difference.tenant, month_of(difference.period.from())))
            .chain(self.seen.hours.iter().copied())
            .chain(self.seen.unsound.keys().copied())
            .collect();
        let mut years: BTreeSet<(TenantId, DateTime<Utc>)> = BTreeSet::new();
        for difference in &self.seen.cubes {
            let year = Level::Year.period_at(difference.period.from());
            years.extend(year.map(|year| (difference.tenant, year.from())));
        }
        for (tenant, month) in months {
            self.repair_month(tenant, month).await?;
        }
        for (tenant, year) in years {
            self.repair_year(tenant, year).await?;
        }
        Ok(())
    }

    /// Hours from records, days from hours, the month from days, and the small cubes: each only if the ledger finds what it is
    /// summed up from whole.
    async fn repair_month(&mut self, tenant: TenantId, from: DateTime<Utc>) -> Result<()> {
        let still = self.verifier.stand().await?;
        let (frozen, system) = (still.cx(), still.system());
        let period = month(from)?;
        let unsound = self.seen.unsound.get(&(tenant, from)).copied();
        if let Some(unsound) = unsound {
            self.refuse_records(tenant, from, &unsound);
        }
        let whole = still.whole_from(tenant);
        if let Ok(recent) = Period::new(whole.max(period.from()), period.to())
            && unsound.is_none()
        {
            let uneven = self
                .uneven(frozen, &system, Table::Records, tenant, recent)
                .await?;
            match uneven.first() {
                None => {
                    self.correct(&still, Cube::Full(Level::Hour), tenant, recent)
                        .await?;
                }
                Some(hour) => self.refuse_hours(Table::Records, tenant, from, &uneven, hour),
            }
        }
        let hours = Table::Cube(Cube::Full(Level::Hour));
        let uneven = self.uneven(frozen, &system, hours, tenant, period).await?;
        if let Some(hour) = uneven.first() {
            self.left.insert((tenant, from));
            self.refuse_hours(hours, tenant, from, &uneven, hour);
        } else {
            for cube in Cube::ALL {
                if cube.level() < Level::Year && Table::finer(cube) != Table::Records {
                    self.correct(&still, cube, tenant, period).await?;
                }
            }
        }
        still.end().await
    }

    /// The year from its months, if each of them is right.
    async fn repair_year(&mut self, tenant: TenantId, from: DateTime<Utc>) -> Result<()> {
        let year = Level::Year
            .period_at(from)
            .ok_or_else(|| Error::internal("a year outside of time"))?;
        let mut left = self.left.range((tenant, year.from())..(tenant, year.to()));
        if let Some((_, month)) = left.next() {
            let sentence = format!(
                "years of {} in {} are left as they are, because {} is not whole",
                self.seen.name(tenant),
                from.format("%Y"),
                month.format("%Y-%m")
            );
            self.refused.push(sentence);
            return Ok(());
        }
        let still = self.verifier.stand().await?;
        for cube in [Cube::Full(Level::Year), Cube::Small(Level::Year)] {
            self.correct(&still, cube, tenant, year).await?;
        }
        still.end().await
    }

    async fn correct(
        &mut self,
        still: &StandStill,
        cube: Cube,
        tenant: TenantId,
        period: Period,
    ) -> Result<()> {
        let store = &self.verifier.store;
        let area = Area {
            tenant,
            period,
            sims: None,
            retention: still.retentions().of(tenant),
        };
        let corrected = store.correct(&still.system(), cube, &area, still).await?;
        if corrected.cells > 0 {
            let span = match cube.level() {
                Level::Year => period.from().format("%Y"),
                _ => period.from().format("%Y-%m"),
            };
            self.done.push(format!(
                "corrected {} cells of {cube} of {} in {span}: {} in all",
                corrected.cells,
                self.seen.name(tenant),
                corrected.added
            ));
        }
        Ok(())
    }

    /// Hours in which ledger and table do not agree, and nothing on its way explains it.
    async fn uneven(
        &self,
        cx: &SystemCx,
        system: &System,
        table: Table,
        tenant: TenantId,
        period: Period,
    ) -> Result<Vec<HourDifference>> {
        let tables = self.verifier.store.tables(system);
        // The ledger first: see [`super::unexplained_hour`].
        let uneven = uneven_hours(cx, &tables, system, table, tenant, period).await?;
        let open = open(cx, &tables, system, tenant, &[]).await?;
        Ok(unexplained(&open, uneven))
    }

    fn refuse_records(&mut self, tenant: TenantId, from: DateTime<Utc>, unsound: &Unsound) {
        let Unsound {
            batch,
            batches,
            lacks,
        } = *unsound;
        let others = match batches {
            1 => String::new(),
            more => format!(" and {} others", more - 1),
        };
        let what = match lacks {
            1.. => format!("short by {lacks} of batch {batch}{others} whose payload was deleted"),
            0 => format!("not those that the ledger has of batch {batch}{others}"),
            _ => format!("too many by {} of batch {batch}{others}", -lacks),
        };
        let sentence = format!(
            "records of {} in {} are {what}: usage_hour is left as it is",
            self.seen.name(tenant),
            from.format("%Y-%m")
        );
        self.refused.push(sentence);
    }

    fn refuse_hours(
        &mut self,
        table: Table,
        tenant: TenantId,
        from: DateTime<Utc>,
        uneven: &[HourDifference],
        first: &HourDifference,
    ) {
        let coarser = match table {
            Table::Records => "usage_hour is left as it is",
            Table::Cube(_) => "days, months, years and small cubes are left as they are",
        };
        let sentence = format!(
            "{table} of {} in {} does not agree with the ledger in {} hours, first {} {} ({} instead of {}): {coarser}",
            self.seen.name(tenant),
            from.format("%Y-%m"),
            uneven.len(),
            first.source,
            first.hour.format("%Y-%m-%dT%H:00Z"),
            first.found,
            first.expected
        );
        self.refused.push(sentence);
    }
}
