//! Step 3: whose each record is, or why it is rejected; and what is claimed of it.

use std::collections::{BTreeSet, HashSet};

use domain::{
    Error, Result, SystemCx,
    id::TenantId,
    journal::{self, Claim, Content, RejectionCode, identity},
    sim::resolve::{Resolved, Unresolved},
};
use uuid::Uuid;

use super::super::{Inner, decode::Item, horizon::Horizon};
use crate::format::{Cdr, Rejection};

/// A record whose SIM is known.
pub(in crate::pipeline) struct Attributed {
    pub(in crate::pipeline) cdr: Cdr,
    pub(in crate::pipeline) resolved: Resolved,
    pub(in crate::pipeline) identity: Uuid,
}

/// What one tenant has in a batch on its way.
pub(super) struct Share<T> {
    pub(super) tenant: TenantId,
    pub(super) part: i64,
    /// Each with the place of its delivery.
    pub(super) items: Vec<(usize, Item<T>)>,
}

/// Attributes the records of a tenant whose fleet has this version.
pub(super) async fn attribute(
    inner: &Inner,
    cx: &SystemCx,
    version: i64,
    horizon: &Horizon,
    share: Share<Cdr>,
) -> Result<Share<Attributed>> {
    let Share {
        tenant,
        part,
        items,
    } = share;
    let decoded = items
        .iter()
        .filter_map(|(_, item)| item.outcome.as_ref().ok());
    let wanted: Vec<_> = decoded.map(|cdr| (&cdr.iccid, cdr.start)).collect();
    let outcomes = inner.resolver.resolve(cx, tenant, version, &wanted);
    let mut outcomes = outcomes.await?.into_iter();
    let mut attributed = Vec::with_capacity(items.len());
    for (delivery, Item { raw, outcome }) in items {
        let outcome = match outcome {
            Ok(cdr) => {
                let found = outcomes.next();
                let found = found.ok_or_else(|| Error::internal("a record was not resolved"))?;
                attributed_to(tenant, found, cdr, horizon)
            }
            Err(rejection) => Err(rejection),
        };
        attributed.push((delivery, Item { raw, outcome }));
    }
    Ok(Share {
        tenant,
        part,
        items: attributed,
    })
}

fn attributed_to(
    tenant: TenantId,
    found: Result<Resolved, Unresolved>,
    cdr: Cdr,
    horizon: &Horizon,
) -> Result<Attributed, Box<Rejection>> {
    let resolved = horizon
        .check(tenant, cdr.start)
        .and_then(|()| found.map_err(unresolved));
    match resolved {
        Ok(resolved) => Ok(Attributed {
            identity: identity(tenant, &cdr.source, &cdr.record_id),
            cdr,
            resolved,
        }),
        Err((code, message)) => Err(Box::new(Rejection::of(cdr, code, message))),
    }
}

/// An unknown ICCID and another tenant's read the same.
fn unresolved(reason: Unresolved) -> (RejectionCode, &'static str) {
    match reason {
        Unresolved::Unknown => (
            RejectionCode::UnknownIccid,
            "no SIM of this tenant has this ICCID",
        ),
        Unresolved::Ambiguous => (
            RejectionCode::AmbiguousIccid,
            "several SIMs begin with these 19 digits: send all 20",
        ),
    }
}

/// Refuses records, also those that are refused already, that name a source for which the tenant has no room.
pub(super) async fn with_known_source(
    inner: &Inner,
    cx: &SystemCx,
    mut share: Share<Attributed>,
    learned: &mut Vec<(TenantId, HashSet<String>)>,
) -> Result<Share<Attributed>> {
    let named: BTreeSet<&str> = share
        .items
        .iter()
        .map(|(_, item)| source_of(item))
        .filter(|source| !source.is_empty())
        .collect();
    if inner.guesses.knows(share.tenant, &named) {
        return Ok(share);
    }
    let known = journal::known_sources(cx, share.tenant, &named, inner.settings.sources).await?;
    for (_, item) in &mut share.items {
        let source = source_of(item);
        if source.is_empty() || known.contains(source) {
            continue;
        }
        let unreadable = item.outcome.as_ref().is_err_and(|it| it.unreadable);
        item.outcome = Err(Box::new(Rejection {
            code: RejectionCode::TooManySources,
            message: "the tenant has no room for another source".to_owned(),
            source: String::new(),
            record_id: None,
            event_at: None,
            unreadable,
        }));
    }
    learned.push((share.tenant, known));
    Ok(share)
}

fn source_of(item: &Item<Attributed>) -> &str {
    match &item.outcome {
        Ok(attributed) => &attributed.cdr.source,
        Err(rejection) => &rejection.source,
    }
}

pub(super) fn claims_of(share: &Share<Attributed>) -> impl Iterator<Item = Claim> {
    let attributed = share
        .items
        .iter()
        .filter_map(|(_, item)| item.outcome.as_ref().ok());
    attributed.map(|attributed| {
        let cdr = &attributed.cdr;
        let rat = cdr.rat.first_words();
        let content = Content {
            sim: attributed.resolved.sim,
            network: &cdr.network,
            rat: &rat,
            service: cdr.service.as_ref(),
            start: cdr.start,
            end: cdr.end,
            bytes_up: cdr.bytes_up,
            bytes_down: cdr.bytes_down,
            units: cdr.units,
        };
        Claim {
            identity: attributed.identity,
            content: content.hash(),
            part: share.part,
            event_at: cdr.start,
        }
    })
}
