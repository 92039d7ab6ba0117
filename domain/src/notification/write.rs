//! How notifications are marked as read.

use std::collections::HashMap;

use super::{Notification, NotificationCondition, NotificationError};
use crate::{
    ReadCx, Result, WriteCx, change::Change, filter::Filter, id::NotificationId, list, sql::uuids,
};

/// Which of the caller's notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// These.
    Ids(Vec<NotificationId>),
    /// All that there are.
    All,
}

/// How many of the caller's notifications are still to be read.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn unread(cx: &ReadCx) -> Result<u64> {
    let filter = Filter::Is(NotificationCondition::Unread(true));
    list::count::<Notification>(cx, &filter).await
}

/// Marks notifications of the caller as read; how many are still to be read. One that was read before stays as it is.
///
/// # Errors
/// `NOT_FOUND` when one of them is not the caller's: then none is marked.
pub async fn mark_read(cx: WriteCx, which: Which) -> Result<u64> {
    if let Some(()) = cx.earlier().await? {
        return unread(&cx).await;
    }
    let (tenant, subject) = (cx.scope().tenant().uuid(), cx.scope().actor().to_owned());
    let all = "UPDATE notification SET read_at = $3 WHERE tenant_id = $1 AND subject = $2 AND read_at IS NULL";
    let of_caller = [tenant.into(), subject.as_str().into(), cx.now().into()];
    let count = match which {
        Which::All => cx.execute(all, of_caller).await?,
        Which::Ids(ids) => {
            let found: HashMap<_, Notification> = list::by_ids(&cx, &ids).await?;
            if ids.iter().any(|id| !found.contains_key(id)) {
                return Err(NotificationError::NotFound.into());
            }
            let some = format!("{all} AND notification_id = ANY($4)");
            let ids = uuids(ids.into_iter().map(NotificationId::uuid));
            cx.execute(&some, of_caller.into_iter().chain([ids]))
                .await?
        }
    };
    let unread = unread(&cx).await?;
    cx.commit(Change::NotificationsRead { subject, count })
        .await?;
    Ok(unread)
}
