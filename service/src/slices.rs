//! Questions that need more SIMs or devices than travel to the cubes at once: as a page they are refused, as a file they are answered by
//! slices ([`UsageFile::read`]), all of which read one snapshot of Postgres.

use std::sync::Arc;

use analytics::usage::{CubeQuery, UsageFile, UsageLimits};
use domain::{
    Code, Error, Permission, ReadCx, Result,
    slice::{Extent, Of, Slice},
};

use crate::usage::inventory;

/// Whether something is refused because more than so many SIMs or devices matter.
pub(crate) fn is_too_much(refusal: &Error, most: usize) -> bool {
    let limit = refusal.details().and_then(|details| details.limit);
    refusal.code() == Code::LimitExceeded && limit == Some(most as u64)
}

/// The refusal of a question for which more than so many matter, with the other way besides a narrower one: a file of it, or of what of
/// it slices can answer.
pub(crate) fn or_a_file(refusal: Error, query: &CubeQuery, most: usize) -> Error {
    if !is_too_much(&refusal, most) {
        return refusal;
    }
    let narrower = refusal.details().and_then(|it| it.suggestion.as_deref());
    let narrower = narrower.unwrap_or("narrow the question");
    let without = query
        .unsliceable()
        .map_or(String::new(), |what| format!(" without {what}"));
    let suggestion = format!(
        "{narrower}, or ask for a file of the question{without} (createExport, POST /api/v1/usage), which has no such limit"
    );
    refusal.suggest(suggestion)
}

/// What the slices of a caller are of. Where SIMs are closed to it, nothing counts SIMs and nothing of them travels.
pub(crate) fn of(cx: &ReadCx) -> Of {
    if cx.scope().may(Permission::SimsRead) {
        Of::Sims
    } else {
        Of::Devices
    }
}

/// The slices of a question that were not read yet.
pub(crate) struct Slices {
    cx: Arc<ReadCx>,
    query: CubeQuery,
    /// Most SIMs or devices that travel at once.
    most: usize,
    /// The next one comes last. Beside each is how many SIMs or devices of it the caller sees at most.
    left: Vec<(Slice, usize)>,
    count: usize,
}

impl Slices {
    /// Those of a question that is asked in this snapshot.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when there are too many.
    pub(crate) async fn of(cx: Arc<ReadCx>, query: CubeQuery, most: usize) -> Result<Self> {
        let of = of(&cx);
        let mut slices = Self {
            cx,
            query,
            most,
            left: Vec::new(),
            count: 0,
        };
        slices.cut(Slice::whole(of), most).await?;
        Ok(slices)
    }

    async fn cut(&mut self, slice: Slice, every: usize) -> Result<()> {
        const MOST: usize = UsageLimits::SLICES;
        let parts = slice.cut(&self.cx, every, MOST).await?;
        self.count += parts.len();
        if self.count > MOST {
            let text = format!("a file takes more than {MOST} slices of the fleet");
            let refusal = Error::limit(text, MOST as u64, self.count as u64);
            return Err(refusal.suggest("narrow the question"));
        }
        self.left
            .extend(parts.into_iter().rev().map(|part| (part, every)));
        Ok(())
    }

    /// Reads all of them. One for which too much matters all the same, because its SIMs were in many devices, is cut again.
    ///
    /// # Errors
    /// Those of [`inventory`] and [`UsageFile::read`].
    pub(crate) async fn read(&mut self, file: &mut UsageFile) -> Result<()> {
        while let Some((slice, every)) = self.left.last().copied() {
            let extent = Extent {
                most: self.most,
                slice: Some(slice),
            };
            match inventory(&self.cx, &self.query, None, extent).await {
                Err(refusal) if every > 1 && is_too_much(&refusal, self.most) => {
                    self.left.pop();
                    self.count -= 1;
                    self.cut(slice, every / 2).await?;
                }
                found => {
                    file.read(&found?).await?;
                    self.left.pop();
                }
            }
        }
        Ok(())
    }
}
