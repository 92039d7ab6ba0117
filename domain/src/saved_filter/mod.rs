//! Saved filters: which SIMs or devices are meant, kept under a name for the whole tenant.
//!
//! A list, a count or a cube that names one is asked what is saved at that moment; a cursor of what was saved before is refused.
//! What is saved may name customers, labels and SIMs of the whole tenant, so only those who see all of it use saved filters.

mod clause;
pub(crate) mod entity;
mod error;
mod filter;
mod model;
mod store;
mod write;

pub use clause::{Clause, Saved, plain, resolve};
pub use error::SavedFilterError;
pub use filter::{SavedFilterCondition, SavedFilterFilter, SavedFilterOrderField};
pub use model::{InventoryFilter, SavedFilter, SavedFilterKind};
pub use write::{SavedFilterPatch, create, delete, update};

use crate::{ReadCx, Result, id::SavedFilterId, list};

/// The saved filter with this id.
///
/// # Errors
/// `FORBIDDEN` without `SAVED_FILTERS_READ`, `NOT_FOUND` when the tenant has no such filter.
pub async fn get(cx: &ReadCx, id: SavedFilterId) -> Result<SavedFilter> {
    list::get(cx, id).await
}
