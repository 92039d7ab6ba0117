//! What a batch does with the topics that its messages come from: positions are moved, records that are another tenant's are taken
//! out, and all of them are accounted for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, Claim, Verdict, identity},
    topic::{self, Account, Passage, Quarantined, Reason, Sums},
};
use uuid::Uuid;

use super::{
    super::{Inner, books::Books, queue::Queued},
    attribute::{Attributed, Share},
    journal::{Begun, Held, Place},
    record::Record,
};

/// Records that turned out to be another tenant's, by delivery.
pub(super) type Elsewhere = BTreeMap<usize, Vec<Quarantined>>;

/// Moves the positions of all passages that are not to wait, in one order. One that is stale leaves nothing.
pub(super) async fn pass<T: Record>(
    cx: &SystemCx,
    deliveries: &[Queued<T>],
    places: &mut [Place],
) -> Result<()> {
    for (at, passage) in held(deliveries, places) {
        let newest = newest(&deliveries[at], cx.now());
        if !topic::pass(cx, passage, newest).await? {
            tracing::info!(partition = %passage.partition, "a passage is stale: somebody else read it");
            places[at] = Place::Stale;
        }
    }
    Ok(())
}

/// When the newest usage of a delivery began, unless that is to come.
fn newest<T: Record>(queued: &Queued<T>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let items = queued.shares.iter().flat_map(|(_, items)| &items.items);
    let read = items.filter_map(|item| item.outcome.as_ref().ok());
    read.map(T::event_at).filter(|at| *at <= now).max()
}

/// The passages that the batch holds, by partition and then in the order of the deliveries.
fn held<'a, T>(deliveries: &'a [Queued<T>], places: &[Place]) -> Vec<(usize, &'a Passage)> {
    let all = deliveries.iter().zip(places).enumerate();
    let held = all.filter(|(_, (_, place))| **place == Place::Held);
    let mut held: Vec<(usize, &Passage)> = held
        .filter_map(|(at, (queued, _))| Some((at, queued.passage.as_ref()?)))
        .collect();
    held.sort_by_key(|(_, passage)| &passage.partition);
    held
}

/// Claims records of topics for their tenants, and takes those out that came through a topic before and were another tenant's.
///
/// A record's own identity has its tenant in it, so it cannot tell. Records of topics are claimed once more, for nobody, with the
/// tenant as what they say. Only topics claim so: what a tenant delivers itself never keeps a topic's record from another one.
///
/// These claims come before all others of the batch, as in every batch.
pub(super) async fn claim(
    inner: &Inner,
    begun: &Begun,
    deliveries: &[Queued],
    shares: &mut [Share<Attributed>],
) -> Result<Elsewhere> {
    let claims: Vec<Claim> = shares
        .iter()
        .flat_map(|share| claims_of(deliveries, share))
        .collect();
    let expected = inner.guesses.expected();
    let verdicts = journal::claim(&begun.cx, begun.month, &claims, &inner.older, expected).await?;
    let mut elsewhere = Elsewhere::new();
    if !verdicts.contains(&Verdict::Conflict) {
        return Ok(elsewhere);
    }
    let mut verdicts = verdicts.into_iter();
    for share in shares {
        share.items.retain(|(delivery, item)| {
            let passage = deliveries[*delivery].passage.as_ref();
            let claimed = passage.filter(|_| item.outcome.is_ok());
            let Some(passage) = claimed else { return true };
            if verdicts.next() != Some(Verdict::Conflict) {
                return true;
            }
            let message = passage.message(item.raw.index.cast_signed());
            elsewhere.entry(*delivery).or_default().extend(
                message.map(|message| Quarantined {
                    message: message.clone(),
                    reason: Reason::CountedElsewhere,
                    text: "a record of this source and id came before and was another tenant's"
                        .to_owned(),
                }),
            );
            false
        });
    }
    Ok(elsewhere)
}

fn claims_of(deliveries: &[Queued], share: &Share<Attributed>) -> impl Iterator<Item = Claim> {
    let nobody = TenantId::new(Uuid::nil());
    let (_, tenant) = share.tenant.uuid().as_u64_pair();
    let items = share.items.iter();
    let items = items.filter(|(delivery, _)| deliveries[*delivery].passage.is_some());
    let attributed = items.filter_map(|(_, item)| item.outcome.as_ref().ok());
    attributed.map(move |attributed| Claim {
        identity: identity(nobody, &attributed.cdr.source, &attributed.cdr.record_id),
        content: tenant.cast_signed(),
        part: share.part,
        event_at: attributed.cdr.start,
    })
}

/// Accounts for all messages of the passages that the batch holds, and files what is quarantined.
pub(super) async fn record<T>(
    cx: &SystemCx,
    all: &Held<'_, T>,
    books: &Books,
    elsewhere: &Elsewhere,
    now: DateTime<Utc>,
) -> Result<()> {
    let mut accounts = Vec::new();
    for (at, passage) in held(all.deliveries, &all.places) {
        let moved = elsewhere.get(&at).map_or(&[][..], |moved| moved);
        let quarantined: Vec<&Quarantined> = passage.quarantined.iter().chain(moved).collect();
        let [accepted, duplicate, rejected] = books.counts(at);
        let decoded = passage.decoded.len() + passage.quarantined.len();
        accounts.push(Account {
            partition: passage.partition.clone(),
            reading: passage.way.reading(),
            sums: Sums {
                read: passage.tombstones + decoded as u64,
                tombstones: passage.tombstones,
                quarantined: quarantined.len() as u64,
                decoded: (decoded - quarantined.len()) as u64,
                accepted,
                duplicate,
                rejected,
            },
        });
        topic::file(cx, passage, &quarantined, now).await?;
    }
    topic::account(cx, &accounts, now).await
}

/// Remembers which messages the batch was made of, while its sessions are locked; none where nothing was accepted.
pub(super) async fn remember<T>(
    cx: &SystemCx,
    all: &Held<'_, T>,
    batch: Option<BatchId>,
    now: DateTime<Utc>,
) -> Result<()> {
    let held = held(all.deliveries, &all.places);
    let passages: Vec<&Passage> = held.into_iter().map(|(_, passage)| passage).collect();
    topic::remember(cx, &passages, batch, now).await
}
