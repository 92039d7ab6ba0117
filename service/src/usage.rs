//! Usage questions.

use std::collections::HashMap;

use analytics::usage::{CubeQuery, Dimension, Inventory, Key, Parents, Span, UsageAnswer};
use domain::{ReadCx, Result, journal, usage::Grain};
use futures::future::try_join;

use crate::Session;

impl Session {
    /// Usage of all that the caller may see.
    ///
    /// # Errors
    /// `FORBIDDEN` when usage is closed to the caller, `NOT_EXACT` when no table answers exactly.
    pub async fn usage(&self, query: &CubeQuery) -> Result<UsageAnswer> {
        let cx = self.read().await?;
        let inventory = inventory(&cx, query, None).await?;
        let asked = self
            .store()
            .usage(self.scope(), query, &inventory, cx.now());
        let (answer, ()) = try_join(asked, note(&cx, query)).await?;
        Ok(answer)
    }

    /// Usage of each of the objects `ids` of one kind, within what the caller may see.
    ///
    /// # Errors
    /// Those of [`Session::usage`].
    pub async fn usage_by(
        &self,
        query: &CubeQuery,
        parent: Dimension,
        ids: &[Key],
    ) -> Result<HashMap<Key, UsageAnswer>> {
        let cx = self.read().await?;
        let inventory = inventory(&cx, query, Some(parent)).await?;
        let parents = Parents {
            dimension: parent,
            ids,
        };
        let asked = self
            .store()
            .usage_by(self.scope(), query, parents, &inventory, cx.now());
        let (answers, ()) = try_join(asked, note(&cx, query)).await?;
        Ok(answers)
    }
}

/// Notes what an answer of the cubes stands on. They are asked when there is a snapshot that says how they stand.
async fn note(cx: &ReadCx, query: &CubeQuery) -> Result<()> {
    if let Span::Preset(_) = query.period {
        // It means something else when the next hour begins.
        if let Some(hour) = query.time_zone.bucket(Grain::Hour, cx.now()) {
            cx.only_until(hour.to());
        }
    }
    journal::note_cubes(cx).await
}

/// What a question needs to know of SIMs and devices.
async fn inventory(_: &ReadCx, _: &CubeQuery, _: Option<Dimension>) -> Result<Inventory> {
    Ok(Inventory::default())
}
