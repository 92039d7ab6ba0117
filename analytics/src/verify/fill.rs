//! Filling the small cubes of a store that had usage before it had them.
//!
//! Their views bring what is inserted from the moment on at which they are there. What was there before is entered like any
//! other correction, from the full cubes, so it may be broken off and done again, and counts once.

use chrono::{DateTime, Utc};
use domain::Result;

use super::{Corrected, Permit, Table, rows::Where, tables::around};
use crate::{
    Store, System,
    cube::{Cube, Level},
    family::Family,
    store::fault,
};

impl Store {
    /// Whether the small cubes have what was there before them.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn is_filled(&self, _: &System) -> Result<bool> {
        let notes: u64 = self
            .query("SELECT count() FROM usage_small_filled")
            .fetch_one()
            .await
            .map_err(fault)?;
        Ok(notes > 0)
    }

    /// Makes the small cubes of the month around a moment, and of its year, equal to the full ones, for all tenants. Doing it
    /// again enters nothing.
    ///
    /// # Errors
    /// As [`Store::correct`].
    pub async fn fill(
        &self,
        system: &System,
        month: DateTime<Utc>,
        permit: &impl Permit,
    ) -> Result<Corrected> {
        let condition = Where {
            tenant: None,
            period: around(Level::Day, month)?,
            sims: None,
            kept: None,
        };
        let mut filled = Corrected::default();
        for cube in Cube::ALL {
            if let (Cube::Small(_), Table::Cube(_)) = (cube, Table::finer(cube)) {
                filled += self
                    .correct_where(system, Family::Cdr, cube, &condition, permit)
                    .await?;
            }
        }
        Ok(filled)
    }

    /// Says that the small cubes have everything, for good.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn set_filled(&self, _: &System) -> Result<()> {
        self.execute("INSERT INTO usage_small_filled (at) VALUES (now64(6))")
            .await
    }
}
