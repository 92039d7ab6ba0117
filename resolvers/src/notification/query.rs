//! Queries about notifications.

use schema::notification::{NotificationFilter, NotificationOrder};

use super::Notification;
use crate::connection::list_query;

list_query! {
    /// What the caller is told, latest first: of the last 90 days. It is found by the token's subject.
    NotificationList: notifications(NotificationFilter, NotificationOrder) -> Notification
}
