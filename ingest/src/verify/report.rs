//! What a look found, in words for the operator and in places for the repair.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use analytics::{
    cube::{Cube, Level},
    verify::{BatchCount, Comparison, Count, Difference, LiveComparison, Table, Total, Twice},
};
use chrono::{DateTime, Utc};
use domain::{
    id::{BatchId, TenantId},
    journal::{
        BatchState, Kind,
        ledger::{AcceptedOf, Balance, Part},
    },
};

use super::{
    count,
    hours::{HourDifference, Open},
    month_of, months,
};
use crate::kind::family_of;

/// What all sources of sessions together are called; no source has such a name.
const SESSIONS: &str = "(sessions)";
/// Differences that are kept in words; further ones are counted.
const KEPT: usize = 1_000;

/// Batches that are not counted yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Tenants' parts of batches.
    pub parts: u64,
    /// Their records.
    pub records: i64,
}

/// A tenant and source over all time, by who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Slug of the tenant.
    pub tenant: String,
    /// Source; of sessions all sources together.
    pub source: String,
    /// The ledger's sums, then those of records and full cubes from fine to coarse, all without units.
    pub counts: [Count; 6],
    /// What to think of it.
    pub verdict: Verdict,
}

/// What to think of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All agree.
    Equal,
    /// The ledger is ahead by what is on its way, or by what is quarantined.
    Waiting,
    /// Records have expired; all others agree.
    Expired,
    /// Something of this tenant differs.
    Differ,
}

/// Months of which a tenant's records cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsound {
    /// The first batch that is to blame.
    pub(super) batch: BatchId,
    /// How many are.
    pub(super) batches: u64,
    /// Records that the ledger has and `cdr` lacks, of all these batches; below zero when it has too many.
    pub(super) lacks: i64,
}

/// What a look found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How long intake was held back.
    pub stood_still: Duration,
    /// One line per tenant and source.
    pub lines: Vec<Line>,
    /// Journaled and on its way: no difference.
    pub on_the_way: Waiting,
    /// Refused by ClickHouse and kept: no difference.
    pub quarantined: Waiting,
    /// Parts of batches of which records may have expired; they are not compared.
    pub expired: u64,
    /// Whether some usage is too old to be compared with records.
    pub without_records: bool,
    /// The first differences, each a sentence.
    pub differences: Vec<String>,
    /// Journaled parts of which records are there already: their fate is uncertain until they are settled.
    pub(super) uncertain: u64,
    pub(super) cubes: Vec<Difference>,
    pub(super) copies: Vec<(Kind, Twice)>,
    /// Tenants' parts of batches of which there are more records than the ledger has.
    pub(super) crowded: BTreeSet<(Kind, TenantId, BatchId)>,
    pub(super) hours: BTreeSet<Month>,
    pub(super) unsound: BTreeMap<Month, Unsound>,
    /// Tenants of whom what is live, or was seen last, is not what the log says.
    pub(super) live: BTreeSet<TenantId>,
    /// Until when a tenant's records may lack rows that have not expired, and the batch whose they would be.
    pub(super) untold: BTreeMap<(Kind, TenantId), (DateTime<Utc>, BatchId)>,
    total: u64,
    differing: BTreeSet<TenantId>,
    names: BTreeMap<TenantId, String>,
    open: BTreeMap<(Kind, TenantId), Open>,
}

/// A month of a tenant in the tables of one kind.
pub(super) type Month = (Kind, TenantId, DateTime<Utc>);

impl Report {
    pub(super) fn new(names: impl Iterator<Item = (TenantId, String)>) -> Self {
        Self {
            names: names.collect(),
            ..Self::default()
        }
    }

    /// How many differences there are, those included that are not in words.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Slug of a tenant, or its id if the inventory does not know it.
    pub(super) fn name(&self, tenant: TenantId) -> String {
        self.names
            .get(&tenant)
            .cloned()
            .unwrap_or_else(|| tenant.to_string())
    }

    pub(super) fn open(&self, kind: Kind, tenant: TenantId) -> Open {
        self.open.get(&(kind, tenant)).copied().unwrap_or_default()
    }

    fn differ(&mut self, tenant: TenantId, sentence: &str) {
        self.total += 1;
        self.differing.insert(tenant);
        if self.differences.len() < KEPT {
            let name = self.name(tenant);
            self.differences.push(format!("{name}: {sentence}"));
        }
    }

    pub(super) fn add_open(&mut self, kind: Kind, part: &Part, there: Count) {
        let waiting = match part.state {
            BatchState::Quarantined => &mut self.quarantined,
            _ => &mut self.on_the_way,
        };
        waiting.parts += 1;
        waiting.records += part.sums.rows;
        if part.state == BatchState::Journaled && there.records > 0 {
            self.uncertain += 1;
        }
        self.open
            .entry((kind, part.tenant))
            .or_default()
            .add(part, there);
    }

