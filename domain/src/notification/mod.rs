//! Notifications: what somebody is told, for as long as it may matter to them.
//!
//! A notification is written in the transaction in which happens what it tells, so that there is one for each, and it says of which object
//! it is: another kind of news is another [`NotificationKind`]. It is the subject's own. Whoever sends mail one day reads it here.

mod error;
mod filter;
mod model;
mod store;
mod work;
mod write;

pub use error::NotificationError;
pub use filter::{NotificationCondition, NotificationFilter, NotificationOrderField};
pub use model::{Notification, NotificationKind};
pub(crate) use work::of_jobs;
pub use work::sweep;
pub use write::{Which, mark_read, unread};

use crate::{ReadCx, Result, id::NotificationId, list};

/// The notification with this id.
///
/// # Errors
/// `NOT_FOUND` when the caller was told no such thing.
pub async fn get(cx: &ReadCx, id: NotificationId) -> Result<Notification> {
    list::get(cx, id).await
}
