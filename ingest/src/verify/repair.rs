//! Repairing what differs, from the records up.

use std::collections::{BTreeMap, BTreeSet};

use analytics::{
    CdrRow, SessionRow, System,
    cube::{Cube, Level},
    settle::Name,
    verify::{Area, Corrected, Table},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Error, Period, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, Kind, Payload, hour_of},
};
use uuid::Uuid;

use super::{
    Verifier,
    books::month,
    hours::{HourDifference, open, uneven_hours, unexplained},
    month_of,
    report::{Month, Report, Unsound},
};
use crate::{
    kind::{Retained, Row, family_of, kind_of},
    standstill::StandStill,
};

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
    left: BTreeSet<Month>,
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
            // Of batches that share hours one waits in quarantine for as long as another one's copies are there.
            for _ in 0..ROUNDS {
                if journal.settle_all().await? == 0 {
                    break;
                }
            }
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
            .filter_map(|(kind, copy)| match copy.batches[..] {
                [batch] => Some((*kind, copy.tenant, batch)),
                _ => None,
            });
        let mut batches: BTreeMap<(Kind, BatchId), BTreeSet<TenantId>> = BTreeMap::new();
        for (kind, tenant, batch) in doubled.chain(seen.crowded.iter().copied()) {
            batches.entry((kind, batch)).or_default().insert(tenant);
        }
        let mut sentences = Vec::new();
        let retained = Retained::read(&self.db.system().await?).await?;
        for ((kind, batch), tenants) in batches {
            let mut told = Told {
                seen,
                retained: &retained,
                done: &mut sentences,
                refused,
            };
            match kind {
                Kind::Cdr => self.put_back::<CdrRow>(batch, &tenants, &mut told).await?,
                Kind::Session => {
                    self.put_back::<SessionRow>(batch, &tenants, &mut told)
                        .await?;
                }
            }
        }
        Ok(sentences)
    }

    /// Puts rows of one batch back that are there more than once.
    async fn put_back<R: Row>(
        &self,
        batch: BatchId,
        tenants: &BTreeSet<TenantId>,
        told: &mut Told<'_>,
    ) -> Result<()> {
        let system = System::new(self.db.clock().now());
        let mut alike: Vec<R> = Vec::new();
        for tenant in tenants.iter().copied() {
            let rows: Vec<R> = self.store.doubled(&system, tenant, batch).await?;
            let name = told.seen.name(tenant);
            let whole_from = told.retained.whole_from(R::KIND, tenant, system.now());
            let (rows, expiring): (Vec<R>, Vec<R>) =
                (rows.into_iter()).partition(|row| row.at() >= whole_from);
            if !expiring.is_empty() {
                let copies = expiring.len();
                told.refused.insert(format!(
                    "copies of {copies} records of {batch} of {name} are left as they are: they are about to expire"
                ));
            }
            let (mut rows, unlike) = tell_apart(rows);
            if unlike > 0 {
                told.refused.insert(format!(
                    "{unlike} records of {batch} of {name} are there more than once and not alike: they are left as they are"
                ));
            }
            if !rows.is_empty() {
                let count = rows.len();
                told.done.push(format!(
                    "dropped copies of {count} records of {batch} of {name}"
                ));
            }
            alike.append(&mut rows);
        }
        let (Some(first), Some(last)) =
            (alike.iter().map(R::at).min(), alike.iter().map(R::at).max())
        else {
            return Ok(());
        };
        let payload = Payload {
            encoding: R::ENCODING,
            bytes: R::encode(&alike).to_vec(),
        };
        let received_at = alike.first().map_or(first, R::received_at);
        let rows = alike.len() as u64;
        let cx = self.db.system().await?;
        journal::put_back(&cx, batch, rows, &payload, [first, last], received_at).await?;
        cx.commit().await
    }
}

/// What is said of rows that are there more than once.
struct Told<'a> {
    seen: &'a Report,
    retained: &'a Retained,
    done: &'a mut Vec<String>,
    refused: &'a mut BTreeSet<String>,
}