    pub(super) fn add_part(&mut self, kind: Kind, part: &Part, there: Count, what: &str) {
        let days = days(part.first_at, part.last_at);
        let sentence = format!(
            "{} of {days} {what} {there}; the ledger says {}",
            part.batch,
            count(part.sums)
        );
        self.differ(part.tenant, &sentence);
        let lacks = part.sums.rows - there.records;
        if lacks < 0 && self.crowded.len() < KEPT {
            self.crowded.insert((kind, part.tenant, part.batch));
        }
        self.distrust(
            kind,
            (part.tenant, part.batch),
            lacks,
            [part.first_at, part.last_at],
        );
    }

    /// A part that lacks records of which some may have expired. Whether those have that it lacks, nobody can tell where the accounting of hours
    /// does not: that of sessions does not know the rows that correct what was counted.
    pub(super) fn add_expired(&mut self, kind: Kind, part: &Part, whole_from: DateTime<Utc>) {
        self.expired += 1;
        if kind == Kind::Session && part.last_at >= whole_from {
            let until = (part.last_at, part.batch);
            let untold = self.untold.entry((kind, part.tenant)).or_insert(until);
            *untold = until.max(*untold);
        }
    }

    pub(super) fn add_stranger(&mut self, kind: Kind, found: &BatchCount) {
        let days = days(found.first, found.last);
        let sentence = format!(
            "the ledger does not know {} of {days}, of which {} has {}",
            found.batch,
            family_of(kind).records(),
            found.count
        );
        self.differ(found.tenant, &sentence);
        self.distrust(
            kind,
            (found.tenant, found.batch),
            -found.count.records,
            [found.first, found.last],
        );
    }

    fn distrust(
        &mut self,
        kind: Kind,
        (tenant, batch): (TenantId, BatchId),
        lacks: i64,
        [first, last]: [DateTime<Utc>; 2],
    ) {
        for month in months(first, last) {
            let unsound = self
                .unsound
                .entry((kind, tenant, month))
                .or_insert(Unsound {
                    batch,
                    batches: 0,
                    lacks: 0,
                });
            unsound.batches += 1;
            unsound.lacks += lacks;
        }
    }

    pub(super) fn add_balance(&mut self, balance: &Balance) {
        let sentence = format!(
            "the accounting accepted {}, its batches hold {}",
            count(balance.accounting),
            count(balance.parts)
        );
        self.differ(balance.tenant, &sentence);
    }

    pub(super) fn add_hour(&mut self, kind: Kind, tenant: TenantId, hour: &HourDifference) {
        let source = match kind {
            Kind::Cdr => &hour.source,
            Kind::Session => SESSIONS,
        };
        let sentence = format!(
            "{source} {}: the ledger says {}, {} says {}",
            hour.hour.format("%Y-%m-%dT%H:00Z"),
            hour.expected,
            family_of(kind).cube(Cube::Full(Level::Hour)),
            hour.found
        );
        self.differ(tenant, &sentence);
        self.hours.insert((kind, tenant, month_of(hour.hour)));
    }

    pub(super) fn add_copies(&mut self, kind: Kind, copies: Vec<Twice>) {
        for copy in &copies {
            let batches: Vec<String> = copy.batches.iter().map(BatchId::to_string).collect();
            let sentence = format!(
                "{} has {} records of the identity {} in {}: {}",
                family_of(kind).records(),
                copy.records,
                copy.identity,
                days(copy.first, copy.last),
                batches.join(", ")
            );
            self.differ(copy.tenant, &sentence);
        }
        self.copies
            .extend(copies.into_iter().map(|copy| (kind, copy)));
    }

    pub(super) fn add_cubes(&mut self, compared: Comparison) {
        self.without_records |= compared.without_records;
        for difference in &compared.differences {
            let (family, tenant) = (difference.family, difference.tenant);
            let finer = Table::finer(difference.cube).shown(family);
            let cube = Table::Cube(difference.cube).shown(family);
            let days = days(difference.period.from(), difference.period.to());
            if difference.receipt {
                let sentence = format!("{days}: {cube} does not know the newest receipt");
                self.differ(tenant, &sentence);
                continue;
            }
            for cell in &difference.cells {
                let sentence = format!(
                    "{} {}: {finer} says {}, {cube} says {}",
                    cell.start.format("%Y-%m-%dT%H:00Z"),
                    cell.key,
                    cell.expected,
                    cell.found
                );
                self.differ(tenant, &sentence);
            }
            if difference.cells.is_empty() || difference.more {
                let sentence = format!(
                    "{days}: {finer} says {}, {cube} says {}; more cells differ than are shown",
                    difference.expected, difference.found
                );
                self.differ(tenant, &sentence);
            }
        }
        self.cubes.extend(compared.differences);
    }

    pub(super) fn add_live(&mut self, compared: &LiveComparison) {
        let made = |at: Option<DateTime<Utc>>| {
            let text = |at: DateTime<Utc>| format!("a rollup of {}", at.to_rfc3339());
            at.map_or_else(|| "nothing".to_owned(), text)
        };
        for unlike in &compared.unlike {
            let sentence = format!(
                "{} of {} and {}: the log has {}, it has {}",
                unlike.table,
                unlike.sim,
                unlike.of,
                made(unlike.expected),
                made(unlike.found)
            );
            self.differ(unlike.tenant, &sentence);
            self.live.insert(unlike.tenant);
        }
        for (tenant, table) in &compared.more {
            self.differ(
                *tenant,
                &format!("more rows of {table} differ than are shown"),
            );
            self.live.insert(*tenant);
        }
    }

