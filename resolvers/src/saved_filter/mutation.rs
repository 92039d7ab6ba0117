//! Changes of saved filters.

use async_graphql::{Context, ID, Object, SimpleObject};
use domain::{Error, saved_filter};
use schema::{
    parse_id_in,
    saved_filter::{CreateSavedFilterInput, DeleteSavedFilterInput, UpdateSavedFilterInput},
};

use super::SavedFilter;
use crate::{
    request::write,
    user_error::{UserError, outcome},
};

/// Changes of saved filters.
#[derive(Default)]
pub(crate) struct SavedFilterMutation;

/// What a change of a saved filter came to.
#[derive(SimpleObject)]
pub(crate) struct SavedFilterPayload {
    /// The saved filter after the change; null when it was not made.
    saved_filter: Option<SavedFilter>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

impl SavedFilterPayload {
    fn of(
        result: domain::Result<saved_filter::SavedFilter>,
    ) -> async_graphql::Result<Option<Self>> {
        let (saved, user_errors) = outcome(result)?;
        Ok(Some(Self {
            saved_filter: saved.map(Into::into),
            user_errors,
        }))
    }
}

/// Result of `deleteSavedFilter`.
#[derive(SimpleObject)]
pub(crate) struct DeleteSavedFilterPayload {
    /// The saved filter that is gone; null when it is not.
    saved_filter_id: Option<ID>,
    /// Why it is not.
    user_errors: Vec<UserError>,
}

#[Object]
impl SavedFilterMutation {
    /// Saves a filter of SIMs or devices. Needs `SAVED_FILTERS_WRITE`.
    async fn create_saved_filter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The filter and its name.")] input: CreateSavedFilterInput,
    ) -> async_graphql::Result<Option<SavedFilterPayload>> {
        let change = async {
            let filter = input.filter.try_into();
            let filter = filter.map_err(|error: Error| error.at("filter"))?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            saved_filter::create(cx, input.name, filter).await
        };
        SavedFilterPayload::of(change.await)
    }

    /// Changes a saved filter, for all that name it. Needs `SAVED_FILTERS_WRITE`.
    async fn update_saved_filter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateSavedFilterInput,
    ) -> async_graphql::Result<Option<SavedFilterPayload>> {
        let change = async {
            let id = parse_id_in("saved_filter_id", &input.saved_filter_id)?;
            let key = input.idempotency_key.clone();
            let patch = input.patch()?;
            let cx = write(ctx, key.as_deref()).await?;
            saved_filter::update(cx, id, patch).await
        };
        SavedFilterPayload::of(change.await)
    }

    /// Deletes a saved filter. Whoever names it afterwards meets `NOT_FOUND`. Needs `SAVED_FILTERS_WRITE`.
    async fn delete_saved_filter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The saved filter.")] input: DeleteSavedFilterInput,
    ) -> async_graphql::Result<Option<DeleteSavedFilterPayload>> {
        let change = async {
            let id = parse_id_in("saved_filter_id", &input.saved_filter_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            saved_filter::delete(cx, id).await
        };
        let (gone, user_errors) = outcome(change.await)?;
        Ok(Some(DeleteSavedFilterPayload {
            saved_filter_id: gone.map(|()| input.saved_filter_id),
            user_errors,
        }))
    }
}
