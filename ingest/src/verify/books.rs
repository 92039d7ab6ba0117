//! The two books with each other, and the accounting with hours.

use std::collections::{BTreeMap, BTreeSet};

use analytics::{
    System,
    cube::Level,
    verify::{Count, Table, Tables},
};
use chrono::{DateTime, Utc};
use domain::{
    Error, Period, Result, SystemCx,
    id::TenantId,
    journal::ledger::{self, AcceptedOf, Part},
};

use super::{Still, count, report::Report};

/// What a tenant has journaled and not counted: its span, and what of it the records do not have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    missing: Count,
}

impl Open {
    /// Adds a part of which the records have `there`.
    pub(super) fn add(&mut self, part: &Part, there: Count) {
        let (first, last) = self.span.unwrap_or((part.first_at, part.last_at));
        self.span = Some((first.min(part.first_at), last.max(part.last_at)));
        self.missing += count(part.sums) - there;
    }

    /// Whether the hour may lack this much because it is on its way.
    pub(super) fn explains(&self, hour: DateTime<Utc>, lacks: Count) -> bool {
        let within = |(first, last): (DateTime<Utc>, DateTime<Utc>)| {
            domain::journal::hour_of(first) <= hour && hour <= last
        };
        let possible = |lacks: i128, missing: i128| (0..=missing).contains(&lacks);
        self.span.is_some_and(within)
            && possible(lacks.records.into(), self.missing.records.into())
            && possible(lacks.bytes_up, self.missing.bytes_up)
            && possible(lacks.bytes_down, self.missing.bytes_down)
    }
}

/// An hour of a source in which the accounting and a table do not agree.
#[derive(Clone, Debug)]
pub(super) struct HourDifference {
    pub(super) source: String,
    pub(super) hour: DateTime<Utc>,
    pub(super) expected: Count,
    pub(super) found: Count,
}

impl HourDifference {
    pub(super) fn lacks(&self) -> Count {
        self.expected - self.found
    }
}

/// Hours in which the accounting of a tenant and a table do not agree. The accounting does not know units.
pub(super) async fn uneven_hours(
    cx: &SystemCx,
    tables: &Tables,
    system: &System,
    table: Table,
    tenant: TenantId,
    period: Period,
) -> Result<Vec<HourDifference>> {
    let accepted = ledger::accepted_by_hour(cx, tenant, period).await?;
    let key = |row: AcceptedOf| ((row.source, row.hour), count(row.sums));
    let mut hours: BTreeMap<_, (Count, Count)> = accepted
        .into_iter()
        .map(key)
        .map(|(key, count)| (key, (count, Count::default())))
        .collect();
    for (key, found) in tables.hours(system, table, tenant, period).await? {
        hours.entry(key).or_default().1 = Count { units: 0, ..found };
    }
    Ok(hours
        .into_iter()
        .filter(|(_, (expected, found))| expected != found)
        .map(|((source, hour), (expected, found))| HourDifference {
            source,
            hour,
            expected,
            found,
        })
        .collect())
}

/// Those that nothing on its way explains.
pub(super) fn unexplained(open: &Open, hours: Vec<HourDifference>) -> Vec<HourDifference> {
    let explained = |hour: &HourDifference| open.explains(hour.hour, hour.lacks());
    hours.into_iter().filter(|hour| !explained(hour)).collect()
}

/// The month from its first moment.
pub(super) fn month(from: DateTime<Utc>) -> Result<Period> {
    Level::Month
        .period_at(from)
        .ok_or_else(|| Error::internal("a month outside of time"))
}

impl Still {
    pub(super) async fn books(&self, report: &mut Report) -> Result<()> {
        for balance in ledger::balances(&self.ledger).await? {
            if balance.accounting != balance.parts {
                report.add_balance(&balance);
            }
        }
        let hours = Table::Cube(Level::Hour);
        let mut spans: BTreeMap<TenantId, BTreeSet<DateTime<Utc>>> = BTreeMap::new();
        let known = ledger::accepted_months(&self.ledger).await?;
        let cube = self.tables.tenant_months(&self.system, hours).await?;
        for (tenant, month) in known.into_iter().chain(cube) {
            spans.entry(tenant).or_default().insert(month);
        }
        for (tenant, months) in spans {
            self.books_of(report, tenant, months).await?;
        }
        Ok(())
    }

    /// Hours may lack what is on its way: no hour more than that, and all together exactly that.
    async fn books_of(
        &self,
        report: &mut Report,
        tenant: TenantId,
        months: BTreeSet<DateTime<Utc>>,
    ) -> Result<()> {
        let open = report.open(tenant);
        let mut explained = Count::default();
        let mut held = Vec::new();
        for from in months {
            let uneven = uneven_hours(
                &self.ledger,
                &self.tables,
                &self.system,
                Table::Cube(Level::Hour),
                tenant,
                month(from)?,
            )
            .await?;
            for hour in uneven {
                if open.explains(hour.hour, hour.lacks()) {
                    explained += hour.lacks();
                    held.push(hour);
                } else {
                    report.add_hour(tenant, &hour);
                }
            }
        }
        let missing = Count {
            units: 0,
            ..open.missing
        };
        if explained != missing {
            for hour in &held {
                report.add_hour(tenant, hour);
            }
        }
        Ok(())
    }
}
