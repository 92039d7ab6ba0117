//! What notifications can be asked for and sorted by.

use strum::{AsRefStr, EnumMessage, VariantArray};

use super::NotificationKind;
use crate::{
    filter::Filter,
    id::NotificationId,
    list::SortColumn,
    sql::{Sql, texts, uuids},
};

/// Which notifications.
pub type NotificationFilter = Filter<NotificationCondition>;

/// One condition on a notification. An empty list is met by none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NotificationCondition {
    /// One of these.
    Ids(Vec<NotificationId>),
    /// Of one of these kinds.
    Kinds(Vec<NotificationKind>),
    /// Whether it is still to be read.
    Unread(bool),
}

/// What notifications can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationOrderField {
    /// Time at which it happened.
    #[default]
    CreatedAt,
}

pub(super) fn push(sql: &mut Sql, condition: &NotificationCondition) {
    match condition {
        NotificationCondition::Ids(ids) => {
            sql.push_any(
                "notification.notification_id",
                uuids(ids.iter().map(|id| id.uuid())),
            );
        }
        NotificationCondition::Kinds(kinds) => sql.push_any("notification.kind", texts(kinds)),
        NotificationCondition::Unread(yes) => sql.push_is_null("notification.read_at", *yes),
    }
}

pub(super) fn column(field: NotificationOrderField) -> SortColumn {
    match field {
        NotificationOrderField::CreatedAt => SortColumn::moment("notification.created_at"),
    }
}
