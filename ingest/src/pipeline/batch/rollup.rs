//! Steps 3 to 5 for rollups of sessions: resolve, hold their sessions, find out what is new, and record it.

use std::collections::{BTreeMap, HashSet};

use analytics::session::{ENCODING, SessionRow, encode};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{
    Error, Result,
    journal::{self, Kind, NewBatch},
    session::{self, Known, Rollup},
    tenant,
};

use super::{
    super::{
        Inner, Step,
        apply::{Journaled, Kept},
        books::Books,
        horizon::Horizon,
    },
    attribute::{Share, attribute},
    journal::{Begun, Held, Written, batch_id, open_parts},
    order::ClaimOrder,
    passage::{self, Elsewhere},
    placed::{Fate, Outcome, Placed, Present, outcome},
};

/// Steps 3 to 5, in the transaction that has begun.
pub(super) async fn write(
    inner: &Inner,
    begun: Begun,
    held: Held<'_, Rollup>,
    shares: Vec<Share<Rollup>>,
    order: &mut ClaimOrder,
) -> Result<Written> {
    let now = begun.now();
    let tenants: Vec<_> = begun.parts.keys().copied().collect();
    let retentions = tenant::session_retentions_of(&begun.cx, &tenants).await?;
    let horizon = Horizon::of_sessions(&inner.settings, now, retentions.clone());
    let mut placed = Vec::with_capacity(shares.len());
    for share in shares {
        let version = begun.versions.get(&share.tenant).copied();
        let version = version.ok_or_else(|| Error::not_found("tenant"))?;
        placed.push(attribute(inner, &begun.cx, version, &horizon, share).await?);
    }
    inner.reached(Step::Resolved)?;
    let sessions = session::hold(&begun.cx, &sessions_of(&placed)).await?;
    // A rollup of one of these sessions in the next batch waits there for the commit.
    order.release();
    let present = Present {
        batch: batch_id(now),
        now,
        parts: &begun.parts,
        retentions: &retentions,
    };
    let rollups = placed.iter().flat_map(rollups_of);
    let outcome = outcome(&inner.store, &present, &sessions, rollups).await?;
    session::keep(&begun.cx, &outcome.changes).await?;
    inner.reached(Step::Claimed)?;
    let mut books = Books::new(Kind::Session, present.batch, horizon, held.topics());
    let rows = enter(&mut books, placed, outcome)?;
    let kept = Kept::Sessions(retentions);
    let batch = record(&begun, &books, &rows, kept, now).await?;
    passage::record(&begun.cx, &held, &books, &Elsewhere::new(), now).await?;
    let made = batch.as_ref().map(|it| it.batch);
    passage::remember(&begun.cx, &held, made, now).await?;
    let open = open_parts(&begun.cx, &books).await?;
    inner.reached(Step::Recorded)?;
    begun.cx.commit().await?;
    Ok(Written {
        places: held.places,
        books,
        batch,
        open,
    })
}

fn rollups_of(share: &Share<Placed>) -> impl Iterator<Item = &Placed> {
    let items = share.items.iter();
    items.filter_map(|(_, item)| item.outcome.as_ref().ok())
}

/// The sessions that are named, each with when its oldest and its newest rollup were made.
fn sessions_of(shares: &[Share<Placed>]) -> BTreeMap<Known, [DateTime<Utc>; 2]> {
    let mut sessions = BTreeMap::new();
    for placed in shares.iter().flat_map(rollups_of) {
        let at = placed.point.reading.event_at;
        let [oldest, newest] = sessions.entry(placed.session).or_insert([at; 2]);
        (*oldest, *newest) = (at.min(*oldest), at.max(*newest));
    }
    sessions
}

/// Enters every rollup by what became of it, or as rejected, and all rows. One that comes twice in the batch is new once.
fn enter(
    books: &mut Books,
    shares: Vec<Share<Placed>>,
    mut outcome: Outcome,
) -> Result<Vec<SessionRow>> {
    let mut all = Vec::new();
    let mut counted = HashSet::new();
    for share in shares {
        books.open(share.tenant, share.part);
        for (delivery, item) in share.items {
            let Ok(placed) = &item.outcome else {
                books.reject_item(delivery, item);
                continue;
            };
            let identity = placed.identity();
            let event_at = placed.point.reading.event_at;
            let entered = books.entered(delivery, session::SOURCE, event_at, identity);
            match outcome.fates.get(&identity).copied() {
                Some(Fate::Counts(usage)) if counted.insert(identity) => {
                    entered.accepted([usage.bytes_up, usage.bytes_down])?;
                }
                Some(Fate::Counts(_)) => entered.repeats(Some(share.part))?,
                Some(Fate::Repeats(of)) => entered.repeats(of)?,
                None => return Err(Error::internal("nobody knows what became of a rollup")),
            }
        }
        for row in outcome.rows.remove(&share.tenant).unwrap_or_default() {
            let volume = [row.bytes_up, row.bytes_down, 0];
            books.count(row.identity, row.event_at, volume)?;
            all.push(row);
        }
    }
    if !outcome.rows.is_empty() || counted.len() != all.iter().filter(|row| row.arrived).count() {
        return Err(Error::internal("rollups and their rows do not add up"));
    }
    Ok(all)
}

/// Step 5. Nothing is to be applied if nothing was accepted.
async fn record(
    begun: &Begun,
    books: &Books,
    rows: &[SessionRow],
    kept: Kept,
    now: DateTime<Utc>,
) -> Result<Option<Journaled>> {
    let (parts, count) = (books.parts(), rows.len() as u64);
    let payload = if rows.is_empty() {
        Bytes::new()
    } else {
        encode(rows)
    };
    let new = (count > 0).then(|| NewBatch {
        id: books.batch(),
        rows: count,
        encoding: ENCODING,
        payload: &payload,
        apply_by: begun.apply_by,
        parts: &parts,
    });
    let (tallies, rejections) = (books.tallies(), books.rejections());
    journal::record(&begun.cx, Kind::Session, new, &tallies, rejections, now).await?;
    Ok((count > 0).then_some(Journaled {
        batch: books.batch(),
        rows: count,
        payload,
        apply_by: begun.apply_by,
        kept,
    }))
}
