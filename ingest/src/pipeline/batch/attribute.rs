//! Step 3: whose each record is, or why it is rejected; and what is claimed of it.

use std::collections::{BTreeSet, HashSet};

use domain::{
    Error, Result, SystemCx,
    id::TenantId,
    journal::{self, Claim, Content, RejectionCode},
    sim::resolve::{Resolved, Unresolved},
};
use uuid::Uuid;

use super::{
    super::{Inner, decode::Item, horizon::Horizon},
    record::Record,
};
use crate::format::{Cdr, Rejection};

/// A record whose SIM is known.
pub(in crate::pipeline) struct Attributed {
    pub(in crate::pipeline) cdr: Cdr,
    pub(in crate::pipeline) resolved: Resolved,
    pub(in crate::pipeline) identity: Uuid,
}

/// What one tenant has in a batch on its way.
pub(in crate::pipeline) struct Share<T> {
    pub(super) tenant: TenantId,
    pub(super) part: i64,
    /// Each with the place of its delivery.
    pub(super) items: Vec<(usize, Item<T>)>,
}

/// Attributes the records of a tenant whose fleet has this version.
pub(super) async fn attribute<T: Record>(
    inner: &Inner,
    cx: &SystemCx,
    version: i64,
    horizon: &Horizon,
    share: Share<T>,
) -> Result<Share<T::Attributed>> {
    let Share {
        tenant,
        part,
        items,
    } = share;
    let decoded = items
        .iter()
        .filter_map(|(_, item)| item.outcome.as_ref().ok());
    let wanted: Vec<_> = decoded.map(|it| (it.iccid(), it.event_at())).collect();
    let outcomes = inner.resolver.resolve(cx, tenant, version, &wanted);
    let mut outcomes = outcomes.await?.into_iter();
    let mut attributed = Vec::with_capacity(items.len());
    for (delivery, Item { raw, outcome }) in items {
        let outcome = match outcome {
            Ok(record) => {
                let found = outcomes.next();
                let found = found.ok_or_else(|| Error::internal("a record was not resolved"))?;
                attributed_to(tenant, found, record, horizon)
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

fn attributed_to<T: Record>(
    tenant: TenantId,
    found: Result<Resolved, Unresolved>,
    record: T,
    horizon: &Horizon,
) -> Result<T::Attributed, Box<Rejection>> {
    let resolved = horizon
        .check(tenant, record.event_at())
        .and_then(|()| found.map_err(unresolved));
    match resolved {
        Ok(resolved) => Ok(record.attributed(tenant, resolved)),
        Err((code, message)) => Err(Box::new(record.refused(code, message))),
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
    attributed.map(|attributed| claim_of(attributed, share.part))
}

/// What is claimed of a record.
pub(in crate::pipeline) fn claim_of(attributed: &Attributed, part: i64) -> Claim {
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
        part,
        event_at: cdr.start,
    }
}

#[cfg(test)]
mod tests {
    use domain::id::SimId;

    use super::*;
    use crate::{
        format::{self, Shape},
        read::Raw,
    };

    /// The content of a record with this code, as it was before the table of codes grew.
    fn before(cdr: &Cdr, words: &str) -> i64 {
        let content = Content {
            sim: SimId::new(Uuid::from_u128(2)),
            network: &cdr.network,
            rat: words,
            service: cdr.service.as_ref(),
            start: cdr.start,
            end: cdr.end,
            bytes_up: cdr.bytes_up,
            bytes_down: cdr.bytes_down,
            units: cdr.units,
        };
        content.hash()
    }

    #[test]
    fn a_record_that_was_accepted_before_its_code_had_a_meaning_is_the_same_one_now() {
        for (code, words, now) in [
            ("4", "Unknown (4)", "GAN"),
            ("\"1004\"", "Unknown (1004)", "LTE"),
            ("6", "LTE", "LTE"),
            ("\"GAN\"", "GAN", "GAN"),
        ] {
            let json = format!(
                "{{\"record_id\":\"1\",\"source\":\"s\",\"iccid\":\"8988303000000123456\",\"service\":\"DATA\",\
                 \"radio_access_type\":{code},\"start\":\"2026-03-15T10:00:00Z\",\"end\":\"2026-03-15T10:00:00Z\",\
                 \"bytes_up\":1,\"bytes_down\":2}}"
            );
            let cdr = format::decode(&Shape::Native, json.as_bytes()).expect("a record");
            assert_eq!(cdr.rat.words(), now);
            let resolved = Resolved {
                sim: SimId::new(Uuid::from_u128(2)),
                customer: None,
                device: None,
            };
            let tenant = TenantId::new(Uuid::from_u128(1));
            let expected = before(&cdr, words);
            let raw = Raw {
                index: 0,
                bytes: bytes::Bytes::new(),
                flaw: None,
            };
            let outcome = Ok(cdr.attributed(tenant, resolved));
            let share = Share {
                tenant,
                part: 1,
                items: vec![(0, Item { raw, outcome })],
            };
            let contents: Vec<i64> = claims_of(&share).map(|claim| claim.content).collect();
            assert_eq!(contents, [expected], "{code}");
        }
    }
}