    pub(super) fn add_lines(&mut self, kind: Kind, totals: Vec<Total>, accepted: Vec<AcceptedOf>) {
        // Of sessions the ledger accounts for rollups, and their tables do not know the source.
        let known = |count: Count| match kind {
            Kind::Cdr => Count { units: 0, ..count },
            Kind::Session => Count {
                records: count.records,
                ..Count::default()
            },
        };
        let source_of = |source: String| match kind {
            Kind::Cdr => source,
            Kind::Session => SESSIONS.to_owned(),
        };
        let mut lines: BTreeMap<(TenantId, String), [Count; 6]> = BTreeMap::new();
        for row in accepted {
            let counts = lines
                .entry((row.tenant, source_of(row.source)))
                .or_default();
            counts[0] += known(count(row.sums));
        }
        for total in totals {
            let counts = lines
                .entry((total.tenant, source_of(total.source)))
                .or_default();
            let column = match total.table {
                Table::Records => 1,
                Table::Cube(Cube::Full(level)) => 2 + level as usize,
                // What they have is in the full ones, and a difference is named.
                Table::Cube(Cube::Small(_)) => continue,
            };
            counts[column] += known(total.count);
        }
        // Those of the other kind have lines of their own.
        let differing = std::mem::take(&mut self.differing);
        // Where a difference of a tenant shows in no source's numbers, it may be in any of them.
        let shown: BTreeSet<TenantId> = lines
            .iter()
            .filter(|(_, counts)| !agree(counts))
            .map(|((tenant, _), _)| *tenant)
            .collect();
        for ((tenant, source), counts) in lines {
            let differs =
                differing.contains(&tenant) && !(agree(&counts) && shown.contains(&tenant));
            let line = Line {
                tenant: self.name(tenant),
                source,
                counts,
                verdict: if differs {
                    Verdict::Differ
                } else {
                    Verdict::of(&counts)
                },
            };
            self.lines.push(line);
        }
        self.lines
            .sort_by(|a, b| (&a.tenant, &a.source).cmp(&(&b.tenant, &b.source)));
    }
}

impl Verdict {
    /// On a source in which nothing differs.
    fn of(counts: &[Count; 6]) -> Self {
        if agree(counts) {
            Self::Equal
        } else if counts[0] == counts[2] {
            Self::Expired
        } else {
            Self::Waiting
        }
    }
}

fn agree(counts: &[Count; 6]) -> bool {
    counts.iter().all(|count| *count == counts[0])
}

/// The days of a span, in words. A span that ends with a day does not name the next one.
fn days(first: DateTime<Utc>, last: DateTime<Utc>) -> String {
    let last = if last > first {
        last - chrono::TimeDelta::nanoseconds(1)
    } else {
        last
    };
    let (first, last) = (first.date_naive(), last.date_naive());
    if first == last {
        first.to_string()
    } else {
        format!("{first} to {last}")
    }
}

#[cfg(test)]
mod tests {
    use domain::journal::ledger::Sums;
    use uuid::Uuid;

    use super::*;

    /// Lines of a tenant with two sources, of which `found` are in the records.
    fn lines(differs: bool, found: [i64; 2]) -> Vec<Verdict> {
        let tenant = TenantId::new(Uuid::from_u128(1));
        let mut report = Report::new([(tenant, "acme".to_owned())].into_iter());
        if differs {
            report.differ(tenant, "something");
        }
        let sources = ["a", "b"].map(str::to_owned);
        let accepted = sources.clone().map(|source| AcceptedOf {
            tenant,
            source,
            hour: DateTime::UNIX_EPOCH,
            sums: Sums {
                rows: 7,
                ..Sums::default()
            },
        });
        let cubes = Level::ALL.map(|level| Table::Cube(Cube::Full(level)));
        let totals = sources.iter().zip(found).flat_map(|(source, found)| {
            let total = move |table, records| Total {
                tenant,
                source: source.clone(),
                table,
                count: Count {
                    records,
                    ..Count::default()
                },
            };
            let cubes = cubes.iter().map(move |table| total(*table, 7));
            cubes.chain([total(Table::Records, found)])
        });
        report.add_lines(Kind::Cdr, totals.collect(), accepted.into());
        report.lines.iter().map(|line| line.verdict).collect()
    }

    #[test]
    fn a_difference_is_said_of_the_sources_that_show_it_or_of_all() {
        use Verdict::{Differ, Equal, Expired};
        assert_eq!(lines(false, [7, 7]), [Equal, Equal]);
        assert_eq!(lines(false, [7, 6]), [Equal, Expired]);
        assert_eq!(lines(true, [7, 6]), [Equal, Differ]);
        assert_eq!(lines(true, [7, 7]), [Differ, Differ]);
    }
}