/// Records whose copies are alike, and of how many others they are not.
fn tell_apart<R: Row>(rows: Vec<R>) -> (Vec<R>, usize) {
    let mut by_name: BTreeMap<Name, Vec<R>> = BTreeMap::new();
    for row in rows {
        by_name.entry(row.name()).or_default().push(row);
    }
    let all = by_name.len();
    let alike: Vec<R> = by_name
        .into_values()
        .filter_map(|rows| <[R; 1]>::try_from(rows).ok())
        .map(|[row]| row)
        .collect();
    let unlike = all - alike.len();
    (alike, unlike)
}

impl Repair<'_> {
    async fn run(&mut self) -> Result<()> {
        let differing = self.seen.cubes.iter();
        let months: BTreeSet<Month> = differing
            .filter(|difference| difference.cube.level() < Level::Year)
            .map(|difference| {
                let month = month_of(difference.period.from());
                (kind_of(difference.family), difference.tenant, month)
            })
            .chain(self.seen.hours.iter().copied())
            .chain(self.seen.unsound.keys().copied())
            .collect();
        let mut years: BTreeSet<Month> = BTreeSet::new();
        for difference in &self.seen.cubes {
            let year = Level::Year.period_at(difference.period.from());
            let kind = kind_of(difference.family);
            years.extend(year.map(|year| (kind, difference.tenant, year.from())));
        }
        for month in months {
            self.repair_month(month).await?;
        }
        for year in years {
            self.repair_year(year).await?;
        }
        for tenant in self.seen.live.clone() {
            self.repair_live(tenant).await?;
        }
        Ok(())
    }

    /// What is live and what was seen last, from the log, if that lacks nothing of the tenant.
    async fn repair_live(&mut self, tenant: TenantId) -> Result<()> {
        let name = self.seen.name(tenant);
        let mut unsound = self.seen.unsound.keys();
        if unsound.any(|(kind, of, _)| (*kind, *of) == (Kind::Session, tenant)) {
            let sentence = format!(
                "what is live and was seen last of {name} is left as it is, because the log of its sessions is not whole"
            );
            self.refused.push(sentence);
            return Ok(());
        }
        let still = self.verifier.stand().await?;
        let (store, retentions) = (&self.verifier.store, &still.retained().sessions);
        let sims = store
            .correct_live(&still.system(), tenant, retentions, &still)
            .await?;
        still.end().await?;
        if sims > 0 {
            let sentence = format!(
                "put right what is live and was seen last in {sims} places of SIMs of {name}"
            );
            self.done.push(sentence);
        }
        Ok(())
    }

    /// Hours from records, days from hours, the month from days, and the small cubes: each only if the ledger finds what it is
    /// summed up from whole.
    async fn repair_month(&mut self, (kind, tenant, from): Month) -> Result<()> {
        let still = self.verifier.stand().await?;
        let (frozen, system) = (still.cx(), still.system());
        let period = month(from)?;
        let unsound = self.seen.unsound.get(&(kind, tenant, from)).copied();
        if let Some(unsound) = unsound {
            self.refuse_records((kind, tenant, from), &unsound);
        }
        let whole = self.told_from(&still, (kind, tenant, from))?;
        if let Ok(recent) = Period::new(whole.max(period.from()), period.to())
            && unsound.is_none()
        {
            let uneven = self
                .uneven(frozen, &system, (kind, Table::Records), tenant, recent)
                .await?;
            match uneven.first() {
                None => {
                    self.correct(&still, (kind, Cube::Full(Level::Hour)), tenant, recent)
                        .await?;
                }
                Some(hour) => {
                    self.refuse_hours(Table::Records, (kind, tenant, from), &uneven, hour);
                }
            }
        }
        let hours = Table::Cube(Cube::Full(Level::Hour));
        let uneven = self
            .uneven(frozen, &system, (kind, hours), tenant, period)
            .await?;
        if let Some(hour) = uneven.first() {
            self.left.insert((kind, tenant, from));
            self.refuse_hours(hours, (kind, tenant, from), &uneven, hour);
        } else {
            for cube in Cube::ALL {
                if cube.level() < Level::Year && Table::finer(cube) != Table::Records {
                    self.correct(&still, (kind, cube), tenant, period).await?;
                }
            }
        }
        still.end().await
    }

    /// From when on the records of a month are known to be all there but for what the ledger's hours tell. Hours before are left as they are.
    fn told_from(
        &mut self,
        still: &StandStill,
        (kind, tenant, from): Month,
    ) -> Result<DateTime<Utc>> {
        let whole = still.whole_from(kind, tenant);
        let Some((until, batch)) = self.seen.untold.get(&(kind, tenant)).copied() else {
            return Ok(whole);
        };
        let told = hour_of(until) + TimeDelta::hours(1);
        if told > whole.max(from) && whole < month(from)?.to() {
            let family = family_of(kind);
            self.refused.push(format!(
                "{} of {} may be short before {} by batch {batch}, of which older records have expired: {} is left as it is there",
                family.records(),
                self.seen.name(tenant),
                told.format("%Y-%m-%dT%H:00Z"),
                family.cube(Cube::Full(Level::Hour))
            ));
        }
        Ok(whole.max(told))
    }

    /// The year from its months, if each of them is right.
    async fn repair_year(&mut self, (kind, tenant, from): Month) -> Result<()> {
        let year = Level::Year
            .period_at(from)
            .ok_or_else(|| Error::internal("a year outside of time"))?;
        let in_year = (kind, tenant, year.from())..(kind, tenant, year.to());
        if let Some((.., month)) = self.left.range(in_year).next() {
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
            self.correct(&still, (kind, cube), tenant, year).await?;
        }
        still.end().await
    }

    async fn correct(
        &mut self,
        still: &StandStill,
        (kind, cube): (Kind, Cube),
        tenant: TenantId,
        period: Period,
    ) -> Result<()> {
        let corrected = match kind {
            Kind::Cdr => self.enter::<CdrRow>(still, cube, tenant, period).await?,
            Kind::Session => {
                self.enter::<SessionRow>(still, cube, tenant, period)
                    .await?
            }
        };
        let cube_name = Table::Cube(cube).shown(family_of(kind));
        if corrected.cells > 0 {
            let span = match cube.level() {
                Level::Year => period.from().format("%Y"),
                _ => period.from().format("%Y-%m"),
            };
            self.done.push(format!(
                "corrected {} cells of {cube_name} of {} in {span}: {} in all",
                corrected.cells,
                self.seen.name(tenant),
                corrected.added
            ));
        }
        Ok(())
    }

    async fn enter<R: Row>(
        &self,
        still: &StandStill,
        cube: Cube,
        tenant: TenantId,
        period: Period,
    ) -> Result<Corrected> {
        let area = Area {
            tenant,
            period,
            sims: None,
            retention: R::retentions(still.retained()).of(tenant),
        };
        let store = &self.verifier.store;
        store.correct(&still.system(), cube, &area, still).await
    }

    /// Hours in which ledger and table do not agree, and nothing on its way explains it.
    async fn uneven(
        &self,
        cx: &SystemCx,
        system: &System,
        (kind, table): (Kind, Table),
        tenant: TenantId,
        period: Period,
    ) -> Result<Vec<HourDifference>> {
        let tables = self.verifier.store.tables(system);
        // The ledger first: see [`super::unexplained_hour`].
        let uneven = uneven_hours(cx, &tables, system, (kind, table), tenant, period).await?;
        let open = open(cx, &tables, system, (kind, tenant), &[]).await?;
        Ok(unexplained(&open, uneven))
    }

    fn refuse_records(&mut self, (kind, tenant, from): Month, unsound: &Unsound) {
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
            "records of {} in {} are {what}: {} is left as it is",
            self.seen.name(tenant),
            from.format("%Y-%m"),
            family_of(kind).cube(Cube::Full(Level::Hour))
        );
        self.refused.push(sentence);
    }

    fn refuse_hours(
        &mut self,
        table: Table,
        (kind, tenant, from): Month,
        uneven: &[HourDifference],
        first: &HourDifference,
    ) {
        let hours = family_of(kind).cube(Cube::Full(Level::Hour));
        let coarser = match table {
            Table::Records => format!("{hours} is left as it is"),
            Table::Cube(_) => "days, months, years and small cubes are left as they are".to_owned(),
        };
        let table = table.shown(family_of(kind));
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
