//! Changes of notifications.

use async_graphql::{Context, Object, SimpleObject};
use domain::notification;
use schema::{notification::MarkNotificationsReadInput, scalar::int};

use crate::{
    request::write,
    user_error::{UserError, outcome},
};

/// Changes of notifications.
#[derive(Default)]
pub(crate) struct NotificationMutation;

/// Result of `markNotificationsRead`.
#[derive(SimpleObject)]
pub(crate) struct MarkNotificationsReadPayload {
    /// How many of the caller's are still to be read; null when none was marked.
    unread: Option<i32>,
    /// Why none was marked.
    user_errors: Vec<UserError>,
}

#[Object]
impl NotificationMutation {
    /// Marks notifications of the caller as read. One that was read before stays as it is.
    async fn mark_notifications_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: MarkNotificationsReadInput,
    ) -> async_graphql::Result<Option<MarkNotificationsReadPayload>> {
        let change = async {
            let which = input.which()?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            notification::mark_read(cx, which).await
        };
        let (unread, user_errors) = outcome(change.await)?;
        Ok(Some(MarkNotificationsReadPayload {
            unread: unread.map(int),
            user_errors,
        }))
    }
}
