//! Notifications: what the caller is told.

mod mutation;
mod query;
mod types;

pub(crate) use mutation::NotificationMutation;
pub(crate) use query::NotificationList;
pub(crate) use types::Notification;
