//! Messages of a topic are read once more as the rows that the ledger has of them.

use std::collections::HashMap;

use analytics::CdrRow;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Error, Period, Result,
    id::{BatchId, TenantId},
    journal::{self, Claim, Kind, Month},
    sim::resolve,
    topic::{Partition, Passage, Way},
};

use super::{
    Fetched, Intake,
    batch::{
        Record,
        attribute::{Attributed, claim_of},
    },
    books::row_of,
    decode::Item,
};
use crate::format::Cdr;

/// A part of a batch that rows are wanted of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) batch: BatchId,
    pub(crate) received_at: DateTime<Utc>,
}

impl Intake {
    /// The rows of these messages that began in a period and that the ledger has in wanted parts, as they were accepted: the first of an
    /// identity, with its own billing fields.
    pub(crate) async fn rows_of(
        &self,
        partition: &Partition,
        messages: Vec<Fetched>,
        period: Period,
        wanted: &HashMap<i64, Wanted>,
    ) -> Result<Vec<CdrRow>> {
        let mut passage = once_more(partition, Kind::Cdr);
        let known = self.decode::<Cdr>(&mut passage, messages).await;
        let mut rows = Vec::new();
        for (tenant, items) in self.shares(&mut passage, known).await? {
            let records = items.items.into_iter().filter_map(readable);
            let within = records.filter(|(_, cdr)| {
                let start = cdr.start;
                period.from() <= start && start < period.to()
            });
            let attributed = self.attributed(tenant, within.collect()).await?;
            let attributed = attributed.into_iter().map(|(_, attributed)| attributed);
            let attributed: Vec<Attributed> = attributed.collect();
            let claims: Vec<Claim> = attributed.iter().map(|it| claim_of(it, 0)).collect();
            let cx = self.inner.db.system().await?;
            // Nothing is received before the month that it began in, but for what began ahead of the clock.
            let since = Month::of(period.from() - TimeDelta::days(1));
            let parts = journal::counted_by(&cx, since, &claims).await?;
            drop(cx);
            let found = attributed.into_iter().zip(parts);
            rows.extend(found.filter_map(|(attributed, part)| {
                let Wanted { batch, received_at } = *wanted.get(&part?)?;
                Some(row_of(tenant, attributed, batch, received_at))
            }));
        }
        Ok(rows)
    }

    /// Events whose SIM the tenant has, with whose it was and where when they began, and where they lie.
    pub(super) async fn attributed<T: Record>(
        &self,
        tenant: TenantId,
        events: Vec<(i64, T)>,
    ) -> Result<Vec<(i64, T::Attributed)>> {
        let cx = self.inner.db.system().await?;
        let versions = resolve::fleet_versions(&cx, &[tenant]).await?;
        let version = versions.get(&tenant).copied();
        let version = version.ok_or_else(|| Error::not_found("tenant"))?;
        let named = events.iter();
        let named: Vec<_> = named.map(|(_, it)| (it.iccid(), it.event_at())).collect();
        let found = self.inner.resolver.resolve(&cx, tenant, version, &named);
        let found = found.await?;
        let known = events.into_iter().zip(found);
        Ok(known
            .filter_map(|((offset, event), found)| {
                Some((offset, event.attributed(tenant, found.ok()?)))
            })
            .collect())
    }
}

/// Messages of a partition that are read once more, and that nobody journals.
pub(super) fn once_more(partition: &Partition, kind: Kind) -> Passage {
    Passage {
        partition: partition.clone(),
        kind,
        way: Way::Replay,
        tombstones: 0,
        decoded: Vec::new(),
        quarantined: Vec::new(),
    }
}

/// What could be decoded, and where it lies.
pub(super) fn readable<T>(item: Item<T>) -> Option<(i64, T)> {
    Some((item.raw.index.cast_signed(), item.outcome.ok()?))
}
