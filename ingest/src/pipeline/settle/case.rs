//! A batch that is being settled: its rows, and what of them is in the records.

use analytics::settle::Found;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Result, SystemCx,
    journal::{self, Pending},
};

use super::{super::Inner, Settled};
use crate::{kind::Row, standstill::StandStill};

/// A batch that is being settled.
pub(super) struct Case<R> {
    pub(super) pending: Pending,
    pub(super) rows: Vec<R>,
    /// Rows that are not in the records, by their places.
    pub(super) missing: Vec<usize>,
    /// Rows that are not in the records, and so old that they may have expired.
    pub(super) doubtful: Vec<usize>,
    /// What is inserted again has at least this deadline: later than anything that was removed.
    pub(super) not_before: DateTime<Utc>,
}

impl Inner {
    /// The rows of a batch; none of one that cannot be settled here.
    pub(super) async fn load<R: Row>(
        &self,
        cx: &SystemCx,
        pending: &Pending,
        settled: &mut Settled,
    ) -> Result<Option<Vec<R>>> {
        let rows = match journal::payload(cx, pending.batch).await {
            Ok(None) => return Ok(None),
            // Written by a newer program, which will settle it.
            Ok(Some(payload)) if payload.encoding > R::ENCODING => {
                settled.waiting += 1;
                return Ok(None);
            }
            Ok(Some(payload)) => R::decode(payload.encoding, Bytes::from(payload.bytes)),
            Err(error) => Err(error),
        };
        match rows {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.code() != Code::Internal => Err(error),
            // It is damaged, and must not keep the others waiting.
            Err(error) => {
                let reason = error.cause().unwrap_or_default();
                tracing::error!(batch = %pending.batch, reason, "a batch is quarantined");
                journal::quarantine(cx, pending.batch, &reason).await?;
                settled.quarantined += 1;
                Ok(None)
            }
        }
    }

    /// Step 3.
    pub(super) async fn look_up<R: Row>(
        &self,
        still: &StandStill,
        pending: Pending,
        rows: Vec<R>,
        settled: &mut Settled,
    ) -> Result<Case<R>> {
        let Found {
            missing,
            surplus,
            apply_by,
        } = self.store.look_up(&still.system(), &rows).await?;
        let may_expire =
            |at: &usize| rows[*at].at() < still.whole_from(R::KIND, rows[*at].tenant());
        // Copies that are about to expire are left: who takes them out could not put one back without counting it again.
        let (copies, surplus): (Vec<usize>, Vec<usize>) = surplus.into_iter().partition(may_expire);
        let (doubtful, missing): (Vec<usize>, Vec<usize>) = missing
            .into_iter()
            .filter(|at| !copies.contains(at))
            .partition(may_expire);
        let case = Case {
            pending,
            rows,
            missing,
            doubtful,
            not_before: apply_by + TimeDelta::seconds(1),
        };
        if !surplus.is_empty() {
            self.remove_rows(still, &case, surplus.iter()).await?;
            settled.surplus += surplus.len() as u64;
        }
        Ok(case)
    }

    pub(super) async fn remove_rows<R: Row>(
        &self,
        still: &StandStill,
        case: &Case<R>,
        places: impl Iterator<Item = &usize>,
    ) -> Result<()> {
        let rows: Vec<&R> = places.map(|at| &case.rows[*at]).collect();
        self.store
            .remove_rows(&still.system(), &rows, case.not_before, still)
            .await
    }
}
