//! A batch that the engine refuses is removed from records and cubes and cut into pieces, until what is refused is one record.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Error, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, NewBatch, Part, Piece, ledger},
};

use super::{
    super::{Inner, batch::batch_id},
    Settled,
    case::Case,
};
use crate::{kind::Row, standstill::StandStill};

impl Inner {
    /// Removes what there may be of a batch that the engine refuses permanently, corrects its cells, and cuts it.
    pub(super) async fn refuse<R: Row>(
        &self,
        still: &StandStill,
        mut case: Case<R>,
        reason: &str,
        settled: &mut Settled,
    ) -> Result<()> {
        let system = still.system();
        let found = self.store.look_up(&system, &case.rows).await?;
        case.not_before = case.not_before.max(found.apply_by + TimeDelta::seconds(1));
        let all: Vec<usize> = (0..case.rows.len()).collect();
        if found.missing.len() < all.len() || !found.surplus.is_empty() {
            self.remove_rows(still, &case, all.iter()).await?;
        }
        settled.corrected += self.correct(still, std::slice::from_ref(&case)).await?;
        let (cx, batch) = (still.cx(), case.pending.batch);
        R::restore(&self.store, &case.rows, Some(batch), still).await?;
        let halves = halves(case.rows.clone());
        if halves.len() == 1 || !self.holds_all(cx, &case).await? {
            tracing::error!(%batch, reason, "what is left of a batch is quarantined");
            journal::quarantine(cx, batch, reason).await?;
            settled.quarantined += 1;
        } else {
            let halves = halves.into_iter();
            let pieces = halves.map(|rows| (piece_of(&case), rows)).collect();
            self.replace(cx, &case, pieces).await?;
            settled.cut += 1;
        }
        self.refused.forget(&[batch]);
        Ok(())
    }

    /// Whether the payload has every record of the batch, and not the part of it that was put back: the rest knows no other
    /// batch.
    pub(super) async fn holds_all<R: Row>(&self, cx: &SystemCx, case: &Case<R>) -> Result<bool> {
        let batch = case.pending.batch;
        let sums = ledger::sums_of(cx, &[batch]).await?;
        let known = sums.get(&batch).map(|(sums, _)| sums.rows);
        Ok(known == i64::try_from(case.rows.len()).ok())
    }

    /// Puts pieces in the place of a batch. Rows that are in the records stay there, in the piece that has its id; those of
    /// the others are removed and inserted again when these are settled.
    pub(super) async fn replace<R: Row>(
        &self,
        cx: &SystemCx,
        case: &Case<R>,
        pieces: Vec<(BatchId, Vec<R>)>,
    ) -> Result<()> {
        // No insert of a piece has begun.
        let over = case.pending.apply_by;
        let months = journal::months_of(cx, case.pending.batch).await?;
        let mut drafts = Vec::new();
        for (id, mut rows) in pieces {
            for row in &mut rows {
                row.set_batch(id);
            }
            drafts.push(Draft::new(cx, id, rows, &months).await?);
        }
        let pieces: Vec<Piece<'_>> = drafts
            .iter()
            .map(|draft| draft.piece(over, case.pending.created_at))
            .collect();
        journal::replace(cx, case.pending.batch, &pieces).await
    }
}

/// An id for a piece of a batch.
pub(super) fn piece_of<R>(case: &Case<R>) -> BatchId {
    batch_id(case.pending.created_at)
}

/// Rows of one tenant stand alone, and so does either half of them, but for those that stand together.
fn halves<R: Row>(rows: Vec<R>) -> Vec<Vec<R>> {
    let mut by_tenant: BTreeMap<TenantId, Vec<R>> = BTreeMap::new();
    for row in rows {
        by_tenant.entry(row.tenant()).or_default().push(row);
    }
    let mut parts: Vec<Vec<R>> = by_tenant.into_values().collect();
    if let [only] = parts.as_mut_slice() {
        only.sort_by_key(R::together);
        let middle = only.len() / 2;
        let whole = only[middle..].iter().map(R::together);
        // Where the ones in the middle end.
        let first = only.get(middle).map(R::together);
        let end = middle + whole.take_while(|it| Some(*it) == first).count();
        let begin = only[..middle]
            .iter()
            .rev()
            .take_while(|it| Some(it.together()) == first);
        let begin = middle - begin.count();
        let at = if end < only.len() { end } else { begin };
        if at > 0 && at < only.len() {
            let second = only.split_off(at);
            parts.push(second);
        }
    }
    parts
}

/// A piece of a batch in the making.
struct Draft {
    id: BatchId,
    rows: u64,
    encoding: i16,
    payload: Bytes,
    parts: Vec<Part>,
    identities: Vec<(uuid::Uuid, i64)>,
}

impl Draft {
    async fn new<R: Row>(
        cx: &SystemCx,
        id: BatchId,
        rows: Vec<R>,
        months: &HashMap<TenantId, journal::Month>,
    ) -> Result<Self> {
        let mut parts: BTreeMap<TenantId, Part> = BTreeMap::new();
        let tenants: BTreeSet<TenantId> = rows.iter().map(R::tenant).collect();
        let sequences = journal::part_sequences(cx, tenants.len()).await?;
        for (tenant, sequence) in tenants.into_iter().zip(sequences) {
            let month = months.get(&tenant);
            let month = month.ok_or_else(|| Error::internal("a batch without a tenant's part"))?;
            parts.insert(tenant, Part::new(tenant, month.part(sequence)));
        }
        let mut identities = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(part) = parts.get_mut(&row.tenant()) {
                part.add(row.identity(), row.at(), row.amounts());
                // A correction is of a rollup that came in another batch.
                if row.accounted().records > 0 {
                    identities.push((row.identity(), part.number));
                }
            }
        }
        Ok(Self {
            id,
            rows: rows.len() as u64,
            encoding: R::ENCODING,
            payload: R::encode(&rows),
            parts: parts.into_values().collect(),
            identities,
        })
    }

    fn piece(&self, apply_by: DateTime<Utc>, received_at: DateTime<Utc>) -> Piece<'_> {
        Piece {
            batch: NewBatch {
                id: self.id,
                rows: self.rows,
                encoding: self.encoding,
                payload: &self.payload,
                apply_by,
                parts: &self.parts,
            },
            identities: self.identities.clone(),
            received_at,
        }
    }
}
