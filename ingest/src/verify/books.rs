//! The two books with each other, and the accounting with hours.

use std::collections::{BTreeMap, BTreeSet};

use analytics::{
    cube::{Cube, Level},
    verify::{Count, Table},
};
use chrono::{DateTime, Utc};
use domain::{
    Error, Period, Result,
    id::TenantId,
    journal::{Kind, ledger},
};

use super::{Still, hours::uneven_hours, report::Report};
use crate::kind::family_of;

/// The month from its first moment.
pub(super) fn month(from: DateTime<Utc>) -> Result<Period> {
    Level::Month
        .period_at(from)
        .ok_or_else(|| Error::internal("a month outside of time"))
}

impl Still {
    pub(super) async fn books(&self, report: &mut Report, kind: Kind) -> Result<()> {
        for balance in ledger::balances(&self.ledger, kind).await? {
            let is_even = match kind {
                Kind::Cdr => balance.accounting == balance.parts,
                // Parts have corrections as well.
                Kind::Session => balance.accounting.rows <= balance.parts.rows,
            };
            if !is_even {
                report.add_balance(&balance);
            }
        }
        let hours = Table::Cube(Cube::Full(Level::Hour));
        let mut spans: BTreeMap<TenantId, BTreeSet<DateTime<Utc>>> = BTreeMap::new();
        let known = ledger::accepted_months(&self.ledger, kind).await?;
        let tables = self.tables.of(family_of(kind));
        let cube = tables.tenant_months(&self.system, hours).await?;
        for (tenant, month) in known.into_iter().chain(cube) {
            spans.entry(tenant).or_default().insert(month);
        }
        for (tenant, months) in spans {
            self.books_of(report, kind, tenant, months).await?;
        }
        Ok(())
    }

    /// Hours may lack what is on its way: no hour more than that, and all together exactly that.
    async fn books_of(
        &self,
        report: &mut Report,
        kind: Kind,
        tenant: TenantId,
        months: BTreeSet<DateTime<Utc>>,
    ) -> Result<()> {
        let open = report.open(kind, tenant);
        let mut explained = Count::default();
        let mut held = Vec::new();
        for from in months {
            let uneven = uneven_hours(
                &self.ledger,
                &self.tables,
                &self.system,
                (kind, Table::Cube(Cube::Full(Level::Hour))),
                tenant,
                month(from)?,
            )
            .await?;
            for hour in uneven {
                if open.explains(hour.hour, hour.lacks()) {
                    explained += hour.lacks();
                    held.push(hour);
                } else {
                    report.add_hour(kind, tenant, &hour);
                }
            }
        }
        let missing = Count {
            units: 0,
            ..open.missing
        };
        // What of a session's rows on their way are rollups, parts do not say.
        if kind == Kind::Cdr && explained != missing {
            for hour in &held {
                report.add_hour(kind, tenant, hour);
            }
        }
        Ok(())
    }
}
