//! How filters are saved, changed and deleted.

use uuid::Uuid;

use super::{InventoryFilter, SavedFilter, SavedFilterError, store};
use crate::{
    Permission, Result, WriteCx, change::Change, id::SavedFilterId, list, text::is_trimmed,
};

fn check_name(name: &str) -> Result<(), SavedFilterError> {
    let fits = is_trimmed(name, 100);
    fits.then_some(()).ok_or(SavedFilterError::Name)
}

/// Saves a filter.
///
/// # Errors
/// `FORBIDDEN` without `SAVED_FILTERS_WRITE`; `LIMIT_EXCEEDED` for a filter that is too long; those of [`SavedFilterError`].
pub async fn create(cx: WriteCx, name: String, filter: InventoryFilter) -> Result<SavedFilter> {
    cx.scope().require(Permission::SavedFiltersWrite)?;
    if let Some(id) = cx.earlier().await? {
        return list::get(&cx, SavedFilterId::new(id)).await;
    }
    check_name(&name)?;
    let saved = SavedFilter {
        id: SavedFilterId::new(Uuid::now_v7()),
        name,
        filter: filter.simplified(),
        created_by: cx.scope().actor().to_owned(),
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    store::insert(&cx, &saved).await?;
    cx.commit(Change::SavedFilterCreated {
        saved: saved.id,
        name: saved.name.clone(),
    })
    .await?;
    Ok(saved)
}

/// What changes of a saved filter; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct SavedFilterPatch {
    /// Its name.
    pub name: Option<String>,
    /// What is saved, of the same kind.
    pub filter: Option<InventoryFilter>,
}

/// Changes a saved filter, for all who use it from their next request on.
///
/// # Errors
/// `FORBIDDEN` without `SAVED_FILTERS_WRITE`; `NOT_FOUND`; `LIMIT_EXCEEDED` for a filter that is too long; those of
/// [`SavedFilterError`].
pub async fn update(
    cx: WriteCx,
    id: SavedFilterId,
    patch: SavedFilterPatch,
) -> Result<SavedFilter> {
    cx.scope().require(Permission::SavedFiltersWrite)?;
    if let Some(()) = cx.earlier().await? {
        return list::get(&cx, id).await;
    }
    store::lock(&cx, id).await?;
    let mut saved: SavedFilter = list::get(&cx, id).await?;
    let mut fields = Vec::new();
    if let Some(name) = patch.name {
        check_name(&name)?;
        saved.name = name;
        fields.push("name");
    }
    if let Some(filter) = patch.filter {
        let kind = saved.filter.kind();
        if filter.kind() != kind {
            return Err(SavedFilterError::KindStays(kind).into());
        }
        saved.filter = filter.simplified();
        fields.push("filter");
    }
    saved.updated_at = cx.now();
    store::update(&cx, &saved).await?;
    cx.commit(Change::SavedFilterUpdated { saved: id, fields })
        .await?;
    Ok(saved)
}

/// Deletes a saved filter. Whoever names it afterwards meets `NOT_FOUND`.
///
/// # Errors
/// `FORBIDDEN` without `SAVED_FILTERS_WRITE`, `NOT_FOUND`.
pub async fn delete(cx: WriteCx, id: SavedFilterId) -> Result<()> {
    cx.scope().require(Permission::SavedFiltersWrite)?;
    if let Some(()) = cx.earlier().await? {
        return Ok(());
    }
    store::lock(&cx, id).await?;
    let saved: SavedFilter = list::get(&cx, id).await?;
    store::delete(&cx, id).await?;
    let name = saved.name;
    cx.commit(Change::SavedFilterDeleted { saved: id, name })
        .await
}
