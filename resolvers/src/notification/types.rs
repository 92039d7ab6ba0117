//! `Notification`.

use async_graphql::{ID, Object};
use domain::notification;
use schema::{error::ErrorCode, notification::NotificationKind, scalar::DateTime};

use crate::{
    connection::plain,
    written::{Selected, Step, Written, columns, id},
};

/// What the caller is told: that something has ended which takes long.
pub(crate) struct Notification(notification::Notification);

/// What the caller is told: that something has ended which takes long.
#[Object]
impl Notification {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Global id of what it is about: `node` finds it, while it is there. Of `EXPORT_COMPLETE` and `EXPORT_FAILED` an `Export`.
    async fn object_id(&self) -> ID {
        self.0.object().into()
    }

    #[graphql(flatten)]
    async fn columns(&self) -> NotificationColumns<'_> {
        NotificationColumns(self)
    }
}

columns! {
    NotificationColumns of Notification {
        /// What is told.
        kind: NotificationKind = |it| it.0.kind.into();
        /// What it is about, by its name.
        name: &str = |it| &it.0.name;
        /// Why it came to nothing; null unless it did.
        code: Option<ErrorCode> = |it| it.0.code.map(Into::into);
        /// When it happened.
        created_at: DateTime = |it| it.0.created_at.into();
        /// When it was marked as read; null before.
        read_at: Option<DateTime> = |it| it.0.read_at.map(Into::into);
    }
}

impl Written for Notification {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(id(|it: &Self| it.0.id)),
            "objectId" => Some(id(|it: &Self| it.0.object())),
            _ => NotificationColumns::step(field),
        }
    }
}

impl From<notification::Notification> for Notification {
    fn from(notification: notification::Notification) -> Self {
        Self(notification)
    }
}

plain!(Notification: notification::Notification);
