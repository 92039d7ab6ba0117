//! What batches are of: usage records or rollups of sessions. A batch is of one kind, and each kind has lines of its own.

use chrono::{DateTime, Utc};
use domain::{
    Result,
    id::TenantId,
    journal::{Kind, RejectionCode, identity},
    session::{self, Rollup},
    sim::resolve::Resolved,
};

use super::{
    super::Inner,
    attribute::{Attributed, Share},
    journal::{self, Begun, Held, Written},
    order::ClaimOrder,
    placed::Placed,
    rollup,
};
use crate::format::{Cdr, Event, Rejection};

/// What batches are of.
pub(in crate::pipeline) trait Record:
    Event + Clone + Send + Sync + 'static
{
    /// One whose SIM is known.
    type Attributed: Send + Sync;

    /// What its batches are.
    const KIND: Kind;

    /// Its event time.
    fn event_at(&self) -> DateTime<Utc>;

    /// The rejection of one that could be decoded.
    fn refused(self, code: RejectionCode, message: &str) -> Rejection;

    /// With what it was resolved to.
    fn attributed(self, tenant: TenantId, resolved: Resolved) -> Self::Attributed;

    /// Steps 3 to 5, in the transaction that has begun.
    fn write(
        inner: &Inner,
        begun: Begun,
        held: Held<'_, Self>,
        shares: Vec<Share<Self>>,
        order: &mut ClaimOrder,
    ) -> impl Future<Output = Result<Written>> + Send;
}

impl Record for Cdr {
    type Attributed = Attributed;

    const KIND: Kind = Kind::Cdr;

    fn event_at(&self) -> DateTime<Utc> {
        self.start
    }

    fn refused(self, code: RejectionCode, message: &str) -> Rejection {
        Rejection::of(self, code, message)
    }

    fn attributed(self, tenant: TenantId, resolved: Resolved) -> Attributed {
        Attributed {
            identity: identity(tenant, &self.source, &self.record_id),
            cdr: self,
            resolved,
        }
    }

    async fn write(
        inner: &Inner,
        begun: Begun,
        held: Held<'_, Self>,
        shares: Vec<Share<Self>>,
        order: &mut ClaimOrder,
    ) -> Result<Written> {
        journal::write(inner, begun, held, shares, order).await
    }
}

impl Record for Rollup {
    type Attributed = Placed;

    const KIND: Kind = Kind::Session;

    fn event_at(&self) -> DateTime<Utc> {
        self.event_at
    }

    fn refused(self, code: RejectionCode, message: &str) -> Rejection {
        Rejection {
            code,
            message: message.to_owned(),
            source: session::SOURCE.to_owned(),
            record_id: Some(self.session_id),
            event_at: Some(self.event_at),
            unreadable: false,
        }
    }

    fn attributed(self, tenant: TenantId, resolved: Resolved) -> Placed {
        Placed::new(tenant, self, resolved)
    }

    async fn write(
        inner: &Inner,
        begun: Begun,
        held: Held<'_, Self>,
        shares: Vec<Share<Self>>,
        order: &mut ClaimOrder,
    ) -> Result<Written> {
        rollup::write(inner, begun, held, shares, order).await
    }
}
