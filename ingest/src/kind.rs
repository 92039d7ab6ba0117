//! What batches are of: rows of either family, and how long they are kept.

use analytics::{CdrRow, Family, SessionRow, Store, settle::Record, verify::Keeps};
use chrono::{DateTime, Utc};
use domain::{
    Result, SystemCx,
    id::{BatchId, TenantId},
    journal::Kind,
    tenant::{self, Retentions, SessionRetentions},
};

use crate::standstill::StandStill;

/// The family of tables that a kind of batches goes into.
pub(crate) const fn family_of(kind: Kind) -> Family {
    match kind {
        Kind::Cdr => Family::Cdr,
        Kind::Session => Family::Session,
    }
}

/// The kind of batches that goes into a family of tables.
pub(crate) const fn kind_of(family: Family) -> Kind {
    match family {
        Family::Cdr => Kind::Cdr,
        Family::Session => Kind::Session,
    }
}

/// Every kind.
pub(crate) const KINDS: [Kind; 2] = [Kind::Cdr, Kind::Session];

/// Rows of one kind of batches.
pub(crate) trait Row: Record {
    /// Which.
    const KIND: Kind;

    /// How long they are kept.
    fn retentions(kept: &Retained) -> &Retentions<Self::Retention>;

    /// Puts right what else is made of them, from what the records have now: after rows were inserted, or after those of a batch were taken
    /// out (`gone`).
    fn restore(
        store: &Store,
        rows: &[Self],
        gone: Option<BatchId>,
        still: &StandStill,
    ) -> impl Future<Output = Result<()>> + Send;
}

impl Row for CdrRow {
    const KIND: Kind = Kind::Cdr;

    fn retentions(kept: &Retained) -> &Retentions {
        &kept.records
    }

    // There are the cubes and nothing else.
    async fn restore(_: &Store, _: &[Self], _: Option<BatchId>, _: &StandStill) -> Result<()> {
        Ok(())
    }
}

impl Row for SessionRow {
    const KIND: Kind = Kind::Session;

    fn retentions(kept: &Retained) -> &SessionRetentions {
        &kept.sessions
    }

    async fn restore(
        store: &Store,
        rows: &[Self],
        gone: Option<BatchId>,
        still: &StandStill,
    ) -> Result<()> {
        let system = still.system();
        match gone {
            Some(batch) => store.forget_live(&system, batch, rows, still).await,
            None => store.restore_live(&system, rows, still).await,
        }
    }
}

/// How long rows of both kinds are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retained {
    pub(crate) records: Retentions,
    pub(crate) sessions: SessionRetentions,
}

impl Retained {
    /// That of every tenant.
    pub(crate) async fn read(cx: &SystemCx) -> Result<Self> {
        Ok(Self {
            records: tenant::retentions(cx).await?,
            sessions: tenant::session_retentions(cx).await?,
        })
    }

    /// From when on every row of a tenant is there.
    pub(crate) fn whole_from(
        &self,
        kind: Kind,
        tenant: TenantId,
        now: DateTime<Utc>,
    ) -> DateTime<Utc> {
        match kind {
            Kind::Cdr => self.records.of(tenant).whole_days_from(now),
            Kind::Session => self.sessions.of(tenant).whole_hours_from(now),
        }
    }

    /// From when on every row of every tenant is there.
    pub(crate) fn all_whole_from(&self, kind: Kind, now: DateTime<Utc>) -> DateTime<Utc> {
        match kind {
            Kind::Cdr => latest(&self.records, now),
            Kind::Session => latest(&self.sessions, now),
        }
    }
}

fn latest<R: Keeps>(retentions: &Retentions<R>, now: DateTime<Utc>) -> DateTime<Utc> {
    let own = retentions.own().map(|(_, own)| own);
    let all = own.chain([R::default()]);
    all.map(|it| it.whole_from(now)).max().unwrap_or(now)
}
